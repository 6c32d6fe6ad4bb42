"""The uploads as lists show them: `ports.listing.Listing` in SQL.

Pages go by key and id, not by numbers of rows: what comes and goes meanwhile shifts nothing, and a late page costs no
more than the first. A part of a name is looked for row by row, in the order of the list and no further than the page
is full: neither database has an index for that without an extension.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Row,
    Select,
    Text,
    and_,
    bindparam,
    false,
    func,
    literal,
    literal_column,
    or_,
    select,
    tuple_,
)
from sqlalchemy.types import TypeEngine

from longshore.db.database import Database
from longshore.db.tables import IS_GONE, IS_LIVE, IS_UNFINISHED, UtcDateTime, events, uploads, users
from longshore.ports import Clock
from longshore.ports.listing import Entry, Happening, Kind, Position, Query, Sort
from longshore.protocol.upload import State, Upload

_Found = Row[*tuple[Any, ...]]

# Below every length there is.
_UNKNOWN_LENGTH: Final = -1
_SIZE: Final = func.coalesce(uploads.c.upload_length, literal_column(str(_UNKNOWN_LENGTH), BigInteger))

_KEYS: Final[Mapping[Sort, ColumnElement[Any]]] = {
    Sort.CREATED_AT: uploads.c.created_at,
    Sort.COMPLETED_AT: uploads.c.completed_at,
    Sort.NAME: uploads.c.name_key,
    Sort.SIZE: _SIZE,
}
_KEY_TYPES: Final[Mapping[Sort, TypeEngine[Any]]] = {
    Sort.CREATED_AT: UtcDateTime(),
    Sort.COMPLETED_AT: UtcDateTime(),
    Sort.NAME: Text(),
    Sort.SIZE: BigInteger(),
}

_ENTRY: Final = select(
    uploads.c.id,
    uploads.c.created_at,
    uploads.c.owner,
    uploads.c.upload_offset,
    uploads.c.upload_length,
    uploads.c.metadata,
    uploads.c.concat,
    uploads.c.state,
    uploads.c.expires_at,
    uploads.c.completed_at,
    uploads.c.sha256,
    uploads.c.updated_at,
    uploads.c.name,
    uploads.c.media_type,
    users.c.username,
).select_from(uploads.outerjoin(users, users.c.id == uploads.c.owner))

_FIND: Final = _ENTRY.where(uploads.c.id == bindparam("upload_id"))
_HISTORY: Final = (
    select(events.c.type, events.c.time)
    .where(events.c.upload_id == bindparam("upload_id"))
    .order_by(events.c.id.desc())
    .limit(bindparam("limit"))
)
_IDLE: Final = (
    _ENTRY.where(IS_UNFINISHED, uploads.c.updated_at <= bindparam("since", type_=UtcDateTime()))
    .order_by(uploads.c.updated_at)
    .limit(bindparam("limit"))
)
_OVERDUE: Final = (
    _ENTRY.where(IS_LIVE, uploads.c.expires_at <= bindparam("now", type_=UtcDateTime()))
    .order_by(uploads.c.expires_at)
    .limit(bindparam("limit"))
)


def _system_clock() -> datetime:
    return datetime.now(UTC)


class SqlListing:
    """The uploads on SQLite or PostgreSQL, to be looked through; `clock` says what has expired."""

    def __init__(self, database: Database, *, clock: Clock = _system_clock) -> None:
        """Work on a database that has been started, and migrated, by the time of the first call."""
        self._database = database
        self._clock = clock

    async def page(self, query: Query) -> Sequence[Entry]:
        statement = page_statement(query, self._clock())

        def select_page(connection: Connection) -> Sequence[Entry]:
            return [_entry(row, query.sort) for row in connection.execute(statement)]

        return await self._database.read(select_page)

    async def find(self, upload_id: str) -> Entry | None:
        found = await self._entries(_FIND, upload_id=upload_id)
        return found[0] if found else None

    async def history(self, upload_id: str, limit: int) -> Sequence[Happening]:
        parameters = {"upload_id": upload_id, "limit": limit}
        rows = await self._database.read(lambda connection: connection.execute(_HISTORY, parameters).all())
        return [Happening(row.type, row.time) for row in reversed(rows)]

    async def idle(self, since: datetime, limit: int) -> Sequence[Entry]:
        return await self._entries(_IDLE, since=since, limit=limit)

    async def overdue(self, now: datetime, limit: int) -> Sequence[Entry]:
        return await self._entries(_OVERDUE, now=now, limit=limit)

    async def _entries(self, statement: Select[*tuple[Any, ...]], **parameters: Any) -> Sequence[Entry]:
        return await self._database.read(
            lambda connection: [_entry(row, Sort.CREATED_AT) for row in connection.execute(statement, parameters)]
        )


def page_statement(query: Query, now: datetime) -> Select[*tuple[Any, ...]]:
    """The statement that finds a page."""
    key = _KEYS[query.sort]
    order = (key.desc(), uploads.c.id.desc()) if query.descending else (key, uploads.c.id)
    return _ENTRY.where(*_conditions(query, now)).order_by(*order).limit(query.limit)


def _conditions(query: Query, now: datetime) -> Iterator[ColumnElement[bool]]:
    yield uploads.c.state.in_(sorted(state.value for state in query.states)) if query.states else false()
    yield or_(IS_GONE, uploads.c.expires_at.is_(None), uploads.c.expires_at > now)
    yield from _visible(query)
    if query.kind is not Kind.ANY:
        yield (uploads.c.concat == "partial") if query.kind is Kind.PARTIAL else (uploads.c.concat != "partial")
    if query.owner is not None:
        yield uploads.c.owner == query.owner
    if query.name:
        yield uploads.c.name_key.contains(query.name.casefold(), autoescape=True)
    yield from _of_type(query.media_type.lower())
    yield from _within(query)
    if query.sort is Sort.COMPLETED_AT:
        yield uploads.c.completed_at.is_not(None)
    if query.after is not None:
        yield _behind(query.sort, query.after, descending=query.descending)


def _visible(query: Query) -> Iterator[ColumnElement[bool]]:
    if query.viewer is None:
        return
    own = uploads.c.owner == query.viewer
    if query.shared:
        yield or_(own, and_(uploads.c.state == State.COMPLETED.value, uploads.c.concat != "partial"))
    else:
        yield own


def _of_type(media_type: str) -> Iterator[ColumnElement[bool]]:
    if media_type.endswith("/*"):
        yield uploads.c.media_type.startswith(media_type[:-1], autoescape=True)
    elif media_type:
        yield uploads.c.media_type == media_type


def _within(query: Query) -> Iterator[ColumnElement[bool]]:
    if query.created_after is not None:
        yield uploads.c.created_at >= query.created_after
    if query.created_before is not None:
        yield uploads.c.created_at < query.created_before
    if query.completed_after is not None:
        yield uploads.c.completed_at >= query.completed_after
    if query.completed_before is not None:
        yield uploads.c.completed_at < query.completed_before


def _behind(sort: Sort, place: Position, *, descending: bool) -> ColumnElement[bool]:
    # Compared as a pair, which an index on both serves.
    here = tuple_(_KEYS[sort], uploads.c.id)
    there = tuple_(literal(place.key, _KEY_TYPES[sort]), literal(place.id, Text()))
    return here < there if descending else here > there


def _entry(row: _Found, sort: Sort) -> Entry:
    upload = Upload(
        id=row.id,
        created_at=row.created_at,
        owner=row.owner,
        offset=row.upload_offset,
        length=row.upload_length,
        metadata=row.metadata,
        concat=row.concat,
        state=State(row.state),
        expires_at=row.expires_at,
        completed_at=row.completed_at,
        sha256=row.sha256,
    )
    return Entry(
        upload=upload,
        name=row.name,
        media_type=row.media_type,
        owner_name=row.username,
        updated_at=row.updated_at,
        position=Position(_key(row, sort), row.id),
    )


def _key(row: _Found, sort: Sort) -> Any:
    match sort:
        case Sort.CREATED_AT:
            return row.created_at
        case Sort.COMPLETED_AT:
            return row.completed_at
        case Sort.NAME:
            return row.name.casefold()
        case Sort.SIZE:
            return _UNKNOWN_LENGTH if row.upload_length is None else row.upload_length
