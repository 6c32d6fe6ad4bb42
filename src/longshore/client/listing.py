"""Listing uploads, page by page."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from longshore.client.connection import Connection
from longshore.client.errors import ClientError
from longshore.client.printing import printable, size
from longshore.client.retrying import Patience, persist

_PAGE: Final = 200
"""How many uploads the server gives at a time."""

_ATTEMPTS: Final = 2

Listed = Mapping[str, Any]
"""An upload as the API shows it."""


def uploads(connection: Connection, query: Mapping[str, str | Sequence[str]], limit: int) -> Iterator[Listed]:
    """The newest uploads that the query asks for, at most `limit`. Raises `ClientError`."""
    url = connection.address.beside("/api/uploads")
    cursor: Mapping[str, str] = {}
    while limit > 0:
        asked = {**query, **cursor, "limit": min(limit, _PAGE)}
        page = persist(lambda asked=asked: connection.json(url, asked), Patience(_ATTEMPTS))  # type: ignore[misc]
        try:
            listed, following = page["uploads"], page["next"]
        except (KeyError, TypeError):
            raise ClientError("/api/uploads does not answer as Longshore does") from None
        yield from listed
        limit -= len(listed)
        if following is None or not listed:
            return
        cursor = {"cursor": following}


def line(upload: Listed) -> str:
    """An upload as a line for people."""
    owner = (upload.get("owner") or {}).get("name") or (upload.get("owner") or {}).get("id") or ""
    created = datetime.fromisoformat(str(upload["created_at"])).astimezone()
    columns = (
        str(upload["id"]),
        f"{created:%Y-%m-%d %H:%M}",
        f"{_state(upload):<10}",
        f"{size(upload['length']) if upload['length'] is not None else '?':>9}",
        f"{printable(str(owner)):<12}",
        printable(str(upload.get("name") or "")),
    )
    return "  ".join(columns).rstrip()


def _state(upload: Listed) -> str:
    """The state; of what is on its way, how much of it is there."""
    if upload["state"] == "unfinished" and upload["length"]:
        return f"{upload['offset'] / upload['length']:.0%}"
    return str(upload["state"])
