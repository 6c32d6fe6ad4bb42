import logging
import subprocess
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError
from tests.unit.config.loading import PASSWORD, SECRETS, complaint, environment

from longshore.config import Settings, SettingsError, load, prepare_data_dir, settings_table

README = Path(__file__).parents[3] / "README.md"


def test_defaults() -> None:
    settings = load()
    secrets = {name for name, field in Settings.model_fields.items() if field.annotation is SecretStr}
    assert secrets == SECRETS
    assert {getattr(settings, name).get_secret_value() for name in secrets} == {""}
    assert settings.model_dump(exclude=secrets) == {
        "host": "127.0.0.1",
        "port": 8000,
        "data_dir": Path("data"),
        "auth": "local",
        "registration": "off",
        "visibility": "shared",
        "access_token_ttl": timedelta(minutes=15),
        "refresh_token_ttl": timedelta(days=30),
        "login_attempts": 10,
        "login_window": 300.0,
        "jwt_issuer": "",
        "jwt_audience": "",
        "jwt_algorithms": ("RS256", "ES256", "EdDSA"),
        "jwt_roles_claim": "roles",
        "jwt_admin_role": "longshore-admin",
        "jwt_leeway": 30.0,
        "public_url": None,
        "base_path": "/files",
        "max_size": None,
        "max_metadata_size": 8192,
        "allowed_extensions": (),
        "format_rules": "",
        "inspect_size": 65_536,
        "quota_daily": 10_000_000_000,
        "quota_monthly": 100_000_000_000,
        "quota_stored": None,
        "quota_unfinished": None,
        "hooks": (),
        "hook_timeout": 10.0,
        "webhook_events": ("post-create", "post-finish", "post-terminate", "post-expire", "post-reject"),
        "webhook_allow_private": False,
        "webhook_timeout": 10.0,
        "webhook_on_failure": "refuse",
        "webhook_forward_headers": (),
        "event_retention": timedelta(days=30),
        "subscribers": 10_000,
        "subscribers_per_user": 100,
        "unfinished_ttl": timedelta(days=7),
        "finished_ttl": None,
        "sweep_interval": 60.0,
        "socket_bodies": True,
        "buffer_memory": 64 * 1024**2,
        "fsync": "finish",
        "checksum": "sha256",
        "disk_reserve": 8 * 1024**2,
        "checkpoint_interval": 1.0,
        "body_idle_timeout": 60.0,
        "lock_timeout": 10.0,
        "stall_threshold": 0.5,
        "grace_period": 10.0,
        "cors_origins": ("*",),
        "log_level": "info",
        "log_format": "console",
        "access_log": False,
        "metrics": "admin",
        "admin_panel": True,
        "web_client": True,
    }


def test_an_option_wins_over_the_environment_over_the_file_over_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load().port == 8000
    Path(".env").write_text("LONGSHORE_PORT=1\nOTHER=x\n")
    assert load().port == 1
    environment(monkeypatch, {"PORT": "2"})
    assert load(port=None).port == 2
    assert load(port="3").port == 3


