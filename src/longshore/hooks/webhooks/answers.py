"""What a receiver may answer: tusd's hook response, read strictly into what our own hooks answer.

As in tusd, whose reader is Go's: names of fields are taken whatever their case, null is as good as absent, and fields
that are not known are passed over. `ChangeFileInfo.Storage` is: where bytes are kept is not a receiver's to choose.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from longshore.ports.hooks import Answer, Changes, HookRefused

T = TypeVar("T")

REFUSAL_STATUS: Final = 400
"""tusd's, where the receiver names none."""

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
_METADATA_KEY: Final = re.compile(r"[!-+\--~]+")
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE: Final = re.compile(r"[\t -~\x80-\xff]*")

# Hop-by-hop fields, those that the server makes itself, and those of the protocol and of the origin.
_UNSAFE_HEADERS: Final = frozenset(
    {
        "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
        "transfer-encoding", "upgrade", "content-length", "content-encoding", "date", "server", "location",
        "set-cookie",
    }
)  # fmt: skip
_UNSAFE_PREFIXES: Final = ("tus-", "upload-", "access-control-allow-")


class BadAnswer(ValueError):
    """The answer is not one that a receiver may give; says why, without quoting it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A hook response as tusd knows it."""

    status: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    rejects_upload: bool = False
    rejects_termination: bool = False
    stops_upload: bool = False
    upload_id: str | None = None
    metadata: Mapping[str, bytes] | None = None


def read_response(body: bytes) -> Response:
    """Read a receiver's answer. Raises `BadAnswer`."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        raise BadAnswer("the answer is not JSON") from None
    fields = _fields(answer, "the answer")
    reply = _fields(fields.get("httpresponse"), "HTTPResponse")
    changes = _fields(fields.get("changefileinfo"), "ChangeFileInfo")
    return Response(
        status=_typed(reply, "StatusCode", int, 0) or None,
        headers=_headers(reply.get("header")),
        body=_encode(_typed(reply, "Body", str, ""), "HTTPResponse.Body"),
        rejects_upload=_typed(fields, "RejectUpload", bool, False),
        rejects_termination=_typed(fields, "RejectTermination", bool, False),
        stops_upload=_typed(fields, "StopUpload", bool, False),
        upload_id=_id(_typed(changes, "ID", str, "")),
        metadata=_metadata(changes.get("metadata")),
    )


def changes_of(response: Response) -> Changes:
    """What a receiver that does not refuse wants: a change of the upload, an addition to the reply.

    Raises `BadAnswer` for a status that no reply to a client can have.
    """
    status = response.status
    if status is not None and not (200 <= status < 300 or 400 <= status < 500):
        raise BadAnswer(f"StatusCode {status} is no status for a reply")
    answer = None
    if status is not None or response.headers or response.body:
        answer = Answer(status=status, headers=_with_type(response), body=response.body)
    return Changes(upload_id=response.upload_id, metadata=response.metadata, answer=answer)


def refusal_of(response: Response) -> HookRefused:
    """The refusal that a receiver asks for. Raises `BadAnswer` for a status outside of 400 to 499."""
    status = response.status or REFUSAL_STATUS
    if not 400 <= status < 500:
        raise BadAnswer(f"StatusCode {status} is no status for a refusal")
    if not response.body:
        return HookRefused("The receiver of the webhook refused.", status=status, headers=response.headers)
    return HookRefused(
        "The receiver of the webhook refused.",
        status=status,
        headers=_with_type(response),
        body=response.body,
    )


def _fields(value: Any, name: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadAnswer(f"{name} is not an object")
    return {key.lower(): entry for key, entry in value.items()}


def _typed(fields: Mapping[str, Any], name: str, kind: type[T], default: T) -> T:
    value = fields.get(name.lower())
    if value is None:
        return default
    # In Python a boolean is a whole number as well.
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise BadAnswer(f"{name} has the wrong type")
    return value


def _id(written: str) -> str | None:
    if written and not _ID.fullmatch(written):
        raise BadAnswer("ChangeFileInfo.ID is not 1 to 128 letters, digits, _ and -")
    return written or None


def _texts(value: Any, name: str) -> Mapping[str, str]:
    if not isinstance(value, dict) or not all(isinstance(entry, str) for entry in value.values()):
        raise BadAnswer(f"{name} is not an object of texts")
    return value


def _metadata(value: Any) -> Mapping[str, bytes] | None:
    if value is None:
        return None
    pairs = _texts(value, "ChangeFileInfo.MetaData")
    if not all(_METADATA_KEY.fullmatch(key) for key in pairs):
        raise BadAnswer("ChangeFileInfo.MetaData has a key that tus does not allow")
    return {key: _encode(text, "ChangeFileInfo.MetaData") for key, text in pairs.items()}


def _encode(text: str, name: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise BadAnswer(f"{name} has half a character") from None


def _headers(value: Any) -> tuple[tuple[str, str], ...]:
    pairs = {} if value is None else _texts(value, "HTTPResponse.Header")
    return tuple((name, text) for name, text in pairs.items() if _is_safe(name, text))


def _is_safe(name: str, text: str) -> bool:
    lower = name.lower()
    if lower in _UNSAFE_HEADERS or lower.startswith(_UNSAFE_PREFIXES):
        return False
    return _HEADER_NAME.fullmatch(name) is not None and _HEADER_VALUE.fullmatch(text) is not None


def _with_type(response: Response) -> tuple[tuple[str, str], ...]:
    if not response.body or any(name.lower() == "content-type" for name, _ in response.headers):
        return response.headers
    return (*response.headers, ("Content-Type", "text/plain; charset=utf-8"))
