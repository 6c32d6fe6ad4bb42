"""Webhook deliveries in SQL: `ports.deliveries.Deliveries` over a `Database`."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, cast

from sqlalchemy import Connection, CursorResult, Integer, RowMapping, Select, Update, bindparam, select, text, update

from longshore.db.database import Database
from longshore.db.tables import deliveries, events
from longshore.db.tables.events import IS_OPEN
from longshore.events import (
    RequestInfo,
    UploadCompleted,
    UploadCreated,
    UploadEvent,
    UploadExpired,
    UploadRejected,
    UploadTerminated,
)
from longshore.ports import Clock
from longshore.ports.deliveries import Delivery, DeliveryState, Message, Page
from longshore.protocol.upload import State, Upload

_TYPES: Final[Mapping[str, type[UploadEvent]]] = {
    event.type: event for event in (UploadCreated, UploadCompleted, UploadTerminated, UploadExpired, UploadRejected)
}

# As literals, so that the planners see that the partial index of open deliveries serves.
_IS_WAITING = text("deliveries.state = 'waiting'")
_IS_QUEUED = text("deliveries.state = 'queued'")
_OPEN: Final = (DeliveryState.WAITING.value, DeliveryState.QUEUED.value)
_AFTER = deliveries.c.event_id > bindparam("after")
_THIS_EVENT = deliveries.c.event_id == bindparam("this_event")
_THIS_GENERATION = deliveries.c.generation == bindparam("this_generation")

_DELIVERY = select(
    deliveries.c.event_id,
    deliveries.c.generation,
    deliveries.c.state,
    deliveries.c.attempts,
    deliveries.c.last_error,
    deliveries.c.updated_at,
    events.c.type,
    events.c.upload_id,
    events.c.time,
).join_from(deliveries, events, events.c.id == deliveries.c.event_id)

_earlier_event = events.alias("earlier_event")
_earlier = deliveries.alias("earlier")
_STANDS_BEFORE = (
    select(_earlier.c.event_id)
    .join_from(_earlier_event, _earlier, _earlier.c.event_id == _earlier_event.c.id)
    .where(
        _earlier_event.c.upload_id == events.c.upload_id,
        _earlier_event.c.id < events.c.id,
        _earlier.c.state.in_(_OPEN),
    )
    .correlate(events)
    .exists()
)

_LIMIT = bindparam("limit", type_=Integer)
_WAITING = (
    _DELIVERY.add_columns(_STANDS_BEFORE.label("blocked"))
    .where(IS_OPEN, _IS_WAITING, _AFTER)
    .order_by(deliveries.c.event_id)
    .limit(_LIMIT)
)
_QUEUED = _DELIVERY.where(IS_OPEN, _IS_QUEUED, _AFTER).order_by(deliveries.c.event_id).limit(_LIMIT)
_NEWEST = _DELIVERY.order_by(deliveries.c.event_id.desc()).limit(_LIMIT)
_LOAD = _DELIVERY.add_columns(events.c.data).where(_THIS_EVENT)

_CHANGE = update(deliveries).values(updated_at=bindparam("now", type_=deliveries.c.updated_at.type))
_MARK_QUEUED = _CHANGE.where(_THIS_EVENT, _THIS_GENERATION, _IS_WAITING).values(state=DeliveryState.QUEUED.value)
_TRY = _CHANGE.where(_THIS_EVENT, _THIS_GENERATION, IS_OPEN).values(
    attempts=bindparam("made"), last_error=bindparam("error")
)
_SETTLE = _TRY.values(state=bindparam("new_state"))
_REDELIVER = _CHANGE.where(_THIS_EVENT).values(
    state=DeliveryState.WAITING.value, generation=deliveries.c.generation + 1, attempts=0, last_error=""
)
_RESTART = _REDELIVER.where(_THIS_GENERATION, _IS_QUEUED, deliveries.c.attempts == bindparam("made"))


def _system_clock() -> datetime:
    return datetime.now(UTC)


class SqlDeliveries:
    """The records of deliveries on SQLite or PostgreSQL. `clock` dates the changes to a record.

    Besides what the port says, each method raises `protocol.errors.Unavailable` while the database cannot answer and
    `protocol.errors.ShuttingDown` once it is closed.
    """

    def __init__(self, database: Database, *, clock: Clock = _system_clock) -> None:
        """Work on a database that has been started, and migrated, by the time of the first call."""
        self._database = database
        self._clock = clock

    async def waiting(self, after: int, limit: int) -> Page:
        rows = await self._select(_WAITING, {"after": after, "limit": limit})
        due = [_delivery(row) for row in rows if not row["blocked"]]
        return Page(due=due, last=rows[-1]["event_id"] if len(rows) == limit else None)

    async def queued(self, after: int, limit: int) -> Sequence[Delivery]:
        return [_delivery(row) for row in await self._select(_QUEUED, {"after": after, "limit": limit})]

    async def list(self, state: DeliveryState | None, limit: int) -> Sequence[Delivery]:
        query = _NEWEST if state is None else _NEWEST.where(deliveries.c.state == state.value)
        return [_delivery(row) for row in await self._select(query, {"limit": limit})]

    async def load(self, event_id: int) -> Message | None:
        rows = await self._select(_LOAD, {"this_event": event_id})
        return Message(delivery=_delivery(rows[0]), event=_event(rows[0])) if rows else None

    async def mark_queued(self, deliveries: Sequence[Delivery]) -> None:
        now = self._clock()
        rows = [
            {"this_event": delivery.event_id, "this_generation": delivery.generation, "now": now}
            for delivery in deliveries
        ]

        def mark(connection: Connection) -> None:
            connection.execute(_MARK_QUEUED, rows)

        if rows:
            await self._database.write(mark)

    async def note_attempt(self, event_id: int, generation: int, attempts: int, error: str) -> None:
        await self._change(_TRY, _attempt(event_id, generation, attempts) | {"error": error})

    async def settle(
        self, event_id: int, generation: int, state: DeliveryState, *, attempts: int, error: str = ""
    ) -> bool:
        changes = _attempt(event_id, generation, attempts) | {"error": error, "new_state": state.value}
        return await self._change(_SETTLE, changes)

    async def redeliver(self, event_id: int) -> bool:
        return await self._change(_REDELIVER, {"this_event": event_id})

    async def restart(self, stuck: Delivery) -> bool:
        return await self._change(_RESTART, _attempt(stuck.event_id, stuck.generation, stuck.attempts))

    async def _select(self, query: Select[Any], parameters: Mapping[str, Any]) -> Sequence[RowMapping]:
        return await self._database.read(lambda connection: connection.execute(query, parameters).mappings().all())

    async def _change(self, statement: Update, parameters: Mapping[str, Any]) -> bool:
        values = {**parameters, "now": self._clock()}

        def change(connection: Connection) -> bool:
            return cast(CursorResult[Any], connection.execute(statement, values)).rowcount == 1

        return await self._database.write(change)


def _attempt(event_id: int, generation: int, attempts: int) -> dict[str, Any]:
    return {"this_event": event_id, "this_generation": generation, "made": attempts}


def _delivery(row: RowMapping) -> Delivery:
    return Delivery(
        event_id=row["event_id"],
        generation=row["generation"],
        state=DeliveryState(row["state"]),
        attempts=row["attempts"],
        last_error=row["last_error"],
        updated_at=row["updated_at"],
        type=row["type"],
        upload_id=row["upload_id"],
        time=row["time"],
    )


def _event(row: RowMapping) -> UploadEvent:
    data = json.loads(row["data"])
    made = _TYPES[row["type"]]
    told = {key: data[key] for key in ("code", "detail") if key in data} if made is UploadRejected else {}
    return made(_upload(data["upload"]), _request(data["request"]), **told)


def _upload(data: Mapping[str, Any]) -> Upload:
    return Upload(
        id=data["id"],
        owner=data["owner"],
        created_at=datetime.fromisoformat(data["created_at"]),
        offset=data["offset"],
        length=data["length"],
        metadata=data["metadata"],
        concat=data["concat"],
        parts=tuple(data["parts"]),
        state=State(data["state"]),
        expires_at=_moment(data.get("expires_at")),
        completed_at=_moment(data.get("completed_at")),
    )


def _moment(written: str | None) -> datetime | None:
    return None if written is None else datetime.fromisoformat(written)


def _request(data: Mapping[str, Any]) -> RequestInfo:
    return RequestInfo(
        method=data["method"],
        uri=data["uri"],
        remote_address=data["remote_address"],
        headers=tuple((name, value) for name, value in data["headers"]),
    )
