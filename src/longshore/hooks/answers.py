"""What hooks may answer: everything that could not be carried out, or sent to a client, is found here beforehand."""

import re
from collections.abc import Mapping
from typing import Any, Final

from longshore.ports.hooks import Answer, Changes
from longshore.protocol.errors import TusError, Unavailable

_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE: Final = re.compile(r"[\t -~\x80-\xff]*")
"""A header field by RFC 9110, section 5."""


class BadAnswer(Exception):
    """A hook answered with something that cannot be; str() says with what, without quoting it."""


def check_refusal(refusal: Any) -> None:
    """Raise `BadAnswer` for a refusal that cannot be sent.

    One that passes is `protocol.errors.Unavailable`. Any other has a status of 400 to 499: after 5xx clients try again,
    although the upload has been removed.
    """
    if not isinstance(refusal, TusError):
        raise BadAnswer(f"a refusal that is no TusError: {type(refusal).__name__}")
    if not isinstance(refusal, Unavailable) and not _is_status(refusal.status, 400, 499):
        raise BadAnswer("a refusal whose status is not one from 400 to 499")
    if refusal.body is not None and not _is_bytes(refusal.body):
        raise BadAnswer("a refusal whose body is not bytes")
    if not all(value is None or isinstance(value, str | int) for value in refusal.members.values()):
        raise BadAnswer("a refusal whose members are not all texts or whole numbers")
    _check_headers(refusal.headers)


def checked_changes(answer: object) -> Changes | None:
    """The answer, if its types are right: what it says is for the service to judge. Raises `BadAnswer`."""
    if answer is None:
        return None
    if not isinstance(answer, Changes):
        raise BadAnswer(f"{type(answer).__name__}, which is neither Changes nor None")
    if answer.upload_id is not None and not _is_text(answer.upload_id):
        raise BadAnswer("an id that is not a text")
    if answer.metadata is not None and not _is_metadata(answer.metadata):
        raise BadAnswer("metadata that is not a mapping of texts to bytes")
    if answer.answer is not None:
        _check_reply(answer.answer)
    return answer


def _check_reply(reply: Answer) -> None:
    if not _is_reply(reply) or not _is_bytes(reply.body):
        raise BadAnswer("an answer for the client that is not an Answer with a body of bytes")
    if reply.status is not None and not _is_status(reply.status, 200, 499):
        raise BadAnswer("an answer for the client whose status is not one from 200 to 499")
    _check_headers(reply.headers)


# Nothing makes a hook keep to the types, so they are looked at as if there were none.


def _is_reply(value: object) -> bool:
    return isinstance(value, Answer)


def _is_bytes(value: object) -> bool:
    return isinstance(value, bytes)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_status(status: object, least: int, most: int) -> bool:
    return isinstance(status, int) and least <= status <= most


def _is_metadata(metadata: object) -> bool:
    return isinstance(metadata, Mapping) and all(
        isinstance(key, str) and isinstance(value, bytes) for key, value in metadata.items()
    )


def _check_headers(headers: Any) -> None:
    try:
        is_valid = all(_NAME.fullmatch(name) and _VALUE.fullmatch(value) for name, value in headers)
    except (TypeError, ValueError):
        is_valid = False
    if not is_valid:
        raise BadAnswer("header fields that are not pairs of a name and a value which HTTP allows")
