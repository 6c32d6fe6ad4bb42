"""The log of what happened to uploads, as those read it who tell others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """An event as it was stored."""

    id: int
    """Grows with every event; the events of one upload are in the order in which they happened."""
    type: str
    """The stable name of the event's class in `longshore.events`."""
    upload_id: str
    owner: str
    time: datetime
    data: Mapping[str, Any]
    """`upload` and `request` as JSON has them.

    Of a rejected upload `code` and `detail` as well, of a renamed one `previous_name`.
    """
    owner_name: str | None = None
    """The owner's user name; None where the owner has no account here."""


class Events(Protocol):
    """The events in the order of their ids, which is the order in which they were committed.

    Who has seen an event has seen all with a lower id that there will ever be, except those that were forgotten. Each
    call raises `protocol.errors.Unavailable` while there is no answer to be had.
    """

    async def events_after(self, event_id: int, limit: int) -> Sequence[StoredEvent]:
        """Up to `limit` events with a higher id, the lowest first."""

    async def last_id(self) -> int:
        """The highest id of the events that are kept; 0 where there are none."""
