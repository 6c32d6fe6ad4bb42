"""The database: batches, isolation, closing, cancellation, on every engine and both event loops."""

import asyncio
import shutil
import sqlite3
import stat
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from longshore.db.database import Database
from longshore.db.driver import driver_of
from longshore.db.pooled import ATTEMPTS
from longshore.protocol.errors import InsufficientStorage, ShuttingDown, Unavailable

pytestmark = pytest.mark.anyio

CREATE = "CREATE TABLE notes (id integer PRIMARY KEY)"
ADD = text("INSERT INTO notes (id) VALUES (:id)")
COUNT = text("SELECT count(*) FROM notes")


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture
async def notes(database: Database) -> Database:
    await database.write(run(CREATE))
    return database


def run(*statements: str) -> Callable[[Connection], None]:
    def fn(connection: Connection) -> None:
        for statement in statements:
            connection.execute(text(statement))

    return fn


def add(number: int) -> Callable[[Connection], int]:
    def fn(connection: Connection) -> int:
        connection.execute(ADD, {"id": number})
        return number

    return fn


def add_and_raise(number: int) -> Callable[[Connection], int]:
    def fn(connection: Connection) -> int:
        connection.execute(ADD, {"id": number})
        raise LookupError(number)

    return fn


def count(connection: Connection) -> int:
    return int(connection.execute(COUNT).scalar_one())


