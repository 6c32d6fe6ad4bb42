"""Conditional requests (RFC 9110, section 13): whether a client has the file already, or has another one. Pure.

A completed upload never changes, so both of its validators are strong: an entity tag, and the second in which it was
completed.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, Self

from longshore.protocol.errors import TusError
from longshore.protocol.upload import Upload

_TAG: Final = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
_ENTITY_TAG: Final = re.compile(_TAG)
_ENTITY_TAGS: Final = re.compile(rf"[ \t,]*(?:{_TAG}[ \t]*(?:,[ \t,]*|$))+")

_DAYS: Final = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_MONTHS: Final = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_TIME: Final = r"\d{2}:\d{2}:\d{2}"
_HTTP_DATE: Final = re.compile(
    rf"{_DAYS}, \d{{2}} {_MONTHS} \d{{4}} {_TIME} GMT"
    rf"|(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, \d{{2}}-{_MONTHS}-\d{{2}} {_TIME} GMT"
    rf"|{_DAYS} {_MONTHS} [\d ]\d {_TIME} \d{{4}}",
    re.ASCII,
)
"""The form that is sent, and the two obsolete ones that "MUST be accepted" (section 5.6.7)."""


class PreconditionFailed(TusError):
    """The file is not the one that the client means (RFC 9110, section 15.5.13)."""

    status = 412
    code = "precondition-failed"
    title = "Precondition failed"


@dataclass(frozen=True, slots=True)
class Validators:
    """What tells one file from another."""

    etag: str
    last_modified: datetime
    """To the second."""

    @classmethod
    def of(cls, upload: Upload) -> Self:
        """Those of a completed upload: which one it is, and when it was completed."""
        completed_at = (upload.completed_at or upload.created_at).astimezone(UTC)
        return cls(f'"{upload.id}-{int(completed_at.timestamp()):x}"', completed_at.replace(microsecond=0))


def is_known(headers: Mapping[str, str], validators: Validators) -> bool:
    """Whether the client has the file already, and is to be answered 304; `headers` by lower-case name.

    The order is that of section 13.2.2. Raises `PreconditionFailed`.
    """
    _require_match(headers, validators)
    if (tags := headers.get("if-none-match")) is not None:
        return _lists(tags, validators.etag, weakly=True)
    since = _parse_date(headers.get("if-modified-since", ""))
    return since is not None and validators.last_modified <= since


def _require_match(headers: Mapping[str, str], validators: Validators) -> None:
    if (tags := headers.get("if-match")) is not None:
        if not _lists(tags, validators.etag, weakly=False):
            raise PreconditionFailed("The file's entity tag is not among those of If-Match.")
        return
    since = _parse_date(headers.get("if-unmodified-since", ""))
    if since is not None and validators.last_modified > since:
        raise PreconditionFailed("The file is newer than If-Unmodified-Since.")


def allows_ranges(headers: Mapping[str, str], validators: Validators) -> bool:
    """Whether Range counts: where If-Range names another file, the client is sent the whole of this one.

    "A client MUST NOT generate an If-Range header field containing an entity tag that is marked as weak"; a date has to
    be the very one.
    """
    given = headers.get("if-range")
    if given is None:
        return True
    given = given.strip(" \t")
    return given == validators.etag or _parse_date(given) == validators.last_modified


def _lists(field: str, etag: str, *, weakly: bool) -> bool:
    """Whether a list of entity tags, or `*`, has the tag; what is no such list has none."""
    if field.strip(" \t") == "*":
        return True
    if not _ENTITY_TAGS.fullmatch(field):
        return False
    tags = _ENTITY_TAG.findall(field)
    return etag in ([tag.removeprefix("W/") for tag in tags] if weakly else tags)


def _parse_date(field: str) -> datetime | None:
    """Read an HTTP-date; None where it is none, because such a field "MUST be ignored"."""
    field = field.strip(" \t")
    if not _HTTP_DATE.fullmatch(field):
        return None
    try:
        return parsedate_to_datetime(field).replace(tzinfo=UTC)
    except (ValueError, TypeError, IndexError):
        return None
