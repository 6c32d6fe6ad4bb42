import base64

import pytest
from pydantic import ValidationError
from tests.unit.config.loading import PASSWORD, complaint, environment

from longshore.config import Settings, load

DATABASE = "use postgresql://user:password@host/database or sqlite:///path/to/file, or leave it empty"
WEB_ADDRESS = "use http://host/path or https://host/path"
WEBHOOK_SECRET = "use whsec_ and 24 to 64 bytes in Base64"
SIGNING_KEYS = "use name:base64, of 32 bytes or more, several separated by commas"
KEY = base64.b64encode(b"k" * 32).decode()
OTHER_KEY = base64.urlsafe_b64encode(b"\xff" * 48).decode()


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (f"mysql://u:{PASSWORD}@h/d", "mysql://..."),
        (f"postgresql+asyncpg://u:{PASSWORD}@h/d", "postgresql+asyncpg://..."),
        (f"postgresql://u:{PASSWORD}/x@h/d", "postgresql://..."),
        (f"postgresql://u:{PASSWORD}@h:port/d", "postgresql://..."),
        (f"host=h password={PASSWORD}", "..."),
        ("sqlite://", "sqlite://..."),
        ("sqlite:///:memory:", "sqlite://..."),
    ],
)
def test_a_wrong_database_address_is_not_repeated(monkeypatch: pytest.MonkeyPatch, written: str, shown: str) -> None:
    environment(monkeypatch, {"DATABASE_URL": written})
    assert complaint() == f"LONGSHORE_DATABASE_URL='{shown}' is not valid: {DATABASE}"
    with pytest.raises(ValidationError) as caught:
        Settings()
    assert PASSWORD not in str(caught.value)


def test_a_password_in_the_databases_address_is_shown_by_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"postgresql://u:{PASSWORD}@h/d"
    settings = load(database_url=url)
    assert PASSWORD in settings.sqlalchemy_url()
    assert_shown_by_nothing(settings, PASSWORD)
    environment(monkeypatch, {"PUBLIC_URL": url, "HOST": url, "CORS_ORIGINS": url, "JWT_ISSUER": f"\n{url}\n"})
    assert PASSWORD not in complaint()


def assert_shown_by_nothing(settings: Settings, secret: str) -> None:
    for shown in (repr(settings), str(settings), str(settings.model_dump()), settings.model_dump_json()):
        assert secret not in shown


@pytest.mark.parametrize(
    ("name", "written", "secret"),
    [
        ("ADMIN_PASSWORD", PASSWORD, PASSWORD),
        ("SIGNING_KEYS", f"a:{KEY}, b:{OTHER_KEY}", KEY),
        ("JWT_PUBLIC_KEY", f"/run/{PASSWORD}.pem", PASSWORD),
        ("JWT_JWKS_URL", f"https://u:{PASSWORD}@id.example/jwks", PASSWORD),
        ("WEBHOOK_URL", f"https://example.org/hooks/{PASSWORD}?key={PASSWORD}", PASSWORD),
        ("WEBHOOK_SECRET", f"whsec_{KEY}", KEY),
    ],
)
def test_a_secret_is_taken_and_shown_by_nothing(
    monkeypatch: pytest.MonkeyPatch, name: str, written: str, secret: str
) -> None:
    environment(monkeypatch, {name: written})
    settings = Settings()
    assert getattr(settings, name.lower()).get_secret_value() == written
    assert_shown_by_nothing(settings, secret)
    environment(monkeypatch, {"PORT": "wrong"})
    assert secret not in complaint()


def test_a_password_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    environment(monkeypatch, {"ADMIN_PASSWORD": "  four spaces  "})
    assert load().admin_password.get_secret_value() == "  four spaces  "


@pytest.mark.parametrize(
    ("name", "written", "shown", "advice"),
    [
        ("ADMIN_PASSWORD", "s3cr3t!", "...", "use 8 to 1024 characters"),
        ("ADMIN_PASSWORD", PASSWORD + "\udcff", "...", "use 8 to 1024 characters"),
        ("ADMIN_PASSWORD", PASSWORD * 200, "...", "use 8 to 1024 characters"),
        *(
            ("SIGNING_KEYS", bad, "...", SIGNING_KEYS)
            for bad in (
                KEY,
                f"a:{KEY[:-4]}",
                f"a:{base64.b64encode(b'short').decode()}",
                f"a b:{KEY}",
                f":{KEY}",
                f"a:{KEY},",
                f"a:{KEY},a:{OTHER_KEY}",
                f"a:{PASSWORD}",
            )
        ),
        *(
            ("WEBHOOK_SECRET", bad, "...", WEBHOOK_SECRET)
            for bad in (KEY, "whsec_", f"whsec_{PASSWORD}", f"whsec_{KEY[:-2]}*=", f"WHSEC_{KEY}", f"whsec_{KEY[:28]}")
        ),
        ("WEBHOOK_SECRET", f"whsec_{base64.b64encode(b'k' * 65).decode()}", "...", WEBHOOK_SECRET),
        *(
            (name, bad, shown, WEB_ADDRESS)
            for name in ("WEBHOOK_URL", "JWT_JWKS_URL")
            for bad, shown in (
                (f"example.org/{PASSWORD}", "..."),
                (f"ftp://u:{PASSWORD}@example.org", "ftp://..."),
                (f"https:///{PASSWORD}", "https://..."),
                (f"https://u:{PASSWORD}/x@example.org", "https://..."),
                (f"https://[{PASSWORD}/", "https://..."),
                (f"https://example.org/{PASSWORD} x", "https://..."),
                (f"https://example.org/#{PASSWORD}", "https://..."),
            )
        ),
    ],
)
def test_a_wrong_secret_is_not_repeated(
    monkeypatch: pytest.MonkeyPatch, name: str, written: str, shown: str, advice: str
) -> None:
    environment(monkeypatch, {name: written})
    assert complaint() == f"LONGSHORE_{name}={shown!r} is not valid: {advice}"
    with pytest.raises(ValidationError) as caught:
        Settings()
    text = str(caught.value)
    assert written not in text
    assert PASSWORD not in text
    assert KEY not in text
