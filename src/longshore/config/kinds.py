"""The kinds of settings: from what the user wrote to a value, and back."""

import base64
import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, SecretStr
from pydantic_settings import NoDecode

_BIGGEST_SIZE = 2**63 - 1  # what a BIGINT column holds
_BIGGEST_COUNT = 2**31 - 1
_LONGEST_DURATION = 100 * 365 * 86_400.0  # keeps now + duration within what a datetime holds
_SIZE_UNITS = {"": 1, "b": 1}
_SIZE_UNITS |= {f"{letter}b": 1000**power for power, letter in enumerate("kmgt", 1)}
_SIZE_UNITS |= {f"{letter}ib": 1024**power for power, letter in enumerate("kmgt", 1)}
_DURATION_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_BOOLEANS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
_POSTGRESQL_SCHEMES = ("postgresql", "postgres", "postgresql+psycopg")

WEBHOOK_EVENTS = (
    "pre-create",
    "post-create",
    "post-receive",
    "pre-finish",
    "post-finish",
    "pre-terminate",
    "post-terminate",
    "post-expire",
    "post-reject",
)
JWT_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")


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


def size_or_none(value: object) -> int | None:
    """Read a size in bytes, or `none`. Raises `ValueError`."""
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


def _count(value: object) -> int:
    count = _number_and_unit(value, {"": 1})
    if not isinstance(count, int) or not 0 < count <= _BIGGEST_COUNT:
        raise ValueError("not a number of things")
    return count


def count_or_none(value: object) -> int | None:
    """Read a number of things, or `none`. Raises `ValueError`."""
    return None if value is None or str(value).strip().lower() == "none" else _count(value)


def duration(value: object) -> timedelta:
    """Read a duration of more than 0. Raises `ValueError`."""
    return timedelta(seconds=_positive_seconds(value))


def _secret(value: object) -> SecretStr:
    return SecretStr(_text(value.get_secret_value() if isinstance(value, SecretStr) else value))


def _plain_text(value: object) -> str:
    text = _text(value)
    if not text.isprintable():
        raise ValueError("not printable")
    return text


def _listed(value: object, pattern: str, *, fold: bool = False) -> tuple[str, ...]:
    """Read words separated by commas; an empty list and `none` are one without entries."""
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, list | tuple):
        raise ValueError("not a list")
    words = [_text(item) for item in items]
    if [word.lower() for word in words] in ([], [""], ["none"]):
        return ()
    words = [word.lower() for word in words] if fold else words
    if not all(re.fullmatch(pattern, word) for word in words):
        raise ValueError("not a list of such words")
    return tuple(dict.fromkeys(words))


def _extensions(value: object) -> tuple[str, ...]:
    listed = _listed(value, r"\.?[^\s./\\,]{1,32}(\.[^\s./\\,]{1,32}){0,2}", fold=True)
    return tuple(f".{extension.removeprefix('.')}" for extension in listed)


