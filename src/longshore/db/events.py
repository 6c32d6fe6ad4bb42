"""What happened to uploads, appended to the database in the transactions that change them."""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection

from longshore.db import event_statements as statements
from longshore.db.database import Database
from longshore.db.direct import Direct
from longshore.events import RequestInfo, UploadEvent, UploadRejected, UploadRenamed, carries_credentials
from longshore.ports.events import StoredEvent
from longshore.protocol.upload import Upload

_INSERT: Final = Direct(statements.INSERT, columns=statements.COLUMNS)
_INSERT_NUMBERED: Final = Direct(statements.INSERT_NUMBERED, columns=statements.COLUMNS)
_DELIVER: Final = Direct(statements.DELIVER, columns=statements.DELIVERY_COLUMNS)

_write_json: Final = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


class EventLog:
    """Appends events. Those of the types in `deliver` wait for delivery from then on.

    Credentials never get into the database: of a request's headers, those that carry some are left out unless they
    are named in `keep_headers`.
    """

    def __init__(self, *, deliver: Collection[str] = (), keep_headers: Collection[str] = ()) -> None:
        self._deliver = frozenset(deliver)
        self._keep = frozenset(name.lower() for name in keep_headers)

    def entries(self, happened: Sequence[UploadEvent], now: datetime) -> Sequence[Mapping[str, Any]]:
        """The rows of events that happen now, made ahead of the transaction."""
        return [self._entry(event, now) for event in happened]

    def append(self, connection: Connection, entries: Sequence[Mapping[str, Any]]) -> None:
        """Store the rows. The last thing that a transaction does: on PostgreSQL, others wait from here on to append.

        There a sequence hands out ids before the commit, in whatever order that comes. With the lock held until then,
        an event is visible before a higher id is given out, so that readers who go by ids miss none.
        """
        if entries and connection.dialect.name == "postgresql":
            connection.execute(statements.LOCK)
        for entry in entries:
            if entry["type"] in self._deliver:
                _deliver(connection, entry)
            else:
                _INSERT.change(connection, entry)

    def _entry(self, event: UploadEvent, now: datetime) -> Mapping[str, Any]:
        data: dict[str, Any] = {"upload": _upload_data(event.upload), "request": self._request_data(event.request)}
        if isinstance(event, UploadRejected):
            data |= {"code": event.code, "detail": event.detail}
        if isinstance(event, UploadRenamed):
            data |= {"previous_name": event.previous_name}
        return {
            "type": event.type,
            "upload_id": event.upload.id,
            "owner": event.upload.owner,
            "time": now,
            "data": _write_json(data),
        }

    def _request_data(self, request: RequestInfo) -> dict[str, Any]:
        return {
            "method": request.method,
            "uri": request.uri,
            "remote_address": request.remote_address,
            "headers": [header for header in request.headers if self._is_kept(header[0])],
        }

    def _is_kept(self, name: str) -> bool:
        return not carries_credentials(name) or name.lower() in self._keep


def _upload_data(upload: Upload) -> dict[str, Any]:
    return {
        "id": upload.id,
        "owner": upload.owner,
        "created_at": upload.created_at.isoformat(),
        "offset": upload.offset,
        "length": upload.length,
        "metadata": upload.metadata,
        "concat": upload.concat,
        "parts": upload.parts,
        "state": upload.state.value,
        "expires_at": upload.expires_at and upload.expires_at.isoformat(),
        "completed_at": upload.completed_at and upload.completed_at.isoformat(),
    }


def _deliver(connection: Connection, entry: Mapping[str, Any]) -> None:
    (event_id,) = _INSERT_NUMBERED.rows(connection, entry)[0]
    delivery = {"event_id": event_id, "state": "waiting", "generation": 0, "attempts": 0, "last_error": ""}
    _DELIVER.change(connection, delivery | {"updated_at": entry["time"]})


class SqlEvents:
    """The events on SQLite or PostgreSQL, to be read (`ports.events.Events`) and forgotten.

    Each method raises `protocol.errors.Unavailable` while the database cannot answer.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def events_after(self, event_id: int, limit: int) -> Sequence[StoredEvent]:
        """Up to `limit` events with a higher id, the lowest first."""
        parameters = {"event_id": event_id, "limit": limit}
        return await self._database.read(lambda c: [_stored(row) for row in c.execute(statements.AFTER, parameters)])

    async def last_id(self) -> int:
        """The highest id of the events that are kept; 0 where there are none."""
        return await self._database.read(lambda connection: connection.execute(statements.LAST).scalar() or 0)

    async def forget_events(self, before: datetime, limit: int) -> int:
        """Delete up to `limit` events from before that moment which need no delivery, or have had it.

        Their deliveries go with them. Return how many events it was.
        """
        parameters = {"before": before, "limit": limit}
        return await self._database.write(lambda connection: connection.execute(statements.FORGET, parameters).rowcount)


def _stored(row: Any) -> StoredEvent:
    return StoredEvent(
        id=row.id,
        type=row.type,
        upload_id=row.upload_id,
        owner=row.owner,
        time=row.time,
        data=json.loads(row.data),
        owner_name=row.username,
    )
