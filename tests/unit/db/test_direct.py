"""Statements run by SQLite's driver alone do what SQLAlchemy does with them, and store the same."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import Connection, Select, Update, text
from sqlalchemy.exc import IntegrityError, StatementError

from longshore.db import statements
from longshore.db.database import Database
from longshore.db.direct import Direct

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
                assert [row[1], row[7], row[8]] == [moment, moment, None]
                assert row[1].tzinfo is row[7].tzinfo is UTC

    await database.write(both)


def message(fn: Callable[[], object], kind: type[StatementError]) -> str:
    with pytest.raises(kind) as refusal:
        fn()
    assert type(refusal.value) is kind
    return str(refusal.value.orig)


async def test_refuses_as_sqlalchemy_does(database: Database) -> None:
    naive = new_row("b", NOW.replace(tzinfo=None), None)
    insert = Direct(statements.INSERT)

    def both(connection: Connection) -> None:
        assert message(lambda: insert.change(connection, naive), StatementError) == message(
            lambda: connection.execute(statements.INSERT, naive), StatementError
        )

    await database.write(both)
    await database.write(lambda connection: insert.change(connection, new_row("a", NOW, None)))
    with pytest.raises(IntegrityError, match=r"(?i)unique"):
        await database.write(lambda connection: insert.change(connection, new_row("a", NOW, None)))
