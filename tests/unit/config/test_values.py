from datetime import timedelta
from pathlib import Path

import pytest
from tests.unit.config.loading import SECRETS, complaint, environment

from longshore.auth.public_keys import ALGORITHMS
from longshore.config import Settings, default, kinds, load
from longshore.config.values import JWT_ALGORITHMS, OWN_PATHS, WEBHOOK_EVENTS, written_duration, written_size
from longshore.hooks.formats.names import normal_extension

SIZES = "such as 500000, 64KiB, 10GB or 5GiB"
DURATIONS = "such as 30 (seconds), 90s, 15m, 12h or 7d"
BASE_URL = "use http://host or https://host, with port and path if need be, without user, query and fragment"
BASE_PATH = (
    "use a path such as /files, which starts with / and does not end with /, and neither is nor lies below one of"
    " /admin, /api, /assets, /auth, /docs, /events, /healthz, /metrics, /openapi.json, /readyz"
)
ORIGINS = "use * or scheme://host[:port], separated by commas, or none"
HOST = "use a host name or an IP address, such as localhost or 0.0.0.0"
EXTENSIONS = "use file name extensions such as .iso,.img,.csv, separated by commas, or none"
CLASSES = "use names of Python classes such as package.module.Class, separated by commas"
HEADERS = "use names of header fields, separated by commas, or none"
EVENTS = (
    "use all, or some of pre-create, post-create, post-receive, pre-finish, post-finish, pre-terminate,"
    " post-terminate, post-expire, post-reject, separated by commas"
)
ALGORITHM_NAMES = "use one or more of RS256, RS384, RS512, PS256, ES256, ES384, EdDSA, separated by commas"


@pytest.mark.parametrize(
    ("name", "written", "value"),
    [
        ("HOST", "::1", "::1"),
        ("HOST", " localhost ", "localhost"),
        ("HOST", "upload-1.example.org", "upload-1.example.org"),
        ("PORT", "0", 0),
        ("PORT", "65535", 65535),
        ("DATA_DIR", "/var/lib/longshore", Path("/var/lib/longshore")),
        ("AUTH", "None", "none"),
        ("AUTH", " LOCAL ", "local"),
        ("REGISTRATION", "Invite", "invite"),
        ("ACCESS_TOKEN_TTL", "90s", timedelta(seconds=90)),
        ("REFRESH_TOKEN_TTL", "12h", timedelta(hours=12)),
        ("LOGIN_ATTEMPTS", "3", 3),
        ("JWT_ALGORITHMS", "EdDSA, RS512,EdDSA", ("EdDSA", "RS512")),
        ("JWT_ROLES_CLAIM", " realm_access.roles ", "realm_access.roles"),
        ("JWT_LEEWAY", "0", 0.0),
        ("PUBLIC_URL", "https://example.org/", "https://example.org"),
        ("PUBLIC_URL", "http://[::1]:8080/up/", "http://[::1]:8080/up"),
        ("PUBLIC_URL", "", None),
        ("BASE_PATH", "/uploads/v1/files", "/uploads/v1/files"),
        *(("BASE_PATH", fine, fine) for fine in ("/apis", "/files/api", "/API", "/v1.0/auth", "/docs-2")),
        ("MAX_SIZE", "500000", 500_000),
        ("MAX_SIZE", "1 B", 1),
        ("MAX_SIZE", "10GB", 10 * 1000**3),
        ("MAX_SIZE", "5gib", 5 * 1024**3),
        ("MAX_SIZE", "1.5 KiB", 1536),
        ("MAX_SIZE", "none", None),
        ("ALLOWED_EXTENSIONS", ".iso,.img,.csv", (".iso", ".img", ".csv")),
        ("ALLOWED_EXTENSIONS", "ISO, .Tar.GZ,iso", (".iso", ".tar.gz")),
        ("ALLOWED_EXTENSIONS", "none", ()),
        ("FORMAT_RULES", ".png=image/png;.jpg=image/jpeg,image/pjpeg", ".png=image/png;.jpg=image/jpeg,image/pjpeg"),
        ("INSPECT_SIZE", "1MiB", 1024**2),
        ("QUOTA_DAILY", "10GB", 10 * 1000**3),
        ("QUOTA_MONTHLY", "100GB", 100 * 1000**3),
        ("QUOTA_STORED", "512MiB", 512 * 1024**2),
        ("QUOTA_STORED", "123456789", 123_456_789),
        ("QUOTA_DAILY", "None", None),
        ("QUOTA_UNFINISHED", "5", 5),
        ("QUOTA_UNFINISHED", "none", None),
        ("HOOKS", "hooks.NoDrafts, company.uploads:Audit", ("hooks.NoDrafts", "company.uploads:Audit")),
        ("WEBHOOK_EVENTS", "Pre-Create, post-finish", ("pre-create", "post-finish")),
        ("WEBHOOK_EVENTS", "ALL", WEBHOOK_EVENTS),
        ("WEBHOOK_ALLOW_PRIVATE", "1", True),
        ("WEBHOOK_ON_FAILURE", "Allow", "allow"),
        ("WEBHOOK_FORWARD_HEADERS", "Authorization, X-Api-Key", ("authorization", "x-api-key")),
        ("EVENT_RETENTION", "never", None),
        ("DISK_RESERVE", "0", 0),
        ("UNFINISHED_TTL", "90", timedelta(seconds=90)),
        ("UNFINISHED_TTL", "90s", timedelta(seconds=90)),
        ("UNFINISHED_TTL", "15m", timedelta(minutes=15)),
        ("UNFINISHED_TTL", "12h", timedelta(hours=12)),
        ("UNFINISHED_TTL", "0.5d", timedelta(hours=12)),
        ("UNFINISHED_TTL", "0", None),
        ("UNFINISHED_TTL", "never", None),
        ("FINISHED_TTL", "30D", timedelta(days=30)),
        ("SWEEP_INTERVAL", "2m", 120.0),
        ("LOCK_TIMEOUT", "0", 0.0),
        ("FSYNC", "ALWAYS", "always"),
        ("CORS_ORIGINS", "https://A.example, http://localhost:5173", ("https://a.example", "http://localhost:5173")),
        ("CORS_ORIGINS", "capacitor://localhost", ("capacitor://localhost",)),
        ("CORS_ORIGINS", "none", ()),
        ("LOG_LEVEL", "DEBUG", "debug"),
        ("ACCESS_LOG", "yes", True),
        ("ACCESS_LOG", "off", False),
    ],
)
def test_what_is_written_and_what_it_means(
    monkeypatch: pytest.MonkeyPatch, name: str, written: str, value: object
) -> None:
    environment(monkeypatch, {name: written})
    assert getattr(load(), name.lower()) == value


