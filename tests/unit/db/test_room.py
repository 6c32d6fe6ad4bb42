"""The bound on outstanding bytes that SQLite's writer keeps: never less than the truth."""

import asyncio
import shutil
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from longshore.db.database import Database
from longshore.db.driver import driver_of
from longshore.db.uploads import SqlUploads
from longshore.protocol.errors import InsufficientStorage
from longshore.protocol.upload import State, Upload

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 2, 3, tzinfo=UTC)


def hundred(upload_id: str) -> Upload:
    return Upload(id=upload_id, created_at=NOW, length=100)


@pytest.fixture
async def sqlite(tmp_path: Path, migrated_sqlite: Path) -> AsyncIterator[Database]:
    shutil.copy(migrated_sqlite, tmp_path / "longshore.db")
    async with Database(f"sqlite:///{tmp_path / 'longshore.db'}") as database:
        yield database


async def test_counts_what_another_process_added(tmp_path: Path, sqlite: Database) -> None:
    async with Database(f"sqlite:///{tmp_path / 'longshore.db'}") as other:
        await SqlUploads(sqlite).add(hundred("a"), free_space=300)
        await SqlUploads(other).add(hundred("b"), free_space=300)
        await SqlUploads(sqlite).add(hundred("c"), free_space=300)
        for uploads in (SqlUploads(sqlite), SqlUploads(other)):
            with pytest.raises(InsufficientStorage):
                await uploads.add(hundred("d"), free_space=300)


async def test_forgets_what_it_counted_in_a_transaction_that_failed(sqlite: Database) -> None:
    uploads = SqlUploads(sqlite)
    await uploads.add(hundred("a"), free_space=100)

    def owe_a_parent(connection: Connection) -> None:
        connection.execute(text("PRAGMA defer_foreign_keys = ON"))
        connection.execute(text("INSERT INTO parts VALUES ('nobody', 0, 'p')"))

    completed = replace(hundred("a"), offset=100, state=State.COMPLETED)
    begun, go_on = threading.Event(), threading.Event()

    def hold(connection: Connection) -> None:
        begun.set()
        assert go_on.wait(30)

    held = asyncio.create_task(sqlite.write(hold))
    assert await asyncio.to_thread(begun.wait, 30)
    # All of these queue up behind the one that is held, and so make one transaction.
    together = [
        asyncio.create_task(uploads.save(completed)),
        asyncio.create_task(uploads.add(replace(hundred("b"), length=10), free_space=100)),
        asyncio.create_task(sqlite.write(owe_a_parent)),
    ]
    await asyncio.sleep(0)
    go_on.set()
    await held
    assert [type(answer) for answer in await asyncio.gather(*together, return_exceptions=True)] == [IntegrityError] * 3
    assert await uploads.get("a") == hundred("a")
    with pytest.raises(InsufficientStorage):
        await uploads.add(hundred("c"), free_space=199)
    await uploads.add(hundred("c"), free_space=200)


async def test_looks_for_other_writers_once_in_a_transaction(sqlite: Database) -> None:
    looked: list[str] = []
    begun, go_on = threading.Event(), threading.Event()

    def watch(connection: Connection) -> None:
        driver_of(connection).set_trace_callback(lambda sql: looked.append(sql) if "data_version" in sql else None)
        begun.set()
        assert go_on.wait(30)

    await SqlUploads(sqlite).add(hundred("first"), free_space=10_000)
    held = asyncio.create_task(sqlite.write(watch))
    assert await asyncio.to_thread(begun.wait, 30)
    together = [asyncio.create_task(SqlUploads(sqlite).add(hundred(f"{n}"), free_space=10_000)) for n in range(20)]
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(held, *together)
    assert len(looked) == 1