class Held:
    """A function that keeps its thread until it is let go, so that others queue up behind it."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.go_on = threading.Event()

    def __call__(self, connection: Connection) -> str:
        self.begun.set()
        assert self.go_on.wait(30)
        return "held"

    async def wait_begun(self) -> None:
        assert await asyncio.to_thread(self.begun.wait, 30)


async def queue_behind(held: Held, database: Database, *fns: Callable[[Connection], Any]) -> list[asyncio.Task[Any]]:
    """Have the writer held, then queue fns, so that they make one batch on SQLite."""
    first = asyncio.create_task(database.write(held))
    await held.wait_begun()
    rest = [asyncio.create_task(database.write(fn)) for fn in fns]
    await asyncio.sleep(0)
    return [first, *rest]


async def test_write_returns_what_the_function_returned(notes: Database) -> None:
    assert await notes.write(add(7)) == 7
    assert await notes.read(count) == 1


async def test_an_answer_comes_after_the_commit(notes: Database, database_url: str) -> None:
    if notes.is_memory:
        pytest.skip("nobody else can look into an in-memory database")
    async with Database(database_url) as other:
        for number in range(20):
            await notes.write(add(number))
            assert await other.read(count) == number + 1


async def test_a_read_sees_every_write_answered_before_it(notes: Database) -> None:
    async def write_then_read(number: int) -> bool:
        await notes.write(add(number))
        ids = await notes.read(lambda c: set(c.execute(text("SELECT id FROM notes")).scalars()))
        return number in ids

    assert all(await asyncio.gather(*(write_then_read(number) for number in range(200))))


async def test_what_raises_alone_is_undone(notes: Database) -> None:
    with pytest.raises(LookupError):
        await notes.write(add_and_raise(1))
    assert await notes.read(count) == 0


async def test_what_raises_among_many_undoes_nothing_of_its_neighbours(notes: Database) -> None:
    held = Held()
    tasks = await queue_behind(held, notes, *(add_and_raise(n) if n % 3 == 0 else add(n) for n in range(30)))
    held.go_on.set()
    held_answer, *answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert held_answer == "held"
    for number, answer in enumerate(answers):
        assert isinstance(answer, LookupError) if number % 3 == 0 else answer == number
    assert await notes.read(count) == 20


async def test_a_refusal_by_the_database_goes_to_its_caller_only(notes: Database) -> None:
    answers = await asyncio.gather(*(notes.write(add(n % 5)) for n in range(10)), return_exceptions=True)
    assert sum(isinstance(answer, IntegrityError) for answer in answers) == 5
    assert await notes.read(count) == 5


async def test_stop_iteration_reaches_its_caller_as_an_error(notes: Database) -> None:
    def exhausted(connection: Connection) -> object:
        return next(iter(()))

    answers = await asyncio.gather(
        notes.write(add(1)), notes.write(exhausted), notes.write(add(2)), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [int, RuntimeError, int]


async def test_even_an_exit_ends_no_thread(notes: Database) -> None:
    def leave(connection: Connection) -> None:
        raise SystemExit(3)

    async def catch() -> None:
        # Inside the task: asyncio would let it out of the loop.
        with pytest.raises(SystemExit):
            await notes.write(leave)

    await asyncio.gather(catch(), notes.write(add(1)), catch())
    assert await notes.write(add(2)) == 2


async def test_a_read_may_not_write(notes: Database) -> None:
    if notes.is_memory:
        pytest.skip("an in-memory database has one connection, which writes")
    with pytest.raises(DBAPIError, match=r"readonly|read-only"):
        await notes.read(add(1))
    assert await notes.read(count) == 0


async def test_a_read_that_raises_leaves_the_others_alone(notes: Database) -> None:
    def broken(connection: Connection) -> int:
        return int(connection.execute(text("SELECT nothing FROM nowhere")).scalar_one())

    answers = await asyncio.gather(*(notes.read(broken if n % 2 else count) for n in range(40)), return_exceptions=True)
    assert [isinstance(answer, DBAPIError) for answer in answers] == [bool(n % 2) for n in range(40)]


async def test_five_thousand_writes_at_once(notes: Database) -> None:
    answers = await asyncio.gather(*(notes.write(add(number)) for number in range(5000)))
    assert answers == list(range(5000))
    assert await notes.read(count) == 5000


async def test_close_finishes_what_was_queued(database_url: str, notes: Database) -> None:
    if notes.is_memory:
        pytest.skip("an in-memory database is gone when it is closed")
    other = Database(database_url)
    await other.start()
    tasks = [asyncio.create_task(other.write(add(number))) for number in range(2000)]
    await asyncio.sleep(0)
    await other.close()
    assert await asyncio.gather(*tasks) == list(range(2000))
    assert await notes.read(count) == 2000


async def test_nothing_goes_after_close(database: Database) -> None:
    await database.close()
    with pytest.raises(ShuttingDown):
        await database.write(count)
    with pytest.raises(ShuttingDown):
        await database.read(count)
    await database.close()


async def test_nothing_goes_before_start(database_url: str) -> None:
    database = Database(database_url)
    with pytest.raises(RuntimeError, match="started"):
        await database.read(count)
    await database.close()


async def test_starts_once(database: Database) -> None:
    with pytest.raises(RuntimeError, match="started"):
        await database.start()


async def test_a_cancelled_caller_leaves_the_others_alone(notes: Database) -> None:
    held = Held()
    tasks = await queue_behind(held, notes, *(add(number) for number in range(20)))
    for task in tasks[2::2]:
        task.cancel()
    await asyncio.sleep(0)
    held.go_on.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert answers[1::2] == list(range(0, 20, 2))
    assert all(isinstance(answer, asyncio.CancelledError) for answer in answers[2::2])
    assert await notes.write(add(99)) == 99
    assert await notes.read(count) >= 11


async def test_what_has_begun_is_carried_out_though_its_caller_is_cancelled(notes: Database) -> None:
    held = Held()

    def add_and_hold(connection: Connection) -> None:
        add(1)(connection)
        held(connection)

    task = asyncio.create_task(notes.write(add_and_hold))
    await held.wait_begun()
    task.cancel()
    held.go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(IntegrityError):
        await notes.write(add(1))


async def test_more_callers_than_the_queue_takes_wait_and_may_be_cancelled(notes: Database) -> None:
    held = Held()
    tasks = await queue_behind(held, notes, *(add(number) for number in range(3000)))
    for task in tasks[1500:]:
        task.cancel()
    held.go_on.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert answers[1:1500] == list(range(1499))
    assert await notes.write(add(5000)) == 5000


@pytest.fixture
async def sqlite(tmp_path: Path, migrated_sqlite: Path) -> AsyncIterator[Database]:
    shutil.copy(migrated_sqlite, tmp_path / "longshore.db")
    async with Database(f"sqlite:///{tmp_path / 'longshore.db'}") as database:
        await database.write(run(CREATE))
        yield database


async def test_a_failed_commit_is_told_to_everyone_in_it(sqlite: Database) -> None:
    owe_a_parent = run("PRAGMA defer_foreign_keys = ON", "INSERT INTO parts VALUES ('nobody', 0, 'p')")
    held = Held()
    tasks = await queue_behind(held, sqlite, add(1), owe_a_parent, add_and_raise(2), add(3))
    held.go_on.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(answer) for answer in answers] == [str, IntegrityError, IntegrityError, LookupError, IntegrityError]
    assert await sqlite.read(count) == 0
    assert await sqlite.write(add(4)) == 4


async def test_when_sqlite_undoes_the_whole_transaction_nobody_is_told_otherwise(sqlite: Database) -> None:
    undo_everything = run("INSERT INTO notes VALUES (2)", "INSERT OR ROLLBACK INTO notes VALUES (2)")
    held = Held()
    tasks = await queue_behind(held, sqlite, add(1), undo_everything, add(3))
    held.go_on.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(answer) for answer in answers] == [str, IntegrityError, IntegrityError, IntegrityError]
    assert await sqlite.read(count) == 0
    assert await sqlite.write(add(4)) == 4


@pytest.mark.parametrize("together", [1, 5])
async def test_sqlite_replaces_a_connection_that_broke(sqlite: Database, together: int) -> None:
    for call in (sqlite.write, sqlite.read):
        breaking = (call(lambda connection: driver_of(connection).close()) for _ in range(together))
        answers = await asyncio.gather(*breaking, return_exceptions=True)
        assert {isinstance(answer, DBAPIError) for answer in answers} == {True}
        assert [await call(count) for _ in range(4)] == [0] * 4


async def test_sqlite_replaces_a_connection_that_sqlalchemy_found_broken(sqlite: Database) -> None:
    def break_and_count(connection: Connection) -> int:
        driver_of(connection).close()
        return count(connection)

    for call in (sqlite.write, sqlite.read):
        with pytest.raises(DBAPIError, match="closed"):
            await call(break_and_count)
        assert [await call(count) for _ in range(4)] == [0] * 4


async def test_sqlite_keeps_its_connection_as_long_as_all_goes_well(sqlite: Database) -> None:
    kept = [await sqlite.write(driver_of) for _ in range(3)]
    assert kept[0] is kept[1] is kept[2]
    for _ in range(2):
        with pytest.raises(LookupError):
            await sqlite.write(add_and_raise(1))
    assert await sqlite.write(add(1)) == 1


async def test_two_databases_on_one_file_wait_for_each_other(tmp_path: Path, sqlite: Database) -> None:
    async with Database(f"sqlite:///{tmp_path / 'longshore.db'}") as other:
        turns = [(sqlite, other)[number % 2].write(add(number)) for number in range(1000)]
        assert await asyncio.gather(*turns) == list(range(1000))
        assert await sqlite.read(count) == await other.read(count) == 1000


async def test_a_database_that_stays_busy_is_unavailable(
    tmp_path: Path, sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("longshore.db.engine.BUSY_TIMEOUT", 0.1)
    other = sqlite3.connect(tmp_path / "longshore.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    async with Database(f"sqlite:///{tmp_path / 'longshore.db'}") as hasty:
        with pytest.raises(Unavailable) as refusal:
            await hasty.write(add(1))
        assert isinstance(refusal.value.__cause__, OperationalError)
        assert await hasty.read(count) == 0
        other.execute("COMMIT")
        assert await hasty.write(add(1)) == 1
    other.close()


@pytest.mark.parametrize(("durable", "synchronous"), [(True, 2), (False, 1)])
async def test_how_sqlite_is_opened(tmp_path: Path, durable: bool, synchronous: int) -> None:
    def pragmas(connection: Connection) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys")
        return [connection.execute(text(f"PRAGMA {name}")).scalar() for name in names]

    async with Database(f"sqlite:///{tmp_path / 'new.db'}", durable=durable) as database:
        assert await database.write(pragmas) == ["wal", synchronous, 1]
        assert await database.read(pragmas) == ["wal", synchronous, 1]
        modes = {path.name: stat.filemode(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == dict.fromkeys(["new.db", "new.db-wal", "new.db-shm"], "-rw-------")


@pytest.fixture
async def postgres(postgres_url: str) -> AsyncIterator[Database]:
    async with Database(postgres_url) as database:
        await database.write(run(CREATE))
        yield database


def colliding(meeting: threading.Barrier, first: str, second: str) -> Callable[[Connection], int]:
    """Run two statements and, the first time, meet somebody in between; return how often it took."""
    attempts: list[None] = []

    def fn(connection: Connection) -> int:
        attempts.append(None)
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        connection.execute(text(first))
        if len(attempts) == 1:
            meeting.wait(30)
        connection.execute(text(second))
        return len(attempts)

    return fn


@pytest.mark.postgres
async def test_postgres_tries_again_after_a_serialization_failure(postgres: Database) -> None:
    await postgres.write(add(1))
    meeting = threading.Barrier(2)
    first = colliding(meeting, "SELECT id FROM notes", "UPDATE notes SET id = id + 1")
    second = colliding(meeting, "SELECT id FROM notes", "UPDATE notes SET id = id + 1")
    assert sorted(await asyncio.gather(postgres.write(first), postgres.write(second))) == [1, 2]
    assert await postgres.read(lambda c: c.execute(text("SELECT id FROM notes")).scalar()) == 3


@pytest.mark.postgres
async def test_postgres_tries_again_after_a_deadlock(postgres: Database) -> None:
    await asyncio.gather(*(postgres.write(add(number)) for number in (1, 2)))
    meeting = threading.Barrier(2)
    lock = "SELECT id FROM notes WHERE id = {} FOR UPDATE"
    one_two = colliding(meeting, lock.format(1), lock.format(2))
    two_one = colliding(meeting, lock.format(2), lock.format(1))
    assert sorted(await asyncio.gather(postgres.write(one_two), postgres.write(two_one))) == [1, 2]


@pytest.mark.postgres
async def test_postgres_collides_only_so_often(postgres: Database) -> None:
    attempts: list[None] = []

    def always_collide(connection: Connection) -> None:
        attempts.append(None)
        add(1)(connection)
        connection.execute(text("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40001'; END $$"))

    with pytest.raises(Unavailable):
        await postgres.write(always_collide)
    assert len(attempts) == ATTEMPTS
    assert await postgres.read(count) == 0


@pytest.mark.postgres
async def test_postgres_connections_that_broke_are_replaced(postgres: Database) -> None:
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> "
    with pytest.raises(Unavailable):
        await postgres.write(run("SELECT pg_terminate_backend(pg_backend_pid())"))
    await postgres.write(run(others + "pg_backend_pid()"))
    assert await asyncio.gather(*(postgres.write(add(number)) for number in range(10))) == list(range(10))


@pytest.mark.postgres
async def test_postgres_out_of_reach_is_unavailable(postgres_url: str) -> None:
    async with Database(postgres_url.replace("/longshore_", "/no_such_")) as database:
        with pytest.raises(Unavailable):
            await database.read(count)


@pytest.mark.parametrize(
    "url", ["mysql://x/y", "sqlite+aiosqlite://", "nonsense", "sqlite:///file:x?mode=memory&uri=true"]
)
async def test_refuses_other_databases(url: str) -> None:
    with pytest.raises(ValueError, match=r"URL|use sqlite|by path"):
        Database(url)


async def test_a_full_database_is_insufficient_storage(tmp_path: Path) -> None:
    async with Database(f"sqlite:///{tmp_path / 'small.db'}") as database:
        await database.write(run("CREATE TABLE blobs (content blob)"))

        def fill(connection: Connection) -> None:
            pages = connection.execute(text("PRAGMA page_count")).scalar_one()
            connection.execute(text(f"PRAGMA max_page_count = {pages + 1}"))
            connection.execute(text("INSERT INTO blobs VALUES (zeroblob(100000))"))

        with pytest.raises(InsufficientStorage):
            await database.write(fill)
        await database.write(run("INSERT INTO blobs VALUES (zeroblob(10))"))
        assert await database.read(lambda c: c.execute(text("SELECT count(*) FROM blobs")).scalar_one()) == 1
