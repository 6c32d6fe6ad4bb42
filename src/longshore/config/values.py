"""Values of settings: from what the user wrote, and back.

Each `read_…` takes a string, or the value itself, and raises `ValueError` for what is none. What the error says is for
developers, and never quotes the value, which may be secret.
"""

import base64
import ipaddress
import re
import unicodedata
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

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
"""What the receiver of webhooks can be told of, in the order in which it happens."""

OWN_PATHS = (
    "/admin",
    "/api",
    "/assets",
    "/auth",
    "/docs",
    "/events",
    "/healthz",
    "/metrics",
    "/openapi.json",
    "/readyz",
)
"""What the server has at fixed paths, with all that is below: the tus endpoint would take its place there."""

JWT_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA")
"""Those of `auth.public_keys.ALGORITHMS`, whose module takes long to import."""


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


def read_port(value: object) -> int:
    """A TCP port; 0 is any that is free."""
    port = _number_and_unit(value, {"": 1})
    if not isinstance(port, int) or port > 65535:
        raise ValueError("not a port")
    return port


def read_host(value: object) -> str:
    """A host name, or an address of IPv4 or IPv6 without brackets."""
    host = _text(value)
    if re.fullmatch(r"[0-9.:]*|.*:.*", host):
        ipaddress.ip_address(host)
    elif not re.fullmatch(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?", host):
        raise ValueError("not a host")
    return host


def read_size(value: object) -> int:
    """Bytes: `500000`, `64KiB`, `10GB`."""
    size = round(_number_and_unit(value, _SIZE_UNITS))
    if size > _BIGGEST_SIZE:
        raise ValueError("too large")
    return size


def read_positive_size(value: object) -> int:
    """Bytes, one at least."""
    size = read_size(value)
    if size == 0:
        raise ValueError("zero")
    return size


def read_size_or_none(value: object) -> int | None:
    """Bytes, one at least, or `none` for no limit."""
    return None if value is None or str(value).strip().lower() == "none" else read_positive_size(value)


def read_seconds(value: object) -> float:
    """Seconds: `30`, `90s`, `15m`, `12h`, `7d`."""
    if isinstance(value, timedelta):
        value = value.total_seconds()
    seconds = float(_number_and_unit(value, _DURATION_UNITS))
    if seconds > _LONGEST_DURATION:
        raise ValueError("too long")
    return seconds


def read_positive_seconds(value: object) -> float:
    """Seconds, more than 0."""
    seconds = read_seconds(value)
    if seconds == 0:
        raise ValueError("zero")
    return seconds


def read_time_to_live(value: object) -> timedelta | None:
    """How long something is kept; None, written `never` or 0, is for good."""
    if value is None or str(value).strip().lower() == "never":
        return None
    return timedelta(seconds=read_seconds(value)) or None


def read_boolean(value: object) -> bool:
    """Yes or no, in the usual words."""
    if isinstance(value, bool):
        return value
    try:
        return _BOOLEANS[read_word(value)]
    except KeyError:
        raise ValueError("not a boolean") from None


def read_word(value: object) -> str:
    """One of some words, in lower case; which ones, pydantic checks."""
    return _text(value).lower()


def read_data_dir(value: object) -> Path:
    """A directory's path, one that fits into a URL of SQLite's."""
    path = str(value) if isinstance(value, Path) else _text(value)
    if not path or re.search(r"[?\x00-\x1f]", path):
        raise ValueError("SQLite's address cannot hold such a path")
    return Path(path)


def read_database_url(value: object) -> SecretStr:
    """A URL for SQLAlchemy; empty for none."""
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


def read_public_url(value: object) -> str | None:
    """A base URL without the slash at its end; None for none."""
    if value is None or value == "":
        return None
    url = _text(value)
    parts = urlsplit(url)
    has_more = parts.username is not None or "?" in url or "#" in url or re.search(r"\s", url)
    if parts.scheme not in ("http", "https") or not parts.hostname or has_more or parts.port == 0:
        raise ValueError("not a base URL")
    return url.rstrip("/")


def read_base_path(value: object) -> str:
    """A path such as `/files`, none of the server's own and none below them."""
    path = _text(value)
    if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", path) or {".", ".."} & set(path.split("/")):
        raise ValueError("not a plain path")
    if f"/{path.split('/')[1]}" in OWN_PATHS:
        raise ValueError("a path of the server's own")
    return path


def read_origins(value: object) -> tuple[str, ...]:
    """Web origins (RFC 6454), or `*`; `none` is an empty list."""
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


def read_count(value: object) -> int:
    """A number of things, one at least."""
    count = _number_and_unit(value, {"": 1})
    if not isinstance(count, int) or not 0 < count <= _BIGGEST_COUNT:
        raise ValueError("not a number of things")
    return count


def read_count_or_none(value: object) -> int | None:
    """A number of things, one at least, or `none` for no limit."""
    return None if value is None or str(value).strip().lower() == "none" else read_count(value)


def read_duration(value: object) -> timedelta:
    """A duration of more than 0."""
    return timedelta(seconds=read_positive_seconds(value))


def read_secret(value: object) -> SecretStr:
    """A text that is not to be shown."""
    return SecretStr(_text(value.get_secret_value() if isinstance(value, SecretStr) else value))


def read_password(value: object) -> SecretStr:
    """Take a password as it is: spaces at its ends belong to it."""
    # Imported here, because it takes long and few give a password.
    from longshore.auth.passwords import MAX_LENGTH, MIN_LENGTH

    password = value.get_secret_value() if isinstance(value, SecretStr) else value
    if not isinstance(password, str):
        raise ValueError("not a text")
    if re.search(r"[\ud800-\udfff]", password):
        raise ValueError("not Unicode")
    if password and not MIN_LENGTH <= len(unicodedata.normalize("NFKC", password)) <= MAX_LENGTH:
        raise ValueError("too short or too long")
    return SecretStr(password)


def read_signing_keys(value: object) -> SecretStr:
    """Keys as `auth.keys.KeyRing` takes them; empty for none."""
    keys = read_secret(value)
    if text := keys.get_secret_value():
        # Imported here, because it takes long and few give keys.
        from longshore.auth.keys import KeyRing

        KeyRing.from_setting(text)
    return keys


def read_plain_text(value: object) -> str:
    """A text in one line."""
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


def read_extensions(value: object) -> tuple[str, ...]:
    """File name extensions, `hooks.formats.names.normal_extension` of each."""
    listed = _listed(value, r"\.?[a-z0-9_+~-]{1,32}(\.[a-z0-9_+~-]{1,32}){0,3}", fold=True)
    return tuple(f".{extension.removeprefix('.')}" for extension in listed)


def read_dotted_paths(value: object) -> tuple[str, ...]:
    """Names of classes, `package.module.Class` or `package.module:Class`."""
    return _listed(value, r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*[.:][A-Za-z_][A-Za-z0-9_]*")


def read_header_names(value: object) -> tuple[str, ...]:
    """Names of header fields (RFC 9110, section 5.1), in lower case."""
    return _listed(value, r"[a-z0-9!#$%&'*+.^_`|~-]+", fold=True)


def read_webhook_events(value: object) -> tuple[str, ...]:
    """Some of `WEBHOOK_EVENTS`; `all` is every one."""
    if isinstance(value, str) and value.strip().lower() == "all":
        return WEBHOOK_EVENTS
    return _listed(value, "|".join(WEBHOOK_EVENTS), fold=True)


def read_algorithms(value: object) -> tuple[str, ...]:
    """Some of `JWT_ALGORITHMS`, one at least."""
    algorithms = _listed(value, "|".join(JWT_ALGORITHMS))
    if not algorithms:
        raise ValueError("none at all")
    return algorithms


def read_http_url(value: object) -> SecretStr:
    """A web address, which may hold a password; empty for none."""
    url = read_secret(value).get_secret_value()
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


def read_webhook_secret(value: object) -> SecretStr:
    """A secret of Standard Webhooks: 24 to 64 bytes; empty for none."""
    secret = read_secret(value)
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


def written_seconds(seconds: float) -> str:
    """Write seconds: 60s, 0.5s."""
    return f"{seconds:g}s"


def written_duration(duration: timedelta | None) -> str:
    """Write a duration as one would: 7d, 15m, 90s; `never` for None."""
    if duration is None:
        return "never"
    seconds = duration.total_seconds()
    unit = next((unit for unit in ("d", "h", "m") if seconds % _DURATION_UNITS[unit] == 0), "s")
    return f"{seconds / _DURATION_UNITS[unit]:.15g}{unit}"


def written_boolean(value: bool) -> str:
    """Write `true` or `false`."""
    return str(value).lower()