@pytest.mark.parametrize(
    ("name", "written", "advice"),
    [
        *(("HOST", bad, HOST) for bad in ("http://localhost", "localhost:80", "256.1.1.1", "-x", "a b")),
        *(("PORT", bad, "use a number from 0 to 65535") for bad in ("99999", "-1", "http", "80.5", "8_000", "٣")),
        ("DATA_DIR", "what?", "use the path of a directory, without a question mark"),
        *(("AUTH", bad, "use one of local, external, none") for bad in ("basic", "0")),
        *(("REGISTRATION", bad, "use one of off, open, invite") for bad in ("on", "true")),
        *(
            (name, bad, f"use a duration of more than 0, {DURATIONS}")
            for name in ("ACCESS_TOKEN_TTL", "REFRESH_TOKEN_TTL", "LOGIN_WINDOW", "HOOK_TIMEOUT", "WEBHOOK_TIMEOUT")
            for bad in ("0", "never", "1w", "-1s")
        ),
        *(("LOGIN_ATTEMPTS", bad, "use a number of at least 1") for bad in ("0", "none", "1.5", "10k", "4294967296")),
        *(("JWT_ALGORITHMS", bad, ALGORITHM_NAMES) for bad in ("none", "HS256", "RS256,HS256", "rs256", "ES512", ",")),
        ("JWT_LEEWAY", "never", f"use a duration {DURATIONS}"),
        *(
            ("PUBLIC_URL", bad, BASE_URL)
            for bad in ("example.org", "ftp://h", "https://", "https://h?x=1", "https://h/#", "https://h:99999", "//h")
        ),
        *(("BASE_PATH", bad, BASE_PATH) for bad in ("files", "/", "/files/", "/a//b", "/a/../b", "/a?b", "/{a}")),
        *(("BASE_PATH", bad, BASE_PATH) for bad in (*OWN_PATHS, "/api/uploads", "/api/v1/files", "/admin/x")),
        *(
            ("MAX_SIZE", bad, f"use a size of at least one byte, {SIZES}, or none for no limit")
            for bad in ("0", "10 GBit", "5G", "-1", "much", "1e9", "99999999TiB")
        ),
        *((name, "0", f"use a size of at least one byte, {SIZES}") for name in ("MAX_METADATA_SIZE", "INSPECT_SIZE")),
        *(
            ("ALLOWED_EXTENSIONS", bad, EXTENSIONS)
            for bad in ("*", "*.iso", "iso img", ".iso,", ".", ".a/b", "..iso", ".iso.", ".ısö")
        ),
        *(
            (name, bad, f"use a size of at least one byte, {SIZES}, or none for no limit")
            for name in ("QUOTA_DAILY", "QUOTA_MONTHLY", "QUOTA_STORED")
            for bad in ("0", "10 Gb/s", "-5GB", "never", "10,000")
        ),
        *(
            ("QUOTA_UNFINISHED", bad, "use a number of at least 1, or none for no limit")
            for bad in ("0", "1GB", "-1", "2.5")
        ),
        *(
            ("HOOKS", bad, CLASSES)
            for bad in ("NoDrafts", "hooks.", ".hooks.A", "a b.C", "hooks/a.B", "a.B;c.D", "a:b:C")
        ),
        *(("WEBHOOK_EVENTS", bad, EVENTS) for bad in ("created", "all,post-finish", "post-finish,")),
        ("WEBHOOK_ALLOW_PRIVATE", "maybe", "use true or false"),
        ("WEBHOOK_ON_FAILURE", "ignore", "use one of refuse, allow"),
        *(("WEBHOOK_FORWARD_HEADERS", bad, HEADERS) for bad in ("a b", "authorization:", "*,ä")),
        ("DISK_RESERVE", "none", f"use a size {SIZES}"),
        *(
            (name, bad, f"use a duration {DURATIONS}, or never")
            for name in ("UNFINISHED_TTL", "FINISHED_TTL", "EVENT_RETENTION")
            for bad in ("-1", "1w", "soon", "inf", "nan", "99999999d", "1h30m")
        ),
        *(
            (name, bad, f"use a duration of more than 0, {DURATIONS}")
            for name in ("SWEEP_INTERVAL", "CHECKPOINT_INTERVAL", "BODY_IDLE_TIMEOUT")
            for bad in ("0", "never")
        ),
        *(
            (name, "never", f"use a duration {DURATIONS}")
            for name in ("LOCK_TIMEOUT", "STALL_THRESHOLD", "GRACE_PERIOD")
        ),
        ("FSYNC", "sometimes", "use one of finish, always, never"),
        *(
            ("CORS_ORIGINS", bad, ORIGINS)
            for bad in ("example.org", "https://a.example/", "https://a.example,,", "https://*.example")
        ),
        ("LOG_LEVEL", "loud", "use one of critical, error, warning, info, debug"),
        ("ACCESS_LOG", "maybe", "use true or false"),
    ],
)
def test_a_wrong_value_gets_one_line_that_says_what_is_right(
    monkeypatch: pytest.MonkeyPatch, name: str, written: str, advice: str
) -> None:
    environment(monkeypatch, {name: written})
    assert complaint() == f"LONGSHORE_{name}={written!r} is not valid: {advice}"


