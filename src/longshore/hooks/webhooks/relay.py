"""The relay: hands the events that wait for their delivery to DBOS, and keeps the two in step."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeVar

import anyio.to_thread

from longshore.hooks.webhooks.attempts import Attempt, Attempts, Backoff
from longshore.hooks.webhooks.sender import Sender
from longshore.ports import Clock
from longshore.ports.deliveries import Deliveries, Delivery
from longshore.protocol.errors import TusError

if TYPE_CHECKING:
    from longshore.hooks.webhooks.workflows import Workflows

A = TypeVar("A")
T = TypeVar("T")

logger = logging.getLogger(__name__)

_PAGE: Final = 200
"""Records read at a time."""

_REST: Final = 4
"""How many times as long as it looked the relay rests afterwards: a long backlog must not keep the database busy."""

_CARE_INTERVAL: Final = 600.0
"""Seconds from one comparison of the records with what DBOS knows to the next."""

_MEMORY: Final = timedelta(hours=1)
"""How long DBOS remembers an attempt that is over."""


class Relay:
    """Delivers events to the receiver: at least once, one upload's events one after the other. One to a process.

    Whose turn it is, the records say: an event is handed on when none before it of the same upload is still open. So
    in DBOS attempts are independent of each other, and those that fail hold up their own upload alone.
    """

    def __init__(
        self,
        deliveries: Deliveries,
        sender: Sender,
        *,
        jobs_url: str,
        clock: Clock,
        backoff: Backoff | None = None,
        poll: float = 2.0,
        jobs_poll: float = 0.5,
        executor_id: str = "longshore",
    ) -> None:
        """Take the URL of the database in which DBOS keeps its state, SQLite or PostgreSQL.

        `poll` and `jobs_poll` are how often, in seconds, the relay looks for waiting deliveries and DBOS for attempts
        that are due. `executor_id` has to stay the same for a process that takes the place of another.
        """
        self._deliveries = deliveries
        self._attempts = Attempts(deliveries, sender, clock=clock, backoff=backoff or Backoff(), settled=self.wake)
        self._jobs_url = jobs_url
        self._poll = poll
        self._jobs_poll = jobs_poll
        self._executor_id = executor_id
        self._woken = asyncio.Event()
        self._workflows: Workflows | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start DBOS, which goes on where it was, and the relay.

        Raises `RuntimeError` when DBOS is in use in this process already, and what DBOS raises where it cannot start.
        """
        workflows = await anyio.to_thread.run_sync(self._open, asyncio.get_running_loop())
        self._workflows = workflows
        self._task = asyncio.create_task(self._run(workflows))

    def wake(self) -> None:
        """Say that there may be a delivery to take up. Event loop only; never blocks, never raises."""
        self._woken.set()

    async def close(self) -> None:
        """Stop; what is under way is broken off and done again after the next start. Fine when never started."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None
        if self._workflows is not None:
            await anyio.to_thread.run_sync(self._workflows.stop)
            self._workflows = None

    def _open(self, loop: asyncio.AbstractEventLoop) -> "Workflows":
        # Here, because only those who want webhooks should have to wait for DBOS to be imported.
        from longshore.hooks.webhooks.workflows import Workflows

        workflows = Workflows(
            self._jobs_url,
            loop=loop,
            carry_out=self._attempts.make,
            executor_id=self._executor_id,
            poll=self._jobs_poll,
        )
        workflows.start()
        return workflows

    async def _run(self, workflows: "Workflows") -> None:
        loop = asyncio.get_running_loop()
        care_at = loop.time()
        while True:
            self._woken.clear()
            rest = 0.0
            try:
                if loop.time() >= care_at:
                    care_at = loop.time() + _CARE_INTERVAL
                    await self._care(workflows)
                rest = _REST * await self._hand_on(workflows)
            except TusError as error:
                logger.warning("webhooks wait for the database: %s", error)
                rest = self._poll
            except Exception:
                logger.exception("handing webhooks on failed; it is tried again in %g s", self._poll)
                rest = self._poll
            await asyncio.sleep(rest)
            # Not wait_for, which may lose a cancellation that comes just when it is woken (Python 3.11).
            with suppress(TimeoutError):
                async with asyncio.timeout(self._poll):
                    await self._woken.wait()

    async def _hand_on(self, workflows: "Workflows") -> float:
        """Go once through what waits; return how many seconds the looking took.

        DBOS is told first: should a crash come in between, it is told twice, which is as good as once.
        """
        loop = asyncio.get_running_loop()
        looked = 0.0
        after: int | None = 0
        while after is not None:
            began = loop.time()
            page = await self._deliveries.waiting(after, _PAGE)
            looked += loop.time() - began
            await self._add(workflows, page.due)
            await self._deliveries.mark_queued(page.due)
            after = page.last
        return looked

    async def _add(self, workflows: "Workflows", deliveries: Sequence[Delivery]) -> None:
        if deliveries:
            await _in_thread(workflows.add, [self._attempts.following(delivery) for delivery in deliveries])

    async def _care(self, workflows: "Workflows") -> None:
        """Have DBOS forget what is long over, and look after queued deliveries that it knows nothing of any more.

        There are none, unless its database was lost or an attempt died of something that nobody thought of.
        """
        await _in_thread(workflows.forget, datetime.now(UTC) - _MEMORY)
        queued: Sequence[Delivery] = await self._deliveries.queued(0, _PAGE)
        while queued:
            await self._mend(workflows, queued)
            queued = await self._deliveries.queued(queued[-1].event_id, _PAGE)

    async def _mend(self, workflows: "Workflows", queued: Sequence[Delivery]) -> None:
        following = [self._attempts.following(delivery) for delivery in queued]
        # After an attempt was noted, and before the next one is enqueued, the one before is still under way.
        former = [replace(attempt, number=attempt.number - 1) for attempt in following if attempt.number]
        under_way, over = await _in_thread(workflows.known, [*following, *former])
        moving = {_key(attempt) for attempt in (*following, *former) if attempt.workflow_id in under_way}
        for delivery, attempt in zip(queued, following, strict=True):
            if _key(attempt) in moving:
                continue
            if attempt.workflow_id in over:
                await self._deliveries.restart(delivery)
            else:
                await _in_thread(workflows.add, [attempt])


def _key(attempt: Attempt) -> tuple[int, int]:
    return attempt.event_id, attempt.generation


async def _in_thread(call: Callable[[A], T], argument: A) -> T:
    """Call in a worker thread; when cancelled, wait for it all the same: DBOS must not be stopped under its feet."""
    done = asyncio.ensure_future(anyio.to_thread.run_sync(call, argument))
    try:
        return await asyncio.shield(done)
    finally:
        await asyncio.wait([done])