def test_the_error_names_the_source_that_was_used(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("LONGSHORE_PORT=one\n")
    assert complaint() == "LONGSHORE_PORT='one' in .env is not valid: use a number from 0 to 65535"
    monkeypatch.setenv("longshore_port", "two")
    assert complaint() == "longshore_port='two' is not valid: use a number from 0 to 65535"
    assert complaint(port="99999") == "--port=99999 is not valid: use a number from 0 to 65535"


def test_several_errors_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    environment(monkeypatch, {"FSYNC": "so\nme", "ACCESS_LOG": "x" * 1000, "JWT_ISSUER": "two\nlines"})
    line = complaint(port="no")
    assert line.count("; ") == 3
    assert line.endswith("is not valid: use true or false")
    assert line.isprintable()
    assert len(line) < 500


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("LONGSHORE_PORT=\n")
    environment(monkeypatch, {"FSYNC": "", "PORT": ""})
    assert load() == Settings()


def test_an_option_that_is_no_setting_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(TypeError, match="prot"):
        load(prot=1)


def test_unknown_variables_are_warned_of_by_name_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    environment(monkeypatch, {"SERVICE_HOST": "10.0.0.1", "MAXSIZE": PASSWORD})
    Path(".env").write_text("LONGSHORE_FSYNK=never\nUNRELATED=1\n")
    with caplog.at_level(logging.WARNING):
        load()
    assert caplog.messages == [
        "LONGSHORE_FSYNK is not a setting and is ignored; did you mean LONGSHORE_FSYNC?",
        "LONGSHORE_MAXSIZE is not a setting and is ignored; did you mean LONGSHORE_MAX_SIZE?",
        "LONGSHORE_SERVICE_HOST is not a setting and is ignored",
    ]


def test_the_port_that_kubernetes_sets_for_a_service_called_longshore_is_not_ours(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    environment(monkeypatch, {"PORT": "tcp://10.96.0.7:80"})
    assert load().port == 8000
    assert caplog.messages == ["LONGSHORE_PORT was set by Kubernetes for a service of that name and is ignored"]


def test_an_env_file_that_cannot_be_read() -> None:
    Path(".env").write_bytes(b"LONGSHORE_HOST=\xff\n")
    assert complaint() == ".env cannot be read (it is not UTF-8): make it readable, or remove it"


@pytest.mark.parametrize(
    ("written", "url", "embedded"),
    [
        ("", "sqlite:///{cwd}/data/longshore.db", True),
        ("sqlite:////srv/x.db", "sqlite:////srv/x.db", True),
        ("sqlite:///x.db", "sqlite:///x.db", True),
        ("postgres://u:p@h/d", "postgresql+psycopg://u:p@h/d", False),
        ("postgresql://u:p@h:5432/d?sslmode=require", "postgresql+psycopg://u:p@h:5432/d?sslmode=require", False),
        ("postgresql+psycopg:///d?host=/run", "postgresql+psycopg:///d?host=/run", False),
    ],
)
def test_the_databases_address(tmp_path: Path, written: str, url: str, embedded: bool) -> None:
    settings = load(database_url=written)
    assert settings.sqlalchemy_url() == url.format(cwd=tmp_path)
    assert settings.embedded is embedded


EXTERNAL = {"JWT_ISSUER": "https://id.example", "JWT_AUDIENCE": "longshore"}
JWKS_URL = "https://id.example/jwks"
NEEDS_AUDIENCE = "LONGSHORE_JWT_ISSUER needs LONGSHORE_JWT_AUDIENCE: tokens made for others must not be accepted"
NEEDS_KEYS = "LONGSHORE_JWT_ISSUER needs one of LONGSHORE_JWT_PUBLIC_KEY and LONGSHORE_JWT_JWKS_URL"
NEEDS_ISSUER = "LONGSHORE_JWT_AUDIENCE, _JWT_PUBLIC_KEY and _JWT_JWKS_URL mean nothing without LONGSHORE_JWT_ISSUER"
EXTERNAL_NEEDS_ISSUER = "auth external needs LONGSHORE_JWT_ISSUER, LONGSHORE_JWT_AUDIENCE and its keys"


@pytest.mark.parametrize(
    ("variables", "line"),
    [
        ({"AUTH": "external"}, EXTERNAL_NEEDS_ISSUER),
        ({"JWT_ISSUER": "https://id.example", "JWT_JWKS_URL": JWKS_URL}, NEEDS_AUDIENCE),
        ({"JWT_ISSUER": "https://id.example"}, f"{NEEDS_AUDIENCE}; {NEEDS_KEYS}"),
        (EXTERNAL, NEEDS_KEYS),
        (EXTERNAL | {"AUTH": "external"}, NEEDS_KEYS),
        (EXTERNAL | {"JWT_JWKS_URL": JWKS_URL, "JWT_PUBLIC_KEY": "key.pem"}, NEEDS_KEYS),
        ({"JWT_AUDIENCE": "longshore"}, NEEDS_ISSUER),
        ({"JWT_PUBLIC_KEY": "key.pem"}, NEEDS_ISSUER),
        ({"JWT_JWKS_URL": JWKS_URL, "AUTH": "external"}, f"{EXTERNAL_NEEDS_ISSUER}; {NEEDS_ISSUER}"),
    ],
)
def test_settings_that_contradict_each_other(
    monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str], line: str
) -> None:
    environment(monkeypatch, variables)
    assert complaint() == line


@pytest.mark.parametrize("key", [{"JWT_JWKS_URL": JWKS_URL}, {"JWT_PUBLIC_KEY": "key.pem"}], ids=["jwks", "pem"])
@pytest.mark.parametrize("auth", ["local", "external", "none"])
def test_an_issuer_with_an_audience_and_one_source_of_keys_is_fine_with_every_auth(
    monkeypatch: pytest.MonkeyPatch, key: dict[str, str], auth: str
) -> None:
    environment(monkeypatch, EXTERNAL | key | {"AUTH": auth})
    settings = load()
    assert (settings.auth, settings.jwt_issuer, settings.jwt_audience) == (auth, "https://id.example", "longshore")


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        load().port = 1  # type: ignore[misc]


def test_every_setting_has_a_reason() -> None:
    for name, field in Settings.model_fields.items():
        assert ". " in (field.description or ""), name


def test_the_data_dir_is_made(tmp_path: Path) -> None:
    settings = load(data_dir=str(tmp_path / "a" / "b"))
    prepare_data_dir(settings)
    prepare_data_dir(settings)
    assert settings.uploads_dir == tmp_path / "a" / "b" / "uploads"
    assert list(settings.data_dir.iterdir()) == [settings.uploads_dir]
    assert not list(settings.uploads_dir.iterdir())


def test_a_data_dir_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError) as caught:
        prepare_data_dir(load(data_dir=tmp_path / "file" / "data"))
    assert str(caught.value) == (
        f"the data dir '{tmp_path}/file/data' cannot be used (Not a directory): use --data-dir or LONGSHORE_DATA_DIR to"
        " name a directory that this user may write to"
    )


def test_the_readme_lists_the_settings_as_they_are() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "longshore.config"], check=True, capture_output=True, text=True
    ).stdout
    _, _, rest = README.read_text().partition("<!-- settings:start -->\n")
    table, _, _ = rest.partition("<!-- settings:end -->")
    assert table == printed == f"{settings_table()}\n"