def test_extensions_are_as_the_names_of_files_are_compared_with_them() -> None:
    extensions = load(allowed_extensions="ISO,.Tar.GZ,7z,c++,x~1,a_b-c").allowed_extensions
    assert extensions == (".iso", ".tar.gz", ".7z", ".c++", ".x~1", ".a_b-c")
    assert extensions == tuple(map(normal_extension, extensions))


def test_the_algorithms_are_those_that_tokens_are_verified_with() -> None:
    assert set(JWT_ALGORITHMS) == ALGORITHMS.keys()


@pytest.mark.parametrize(
    ("size", "written"),
    [
        (None, "none"),
        (0, "0"),
        (1, "1"),
        (10 * 1000**3, "10GB"),
        (512 * 1024**2, "512MiB"),
        (1536, "1536"),
        (123_456_789, "123456789"),
        (2**63 - 1, "9223372036854775807"),
    ],
)
def test_a_size_is_written_as_it_can_be_read(size: int | None, written: str) -> None:
    assert written_size(size) == written
    if size != 0:
        assert kinds.read(kinds.OptionalSize, written) == size


@pytest.mark.parametrize(
    ("duration", "written"),
    [
        (None, "never"),
        (timedelta(days=30), "30d"),
        (timedelta(hours=36), "36h"),
        (timedelta(minutes=15), "15m"),
        (timedelta(seconds=90), "90s"),
        (timedelta(seconds=0.5), "0.5s"),
        (timedelta(seconds=12_345_678), "12345678s"),
    ],
)
def test_a_duration_is_written_as_it_can_be_read(duration: timedelta | None, written: str) -> None:
    assert written_duration(duration) == written
    assert kinds.read(kinds.TimeToLive, written) == duration


@pytest.mark.parametrize("name", sorted(Settings.model_fields.keys() - SECRETS - {"public_url", "data_dir"}))
def test_every_default_can_be_written_as_the_readme_does(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    environment(monkeypatch, {name.upper(): default(name)})
    assert getattr(load(), name) == Settings.model_fields[name].default