def _dotted_paths(value: object) -> tuple[str, ...]:
    return _listed(value, r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*[.:][A-Za-z_][A-Za-z0-9_]*")


def _header_names(value: object) -> tuple[str, ...]:
    return _listed(value, r"[a-z0-9!#$%&'*+.^_`|~-]+", fold=True)


def _webhook_events(value: object) -> tuple[str, ...]:
    if isinstance(value, str) and value.strip().lower() == "all":
        return WEBHOOK_EVENTS
    return _listed(value, "|".join(WEBHOOK_EVENTS), fold=True)


def _algorithms(value: object) -> tuple[str, ...]:
    algorithms = _listed(value, "|".join(JWT_ALGORITHMS))
    if not algorithms:
        raise ValueError("none at all")
    return algorithms


def _http_url(value: object) -> SecretStr:
    url = _secret(value).get_secret_value()
    if url:
        _check_network_location(url)
        parts = urlsplit(url)
        if (
            parts.scheme not in ("http", "https")
            or not parts.hostname
            or "#" in url
            or re.search(r"[\s\x00-\x1f]", url)
        ):
            raise ValueError("not a web address")
    return SecretStr(url)


def _webhook_secret(value: object) -> SecretStr:
    secret = _secret(value)
    if text := secret.get_secret_value():
        key = base64.b64decode(text.removeprefix("whsec_"), validate=True)
        if not text.startswith("whsec_") or not 24 <= len(key) <= 64:
            raise ValueError("not a secret of Standard Webhooks")
    return secret


# --- And back. ---


def written_size(size: int | None) -> str:
    """Write a size as one would: 10GB, 64KiB; `none` for None."""
    if not size:
        return "none" if size is None else "0"
    shortest = str(size)
    for base, units in ((1024, ("KiB", "MiB", "GiB", "TiB")), (1000, ("kB", "MB", "GB", "TB"))):
        for power, unit in enumerate(units, 1):
            written = f"{size // base**power}{unit}"
            if size % base**power == 0 and len(written) < len(shortest):
                shortest = written
    return shortest


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
Size = Annotated[int, BeforeValidator(_size), Kind(f"a size {_SIZES}", written_size)]
PositiveSize = Annotated[
    int, BeforeValidator(_positive_size), Kind(f"a size of at least one byte, {_SIZES}", written_size)
]
OptionalSize = Annotated[
    int | None,
    BeforeValidator(size_or_none),
    Kind(f"a size of at least one byte, {_SIZES}, or none for no limit", written_size),
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
Auth = Annotated[Literal["local", "external", "none"], BeforeValidator(_word), Kind("one of local, external, none")]
Registration = Annotated[Literal["off", "open", "invite"], BeforeValidator(_word), Kind("one of off, open, invite")]
OnFailure = Annotated[Literal["refuse", "allow"], BeforeValidator(_word), Kind("one of refuse, allow")]
Count = Annotated[int, BeforeValidator(_count), Kind("a number of at least 1")]
OptionalCount = Annotated[
    int | None,
    BeforeValidator(count_or_none),
    Kind("a number of at least 1, or none for no limit", lambda count: "none" if count is None else str(count)),
]
Duration = Annotated[
    timedelta, BeforeValidator(duration), Kind(f"a duration of more than 0, {_DURATIONS}", _written_time_to_live)
]
Secret = Annotated[SecretStr, BeforeValidator(_secret), Kind("a text", SecretStr.get_secret_value)]
PlainText = Annotated[str, BeforeValidator(_plain_text), Kind("a text in one line")]
SigningKeys = Annotated[
    SecretStr,
    BeforeValidator(_secret),
    Kind("name:base64, of 32 bytes or more, several separated by commas", SecretStr.get_secret_value),
]
Algorithms = Annotated[
    tuple[str, ...],
    NoDecode,
    BeforeValidator(_algorithms),
    Kind(f"one or more of {', '.join(JWT_ALGORITHMS)}, separated by commas", ",".join),
]
Extensions = Annotated[
    tuple[str, ...],
    NoDecode,
    BeforeValidator(_extensions),
    Kind("file name extensions such as .iso,.img,.csv, separated by commas, or none", ",".join),
]
DottedPaths = Annotated[
    tuple[str, ...],
    NoDecode,
    BeforeValidator(_dotted_paths),
    Kind("names of Python classes such as package.module.Class, separated by commas", ",".join),
]
HeaderNames = Annotated[
    tuple[str, ...],
    NoDecode,
    BeforeValidator(_header_names),
    Kind("names of header fields, separated by commas, or none", ",".join),
]
WebhookEvents = Annotated[
    tuple[str, ...],
    NoDecode,
    BeforeValidator(_webhook_events),
    Kind(f"all, or some of {', '.join(WEBHOOK_EVENTS)}, separated by commas", ",".join),
]
HttpUrl = Annotated[
    SecretStr, BeforeValidator(_http_url), Kind("http://host/path or https://host/path", SecretStr.get_secret_value)
]
WebhookSecret = Annotated[
    SecretStr,
    BeforeValidator(_webhook_secret),
    Kind("whsec_ and 24 to 64 bytes in Base64", SecretStr.get_secret_value),
]
Fsync = Annotated[Literal["finish", "always", "never"], BeforeValidator(_word), Kind("one of finish, always, never")]
LogLevel = Annotated[
    Literal["critical", "error", "warning", "info", "debug"],
    BeforeValidator(_word),
    Kind("one of critical, error, warning, info, debug"),
]
