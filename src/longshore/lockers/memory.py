"""Locks for one event loop in one process: who holds an upload is an entry in a dictionary.

A newcomer waits for the release of the holder it found, not for "the lock", so every release wakes all who wait: one
takes the lease, the others have a new holder to judge. They are woken in the order in which they came. Nothing is kept
for an upload that nobody holds.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable

from longshore.ports import Holder
from longshore.protocol.errors import UploadLocked

logger = logging.getLogger(__name__)


class MemoryLease:
    """A `ports.Lease` to its owner, a `ports.Holder` to newcomers."""

    def __init__(
        self,
        upload_id: str,
        position: int | None,
        stop: Callable[[], None],
        *,
        held: dict[str, "MemoryLease"],
        now: Callable[[], float],
    ) -> None:
        self.upload_id = upload_id
        self.position = 0 if position is None else position
        self.released = asyncio.Event()
        self.admitted = asyncio.Event()
        if position is not None:
            self.admitted.set()
        self._heard = now()
        self._stop = stop
        self._asked = False
        self._held = held
        self._now = now

    @property
    def quiet_for(self) -> float:
        """Seconds since bytes last came in, or since the lease was taken; 0 while some are being worked on."""
        return max(0.0, self._now() - self._heard)

    def busy(self) -> None:
        """Note that bytes came in and are being worked on, so that a slow disk is not taken for a dead client."""
        self._heard = math.inf

    def advance(self, position: int) -> None:
        """Note that bytes came in and where the upload would stand. Any thread: two plain writes, no lock."""
        self.position = position
        self._heard = self._now()

    def admit(self, position: int) -> None:
        """Let newcomers judge us by where the upload stands."""
        self.position = position
        self.admitted.set()

    async def release(self) -> None:
        """Give the lease up. Nothing in here waits, so a cancellation cannot leave it half done."""
        if self._held.get(self.upload_id) is self:
            del self._held[self.upload_id]
            self.released.set()
            self.admitted.set()

    def ask_to_stop(self) -> None:
        """Call the owner's `stop`, the first time only. What it raises is the owner's fault, not the newcomer's."""
        if self._asked:
            return
        self._asked = True
        try:
            self._stop()
        except Exception:
            logger.exception("the holder of upload %s could not be asked to stop", self.upload_id)


class MemoryLocker:
    """A `ports.Locker`. `now` tells the seconds that `quiet_for` is measured in; timeouts run on the loop's clock."""

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._held: dict[str, MemoryLease] = {}

    async def acquire(
        self,
        upload_id: str,
        *,
        position: int | None,
        stop: Callable[[], None],
        may_take: Callable[[Holder], bool],
        timeout: float,
    ) -> MemoryLease:
        """Take the lease as soon as nobody has it.

        Raises what `may_take` raises, and `protocol.errors.UploadLocked` after timeout seconds. A newcomer that has no
        time left asks nobody to stop: it could not succeed any more.
        """
        deadline = asyncio.get_running_loop().time() + timeout
        while holder := self._held.get(upload_id):
            if not holder.admitted.is_set():
                await self._wait(holder.admitted, deadline)
            else:
                await self._outlast(holder, deadline, ask=may_take(holder))
        lease = MemoryLease(upload_id, position, stop, held=self._held, now=self._now)
        self._held[upload_id] = lease
        return lease

    async def quiesce(self, upload_id: str, *, quiet_for: float, timeout: float) -> bool:
        """Make a holder that has been quiet for so many seconds stop, and wait until it has released.

        Returns whether there was such a holder. Raises `protocol.errors.UploadLocked` after timeout seconds.
        """
        deadline = asyncio.get_running_loop().time() + timeout
        holder = self._held.get(upload_id)
        if not holder or holder.quiet_for < quiet_for:
            return False
        await self._outlast(holder, deadline, ask=True)
        return True

    async def _outlast(self, holder: MemoryLease, deadline: float, *, ask: bool) -> None:
        """Wait until the holder has released, after asking it to stop if that is wanted."""
        if ask and asyncio.get_running_loop().time() < deadline:
            holder.ask_to_stop()
        await self._wait(holder.released, deadline)

    async def _wait(self, event: asyncio.Event, deadline: float) -> None:
        if asyncio.get_running_loop().time() >= deadline:
            raise UploadLocked
        try:
            async with asyncio.timeout_at(deadline):
                await event.wait()
        except TimeoutError:
            if not event.is_set():  # Both may have come in the same turn of the loop.
                raise UploadLocked from None
