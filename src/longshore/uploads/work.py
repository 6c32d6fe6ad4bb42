"""Work that outlives the request that asked for it, and how it ends when the server stops."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from longshore.ports import Body, StopReason
from longshore.protocol.errors import ShuttingDown

T = TypeVar("T")


class Work:
    """What is being carried out, and the bodies being read for it."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()
        self._bodies: set[Body] = set()
        self._stopping = False

    async def see_through(self, work: Coroutine[Any, Any, T], body: Body | None) -> T:
        """Run the work as a task of its own, so that a cancelled request cannot tear a commit apart.

        uvicorn cancels requests with `task.cancel()` when its grace period is over, which only a task of its own and
        `asyncio.shield` withstand. Raises `ShuttingDown` once `stop` has been called, and what the work raises.
        """
        if self._stopping:
            work.close()
            raise ShuttingDown
        task = asyncio.create_task(work)
        self._note(task, body)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if body is not None:
                body.stop(StopReason.SHUTTING_DOWN)
            raise

    def _note(self, task: asyncio.Task[Any], body: Body | None) -> None:
        self._running.add(task)
        if body is not None:
            self._bodies.add(body)
        task.add_done_callback(lambda _: self._done(task, body))

    def _done(self, task: asyncio.Task[Any], body: Body | None) -> None:
        self._running.discard(task)
        if body is not None:
            self._bodies.discard(body)
        if not task.cancelled():
            # Retrieved here so that a refusal nobody waits for any more is not reported as forgotten.
            task.exception()

    def stop(self) -> None:
        """Take no new work, and make running appends commit what arrived and answer `ShuttingDown`."""
        self._stopping = True
        for body in list(self._bodies):
            body.stop(StopReason.SHUTTING_DOWN)

    async def drain(self) -> None:
        """Stop, and wait until everything that runs has been committed."""
        self.stop()
        if self._running:
            await asyncio.wait(list(self._running))
