"""Appending a body to an upload whose lease is held: write, settle, approve, save, whatever happens to the client."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

import anyio.to_thread
from anyio import CapacityLimiter

from longshore.ports import Body, Fsync, Lease, StopReason, Writer
from longshore.ports.hooks import HookEvent
from longshore.protocol.append import Receipt, WritePlan, settle_append
from longshore.protocol.checksum import Digests
from longshore.protocol.errors import InsufficientStorage, QuotaExceeded, TusError, Unavailable, UploadTerminated
from longshore.protocol.lifetime import expiry
from longshore.protocol.upload import State, Upload
from longshore.uploads.caller import Caller
from longshore.uploads.gate import Gate, Watch
from longshore.uploads.grants import Grant
from longshore.uploads.records import Records
from longshore.uploads.transfer import Transfer

logger = logging.getLogger(__name__)


class Appender:
    """Carries out write plans."""

    def __init__(
        self, records: Records, gate: Gate, *, fsync: Fsync, checkpoint_interval: float, limiter: CapacityLimiter
    ) -> None:
        self._records = records
        self._gate = gate
        self._fsync = fsync
        self._checkpoint_interval = checkpoint_interval
        self._limiter = limiter

    async def append(
        self, plan: WritePlan, body: Body, lease: Lease, caller: Caller, grant: Grant | None = None
    ) -> Upload:
        """Write the body, commit what arrived, and return the upload as committed.

        A client that goes away, a body that is stopped, a full disk and an exhausted quota all commit what the store
        has; a hook that refuses has the upload removed. `grant` bounds how far the upload may go. Raises
        `InsufficientStorage`, `QuotaExceeded`, what `settle_append` raises, and what hooks do.
        """
        whole = memoryview(b"") if plan.body.length == 0 else body.take_whole()
        watch = Watch(self._gate, plan, body, caller)
        if whole is not None:
            return await self._append_whole(plan, whole, watch, grant)
        writer = await self._records.store.append(plan.upload.id, plan.upload.offset)
        try:
            return await self._write(plan, body, lease, writer, watch, grant)
        finally:
            # On the loop: nobody writes any more, and closing a file that needs no flush takes no time.
            writer.close()

    async def _append_whole(self, plan: WritePlan, data: memoryview, watch: Watch, grant: Grant | None) -> Upload:
        """Verify, write and commit a small body, with no need of checkpoints."""
        digests = Digests(plan.algorithms)
        digests.update(data)
        receipt = Receipt(received=len(data), complete=True, digests=digests, trailers={})
        upload = self._decide_settled(plan, receipt)
        if grant is not None:
            # So little is not worth taking in pieces.
            await grant.cover_all(upload.offset)
        if data:
            durable = self._must_sync(upload)
            await self._records.store.write(upload.id, plan.upload.offset, data, durable=durable)
        return await self._commit(plan, upload, watch)

    async def _write(
        self, plan: WritePlan, body: Body, lease: Lease, writer: Writer, watch: Watch, grant: Grant | None
    ) -> Upload:
        sync_interval = self._checkpoint_interval if self._fsync == "always" else None
        transfer = Transfer(plan, writer, lease, watch, grant, sync_interval=sync_interval)
        try:
            checkpoint = self._checkpoint(plan, body, watch)
            await transfer.run(body, checkpoint=checkpoint, interval=self._checkpoint_interval)
        except (InsufficientStorage, QuotaExceeded):
            await self._settle_rest(plan, transfer.receipt(body, complete=False), writer, watch)
            raise
        return await self._settle(plan, transfer.receipt(body, complete=body.complete), writer, watch)

    def _checkpoint(self, plan: WritePlan, body: Body, watch: Watch) -> Callable[[int], Awaitable[None]]:
        async def checkpoint(position: int) -> None:
            expires_at = expiry(plan.upload, self._records.limits, self._records.clock())
            if not await self._records.uploads.checkpoint(plan.upload.id, position, expires_at):
                body.stop(StopReason.TAKEN_OVER)
            upload = replace(plan.upload, offset=position, expires_at=expires_at)
            event = HookEvent(upload=upload, request=watch.caller.request, stop=watch.refuse)
            self._gate.hooks.tell("post_receive", event)

        return checkpoint

    async def _settle_rest(self, plan: WritePlan, receipt: Receipt, writer: Writer, watch: Watch) -> None:
        """Commit what was written before there was no more room.

        The refusal stays the same if even that fails; unless it is because the upload is gone. Raises what hooks do.
        """
        try:
            await self._settle(plan, receipt, writer, watch)
        except Unavailable as passing:
            logger.warning("upload %s: not all could be committed before room ran out: %s", plan.upload.id, passing)
        except TusError:
            raise
        except Exception:
            logger.exception("upload %s: could not commit what was written before room ran out", plan.upload.id)

    async def _settle(self, plan: WritePlan, receipt: Receipt, writer: Writer, watch: Watch) -> Upload:
        await watch.finish()
        upload = self._decide_settled(plan, receipt)
        if self._must_sync(upload):
            await anyio.to_thread.run_sync(writer.sync, limiter=self._limiter)
        return await self._commit(plan, upload, watch)

    def _decide_settled(self, plan: WritePlan, receipt: Receipt) -> Upload:
        return settle_append(plan, receipt, limits=self._records.limits, now=self._records.clock())

    async def _commit(self, plan: WritePlan, upload: Upload, watch: Watch) -> Upload:
        """Ask the hooks, then save; remove the upload if they refuse for good."""
        try:
            await watch.approve(upload)
        except Unavailable:
            held_back = self._held_back(plan, upload, watch)
            # An upload whose offset is its length would be taken for complete by its client, and never be finished.
            if held_back.offset != held_back.length:
                await self._save(plan, held_back, watch.caller)
            raise
        except TusError as refusal:
            # One that is ended in the middle is terminated, as with tusd; what is rejected is content.
            rejection = None if watch.was_stopped else refusal
            await self._records.remove(upload, State.TERMINATED, watch.caller.request, refusal=rejection)
            raise
        return await self._save(plan, upload, watch.caller)

    def _held_back(self, plan: WritePlan, upload: Upload, watch: Watch) -> Upload:
        """As much of the upload as can be committed while a hook cannot be asked: it is asked again with the rest."""
        offset = watch.bounded(upload.offset)
        if upload.state is State.COMPLETED:
            offset = max(plan.upload.offset, min(offset, upload.offset - 1))
        expires_at = expiry(plan.upload, self._records.limits, self._records.clock())
        return replace(plan.upload, offset=offset, expires_at=expires_at)

    async def _save(self, plan: WritePlan, upload: Upload, caller: Caller) -> Upload:
        if plan.upload.state is not State.COMPLETED and not await self._records.save(upload, caller.request):
            raise UploadTerminated
        return upload

    def _must_sync(self, upload: Upload) -> bool:
        return self._fsync == "always" or (self._fsync == "finish" and upload.state is State.COMPLETED)
