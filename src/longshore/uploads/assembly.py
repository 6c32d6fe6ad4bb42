"""Putting final uploads together once all their parts are there."""

import logging
from collections.abc import Mapping
from contextlib import AsyncExitStack

from longshore.ports import Locker
from longshore.ports.quotas import Quotas
from longshore.protocol.concat import is_ready, settle_concatenate, total_length
from longshore.protocol.errors import InsufficientStorage, QuotaExceeded, TusError, Unavailable
from longshore.protocol.upload import State, Upload
from longshore.uploads.allowances import Allowances
from longshore.uploads.caller import Caller
from longshore.uploads.gate import Gate
from longshore.uploads.leases import leased
from longshore.uploads.records import Records

logger = logging.getLogger(__name__)


class Assembly:
    """Turns completed parts into final uploads."""

    def __init__(
        self,
        records: Records,
        locker: Locker,
        gate: Gate,
        allowances: Allowances,
        *,
        durable: bool,
        lock_timeout: float,
    ) -> None:
        self._records = records
        self._locker = locker
        self._gate = gate
        self._allowances = allowances
        self._durable = durable
        self._lock_timeout = lock_timeout

    async def assemble(self, final: Upload, caller: Caller, *, created_now: bool = False) -> Upload:
        """Put the final upload together if its parts are all there; return it as it stands afterwards.

        Holds the leases of the final and of its parts, so that none goes away while it is copied; always taken in the
        same order, so that two assemblies cannot wait for each other. Raises `InsufficientStorage`, `UploadLocked`, and
        what hooks do: a final upload that they refuse for good is removed; and so is one that was `created_now`, whose
        client makes another one, when they cannot be asked.
        """
        if not is_ready(final, await self._parts(final)):
            return final
        async with AsyncExitStack() as leases:
            for upload_id in (final.id, *sorted(set(final.parts))):
                # A copy runs to its end; whoever wants one of the leases waits.
                await leases.enter_async_context(leased(self._locker, upload_id, timeout=self._lock_timeout))
            return await self._assemble(final.id, caller, created_now)

    async def _assemble(self, final_id: str, caller: Caller, created_now: bool) -> Upload:
        final = await self._records.load(final_id)
        parts = await self._parts(final)
        if final.state is not State.UNFINISHED or not is_ready(final, parts):
            return final
        length = total_length(final, parts) or 0
        if length > self._records.limits.ceiling:
            return await self._refuse(final)
        if final.length is None:
            await self._set_aside(final, length, caller)
        sources = [(part_id, parts[part_id].offset) for part_id in final.parts]
        size = await self._records.store.concatenate(final.id, sources, durable=self._durable)
        completed = settle_concatenate(final, size, limits=self._records.limits, now=self._records.clock())
        await self._approve(final, completed, caller, created_now)
        await self._records.save(completed, caller.request)
        return completed

    async def _set_aside(self, final: Upload, length: int, caller: Caller) -> None:
        """Set the length aside of the owner's quotas, now that it is known; remove what is too much for them."""
        if not final.owner:
            return
        quotas = await self._allowances.of(caller.principal) if caller.owner == final.owner else None
        try:
            await self._records.uploads.reserve(final.id, length, quotas=quotas or Quotas())
        except QuotaExceeded as refusal:
            await self._records.remove(final, State.TERMINATED, caller.request, refusal=refusal)
            raise

    async def _approve(self, final: Upload, completed: Upload, caller: Caller, created_now: bool) -> None:
        try:
            await self._gate.approve(final, completed, caller)
        except TusError as refusal:
            if not isinstance(refusal, Unavailable):
                await self._records.remove(final, State.TERMINATED, caller.request, refusal=refusal)
            elif created_now:
                await self._records.remove(final, State.TERMINATED, caller.request)
            raise

    async def _parts(self, final: Upload) -> Mapping[str, Upload]:
        return await self._records.uploads.get_many(set(final.parts))

    async def _refuse(self, final: Upload) -> Upload:
        """Terminate a final upload whose parts, of unknown length when it was created, have come to too much."""
        logger.warning("final upload %s is terminated: its parts are larger than is taken here", final.id)
        await self._records.remove(final, State.TERMINATED)
        return final

    async def assemble_quietly(self, final: Upload, caller: Caller | None = None) -> None:
        """Put the final upload together on nobody's request: failures are logged, and the sweep tries again."""
        try:
            await self.assemble(final, caller or Caller())
        except InsufficientStorage:
            logger.warning("final upload %s: no room to put it together yet", final.id)
        except Unavailable as passing:
            logger.warning("final upload %s could not be put together yet: %s", final.id, passing.detail)
        except TusError as refusal:
            logger.info("final upload %s was refused: %s", final.id, refusal.code)
        except Exception:
            logger.exception("final upload %s could not be put together yet", final.id)
