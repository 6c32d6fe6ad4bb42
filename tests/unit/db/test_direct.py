"""Statements run by SQLite's driver alone do what SQLAlchemy does with them, and store the same."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import Connection, Select, Update, insert, select, text
from sqlalchemy.exc import IntegrityError, StatementError

from longshore.db import quota_statements, statements
from longshore.db.database import Database
from longshore.db.direct import Direct
from longshore.db.tables import events, usage

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 2, 3, 4, 5, 6, 789, tzinfo=UTC)
MOMENTS = [
    NOW,
    NOW.replace(microsecond=0),
    NOW.replace(hour=0, minute=0, second=0, microsecond=0),
    NOW.replace(microsecond=999_999),
    NOW.astimezone(timezone(timedelta(hours=5, minutes=30))),
    NOW.astimezone(timezone(-timedelta(hours=8))).replace(microsecond=0),
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
]


def new_row(upload_id: str, moment: datetime, expires_at: datetime | None) -> dict[str, Any]:
    return {
        "id": upload_id,
        "state": "unfinished",
        "upload_offset": 0,
        "upload_length": 2**63 - 1,
        "metadata": "filename d29ybGQ=",
        "concat": "",
        "created_at": moment,
        "updated_at": moment,
        "expires_at": expires_at,
        "completed_at": None,
        "purged": False,
        "owner": "somebody",
        "charged": 7,
        "name": "world",
        "name_key": "world",
        "media_type": "",
        "sha256": None,
    }


def changes(upload_id: str, moment: datetime) -> dict[str, Any]:
    return {
        "upload_id": upload_id,
        "offset": 7,
        "length": None,
        "new_state": "completed",
        "expiry": moment,
        "completion": None,
        "now": moment,
    }


def stored(connection: Connection, upload_id: str) -> list[Any]:
    """Give what is in the database itself: text, on SQLite, where there is a moment."""
    row = connection.execute(text("SELECT * FROM uploads WHERE id = :id"), {"id": upload_id}).one()
    return [column for column in row if column != upload_id]


def through_sqlalchemy(connection: Connection, statement: Select[Any], values: Mapping[str, Any]) -> list[list[Any]]:
    return [list(row) for row in connection.execute(statement, values)]


@pytest.mark.parametrize("moment", MOMENTS, ids=str)
async def test_stores_what_sqlalchemy_stores(database: Database, moment: datetime) -> None:
    def both(connection: Connection) -> None:
        connection.execute(statements.INSERT, new_row("sqlalchemy", moment, None))
        Direct(statements.INSERT).change(connection, new_row("direct", moment, None))
        assert stored(connection, "direct") == stored(connection, "sqlalchemy")

    await database.write(both)


@pytest.mark.parametrize("statement", [statements.SAVE, statements.CHECKPOINT], ids=["save", "checkpoint"])
@pytest.mark.parametrize("moment", MOMENTS, ids=str)
async def test_changes_what_sqlalchemy_changes(database: Database, statement: Update, moment: datetime) -> None:
    def both(connection: Connection) -> None:
        for upload_id in ("sqlalchemy", "direct"):
            connection.execute(statements.INSERT, new_row(upload_id, NOW, NOW))
        given = changes("sqlalchemy", moment)
        if statement is statements.CHECKPOINT:
            given = {name: given[name] for name in ("upload_id", "offset", "expiry", "now")}
        connection.execute(statement, given)
        assert Direct(statement).change(connection, given | {"upload_id": "direct"}) == 1
        assert Direct(statement).change(connection, given | {"upload_id": "nobody"}) == 0
        assert stored(connection, "direct") == stored(connection, "sqlalchemy")

    await database.write(both)


@pytest.mark.parametrize("moment", MOMENTS, ids=str)
async def test_finds_what_sqlalchemy_finds_whoever_wrote_it(database: Database, moment: datetime) -> None:
    def both(connection: Connection) -> None:
        connection.execute(statements.INSERT, new_row("sqlalchemy", moment, moment))
        Direct(statements.INSERT).change(connection, new_row("direct", moment, moment))
        for upload_id in ("sqlalchemy", "direct", "nobody"):
            found = [list(row) for row in Direct(statements.GET).rows(connection, {"upload_id": upload_id})]
            assert found == through_sqlalchemy(connection, statements.GET, {"upload_id": upload_id})
            for row in found:
                assert [row[1], row[8], row[9]] == [moment, moment, None]
                assert row[1].tzinfo is row[8].tzinfo is UTC

    await database.write(both)


def message(fn: Callable[[], object], kind: type[StatementError]) -> str:
    with pytest.raises(kind) as refusal:
        fn()
    assert type(refusal.value) is kind
    return str(refusal.value.orig)


async def test_refuses_as_sqlalchemy_does(database: Database) -> None:
    naive = new_row("b", NOW.replace(tzinfo=None), None)
    adding = Direct(statements.INSERT)

    def both(connection: Connection) -> None:
        assert message(lambda: adding.change(connection, naive), StatementError) == message(
            lambda: connection.execute(statements.INSERT, naive), StatementError
        )

    await database.write(both)
    with pytest.raises(IntegrityError, match=r"(?i)check"):
        await database.write(lambda connection: adding.change(connection, new_row("a", NOW, None) | {"state": "odd"}))


async def test_tells_how_many_rows_it_changed(database: Database) -> None:
    adding = Direct(statements.INSERT)
    assert await database.write(lambda connection: adding.change(connection, new_row("a", NOW, None))) == 1
    assert await database.write(lambda connection: adding.change(connection, new_row("a", NOW, None))) == 0


async def test_gives_what_a_statement_returns(database: Database) -> None:
    await database.write(lambda connection: Direct(statements.INSERT).change(connection, new_row("a", NOW, None)))
    save = Direct(statements.SAVE_CHARGED)
    rows = await database.write(lambda connection: [tuple(row) for row in save.rows(connection, changes("a", NOW))])
    assert rows == [(7,)]
    assert not await database.write(lambda connection: save.rows(connection, changes("nobody", NOW)))


async def test_stores_days_as_sqlalchemy_does(database: Database) -> None:
    day = date(2026, 2, 3)

    def both(connection: Connection) -> None:
        connection.execute(quota_statements.ADD_USAGE, {"owner": "sqlalchemy", "day": day, "bytes": 1})
        Direct(quota_statements.ADD_USAGE).change(connection, {"owner": "direct", "day": day, "bytes": 1})
        assert [row.day for row in connection.execute(select(usage))] == [day, day]
        assert len(set(connection.execute(text("SELECT day FROM usage")).scalars())) == 1

    await database.write(both)


async def test_sets_the_columns_that_are_given(database: Database) -> None:
    row = {"type": "created", "upload_id": "a", "owner": "", "time": NOW, "data": "{}"}
    insert_event = Direct(insert(events), columns=tuple(row))
    assert await database.write(lambda connection: insert_event.change(connection, row)) == 1
    assert await database.read(lambda connection: connection.execute(select(events.c.id)).scalars().all()) == [1]
