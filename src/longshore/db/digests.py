"""The SHA-256 of completed files in SQL: `ports.digests.Digests` over a `Database`."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, bindparam, literal_column, select, tuple_, update

from longshore.db.database import Database
from longshore.db.tables import IS_UNDIGESTED, uploads
from longshore.ports.digests import Undigested

_COMPLETED: Final = uploads.c.completed_at

_MISSING: Final = (
    select(uploads.c.id, uploads.c.upload_offset, _COMPLETED)
    .where(IS_UNDIGESTED)
    .order_by(_COMPLETED.desc(), uploads.c.id.desc())
    .limit(bindparam("limit"))
)
_MOMENT: Final = bindparam("moment", type_=_COMPLETED.type)
MISSING: Final = _MISSING.where(_MOMENT > _COMPLETED)
# Compared as a pair, which the index serves.
MISSING_AFTER: Final = _MISSING.where(tuple_(_COMPLETED, uploads.c.id) < tuple_(_MOMENT, bindparam("upload_id")))
# `updated_at` stays: nothing has happened to the upload.
_ADD: Final = (
    update(uploads)
    .where(uploads.c.id == bindparam("upload_id"), uploads.c.state == literal_column("'completed'"))
    .values(sha256=bindparam("digest"))
)


class SqlDigests:
    """The digests on SQLite or PostgreSQL.

    Besides what the port says, each method raises `protocol.errors.ShuttingDown` once the database is closed.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def missing(
        self, completed_before: datetime, limit: int, *, after: Undigested | None = None
    ) -> Sequence[Undigested]:
        statement, values = MISSING, {"moment": completed_before, "limit": limit}
        if after is not None:
            statement, values = MISSING_AFTER, {**values, "moment": after.completed_at, "upload_id": after.upload_id}

        def find(connection: Connection) -> Sequence[Undigested]:
            return [Undigested(*row) for row in connection.execute(statement, values)]

        return await self._database.read(find)

    async def add(self, digests: Mapping[str, str]) -> None:
        rows = [{"upload_id": upload_id, "digest": digest} for upload_id, digest in digests.items()]

        def change(connection: Connection) -> None:
            connection.execute(_ADD, rows)

        if rows:
            await self._database.write(change)
