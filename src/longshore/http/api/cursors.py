"""Cursors: where a list goes on, as text that means nothing to clients."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from typing import Any, Final

from longshore.http.api.values import MOST_BYTES
from longshore.http.endpoints import InvalidRequest
from longshore.ports.listing import Position, Sort

LONGEST: Final = 8192
"""Characters of a cursor that are read."""


def write_cursor(place: Position, sort: Sort, order: str) -> str:
    """The cursor of a place in a list that is ordered like this."""
    key = place.key.isoformat() if isinstance(place.key, datetime) else place.key
    return urlsafe_b64encode(json.dumps([sort, order, key, place.id]).encode()).decode().rstrip("=")


def read_cursor(cursor: str, sort: Sort, order: str) -> Position:
    """The place. Raises `InvalidRequest` for what is no cursor, or one of a list in another order."""
    try:
        given_sort, given_order, key, upload_id = json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        place = Position(_read_key(key, sort), _read_text(upload_id))
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise InvalidRequest("cursor: Not one that this server has given.") from None
    if (given_sort, given_order) != (sort, order):
        raise InvalidRequest("cursor: It belongs to a list in another order.")
    return place


def _read_key(key: Any, sort: Sort) -> datetime | str | int:
    match sort:
        case Sort.CREATED_AT | Sort.COMPLETED_AT:
            moment = datetime.fromisoformat(key)
            if moment.tzinfo is None:
                raise ValueError("a moment without an offset")
            return moment.astimezone(UTC)
        case Sort.NAME:
            return _read_text(key)
        case Sort.SIZE:
            if not isinstance(key, int) or not -1 <= key <= MOST_BYTES:
                raise ValueError("no length")
            return key


def _read_text(text: Any) -> str:
    if not isinstance(text, str) or "\0" in text:
        raise ValueError("no text that a database takes")
    text.encode()  # Half a character cannot be: raises.
    return text
