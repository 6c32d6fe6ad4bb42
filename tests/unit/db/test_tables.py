"""Moments in the database."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import StatementError

from longshore.db.database import Database
from longshore.db.tables import uploads
from longshore.db.uploads import SqlUploads
from longshore.protocol.upload import Upload

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 2, 3, 12, 0, 0, 123456, tzinfo=UTC)


async def test_moments_come_back_in_utc(database: Database) -> None:
    def there_and_back(connection: Connection) -> list[datetime]:
        row = {"state": "unfinished", "upload_offset": 0, "metadata": "", "concat": "", "purged": False}
        for upload_id, zone in (("a", UTC), ("b", timezone(timedelta(hours=-7)))):
            moment = NOON.astimezone(zone)
            connection.execute(insert(uploads), row | {"id": upload_id, "created_at": moment, "updated_at": moment})
        return list(connection.execute(select(uploads.c.created_at)).scalars())

    moments = await database.write(there_and_back)
    assert moments == [NOON, NOON]
    assert {moment.tzinfo for moment in moments} == {UTC}


async def test_refuses_a_naive_moment(uploads: SqlUploads) -> None:
    with pytest.raises(StatementError, match="naive datetime"):
        await uploads.add(Upload(id="a", created_at=NOON.replace(tzinfo=None)), free_space=None)
    assert await uploads.get("a") is None
