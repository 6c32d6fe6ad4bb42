"""The settings: their names, units, defaults and reasons, and the only place that reads the environment.

`load` is how the commands get them: a command-line option wins over the environment, that over `.env` in the
working directory, and that over the default. `python -m longshore.config` prints the table in the README.
"""

import difflib
import ipaddress
import logging
import os
import re
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import BeforeValidator, Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

logger = logging.getLogger(__name__)

PREFIX = "LONGSHORE_"
ENV_FILE = ".env"

_BIGGEST_SIZE = 2**63 - 1  # what a BIGINT column holds
_LONGEST_DURATION = 100 * 365 * 86_400.0  # keeps now + duration within what a datetime holds
_SIZE_UNITS = {"": 1, "b": 1}
_SIZE_UNITS |= {f"{letter}b": 1000**power for power, letter in enumerate("kmgt", 1)}
_SIZE_UNITS |= {f"{letter}ib": 1024**power for power, letter in enumerate("kmgt", 1)}
_DURATION_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_BOOLEANS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
_POSTGRESQL_SCHEMES = ("postgresql", "postgres", "postgresql+psycopg")
_SERVICE_LINK = re.compile(r"(tcp|udp|sctp)://")


class SettingsError(Exception):
    """A setting is not usable; str() is one line that names it as the user wrote it and says what would be valid."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What settings of one kind take, in words that follow "use", and how a value is written."""

    valid: str
    write: Callable[[Any], str] = str


# --- From what the user wrote to a value. Each takes a string, or the value itself, and raises ValueError. ---


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("not a text")
    return value.strip()


def _number_and_unit(value: object, units: Mapping[str, int]) -> float:
    if isinstance(value, bool):
        raise ValueError("not a number")
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([a-z]*)", str(value).strip().lower())
    if match is None or match[2] not in units:
        raise ValueError("not a number with one of the units")
    number = float(match[1]) if "." in match[1] else int(match[1])
    return number * units[match[2]]


def _port(value: object) -> int:
    port = _number_and_unit(value, {"": 1})
    if not isinstance(port, int) or port > 65535:
        raise ValueError("not a port")
    return port


