import logging
import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from longshore.config import Settings, SettingsError, load, prepare_data_dir, settings_table

README = Path(__file__).parents[2] / "README.md"
PASSWORD = "tops3cret"
SIZES = "such as 500000, 64KiB, 10GB or 5GiB"
DURATIONS = "such as 30 (seconds), 90s, 15m, 12h or 7d"
DATABASE = "use postgresql://user:password@host/database or sqlite:///path/to/file, or leave it empty"
BASE_URL = "use http://host or https://host, with port and path if need be, without user, query and fragment"
BASE_PATH = "use a path such as /files, which starts with / and does not end with /"
ORIGINS = "use * or scheme://host[:port], separated by commas, or none"
HOST = "use a host name or an IP address, such as localhost or 0.0.0.0"


@pytest.fixture(autouse=True)
def bare_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.upper().startswith("LONGSHORE_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def environment(monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"LONGSHORE_{name}", value)


def test_defaults() -> None:
    assert load().model_dump(exclude={"database_url"}) == {
        "host": "127.0.0.1",
        "port": 8000,
        "data_dir": Path("data"),
        "auth": "none",
        "public_url": None,
        "base_path": "/files",
        "max_size": None,
        "max_metadata_size": 8192,
        "unfinished_ttl": timedelta(days=7),
        "finished_ttl": None,
        "sweep_interval": 60.0,
        "socket_bodies": True,
        "buffer_memory": 64 * 1024**2,
        "fsync": "finish",
        "disk_reserve": 8 * 1024**2,
        "checkpoint_interval": 1.0,
        "body_idle_timeout": 60.0,
        "lock_timeout": 10.0,
        "stall_threshold": 0.5,
        "grace_period": 10.0,
        "cors_origins": ("*",),
        "log_level": "info",
        "access_log": False,
    }


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
        ("PUBLIC_URL", "https://example.org/", "https://example.org"),
        ("PUBLIC_URL", "http://[::1]:8080/up/", "http://[::1]:8080/up"),
        ("PUBLIC_URL", "", None),
        ("BASE_PATH", "/api/v1/files", "/api/v1/files"),
        ("MAX_SIZE", "500000", 500_000),
        ("MAX_SIZE", "1 B", 1),
        ("MAX_SIZE", "10GB", 10 * 1000**3),
        ("MAX_SIZE", "5gib", 5 * 1024**3),
        ("MAX_SIZE", "1.5 KiB", 1536),
        ("MAX_SIZE", "none", None),
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
        *(("AUTH", bad, "use none, the only kind in this version") for bad in ("local", "basic")),
        *(
            ("PUBLIC_URL", bad, BASE_URL)
            for bad in ("example.org", "ftp://h", "https://", "https://h?x=1", "https://h/#", "https://h:99999", "//h")
        ),
        *(("BASE_PATH", bad, BASE_PATH) for bad in ("files", "/", "/files/", "/a//b", "/a/../b", "/a?b", "/{a}")),
        *(
            ("MAX_SIZE", bad, f"use a size of at least one byte, {SIZES}, or none for no limit")
            for bad in ("0", "10 GBit", "5G", "-1", "much", "1e9", "99999999TiB")
        ),
        ("MAX_METADATA_SIZE", "0", f"use a size of at least one byte, {SIZES}"),
        ("DISK_RESERVE", "none", f"use a size {SIZES}"),
        *(
            (name, bad, f"use a duration {DURATIONS}, or never")
            for name in ("UNFINISHED_TTL", "FINISHED_TTL")
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


def complaint(**options: object) -> str:
    with pytest.raises(SettingsError) as caught:
        load(**options)
    return str(caught.value)


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
    environment(monkeypatch, {"FSYNC": "so\nme", "ACCESS_LOG": "x" * 1000})
    line = complaint(port="no")
    assert line.count("; ") == 2
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


def test_a_password_is_shown_by_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"postgresql://u:{PASSWORD}@h/d"
    settings = load(database_url=url)
    assert PASSWORD in settings.sqlalchemy_url()
    for shown in (repr(settings), str(settings), str(settings.model_dump()), settings.model_dump_json()):
        assert PASSWORD not in shown
    environment(monkeypatch, {"PUBLIC_URL": url, "HOST": url, "CORS_ORIGINS": url})
    assert PASSWORD not in complaint()


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
