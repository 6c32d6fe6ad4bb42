"""The database as the rest of the server sees it: `write` and `read`, awaited, off the event loop."""

from collections.abc import Callable
from types import TracebackType
from typing import Final, Protocol, Self, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from longshore.db.batching import BatchingThreads
from longshore.db.engine import (
    BEGIN_READING,
    BEGIN_WRITING,
    is_full,
    is_memory,
    is_passing,
    is_sqlite,
    open_postgres,
    open_sqlite,
    parse_url,
)
from longshore.db.pooled import ConnectionThreads
from longshore.protocol.errors import InsufficientStorage, Unavailable

T = TypeVar("T")

CONNECTIONS: Final = 8
"""How many connections, and threads on them, one process holds on PostgreSQL: half to write, half to read."""

# On SQLite. Two readers, so that a sweep through the table does not hold the others up.
_READERS: Final = 2
# Calls in one transaction: bounded, so that the first to come does not wait for everybody else's.
_WRITES: Final = 256
_READS: Final = 16


class _Runner(Protocol):
    async def run(self, fn: Callable[[Connection], T]) -> T: ...
    async def close(self) -> None: ...


class Database:
    """SQLite or PostgreSQL behind two coroutines. Belongs to the event loop on which it was started.

    Functions given to it are plain synchronous SQLAlchemy Core; they run in worker threads, may be called more than
    once (PostgreSQL undoes transactions that collide), and must neither commit nor roll back themselves.
    """

    def __init__(self, url: str, *, durable: bool = True, connections: int = CONNECTIONS) -> None:
        """Take the URL of a database; nothing is opened before `start`.

        Without `durable` a commit survives a crash of this process, but not a power failure. `connections` counts on
        PostgreSQL only. Raises `ValueError` for a URL of anything but SQLite or PostgreSQL.
        """
        self._url = parse_url(url)
        self._durable = durable
        self._connections = connections
        self._engines: list[Engine] = []
        self._writer: _Runner | None = None
        self._reader: _Runner | None = None

    @property
    def is_memory(self) -> bool:
        """Whether this is an in-memory database, which has to be migrated from within and is gone after `close`."""
        return is_memory(self._url)

    async def start(self) -> None:
        """Start the threads; connections are made as they are needed. A SQLite file is created if there is none."""
        if self._writer is not None:
            raise RuntimeError("the database was started before")
        if is_sqlite(self._url):
            self._start_sqlite()
        else:
            self._start_postgres()

    def _start_postgres(self) -> None:
        engine = self._keep(open_postgres(self._url, connections=self._connections, durable=self._durable))
        readers = max(1, self._connections // 2)
        writers = max(1, self._connections - readers)
        self._writer = ConnectionThreads(engine, threads=writers, name="longshore-db-writer")
        reading = engine.execution_options(postgresql_readonly=True)
        self._reader = ConnectionThreads(reading, threads=readers, name="longshore-db-reader")

    def _start_sqlite(self) -> None:
        engine = self._keep(open_sqlite(self._url, connections=1, durable=self._durable, writes=True))
        self._writer = self._reader = BatchingThreads(
            engine, begin=BEGIN_WRITING, threads=1, batch_limit=_WRITES, name="longshore-db-writer"
        )
        if not self.is_memory:
            engine = self._keep(open_sqlite(self._url, connections=_READERS, durable=self._durable, writes=False))
            self._reader = BatchingThreads(
                engine, begin=BEGIN_READING, threads=_READERS, batch_limit=_READS, name="longshore-db-reader"
            )

    def _keep(self, engine: Engine) -> Engine:
        self._engines.append(engine)
        return engine

    async def close(self) -> None:
        """Finish what was asked for, then close every connection. Fine when never started, and more than once."""
        for runner in dict.fromkeys((self._writer, self._reader)):
            if runner is not None:
                await runner.close()
        while self._engines:
            self._engines.pop().dispose()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def write(self, fn: Callable[[Connection], T]) -> T:
        """Call fn in a transaction that may write; return what it returned, once that is committed.

        What fn raises undoes what it wrote and is raised from here. Raises `protocol.errors.Unavailable` when the
        database is out of reach, or busy for too long, `protocol.errors.InsufficientStorage` when its disk is full,
        and `protocol.errors.ShuttingDown` after `close`.
        """
        return await _run(self._writer, fn)

    async def read(self, fn: Callable[[Connection], T]) -> T:
        """Call fn in a transaction that only reads; it sees everything that was written before. Raises like `write`."""
        return await _run(self._reader, fn)


async def _run(runner: _Runner | None, fn: Callable[[Connection], T]) -> T:
    if runner is None:
        raise RuntimeError("the database was not started")
    try:
        return await runner.run(fn)
    except SQLAlchemyError as error:
        if is_full(error):
            raise InsufficientStorage("There is no room for the database.") from error
        if is_passing(error):
            raise Unavailable("The database cannot answer just now.") from error
        raise
