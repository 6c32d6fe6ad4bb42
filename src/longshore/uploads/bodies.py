"""Request bodies as the service reads them. Here: a body that comes through ASGI's `receive`, on any server."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

import anyio.to_thread
from anyio import CapacityLimiter

from longshore.ports import Sink, StopReason
from longshore.uploads.budget import Budget

logger = logging.getLogger(__name__)

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

PIECE_SIZE = 1024 * 1024
"""Bytes gathered before a worker thread is given them: large enough that the thread hop costs nothing."""

SMALL_PIECE = 64 * 1024
"""Bytes gathered where the budget has none for a large piece."""

FLUSH_INTERVAL = 0.25
"""Seconds that bytes wait for company; less than a checkpoint's interval, so that slow clients are checkpointed too."""


class AsgiBody:
    """A body that is gathered from `receive` into pieces, one being written while the next one fills.

    Holds at most two pieces and what the server buffers; when both are full, `receive` is not called, and the server
    stops reading from the connection. Large pieces are taken from a budget that all bodies share, and given back
    whenever nothing is at hand: a client that stalls holds none.
    """

    def __init__(
        self,
        receive: Receive,
        *,
        idle_timeout: float,
        limiter: CapacityLimiter,
        budget: Budget,
        trailers: Mapping[str, str] | None = None,
    ) -> None:
        self._receive = receive
        self._idle_timeout = idle_timeout
        self._limiter = limiter
        self._budget = budget
        self._piece_size = SMALL_PIECE
        self._trailers = trailers if trailers is not None else {}
        self._gathered = bytearray()
        self._arrived = asyncio.Event()
        self._full = asyncio.Event()
        self._taken = asyncio.Event()
        self._begun = False
        self._ended = False
        """The body came to its end."""
        self._surplus = False
        """The body goes on beyond the limit."""
        self._stopped: StopReason | None = None

    @property
    def stopped(self) -> StopReason | None:
        """Why the body ended before its end."""
        return self._stopped

    @property
    def begun(self) -> bool:
        """Whether `receive` has been called."""
        return self._begun

    @property
    def complete(self) -> bool:
        """Whether the body came to its end and all of it has been passed on."""
        return self._ended and not self._gathered

    @property
    def trailers(self) -> Mapping[str, str]:
        """Trailer fields, once the body has ended; empty on servers that do not deliver them."""
        return self._trailers if self._ended else {}

    def stop(self, reason: StopReason) -> None:
        """Make `feed` pass on what has arrived, and return."""
        if self._stopped is None and not self._ended:
            self._stopped = reason
            self._wake()

    def take_whole(self) -> memoryview | None:
        """Always None: how much is here is not known before `receive` has been awaited."""
        return None

    async def feed(
        self, sink: Sink, *, limit: int | None, heard: Callable[[], None] = lambda: None, keeps: bool = False
    ) -> int:
        """See `ports.Body.feed`. A piece is never used for anything else, so `keeps` makes no difference."""
        self._begun = True
        gathering = asyncio.create_task(self._gather(limit, heard))
        await asyncio.sleep(0)
        try:
            return await self._pass_on(sink)
        finally:
            gathering.cancel()
            await asyncio.wait([gathering])
            self._shrink()

    async def _pass_on(self, sink: Sink) -> int:
        passed = 0
        while await self._piece_is_due():
            piece, self._gathered = self._gathered, bytearray()
            self._arrived.clear()
            self._full.clear()
            self._taken.set()
            await anyio.to_thread.run_sync(sink, memoryview(piece), limiter=self._limiter)
            passed += len(piece)
        return passed

    async def _piece_is_due(self) -> bool:
        """Wait until there are bytes to pass on; False when there will be no more."""
        if not self._gathered and not self._over:
            self._shrink()
            await self._wait(self._arrived, self._idle_timeout)
            if not self._gathered and not self._over:
                self.stop(StopReason.STALLED)
        if not self._over:
            await self._wait(self._full, FLUSH_INTERVAL)
        return bool(self._gathered)

    async def _wait(self, event: asyncio.Event, seconds: float) -> None:
        if not event.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await event.wait()

    async def _gather(self, limit: int | None, heard: Callable[[], None]) -> None:
        try:
            left = limit
            while True:
                # Once at least: also of a body that is stopped already, what the server has read of it is kept.
                left = await self._gather_one(left)
                if self._gathered:
                    heard()
                if self._over:
                    return
        except Exception:
            # Whatever breaks the connection is, for what arrived before, the same as a client that went away.
            logger.debug("the connection broke while a body was read", exc_info=True)
            self.stop(StopReason.DISCONNECTED)

    async def _gather_one(self, left: int | None) -> int | None:
        """Take one message; return how many more bytes may be taken."""
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self.stop(StopReason.DISCONNECTED)
            return left
        data = message.get("body", b"")
        self._gathered += data if left is None else data[:left]
        if left is not None and len(data) > left:
            self._surplus = True
        elif not message.get("more_body", False):
            self._ended = self._stopped is None
        if self._over:
            self._wake()
        else:
            await self._make_room()
        return None if left is None else left - len(data)

    async def _make_room(self) -> None:
        if self._gathered:
            self._arrived.set()
        if len(self._gathered) >= SMALL_PIECE:
            self._grow()
        while len(self._gathered) >= self._piece_size:
            self._full.set()
            self._taken.clear()
            await self._taken.wait()

    def _grow(self) -> None:
        if self._piece_size == SMALL_PIECE and self._budget.take(2 * PIECE_SIZE):
            self._piece_size = PIECE_SIZE

    def _shrink(self) -> None:
        if self._piece_size == PIECE_SIZE:
            self._piece_size = SMALL_PIECE
            self._budget.give_back(2 * PIECE_SIZE)

    @property
    def _over(self) -> bool:
        return self._ended or self._surplus or self._stopped is not None

    def _wake(self) -> None:
        self._arrived.set()
        self._full.set()
