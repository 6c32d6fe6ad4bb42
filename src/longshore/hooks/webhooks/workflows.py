"""Deliveries as DBOS carries them out: each attempt is a workflow, and the next one is enqueued with a delay.

A delivery that waits for its next attempt is thus a row in DBOS's database and nothing else: it holds no thread, no
memory, and no place in the queue that another could have. Into DBOS goes the event's id, never what is sent.

DBOS is one to a process, with global state, and takes a third of a second to import: this module is imported where
webhooks are on, and `Workflows` runs once at a time. Its methods block; nothing of DBOS runs on the server's event
loop but `carry_out`, which DBOS's own loop waits for.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime
from typing import Final

import dbos._dbos
from dbos import DBOS, SetEnqueueOptions, SetWorkflowID, WorkflowSerializationFormat

from longshore.hooks.webhooks.attempts import ID_PREFIX, Attempt

ATTEMPTS_AT_ONCE: Final = 32

QUEUE: Final = "webhooks"

_VERSION: Final = "1"
"""DBOS goes on with a workflow only in a program of the version that began it: to be raised with `_deliver`'s shape."""

# Whoever has failed before stands behind those who have not: dead receivers must not hold the others up.
_FIRST: Final = 1
_AGAIN: Final = 2

_UNDER_WAY: Final = ("ENQUEUED", "DELAYED", "PENDING")
_OVER: Final = ("SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED")

_BATCH: Final = 500

_CANCELLED: Final = "Asyncio task cancelled"


CarryOut = Callable[[Attempt], Awaitable[float | None]]
"""Makes an attempt; says after how many seconds another one is due, or None. Called on the server's event loop."""


class Workflows:
    """DBOS, started on a database of its own. All methods block, and are called from worker threads."""

    def __init__(
        self, url: str, *, loop: asyncio.AbstractEventLoop, carry_out: CarryOut, executor_id: str, poll: float
    ) -> None:
        """Take the URL of a SQLite file or of PostgreSQL, where DBOS keeps to the schema `dbos`.

        `executor_id` names this process: at its start DBOS takes up again what a process of that name left behind.
        `poll` is how often, in seconds, DBOS looks for attempts that are due; for delays, it does once a second.
        """
        self._url = url
        self._loop = loop
        self._carry_out = carry_out
        self._executor_id = executor_id
        self._poll = poll

    def start(self) -> None:
        """Launch DBOS. Raises `RuntimeError` when this process has one already."""
        global _running
        if dbos._dbos._dbos_global_instance is not None:
            raise RuntimeError(
                "DBOS is in use in this process already: of several applications in it, one can deliver webhooks"
            )
        _tame_logging()
        _running = self
        try:
            _configure(self._url, self._executor_id)
            DBOS.launch()
            DBOS.register_queue(
                QUEUE,
                worker_concurrency=ATTEMPTS_AT_ONCE,
                polling_interval_sec=self._poll,
                on_conflict="always_update",
            )
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop DBOS. What is under way is broken off, and done again after the next start."""
        global _running
        DBOS.destroy()
        _running = None

    def add(self, attempts: Sequence[Attempt]) -> None:
        """Have attempts made as soon as possible. One that DBOS knows already is left as it is."""
        for attempt in attempts:
            with SetWorkflowID(attempt.workflow_id), SetEnqueueOptions(priority=_FIRST):
                DBOS.enqueue_workflow(QUEUE, _deliver, *_arguments(attempt))

    def known(self, attempts: Sequence[Attempt]) -> tuple[Collection[str], Collection[str]]:
        """The workflow ids of those attempts that are still to come or under way, and of those that are over."""
        found = DBOS.list_workflows(
            workflow_ids=[attempt.workflow_id for attempt in attempts], load_input=False, load_output=False
        )
        under_way = {workflow.workflow_id for workflow in found if workflow.status in _UNDER_WAY}
        return under_way, {workflow.workflow_id for workflow in found} - under_way

    def forget(self, before: datetime) -> None:
        """Delete what DBOS remembers of attempts that were over before then."""
        while True:
            over = DBOS.list_workflows(
                status=list(_OVER),
                workflow_id_prefix=ID_PREFIX,
                completed_before=before.isoformat(),
                limit=_BATCH,
                load_input=False,
                load_output=False,
            )
            DBOS.delete_workflows([workflow.workflow_id for workflow in over])
            if len(over) < _BATCH:
                return

    async def carry_out(self, attempt: Attempt) -> float | None:
        """Make an attempt on the server's event loop. Called on DBOS's."""
        made = asyncio.run_coroutine_threadsafe(_awaited(self._carry_out(attempt)), self._loop)
        return await asyncio.wrap_future(made)


_running: Workflows | None = None


async def _awaited(made: Awaitable[float | None]) -> float | None:
    return await made


def _arguments(attempt: Attempt) -> tuple[int, int, int, float]:
    return attempt.event_id, attempt.generation, attempt.number, attempt.deadline


async def _attempt(event_id: int, generation: int, number: int, deadline: float) -> float | None:
    if _running is None:
        raise RuntimeError("webhooks are not running")
    return await _running.carry_out(Attempt(event_id, generation, number, deadline))


# As JSON, because DBOS would pickle the arguments.
@DBOS.workflow(name="deliver_webhook", serialization_type=WorkflowSerializationFormat.PORTABLE)
async def _deliver(event_id: int, generation: int, number: int, deadline: float) -> None:
    wait = await DBOS.run_step_async({"name": "attempt"}, _attempt, event_id, generation, number, deadline)
    if wait is None:
        return
    following = Attempt(event_id, generation, number + 1, deadline)
    with SetWorkflowID(following.workflow_id), SetEnqueueOptions(priority=_AGAIN, delay_seconds=wait):
        await DBOS.enqueue_workflow_async(QUEUE, _deliver, *_arguments(following))


def _configure(url: str, executor_id: str) -> None:
    DBOS(
        config={
            "name": "longshore",
            "system_database_url": url,
            "sys_db_pool_size": 5,
            "max_executor_threads": 16,
            "application_version": _VERSION,
            "executor_id": executor_id,
            "enable_otlp": False,
            # What it has to say of its starting and stopping is of no use to an operator.
            "log_level": "WARNING",
            # Nobody waits for a workflow's messages or events.
            "use_listen_notify": False,
            # DBOS's listener sleeps for as long, and holds the stopping up.
            "notification_listener_polling_interval_sec": 0.25,
        }
    )


def _tame_logging() -> None:
    """Have DBOS log where everybody does: a logger without a handler it would give one, on standard error."""
    logger = logging.getLogger("dbos")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    logger.addFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    # That attempts are broken off when the server stops is nothing to warn of.
    return not record.getMessage().startswith(_CANCELLED)
