"""Batches for SQLite: a thread carries out everything that has queued up in one transaction.

A commit costs a flush to the disk whether it carries one write or a hundred. While one commit is under way the next
writes queue up, and the next commit carries them all. Reads gain as well: one transaction and one wake-up of the event
loop serve many of them.
"""

import asyncio
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Final, TypeVar, cast

from sqlalchemy import Connection, Engine

from longshore.db.admission import Admission
from longshore.db.calls import Call, deliver_on
from longshore.db.transactions import Transactions

T = TypeVar("T")

QUEUE_LIMIT: Final = 1024
"""Calls that may be in the queue or in a batch; see `Admission` for what becomes of more: they wait."""


class BatchingThreads:
    """Runs functions on a few threads with a SQLite connection each, up to `batch_limit` of them to a transaction.

    Each runs in a savepoint, so that one that raises undoes its own writes only. Nobody is answered before the commit;
    when that fails, everyone in the transaction is told. A function must not commit or roll back itself. What it notes
    in `connection.info` is there for later transactions too, until one of them is undone.
    """

    def __init__(self, engine: Engine, *, begin: str, threads: int, batch_limit: int, name: str) -> None:
        """Start the threads. Called on the event loop that will call `run`. `begin` is how a transaction begins."""
        self._engine = engine
        self._begin = begin
        self._batch_limit = batch_limit
        self._loop = asyncio.get_running_loop()
        self._admission = Admission(QUEUE_LIMIT)
        self._queue: SimpleQueue[Call | None] = SimpleQueue()
        # Daemons, so that a process that forgets to close can end: what was not committed was not answered either.
        self._threads = [Thread(target=self._work, name=f"{name}-{n}", daemon=True) for n in range(threads)]
        for thread in self._threads:
            thread.start()

    async def run(self, fn: Callable[[Connection], T]) -> T:
        """Call fn in a transaction; return once that is committed.

        A caller that is cancelled leaves its function in the queue, where it is skipped if its turn has not come.
        """
        await self._admission.enter()
        call = Call(fn, self._loop.create_future())
        self._queue.put(call)
        return cast(T, await call.answer)

    async def close(self) -> None:
        """Finish what was queued, then end the threads. Later calls of `run` raise."""
        await self._admission.close()
        # Everybody has been answered, so the threads wait at the queue and end at once.
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        transactions = Transactions(self._engine, begin=self._begin)
        while batch := self._next_batch():
            try:
                transactions.carry_out([call for call in batch if not call.answer.cancelled()])
            except BaseException as error:
                for call in batch:
                    call.fail(error)
            deliver_on(self._loop, batch, self._admission)
        transactions.close()

    def _next_batch(self) -> Sequence[Call]:
        call = self._queue.get()
        batch = []
        while call is not None:
            batch.append(call)
            if len(batch) == self._batch_limit:
                break
            try:
                call = self._queue.get_nowait()
            except Empty:
                break
        return batch
