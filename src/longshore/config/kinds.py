"""The kinds of settings: what each takes, and what to say when it was given something else."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, SecretStr, TypeAdapter, ValidationError
from pydantic_settings import NoDecode

from longshore.config import values


@dataclass(frozen=True, slots=True)
class Kind:
    """What settings of one kind take, in words that follow "use", and how a value is written."""

    valid: str
    write: Callable[[Any], str] = str


def read(kind: Any, text: str) -> Any:
    """Read what was written for a value of one of these kinds. Raises `ValueError`, which says what would be valid."""
    try:
        return TypeAdapter(kind).validate_python(text)
    except ValidationError:
        described = next(item for item in get_args(kind) if isinstance(item, Kind))
        raise ValueError(described.valid) from None


_SIZES = "such as 500000, 64KiB, 10GB or 5GiB"
_DURATIONS = "such as 30 (seconds), 90s, 15m, 12h or 7d"

Port = Annotated[int, BeforeValidator(values.read_port), Kind("a number from 0 to 65535")]
Host = Annotated[
    str, BeforeValidator(values.read_host), Kind("a host name or an IP address, such as localhost or 0.0.0.0")
]
Size = Annotated[int, BeforeValidator(values.read_size), Kind(f"a size {_SIZES}", values.written_size)]
PositiveSize = Annotated[
    int, BeforeValidator(values.read_positive_size), Kind(f"a size of at least one byte, {_SIZES}", values.written_size)
]
OptionalSize = Annotated[
    int | None,
    BeforeValidator(values.read_size_or_none),
    Kind(f"a size of at least one byte, {_SIZES}, or none for no limit", values.written_size),
]
Seconds = Annotated[
    float, BeforeValidator(values.read_seconds), Kind(f"a duration {_DURATIONS}", values.written_seconds)
]
PositiveSeconds = Annotated[
    float,
    BeforeValidator(values.read_positive_seconds),
    Kind(f"a duration of more than 0, {_DURATIONS}", values.written_seconds),
]
TimeToLive = Annotated[
    timedelta | None,
    BeforeValidator(values.read_time_to_live),
    Kind(f"a duration {_DURATIONS}, or never", values.written_duration),
]
Boolean = Annotated[bool, BeforeValidator(values.read_boolean), Kind("true or false", values.written_boolean)]
DataDir = Annotated[
    Path,
    BeforeValidator(values.read_data_dir),
    Kind("the path of a directory, without a question mark", lambda path: f"./{path}"),
]
DatabaseUrl = Annotated[
    SecretStr,
    BeforeValidator(values.read_database_url),
    Kind(
        "postgresql://user:password@host/database or sqlite:///path/to/file, or leave it empty",
        SecretStr.get_secret_value,
    ),
]
PublicUrl = Annotated[
    str | None,
    BeforeValidator(values.read_public_url),
    Kind("http://host or https://host, with port and path if need be, without user, query and fragment", lambda _: ""),
]
BasePath = Annotated[
    str,
    BeforeValidator(values.read_base_path),
    Kind(
        "a path such as /files, which starts with / and does not end with /, and neither is nor lies below one of "
        + ", ".join(values.OWN_PATHS)
    ),
]
Origins = Annotated[
    tuple[str, ...],
    NoDecode,
    BeforeValidator(values.read_origins),
    Kind("* or scheme://host[:port], separated by commas, or none", ",".join),
]
Auth = Annotated[
    Literal["local", "external", "none"], BeforeValidator(values.read_word), Kind("one of local, external, none")
]
Registration = Annotated[
    Literal["off", "open", "invite"], BeforeValidator(values.read_word), Kind("one of off, open, invite")
]
MetricsAccess = Annotated[
    Literal["off", "admin", "open"], BeforeValidator(values.read_word), Kind("one of off, admin, open")
]
Checksum = Annotated[Literal["sha256", "none"], BeforeValidator(values.read_word), Kind("one of sha256, none")]
LogFormat = Annotated[Literal["console", "json"], BeforeValidator(values.read_word), Kind("one of console, json")]
Visibility = Annotated[Literal["shared", "private"], BeforeValidator(values.read_word), Kind("one of shared, private")]
OnFailure = Annotated[Literal["refuse", "allow"], BeforeValidator(values.read_word), Kind("one of refuse, allow")]
Count = Annotated[int, BeforeValidator(values.read_count), Kind("a number of at least 1")]
OptionalCount = Annotated[
    int | None,
    BeforeValidator(values.read_count_or_none),
    Kind("a number of at least 1, or none for no limit", lambda count: "none" if count is None else str(count)),
]
Duration = Annotated[
    timedelta,
    BeforeValidator(values.read_duration),
    Kind(f"a duration of more than 0, {_DURATIONS}", values.written_duration),
]
Secret = Annotated[SecretStr, BeforeValidator(values.read_secret), Kind("a text", SecretStr.get_secret_value)]
Password = Annotated[
    SecretStr, BeforeValidator(values.read_password), Kind("8 to 1024 characters", SecretStr.get_secret_value)
]
PlainText = Annotated[str, BeforeValidator(values.read_plain_text), Kind("a text in one line")]
SigningKeys = Annotated[
    SecretStr,
    BeforeValidator(values.read_signing_keys),
    Kind("name:base64, of 32 bytes or more, several separated by commas", SecretStr.get_secret_value),
]
Algorithms = Annotated[
    tuple[str, ...],
    NoDecode,
    BeforeValidator(values.read_algorithms),
    Kind(f"one or more of {', '.join(values.JWT_ALGORITHMS)}, separated by commas", ",".join),
]
Extensions = Annotated[
    tuple[str, ...],
    NoDecode,
    BeforeValidator(values.read_extensions),
    Kind("file name extensions such as .iso,.img,.csv, separated by commas, or none", ",".join),
]
DottedPaths = Annotated[
    tuple[str, ...],
    NoDecode,
    BeforeValidator(values.read_dotted_paths),
    Kind("names of Python classes such as package.module.Class, separated by commas", ",".join),
]
HeaderNames = Annotated[
    tuple[str, ...],
    NoDecode,
    BeforeValidator(values.read_header_names),
    Kind("names of header fields, separated by commas, or none", ",".join),
]
WebhookEvents = Annotated[
    tuple[str, ...],
    NoDecode,
    BeforeValidator(values.read_webhook_events),
    Kind(f"all, or some of {', '.join(values.WEBHOOK_EVENTS)}, separated by commas", ",".join),
]
HttpUrl = Annotated[
    SecretStr,
    BeforeValidator(values.read_http_url),
    Kind("http://host/path or https://host/path", SecretStr.get_secret_value),
]
WebhookSecret = Annotated[
    SecretStr,
    BeforeValidator(values.read_webhook_secret),
    Kind("whsec_ and 24 to 64 bytes in Base64", SecretStr.get_secret_value),
]
Fsync = Annotated[
    Literal["finish", "always", "never"], BeforeValidator(values.read_word), Kind("one of finish, always, never")
]
LogLevel = Annotated[
    Literal["critical", "error", "warning", "info", "debug"],
    BeforeValidator(values.read_word),
    Kind("one of critical, error, warning, info, debug"),
]
