"""Appending a body to an upload whose lease is held: write, settle, save, whatever happens to the client."""

import logging
from collections.abc import Awaitable, Callable

import anyio.to_thread
from anyio import CapacityLimiter

from longshore.ports import Body, Fsync, Lease, StopReason, Writer
from longshore.protocol.append import Receipt, WritePlan, settle_append
from longshore.protocol.checksum import Digests
from longshore.protocol.errors import InsufficientStorage, UploadTerminated
from longshore.protocol.lifetime import expiry
from longshore.protocol.upload import State, Upload
from longshore.uploads.records import Records
from longshore.uploads.transfer import Transfer

logger = logging.getLogger(__name__)


class Appender:
    """Carries out write plans."""

    def __init__(self, records: Records, *, fsync: Fsync, checkpoint_interval: float, limiter: CapacityLimiter) -> None:
        self._records = records
        self._fsync = fsync
        self._checkpoint_interval = checkpoint_interval
        self._limiter = limiter

    async def append(self, plan: WritePlan, body: Body, lease: Lease) -> Upload:
        """Write the body, commit what arrived, and return the upload as committed.

        A client that goes away, a body that is stopped, and a full disk all commit what the store has. Raises
        `InsufficientStorage`, and what `settle_append` raises.
        """
        whole = memoryview(b"") if plan.body.length == 0 else body.take_whole()
        if whole is not None:
            return await self._append_whole(plan, whole)
        writer = await self._records.store.append(plan.upload.id, plan.upload.offset)
        try:
            return await self._write(plan, body, lease, writer)
        finally:
            # On the loop: nobody writes any more, and closing a file that needs no flush takes no time.
            writer.close()

    async def _append_whole(self, plan: WritePlan, data: memoryview) -> Upload:
        """Verify, write and commit a small body, with no need of checkpoints."""
        digests = Digests(plan.algorithms)
        digests.update(data)
        receipt = Receipt(received=len(data), complete=True, digests=digests, trailers={})
        upload = self._decide_settled(plan, receipt)
        if data:
            durable = self._must_sync(upload)
            await self._records.store.write(upload.id, plan.upload.offset, data, durable=durable)
        return await self._save(plan, upload)

    async def _write(self, plan: WritePlan, body: Body, lease: Lease, writer: Writer) -> Upload:
        sync_interval = self._checkpoint_interval if self._fsync == "always" else None
        transfer = Transfer(plan, writer, lease, sync_interval=sync_interval)
        try:
            await transfer.run(body, checkpoint=self._checkpoint(plan, body), interval=self._checkpoint_interval)
        except InsufficientStorage:
            await self._settle_rest(plan, transfer.receipt(body, complete=False), writer)
            raise
        return await self._settle(plan, transfer.receipt(body, complete=body.complete), writer)

    def _checkpoint(self, plan: WritePlan, body: Body) -> Callable[[int], Awaitable[None]]:
        async def checkpoint(position: int) -> None:
            expires_at = expiry(plan.upload, self._records.limits, self._records.clock())
            if not await self._records.uploads.checkpoint(plan.upload.id, position, expires_at):
                body.stop(StopReason.TAKEN_OVER)

        return checkpoint

    async def _settle_rest(self, plan: WritePlan, receipt: Receipt, writer: Writer) -> None:
        """Commit what was written before the store was full; the refusal stays the same if even that fails."""
        try:
            await self._settle(plan, receipt, writer)
        except Exception:
            logger.exception("upload %s: could not commit what was written before the store was full", plan.upload.id)

    async def _settle(self, plan: WritePlan, receipt: Receipt, writer: Writer) -> Upload:
        upload = self._decide_settled(plan, receipt)
        if self._must_sync(upload):
            await anyio.to_thread.run_sync(writer.sync, limiter=self._limiter)
        return await self._save(plan, upload)

    def _decide_settled(self, plan: WritePlan, receipt: Receipt) -> Upload:
        return settle_append(plan, receipt, limits=self._records.limits, now=self._records.clock())

    async def _save(self, plan: WritePlan, upload: Upload) -> Upload:
        if plan.upload.state is not State.COMPLETED and not await self._records.uploads.save(upload):
            raise UploadTerminated
        return upload

    def _must_sync(self, upload: Upload) -> bool:
        return self._fsync == "always" or (self._fsync == "finish" and upload.state is State.COMPLETED)
