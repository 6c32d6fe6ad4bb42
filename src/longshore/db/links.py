"""Download links in SQL: `ports.links.LinkRecords` over a `Database`."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, bindparam, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from longshore.db.database import Database
from longshore.db.tables import links
from longshore.ports.links import Link

_COLUMNS: Final = tuple(links.c[field.name] for field in fields(Link))
_ID: Final[ColumnElement[bool]] = links.c.id == bindparam("link_id")
_UPLOAD: Final[ColumnElement[bool]] = links.c.upload_id == bindparam("of")
_GET: Final = select(*_COLUMNS).where(_ID)
_OF: Final = select(*_COLUMNS).where(_UPLOAD).order_by(links.c.created_at.desc(), links.c.id)
_USE: Final = (
    update(links)
    .where(_ID, or_(links.c.max_uses.is_(None), links.c.uses < links.c.max_uses))
    .values(uses=links.c.uses + 1, used_at=bindparam("now"))
)
_REVOKE: Final = delete(links).where(_ID, _UPLOAD)
_EXPIRED: Final = select(links.c.id).where(links.c.expires_at <= bindparam("now")).limit(bindparam("most"))
_FORGET: Final = delete(links).where(links.c.id.in_(_EXPIRED))


class SqlLinks:
    """The links on SQLite or PostgreSQL.

    Besides what the port says, each method raises `protocol.errors.Unavailable` while the database cannot answer.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, link: Link) -> None:
        row = {column.name: getattr(link, column.name) for column in _COLUMNS}
        try:
            await self._database.write(lambda connection: connection.execute(insert(links), row).rowcount)
        except IntegrityError as error:
            raise ValueError(f"there is a link {link.id} already") from error

    async def get(self, link_id: str) -> Link | None:
        found = await self._select(_GET, {"link_id": link_id})
        return found[0] if found else None

    async def of(self, upload_id: str) -> list[Link]:
        return await self._select(_OF, {"of": upload_id})

    async def _select(self, statement: Select[Any], parameters: dict[str, str]) -> list[Link]:
        def read(connection: Connection) -> Sequence[Any]:
            return connection.execute(statement, parameters).all()

        return [Link(**row._mapping) for row in await self._database.read(read)]

    async def use(self, link_id: str, now: datetime) -> bool:
        parameters = {"link_id": link_id, "now": now}
        return await self._database.write(lambda connection: connection.execute(_USE, parameters).rowcount == 1)

    async def revoke(self, upload_id: str, link_id: str) -> bool:
        parameters = {"link_id": link_id, "of": upload_id}
        return await self._database.write(lambda connection: connection.execute(_REVOKE, parameters).rowcount == 1)

    async def forget(self, now: datetime, limit: int) -> int:
        parameters = {"now": now, "most": limit}
        return await self._database.write(lambda connection: connection.execute(_FORGET, parameters).rowcount)
