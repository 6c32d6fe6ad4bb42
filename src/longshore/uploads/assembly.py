"""Putting final uploads together once all their parts are there."""

import logging
from collections.abc import Mapping
from contextlib import AsyncExitStack

from longshore.events import UploadCompleted, UploadTerminated
from longshore.ports import Emit, Locker
from longshore.protocol.concat import is_ready, settle_concatenate, total_length
from longshore.protocol.errors import InsufficientStorage
from longshore.protocol.upload import State, Upload
from longshore.uploads.leases import leased
from longshore.uploads.records import Records

logger = logging.getLogger(__name__)


class Assembly:
    """Turns completed parts into final uploads."""

    def __init__(self, records: Records, locker: Locker, emit: Emit, *, durable: bool, lock_timeout: float) -> None:
        self._records = records
        self._locker = locker
        self._emit = emit
        self._durable = durable
        self._lock_timeout = lock_timeout

    async def assemble(self, final: Upload) -> Upload:
        """Put the final upload together if its parts are all there; return it as it stands afterwards.

        Holds the leases of the final and of its parts, so that none goes away while it is copied; always taken in the
        same order, so that two assemblies cannot wait for each other. Raises `InsufficientStorage`, `UploadLocked`.
        """
        if not is_ready(final, await self._parts(final)):
            return final
        async with AsyncExitStack() as leases:
            for upload_id in (final.id, *sorted(set(final.parts))):
                # A copy runs to its end; whoever wants one of the leases waits.
                await leases.enter_async_context(leased(self._locker, upload_id, timeout=self._lock_timeout))
            return await self._assemble(final.id)

    async def _assemble(self, final_id: str) -> Upload:
        final = await self._records.load(final_id)
        parts = await self._parts(final)
        if final.state is not State.UNFINISHED or not is_ready(final, parts):
            return final
        if (total_length(final, parts) or 0) > self._records.limits.ceiling:
            return await self._refuse(final)
        sources = [(part_id, parts[part_id].offset) for part_id in final.parts]
        size = await self._records.store.concatenate(final.id, sources, durable=self._durable)
        completed = settle_concatenate(final, size, limits=self._records.limits, now=self._records.clock())
        if await self._records.uploads.save(completed):
            self._emit(UploadCompleted(completed))
        return completed

    async def _parts(self, final: Upload) -> Mapping[str, Upload]:
        return await self._records.uploads.get_many(set(final.parts))

    async def _refuse(self, final: Upload) -> Upload:
        """Terminate a final upload whose parts, of unknown length when it was created, have come to too much."""
        logger.warning("final upload %s is terminated: its parts are larger than is taken here", final.id)
        if left := await self._records.remove(final, State.TERMINATED):
            self._emit(UploadTerminated(left))
        return final

    async def assemble_quietly(self, final: Upload) -> None:
        """Put the final upload together on nobody's request: failures are logged, and the sweep tries again."""
        try:
            await self.assemble(final)
        except InsufficientStorage:
            logger.warning("final upload %s: no room to put it together yet", final.id)
        except Exception:
            logger.exception("final upload %s could not be put together yet", final.id)
