"""The sweep: removes what has expired, and finishes what a crash has cut short."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence

from longshore.ports import Locker
from longshore.protocol.errors import UploadLocked
from longshore.protocol.lifetime import is_expired
from longshore.protocol.upload import State
from longshore.uploads.assembly import Assembly
from longshore.uploads.leases import leased
from longshore.uploads.records import Records

logger = logging.getLogger(__name__)

_BATCH = 100
"""Records read at a time, so that a sweep after a long stop does not load them all."""


class Sweep:
    """Clears up behind uploads. Every step can be cut short at any point, and is then done by a later sweep."""

    def __init__(
        self,
        records: Records,
        locker: Locker,
        assembly: Assembly,
        *,
        others: Sequence[Callable[[], Awaitable[None]]] = (),
    ) -> None:
        """`others` is what else is to be cleared up behind; each runs once in a sweep."""
        self._records = records
        self._locker = locker
        self._assembly = assembly
        self._others = others

    async def run(self, interval: float) -> None:
        """Sweep now and then every `interval` seconds, until cancelled. What goes wrong is logged."""
        while True:
            try:
                await self.once()
            except Exception:
                logger.exception("the sweep failed; it is tried again in %g s", interval)
            await asyncio.sleep(interval)

    async def once(self) -> None:
        """One whole sweep."""
        await self._expire_all()
        await self._purge_all()
        for final in await self._records.uploads.unfinished_finals(_BATCH):
            await self._assembly.assemble_quietly(final)
        while await self._records.uploads.forget(self._records.clock(), _BATCH) == _BATCH:
            pass
        for other in self._others:
            await other()

    async def _expire_all(self) -> None:
        busy: set[str] = set()
        while True:
            due = await self._records.uploads.expired(self._records.clock(), _BATCH + len(busy))
            fresh = [upload.id for upload in due if upload.id not in busy]
            if not fresh:
                return
            for upload_id in fresh:
                with _going_on(upload_id):
                    await self._expire(upload_id)
            busy.update(fresh)

    async def _expire(self, upload_id: str) -> None:
        """Remove one upload, unless somebody is busy with it: activity moves its expiry."""
        with contextlib.suppress(UploadLocked):
            async with leased(self._locker, upload_id, timeout=0):
                await self._expire_leased(upload_id)

    async def _expire_leased(self, upload_id: str) -> None:
        upload = await self._records.load(upload_id)
        if is_expired(upload, self._records.clock()):
            await self._records.remove(upload, State.EXPIRED)

    async def _purge_all(self) -> None:
        """Remove the bytes of tombstones that a crash left behind."""
        for upload_id in await self._records.uploads.unpurged(_BATCH):
            with _going_on(upload_id):
                await self._records.purge(upload_id)


@contextlib.contextmanager
def _going_on(upload_id: str) -> Iterator[None]:
    """Let the sweep go on to the next upload when one of them fails; a later sweep comes back to it."""
    try:
        yield
    except Exception:
        logger.exception("upload %s could not be cleared away; it is tried again", upload_id)
