"""Clearing away on request what nobody will come back for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from longshore.auth.policy import Action
from longshore.ports import Locker
from longshore.ports.listing import Entry, Listing
from longshore.protocol.errors import UploadLocked, UploadNotFound
from longshore.protocol.lifetime import is_expired
from longshore.protocol.upload import State
from longshore.uploads.caller import Caller
from longshore.uploads.leases import leased
from longshore.uploads.records import Records
from longshore.uploads.work import Work

MOST: Final = 1000
"""Uploads that are cleared away at a time."""


@dataclass(frozen=True, slots=True)
class Found:
    """What would be cleared away, and whether there is more of it than that."""

    expired: Sequence[Entry]
    abandoned: Sequence[Entry]
    more: bool

    @property
    def entries(self) -> Sequence[Entry]:
        """All of it, each upload once."""
        return [*self.expired, *self.abandoned]


class Cleanup:
    """Removes uploads that have expired, and unfinished ones that nothing has been sent to for a while."""

    def __init__(self, records: Records, listing: Listing, locker: Locker, work: Work) -> None:
        self._records = records
        self._listing = listing
        self._locker = locker
        self._work = work

    async def find(self, idle_for: timedelta | None, caller: Caller) -> Found:
        """What there is to clear away, up to `MOST` uploads; with `idle_for` None only what has expired.

        Raises `Forbidden`.
        """
        caller.require(Action.CLEAN_UP)
        now = self._records.clock()
        expired = await self._listing.overdue(now, MOST + 1)
        idle = () if idle_for is None else await self._listing.idle(_before(now, idle_for), MOST + 1)
        abandoned = [entry for entry in idle if not is_expired(entry.upload, now)]
        more = len(expired) + len(abandoned) > MOST
        return Found(expired[:MOST], abandoned[: max(0, MOST - len(expired))], more)

    async def remove(self, found: Found, caller: Caller) -> Found:
        """Remove what was found, except for what somebody has come back to; return what that was."""
        caller.require(Action.CLEAN_UP)
        return await self._work.see_through(self._remove_all(found, caller), None)

    async def _remove_all(self, found: Found, caller: Caller) -> Found:
        expired = [entry for entry in found.expired if await self._remove(entry, caller)]
        abandoned = [entry for entry in found.abandoned if await self._remove(entry, caller)]
        return Found(expired, abandoned, found.more)

    async def _remove(self, entry: Entry, caller: Caller) -> bool:
        try:
            async with leased(self._locker, entry.upload.id, timeout=0):
                return await self._remove_leased(entry, caller)
        except (UploadLocked, UploadNotFound):
            return False

    async def _remove_leased(self, seen: Entry, caller: Caller) -> bool:
        entry = await self._listing.find(seen.upload.id)
        if entry is None or entry.updated_at != seen.updated_at:
            return False
        upload = await self._records.load(entry.upload.id)
        return await self._records.remove(upload, State.EXPIRED, caller.request)


def _before(now: datetime, duration: timedelta) -> datetime:
    try:
        return now - duration
    except OverflowError:
        return datetime.min.replace(tzinfo=now.tzinfo)