def _host(value: object) -> str:
    host = _text(value)
    if re.fullmatch(r"[0-9.:]*|.*:.*", host):
        ipaddress.ip_address(host)
    elif not re.fullmatch(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?", host):
        raise ValueError("not a host")
    return host


def _size(value: object) -> int:
    size = round(_number_and_unit(value, _SIZE_UNITS))
    if size > _BIGGEST_SIZE:
        raise ValueError("too large")
    return size


def _positive_size(value: object) -> int:
    size = _size(value)
    if size == 0:
        raise ValueError("zero")
    return size


def _optional_size(value: object) -> int | None:
    return None if value is None or str(value).strip().lower() == "none" else _positive_size(value)


def _seconds(value: object) -> float:
    if isinstance(value, timedelta):
        value = value.total_seconds()
    seconds = float(_number_and_unit(value, _DURATION_UNITS))
    if seconds > _LONGEST_DURATION:
        raise ValueError("too long")
    return seconds


def _positive_seconds(value: object) -> float:
    seconds = _seconds(value)
    if seconds == 0:
        raise ValueError("zero")
    return seconds


def _time_to_live(value: object) -> timedelta | None:
    if value is None or str(value).strip().lower() == "never":
        return None
    return timedelta(seconds=_seconds(value)) or None


def _boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    try:
        return _BOOLEANS[_word(value)]
    except KeyError:
        raise ValueError("not a boolean") from None


def _word(value: object) -> str:
    return _text(value).lower()


def _data_dir(value: object) -> Path:
    path = str(value) if isinstance(value, Path) else _text(value)
    if not path or re.search(r"[?\x00-\x1f]", path):
        raise ValueError("SQLite's address cannot hold such a path")
    return Path(path)


def _database_url(value: object) -> SecretStr:
    url = _text(value.get_secret_value() if isinstance(value, SecretStr) else value)
    scheme, separator, rest = url.partition("://")
    if scheme in _POSTGRESQL_SCHEMES and separator:
        _check_network_location(url)
        url = f"postgresql+psycopg://{rest}"
    elif url and (scheme != "sqlite" or not re.fullmatch(r"/[^?:\x00-\x1f]+", rest)):
        raise ValueError("neither PostgreSQL nor a SQLite file")
    return SecretStr(url)


def _check_network_location(url: str) -> None:
    try:
        _ = urlsplit(url).port
    except ValueError:
        # What urlsplit says quotes the part in question, which is the password when that holds an unescaped slash.
        raise ValueError("not a network address") from None


def _public_url(value: object) -> str | None:
    if value is None or value == "":
        return None
    url = _text(value)
    parts = urlsplit(url)
    has_more = parts.username is not None or "?" in url or "#" in url or re.search(r"\s", url)
    if parts.scheme not in ("http", "https") or not parts.hostname or has_more or parts.port == 0:
        raise ValueError("not a base URL")
    return url.rstrip("/")


def _base_path(value: object) -> str:
    path = _text(value)
    if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", path) or {".", ".."} & set(path.split("/")):
        raise ValueError("not a plain path")
    return path


def _origins(value: object) -> tuple[str, ...]:
    if value == "none":
        return ()
    listed = value.split(",") if isinstance(value, str) else value
    if not isinstance(listed, list | tuple):
        raise ValueError("not a list")
    return tuple(_origin(item) for item in listed)


def _origin(value: object) -> str:
    origin = _text(value).lower()
    if not re.fullmatch(r"\*|[a-z][a-z0-9+.-]*://([a-z0-9_.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?", origin):
        raise ValueError("not an origin")
    return origin


# --- And back. ---


def _written_size(size: int | None) -> str:
    if not size:
        return "none" if size is None else "0"
    power = next(power for power in (4, 3, 2, 1, 0) if size % 1024**power == 0)
    return f"{size // 1024**power}{('', 'KiB', 'MiB', 'GiB', 'TiB')[power]}"


def _written_seconds(seconds: float) -> str:
    return f"{seconds:g}s"


def _written_time_to_live(duration: timedelta | None) -> str:
    return "never" if duration is None else f"{duration / timedelta(days=1):g}d"


def _written_boolean(value: bool) -> str:
    return str(value).lower()


# --- The kinds of settings. ---

_SIZES = "such as 500000, 64KiB, 10GB or 5GiB"
_DURATIONS = "such as 30 (seconds), 90s, 15m, 12h or 7d"

Port = Annotated[int, BeforeValidator(_port), Kind("a number from 0 to 65535")]
Host = Annotated[str, BeforeValidator(_host), Kind("a host name or an IP address, such as localhost or 0.0.0.0")]
Size = Annotated[int, BeforeValidator(_size), Kind(f"a size {_SIZES}", _written_size)]
PositiveSize = Annotated[
    int, BeforeValidator(_positive_size), Kind(f"a size of at least one byte, {_SIZES}", _written_size)
]
OptionalSize = Annotated[
    int | None,
    BeforeValidator(_optional_size),
    Kind(f"a size of at least one byte, {_SIZES}, or none for no limit", _written_size),
]
Seconds = Annotated[float, BeforeValidator(_seconds), Kind(f"a duration {_DURATIONS}", _written_seconds)]
PositiveSeconds = Annotated[
    float, BeforeValidator(_positive_seconds), Kind(f"a duration of more than 0, {_DURATIONS}", _written_seconds)
]
TimeToLive = Annotated[
    timedelta | None,
    BeforeValidator(_time_to_live),
    Kind(f"a duration {_DURATIONS}, or never", _written_time_to_live),
]
Boolean = Annotated[bool, BeforeValidator(_boolean), Kind("true or false", _written_boolean)]
DataDir = Annotated[
    Path, BeforeValidator(_data_dir), Kind("the path of a directory, without a question mark", lambda path: f"./{path}")
]
DatabaseUrl = Annotated[
    SecretStr,
    BeforeValidator(_database_url),
    Kind(
        "postgresql://user:password@host/database or sqlite:///path/to/file, or leave it empty",
        SecretStr.get_secret_value,
    ),
]
PublicUrl = Annotated[
    str | None,
    BeforeValidator(_public_url),
    Kind("http://host or https://host, with port and path if need be, without user, query and fragment", lambda _: ""),
]
BasePath = Annotated[
    str, BeforeValidator(_base_path), Kind("a path such as /files, which starts with / and does not end with /")
]
Origins = Annotated[
    tuple[str, ...],
    NoDecode,
    BeforeValidator(_origins),
    Kind("* or scheme://host[:port], separated by commas, or none", ",".join),
]
Auth = Annotated[Literal["none"], BeforeValidator(_word), Kind("none, the only kind in this version")]
Fsync = Annotated[Literal["finish", "always", "never"], BeforeValidator(_word), Kind("one of finish, always, never")]
LogLevel = Annotated[
    Literal["critical", "error", "warning", "info", "debug"],
    BeforeValidator(_word),
    Kind("one of critical, error, warning, info, debug"),
]


class _Environment(EnvSettingsSource):
    """The environment, less what Kubernetes puts there for a service that happens to be called longshore."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[object, str, bool]:
        value, key, is_complex = super().get_field_value(field, field_name)
        if field_name == "port" and isinstance(value, str) and _SERVICE_LINK.match(value):
            value = None
        return value, key, is_complex


class Settings(BaseSettings):
    """Everything that can be set. The first sentence of a description says what; the rest gives the reason.

    Durations are seconds (float) where they are waited for, and timedeltas where they are added to a time; sizes are
    bytes. An empty variable counts as not set.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=ENV_FILE,
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",  # other programs' variables in .env; unknown LONGSHORE_* ones are warned of in load()
        frozen=True,
        hide_input_in_errors=True,  # the input may be a password
    )

    host: Host = Field(
        "127.0.0.1",
        description="Address to listen on. Only this machine can connect by default, because there is no login yet;"
        " `0.0.0.0` is every interface.",
    )
    port: Port = Field(
        8000, description="TCP port to listen on. 8000, as other ASGI servers; 0 takes any free port and logs which."
    )
    data_dir: DataDir = Field(
        Path("data"),
        description="Directory for the uploaded bytes and the SQLite database. Beside you, so that trying it out needs"
        " no privileges; it is created when missing.",
    )
    database_url: DatabaseUrl = Field(
        SecretStr(""),
        description="Database address, `postgresql://user:password@host/name` or `sqlite:///file`. Empty is"
        " `longshore.db` in the data dir, because one process needs no more. Not an option of the command line,"
        " where other users would see the password.",
    )
    auth: Auth = Field(
        "none",
        description="Who may upload. `none` lets everybody in, and is all that this version has: put a proxy in front"
        " that checks.",
    )
    public_url: PublicUrl = Field(
        None,
        description="Base URL under which clients reach the server, without the base path. Empty answers with paths"
        " from the root, which clients resolve rightly behind any proxy that keeps the path; some clients insist"
        " on absolute URLs, aiotus for one.",
    )
    base_path: BasePath = Field(
        "/files", description="Path of the tus endpoint. `/files` is what most tus servers and examples use."
    )
    max_size: OptionalSize = Field(
        None,
        description="Largest upload in bytes. None, because the free disk space bounds it already; clients are told"
        " it as Tus-Max-Size.",
    )
    max_metadata_size: PositiveSize = Field(
        8 * 1024,
        description="Longest Upload-Metadata header field in bytes. 8 KiB, because that is the longest line that nginx"
        " and Apache pass on by default.",
    )
    unfinished_ttl: TimeToLive = Field(
        timedelta(days=7),
        description="How long an unfinished upload is kept after its last byte. A week, so that one which stopped on a"
        " Friday goes on after the holidays; 0 or `never` keeps it for good.",
    )
    finished_ttl: TimeToLive = Field(
        None,
        description="How long a finished upload is kept. Never deleted by default, because nobody expects a server to"
        " lose a file that it has accepted.",
    )
    sweep_interval: PositiveSeconds = Field(
        60.0,
        description="Seconds between searches for expired uploads. 60, because expiry is counted in days and a search"
        " is cheap.",
    )
    fsync: Fsync = Field(
        "finish",
        description="When bytes are forced to the disk. `finish` does so once, before an upload is called finished;"
        " `always` before every answer, which is slower; `never` trusts the power supply.",
    )
    disk_reserve: Size = Field(
        8 * 1024**2,
        description="Bytes of the disk that uploads leave free. 8 MiB, so that the database can still write when"
        " uploads have filled the disk.",
    )
    checkpoint_interval: PositiveSeconds = Field(
        1.0,
        description="Seconds between commits of the offset while bytes arrive. 1, because a crash then costs a second"
        " of the upload and the database hardly notices.",
    )
    body_idle_timeout: PositiveSeconds = Field(
        60.0,
        description="Seconds without a byte after which a request is ended and what arrived is kept. 60, because"
        " mobile networks pause that long, and a dead connection holds its upload until then.",
    )
    socket_bodies: Boolean = Field(
        True,
        description="Whether bodies are read straight from the socket where that is possible. On, because it is about"
        " twice as fast; off is a way out should it ever be at fault.",
    )
    buffer_memory: PositiveSize = Field(
        64 * 1024**2,
        description="Bytes of memory for bodies on their way to the disk, all together. 64 MiB, which is far more than"
        " a disk can take at a time; with less, pieces and threads are fewer.",
    )
    lock_timeout: Seconds = Field(
        10.0,
        description="Seconds that a request waits for another one to let go of the upload, before it is answered 423."
        " 10, well below what clients wait for an answer.",
    )
    stall_threshold: Seconds = Field(
        0.5,
        description="Seconds without a byte after which a status request may end the transfer. 0.5, longer than the"
        " gaps of a healthy transfer and short enough for a client that comes back.",
    )
    grace_period: Seconds = Field(
        10.0,
        description="Seconds that running requests get to stop on shutdown. 10 is plenty for committing what arrived,"
        " which is all that they do; whoever stops the server with a deadline should allow for it.",
    )
    cors_origins: Origins = Field(
        ("*",),
        description="Web origins that may upload, separated by commas. All, because no cookies are used; `none` allows"
        " no other origin.",
    )
    log_level: LogLevel = Field(
        "info", description="Least severe messages to log. `info` tells of starts, stops and trouble."
    )
    access_log: Boolean = Field(
        False, description="Whether to log each request. Off, because it costs time at many small requests."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments over the environment over `.env`."""
        return init_settings, _Environment(settings_cls), dotenv_settings

    @property
    def uploads_dir(self) -> Path:
        """Where the uploaded bytes lie."""
        return self.data_dir / "uploads"

    @property
    def embedded(self) -> bool:
        """Whether the database is a SQLite file, which belongs to one process."""
        return self.sqlalchemy_url().startswith("sqlite:")

    def sqlalchemy_url(self) -> str:
        """The database's address as SQLAlchemy takes it. It may hold a password: neither log nor show it."""
        return self.database_url.get_secret_value() or f"sqlite:///{self.data_dir.absolute() / 'longshore.db'}"


def load(**options: object) -> Settings:
    """Read the settings; `options` are what the command line gave, by field name, where None means not given.

    Warns of LONGSHORE_* variables that mean nothing. Raises `SettingsError`.
    """
    if unknown := options.keys() - Settings.model_fields.keys():
        raise TypeError(f"no such settings: {', '.join(sorted(unknown))}")
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    file = _read_env_file()
    _warn_of_strangers(file)
    try:
        return Settings(**given)
    except ValidationError as error:
        names = dict.fromkeys(str(problem["loc"][0]) for problem in error.errors(include_input=False))
    raise SettingsError("; ".join(_complaint(name, given, file) for name in names))


def prepare_data_dir(settings: Settings) -> None:
    """Make the data dir and see that it can be written to. Raises `SettingsError`."""
    try:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        settings.uploads_dir.mkdir(mode=0o700, exist_ok=True)
        for directory in (settings.data_dir, settings.uploads_dir):
            with tempfile.TemporaryFile(dir=directory):
                pass
    except OSError as error:
        shown = repr(str(settings.data_dir))
        reason = error.strerror or type(error).__name__
        raise SettingsError(
            f"the data dir {shown} cannot be used ({reason}): use --data-dir or {PREFIX}DATA_DIR to name a directory"
            " that this user may write to"
        ) from None


def _read_env_file() -> dict[str, str]:
    try:
        return {name: value for name, value in dotenv_values(ENV_FILE, encoding="utf-8").items() if value}
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise SettingsError(f"{ENV_FILE} cannot be read ({reason}): make it readable, or remove it") from None


def _warn_of_strangers(file: Mapping[str, str]) -> None:
    known = [f"{PREFIX}{name.upper()}" for name in Settings.model_fields]
    for variable in sorted({*os.environ, *file}):
        if variable.upper().startswith(PREFIX) and variable.upper() not in known:
            close = difflib.get_close_matches(variable.upper(), known, n=1, cutoff=0.8)
            hint = f"; did you mean {close[0]}?" if close else ""
            logger.warning("%s is not a setting and is ignored%s", variable, hint)
    if _SERVICE_LINK.match(os.environ.get(f"{PREFIX}PORT", "")):
        logger.warning("%sPORT was set by Kubernetes for a service of that name and is ignored", PREFIX)


def _complaint(name: str, given: Mapping[str, object], file: Mapping[str, str]) -> str:
    return f"{_as_written(name, given, file)} is not valid: use {_kind(name).valid}"


def _as_written(name: str, given: Mapping[str, object], file: Mapping[str, str]) -> str:
    if name in given:
        return f"{option(name)}={_shown(name, given[name])}"
    for variables, place in ((os.environ, ""), (file, f" in {ENV_FILE}")):
        for variable, value in variables.items():
            if variable.upper() == f"{PREFIX}{name.upper()}" and value:
                return f"{variable}={_shown(name, value)!r}{place}"
    raise AssertionError(f"the default of {name} is not valid")


def _shown(name: str, value: object) -> str:
    """Return a value fit for an error message: short, in one line, and without what may be a password."""
    text = str(value)
    if name == "database_url":
        text = f"{text.partition('://')[0]}://..." if re.match(r"[a-z0-9+]+://", text) else "..."
    text = re.sub(r"://.*@", "://...@", text, flags=re.DOTALL)
    text = text if len(text) <= 80 else f"{text[:77]}..."
    return text if text.isprintable() else ascii(text)[1:-1]


def _kind(name: str) -> Kind:
    return next(item for item in Settings.model_fields[name].metadata if isinstance(item, Kind))


# --- For the command line's help and the README. ---


def option(name: str) -> str:
    """Return the command-line option of a setting."""
    return f"--{name.replace('_', '-')}"


def summary(name: str) -> str:
    """Return what a setting is: the first sentence of its description, without the full stop."""
    return (Settings.model_fields[name].description or "").split(". ")[0].rstrip(".")


def default(name: str) -> str:
    """Return a setting's default as a user would write it; empty where there is none."""
    return _kind(name).write(Settings.model_fields[name].default)


def settings_table() -> str:
    """Return the settings as a Markdown table."""
    rows = [
        f"| `{PREFIX}{name.upper()}` | {f'`{default(name)}`' if default(name) else ''} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join(["| Variable | Default | Meaning |", "| --- | --- | --- |", *rows])


if __name__ == "__main__":
    sys.stdout.write(f"{settings_table()}\n")
