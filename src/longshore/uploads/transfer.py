"""One body on its way into the store: counted, hashed, written and checkpointed."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from longshore.ports import Body, Lease, Writer
from longshore.protocol.append import Receipt, WritePlan
from longshore.uploads.gate import Watch
from longshore.uploads.grants import Grant
from longshore.uploads.hashing import Hashing

logger = logging.getLogger(__name__)

Checkpoint = Callable[[int], Awaitable[None]]
"""Commits the offset at which the upload stands."""


class Transfer:
    """The sink of one append, and what it has seen.

    The sink runs in worker threads, one call at a time; the loop only reads its counters.
    """

    def __init__(
        self,
        plan: WritePlan,
        writer: Writer,
        lease: Lease,
        watch: Watch | None = None,
        grant: Grant | None = None,
        *,
        sync_interval: float | None,
    ) -> None:
        self._plan = plan
        self._writer = writer
        self._lease = lease
        self._watch = watch
        self._grant = grant
        self._hashing = Hashing(plan.algorithms)
        self._sync_interval = sync_interval
        self._synced_at = time.monotonic()
        self._received = 0
        self._position = plan.upload.offset

    def sink(self, data: memoryview) -> None:
        """Write and hash what fits; bytes beyond the plan's room are counted only, for the settling to refuse."""
        if not data:
            self._hashing.join()
            return
        if self._watch is not None and self._watch.refusal is not None:
            # Nothing of this will be kept: what the client has sent meanwhile need not reach the disk.
            return
        self._lease.busy()
        fitting = data[: self._plan.room - self._received]
        if self._grant is None:
            self._take(data, fitting)
        else:
            self._take_granted(fitting, self._grant)
            self._received += len(data) - len(fitting)

    def _take(self, data: memoryview, fitting: memoryview) -> None:
        self._hashing.update(fitting)
        self._writer.write(fitting)
        # The piece before this one may be used for something else from now on, this one from the next call on.
        self._hashing.join(behind=1)
        self._received += len(data)
        if self._watch is not None:
            self._watch.wrote(self._plan.upload.offset + min(self._received, self._plan.room))
        self._sync_if_due()
        self._lease.advance(self._position_now())

    def _take_granted(self, data: memoryview, grant: Grant) -> None:
        """Take what quotas allow, which may be less; the next call, at the latest, says which one is used up."""
        while data:
            offset = self._plan.upload.offset + self._received
            piece = data[: grant.cover_from_thread(offset, offset + len(data)) - offset]
            self._take(piece, piece)
            data = data[len(piece) :]

    def _position_now(self) -> int:
        return self._plan.position(self._received)

    def _sync_if_due(self) -> None:
        """Where every commit must be durable, a checkpoint may only see bytes that have been synced."""
        if self._sync_interval is not None:
            if time.monotonic() - self._synced_at < self._sync_interval:
                return
            self._writer.sync()
            self._synced_at = time.monotonic()
        self._position = self._position_now()

    async def run(self, body: Body, *, checkpoint: Checkpoint, interval: float) -> None:
        """Feed the body to the sink, committing the offset every `interval` seconds. Raises what the sink raises."""
        checkpoints = asyncio.create_task(self._checkpoint_each(interval, checkpoint))
        try:
            await body.feed(
                self.sink, limit=self._plan.limit, heard=self._lease.busy, keeps=bool(self._plan.algorithms)
            )
        finally:
            checkpoints.cancel()
            await asyncio.wait([checkpoints])
            await self._hashing.finish()

    async def _checkpoint_each(self, interval: float, checkpoint: Checkpoint) -> None:
        committed = self._position
        while True:
            await asyncio.sleep(interval)
            position = self._position if self._watch is None else self._watch.bounded(self._position)
            if position == committed:
                continue
            try:
                await checkpoint(position)
            except Exception:
                # A checkpoint only limits what a crash costs; the transfer goes on, and settling commits what came.
                logger.exception("could not checkpoint upload %s", self._plan.upload.id)
            else:
                committed = position

    def receipt(self, body: Body, *, complete: bool) -> Receipt:
        """What came of the body."""
        return Receipt(
            received=self._received, complete=complete, digests=self._hashing.digests, trailers=body.trailers
        )
