"""A bounded pool of threads over a pool of connections: one transaction for each call."""

import asyncio
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar, cast

from sqlalchemy import Connection, Engine

from longshore.db.admission import Admission
from longshore.db.calls import Call, deliver_on
from longshore.db.engine import is_conflict

T = TypeVar("T")

QUEUE_LIMIT: Final = 1024
"""Calls that may wait for a thread or be in one; see `Admission` for what becomes of more: they wait."""

ATTEMPTS: Final = 5
"""How often a transaction is tried that the database undoes for the sake of another one."""

_BACKOFF: Final = 0.01


class ConnectionThreads:
    """Runs functions on threads, each in a transaction of its own.

    A transaction that ends in a serialization failure or a deadlock is tried again, so a function must be fit to be
    called more than once. It must not commit or roll back itself.
    """

    def __init__(self, engine: Engine, *, threads: int, name: str) -> None:
        """Called on the event loop that will call `run`. The engine should have as many connections as threads."""
        self._engine = engine
        self._loop = asyncio.get_running_loop()
        self._admission = Admission(QUEUE_LIMIT)
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)

    async def run(self, fn: Callable[[Connection], T]) -> T:
        """Call fn in a transaction; return once that is committed.

        When the caller is cancelled, fn is skipped if its turn has not come, and runs to its end otherwise.
        """
        await self._admission.enter()
        call = Call(fn, self._loop.create_future())
        self._executor.submit(self._work, call)
        return cast(T, await call.answer)

    async def close(self) -> None:
        """Finish what is under way or waiting, then end the threads. Later calls of `run` raise."""
        await self._admission.close()
        self._executor.shutdown()

    def _work(self, call: Call) -> None:
        if not call.answer.cancelled():
            try:
                call.result = self._transact(call.fn)
            except BaseException as error:
                call.fail(error)
        deliver_on(self._loop, (call,), self._admission)

    def _transact(self, fn: Callable[[Connection], Any]) -> Any:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with self._engine.begin() as connection:
                    return fn(connection)
            except Exception as error:
                if attempt == ATTEMPTS or not is_conflict(error):
                    raise
            # At random, so that two that collided do not collide again. A thread of ours sleeps, not the event loop.
            time.sleep(random.uniform(0, _BACKOFF * 2**attempt))  # noqa: S311 - no secret hangs on it
        raise AssertionError("unreachable")
