"""Looking through the uploads: what to look for, in which order, and what is found."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol

from longshore.protocol.upload import State, Upload

LIVE: Final = frozenset({State.UNFINISHED, State.COMPLETED})


class Kind(StrEnum):
    """Which uploads to look at."""

    FILE = "file"
    """Regular and final ones."""
    PARTIAL = "partial"
    """Those that only count inside a final one."""
    ANY = "any"


class Sort(StrEnum):
    """What a list is ordered by; the id decides between those that are alike."""

    CREATED_AT = "created_at"
    COMPLETED_AT = "completed_at"
    """Leaves out what has not been completed."""
    NAME = "name"
    """Without regard to capitals; uploads without a name come first."""
    SIZE = "size"
    """By length; uploads whose length is not known yet come first."""


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a list: that of the upload with this id and this key, whether it is still there or not."""

    key: datetime | str | int
    """What the list is ordered by: a moment, a name as it is compared, or a length (-1 for unknown)."""
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What to look for. The moments are the first that counts (`…_after`), and the first that does not (`…_before`)."""

    viewer: str | None = None
    """Look only at the uploads of this user, and at what is shared if `shared`; None looks at all there are."""
    shared: bool = False
    states: Collection[State] = LIVE
    kind: Kind = Kind.FILE
    owner: str | None = None
    name: str = ""
    """A part of the name, without regard to capitals."""
    media_type: str = ""
    """A media type, or all of a kind: `image/*`."""
    created_after: datetime | None = None
    created_before: datetime | None = None
    completed_after: datetime | None = None
    completed_before: datetime | None = None
    sort: Sort = Sort.CREATED_AT
    descending: bool = True
    after: Position | None = None
    """Go on behind this place."""
    limit: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An upload as it is listed. A final upload's parts are not told."""

    upload: Upload
    name: str
    """For people: see `protocol.metadata.file_name`."""
    media_type: str
    """As the client gave it; empty when it gave none."""
    owner_name: str | None
    """The owner's user name; None where the owner has no account here."""
    updated_at: datetime
    """When it last changed."""
    position: Position
    """Where it stands in the list that was asked for."""


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happened to an upload."""

    type: str
    """The stable name of the event, see `longshore.events`."""
    time: datetime


class Listing(Protocol):
    """The uploads, to be looked through. What has expired counts as gone, swept or not, and is not found until then.

    Each method raises `protocol.errors.Unavailable` while there is no answer to be had.
    """

    async def page(self, query: Query) -> Sequence[Entry]:
        """Up to `limit` uploads, in order. Uploads that come and go meanwhile shift nobody else between pages."""

    async def find(self, upload_id: str) -> Entry | None:
        """One upload, or its tombstone; None when nothing is known of the id."""

    async def history(self, upload_id: str, limit: int) -> Sequence[Happening]:
        """The newest events of an upload, as far as they are kept, in the order in which they happened."""

    async def idle(self, since: datetime, limit: int) -> Sequence[Entry]:
        """Unfinished uploads that have not changed since that moment, those that are idle for longest first."""

    async def overdue(self, now: datetime, limit: int) -> Sequence[Entry]:
        """Live uploads whose `expires_at` has passed, the oldest first."""
