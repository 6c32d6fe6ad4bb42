"""The upload records in SQL: `ports.Uploads` over a `Database`."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import groupby
from typing import Any, Final, cast

from sqlalchemy import Connection, CursorResult, Executable

from longshore.db import quotas as charging
from longshore.db import statements
from longshore.db.database import Database
from longshore.db.direct import Direct
from longshore.db.events import EventLog
from longshore.db.room import ensure_room, note_outstanding
from longshore.db.statements import in_pieces
from longshore.events import UploadEvent
from longshore.ports import Clock
from longshore.ports.quotas import Quotas, Usage
from longshore.protocol.metadata import name_and_type
from longshore.protocol.upload import State, Upload

_INSERT: Final = Direct(statements.INSERT)
_GET: Final = Direct(statements.GET)
_CHECKPOINT: Final = Direct(statements.CHECKPOINT)
_SAVE: Final = Direct(statements.SAVE)
_SAVE_CHARGED: Final = Direct(statements.SAVE_CHARGED)


def _system_clock() -> datetime:
    return datetime.now(UTC)


class SqlUploads:
    """The upload records on SQLite or PostgreSQL.

    `clock` dates the changes to a record (`updated_at`), tells the days of quotas, and dates events. Events of the
    types in `deliver` wait for delivery from the moment they are stored; `keep_headers` names request headers to store
    although they look like credentials.

    Besides what the port says, each method raises `protocol.errors.Unavailable` while the database cannot answer and
    `protocol.errors.ShuttingDown` once it is closed.
    """

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock = _system_clock,
        deliver: Collection[str] = (),
        keep_headers: Collection[str] = (),
    ) -> None:
        """Work on a database that has been started, and migrated, by the time of the first call."""
        self._database = database
        self._clock = clock
        self._log = EventLog(deliver=deliver, keep_headers=keep_headers)

    async def add(
        self,
        upload: Upload,
        *,
        free_space: int | None,
        quotas: Quotas | None = None,
        events: Sequence[UploadEvent] = (),
    ) -> None:
        now = self._clock()
        row = _new_row(upload, now)
        entries = self._log.entries(events, now)

        def insert(connection: Connection) -> None:
            if upload.owner:
                row["charged"] = charging.charge_new(connection, upload, quotas, _day(now))
            if free_space is not None:
                ensure_room(connection, upload.length or 0, free_space)
            if not _INSERT.change(connection, row):
                raise ValueError(f"there is an upload {upload.id} already")
            if upload.parts:
                connection.execute(statements.INSERT_PARTS, _part_rows(upload))
            note_outstanding(connection, upload)
            self._log.append(connection, entries)

        await self._database.write(insert)

    async def get(self, upload_id: str) -> Upload | None:
        def select(connection: Connection) -> Upload | None:
            found = _with_parts(connection, _GET.rows(connection, {"upload_id": upload_id}))
            return found[0] if found else None

        return await self._database.read(select)

    async def get_many(self, upload_ids: Collection[str]) -> Mapping[str, Upload]:
        def select(connection: Connection) -> Mapping[str, Upload]:
            found = (_load(connection, statements.GET_MANY, {"upload_ids": ids}) for ids in in_pieces(upload_ids))
            return {upload.id: upload for piece in found for upload in piece}

        return await self._database.read(select)

    async def checkpoint(self, upload_id: str, offset: int, expires_at: datetime | None) -> bool:
        """Commit the offset of an unfinished upload. An offset beyond the length counts as the length."""
        changes = {"upload_id": upload_id, "offset": offset, "expiry": expires_at, "now": self._clock()}
        return await self._database.write(lambda connection: _CHECKPOINT.change(connection, changes) == 1)

    async def reserve(self, upload_id: str, wanted: int, *, quotas: Quotas) -> int:
        """Set bytes aside. For a final upload `wanted` is its length, now that it is known: all of it or nothing."""
        day = _day(self._clock())
        return await self._database.write(lambda c: charging.charge_more(c, upload_id, wanted, quotas, day))

    async def usage(self, owner: str) -> Usage:
        day = _day(self._clock())
        return await self._database.read(lambda connection: charging.read_usage(connection, owner, day))

    async def forget_usage(self) -> int:
        """Delete what no quota looks at any more: usage from before last month. Return how many rows it was."""
        day = _day(self._clock())
        return await self._database.write(lambda connection: charging.forget_usage(connection, day))

    async def save(self, upload: Upload, *, events: Sequence[UploadEvent] = ()) -> bool:
        now = self._clock()
        changes = _changes(upload, now)
        entries = self._log.entries(events, now)

        def save(connection: Connection) -> bool:
            saved = (_save_owned if upload.owner else _save)(connection, upload, changes)
            note_outstanding(connection, upload)
            if saved:
                self._log.append(connection, entries)
            return saved

        return await self._database.write(save)

    async def bury(self, upload: Upload, *, events: Sequence[UploadEvent] = ()) -> bool:
        """Turn a live upload into a tombstone. Raises `ValueError` when the upload given is not a tombstone."""
        if not upload.is_gone:
            raise ValueError(f"upload {upload.id} is {upload.state}, which is no tombstone")
        now = self._clock()
        changes = _changes(upload, now) | {"new_metadata": upload.metadata}
        entries = self._log.entries(events, now)

        def bury(connection: Connection) -> bool:
            buried = (_bury_owned if upload.owner else _bury)(connection, upload, changes)
            if buried:
                self._log.append(connection, entries)
            return buried

        return await self._database.write(bury)

    async def rename(self, upload_id: str, metadata: str, *, events: Sequence[UploadEvent] = ()) -> bool:
        now = self._clock()
        changes = {"upload_id": upload_id, "new_metadata": metadata, "now": now} | _renamed(metadata)
        entries = self._log.entries(events, now)

        def rename(connection: Connection) -> bool:
            renamed = _execute(connection, statements.RENAME, changes) == 1
            if renamed:
                self._log.append(connection, entries)
            return renamed

        return await self._database.write(rename)

    async def purged(self, upload_id: str) -> None:
        await self._change(statements.PURGED, {"upload_id": upload_id, "now": self._clock()})

    async def unpurged(self, limit: int) -> Sequence[str]:
        return await self._database.read(lambda c: c.execute(statements.UNPURGED, {"limit": limit}).scalars().all())

    async def finals_of(self, part_id: str) -> Sequence[Upload]:
        return await self._load_many(statements.FINALS_OF, {"part_id": part_id})

    async def unfinished_finals(self, limit: int) -> Sequence[Upload]:
        """Unfinished finals with all of their parts, the oldest first."""
        return await self._load_many(statements.UNFINISHED_FINALS, {"limit": limit})

    async def extend_finals_of(self, part_id: str, expires_at: datetime | None) -> None:
        await self._change(
            statements.EXTEND_FINALS_OF, {"part_id": part_id, "expiry": expires_at, "now": self._clock()}
        )

    async def expired(self, now: datetime, limit: int) -> Sequence[Upload]:
        """Live uploads to expire; the moment of `expires_at` itself counts as passed."""
        return await self._load_many(statements.EXPIRED, {"now": now, "limit": limit})

    async def forget(self, now: datetime, limit: int) -> int:
        return await self._change(statements.FORGET, {"now": now, "limit": limit})

    async def known(self, upload_ids: Collection[str]) -> Collection[str]:
        def select(connection: Connection) -> Collection[str]:
            pieces = (connection.execute(statements.KNOWN, {"upload_ids": ids}) for ids in in_pieces(upload_ids))
            return {upload_id for piece in pieces for upload_id in piece.scalars()}

        return await self._database.read(select)

    async def _load_many(self, statement: Executable, parameters: Mapping[str, Any]) -> Sequence[Upload]:
        return await self._database.read(lambda connection: _load(connection, statement, parameters))

    async def _change(self, statement: Executable, parameters: Mapping[str, Any]) -> int:
        return await self._database.write(lambda connection: _execute(connection, statement, parameters))


def _day(now: datetime) -> date:
    return now.astimezone(UTC).date()


def _save(connection: Connection, upload: Upload, changes: Mapping[str, Any]) -> bool:
    return _SAVE.change(connection, changes) == 1


def _save_owned(connection: Connection, upload: Upload, changes: Mapping[str, Any]) -> bool:
    # An upload that only moves on within a known length leaves the account alone.
    if upload.state is State.COMPLETED or upload.length is None:
        charging.lock_totals(connection, upload.owner)
    rows = _SAVE_CHARGED.rows(connection, changes)
    if rows:
        charging.settle_charge(connection, upload, rows[0][0], _day(changes["now"]))
    return bool(rows)


def _bury(connection: Connection, upload: Upload, changes: Mapping[str, Any]) -> bool:
    return _execute(connection, statements.BURY, changes) == 1


def _bury_owned(connection: Connection, upload: Upload, changes: Mapping[str, Any]) -> bool:
    charging.lock_totals(connection, upload.owner)
    before = charging.read_charge(connection, upload.id)
    buried = _bury(connection, upload, changes)
    if buried and before is not None:
        charging.release_charge(connection, upload, before)
    return buried


def _execute(connection: Connection, statement: Executable, parameters: Mapping[str, Any]) -> int:
    return cast(CursorResult[Any], connection.execute(statement, parameters)).rowcount


def _load(connection: Connection, statement: Executable, parameters: Mapping[str, Any]) -> Sequence[Upload]:
    return _with_parts(connection, connection.execute(statement, parameters).all())


def _with_parts(connection: Connection, rows: Iterable[Sequence[Any]]) -> Sequence[Upload]:
    found = [_upload(row) for row in rows]
    finals = [upload.id for upload in found if upload.is_final]
    if not finals:
        return found
    part_ids = _part_ids(connection, finals)
    return [replace(upload, parts=part_ids.get(upload.id, ())) for upload in found]


def _part_ids(connection: Connection, finals: Collection[str]) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for ids in in_pieces(finals):
        rows = connection.execute(statements.GET_PARTS, {"upload_ids": ids})
        for final_id, group in groupby(rows, key=lambda row: row.final_id):
            found[final_id] = tuple(row.part_id for row in group)
    return found


def _upload(row: Sequence[Any]) -> Upload:
    upload_id, created_at, owner, offset, length, metadata, concat, state, expires_at, completed_at, sha256 = row
    return Upload(
        id=upload_id,
        created_at=created_at,
        owner=owner,
        offset=offset,
        length=length,
        metadata=metadata,
        concat=concat,
        state=State(state),
        expires_at=expires_at,
        completed_at=completed_at,
        sha256=sha256,
    )


def _new_row(upload: Upload, now: datetime) -> dict[str, Any]:
    return {
        "id": upload.id,
        "state": upload.state.value,
        "upload_offset": upload.offset,
        "upload_length": upload.length,
        "metadata": upload.metadata,
        "concat": upload.concat,
        "created_at": upload.created_at,
        "updated_at": now,
        "expires_at": upload.expires_at,
        "completed_at": upload.completed_at,
        "purged": False,
        "owner": upload.owner,
        "charged": 0,
        "sha256": upload.sha256,
        **_named(upload.metadata),
    }


def _named(metadata: str) -> dict[str, str]:
    """What lists know of a file: the columns that come of its metadata."""
    name, media_type = name_and_type(metadata) if metadata else ("", "")
    return {"name": name, "name_key": name.casefold(), "media_type": media_type.lower()}


def _renamed(metadata: str) -> dict[str, str]:
    return {f"new_{column}": value for column, value in _named(metadata).items()}


def _part_rows(upload: Upload) -> list[dict[str, Any]]:
    return [
        {"final_id": upload.id, "position": position, "part_id": part_id}
        for position, part_id in enumerate(upload.parts)
    ]


def _changes(upload: Upload, now: datetime) -> dict[str, Any]:
    return {
        "upload_id": upload.id,
        "offset": upload.offset,
        "length": upload.length,
        "new_state": upload.state.value,
        "expiry": upload.expires_at,
        "completion": upload.completed_at,
        "now": now,
    }
