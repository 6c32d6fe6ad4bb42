"""The statements behind `events`, each built once."""

from typing import Final

from sqlalchemy import and_, bindparam, delete, func, insert, or_, select

from longshore.db.tables import deliveries, events, users

COLUMNS: Final = ("type", "upload_id", "owner", "time", "data")
DELIVERY_COLUMNS: Final = ("event_id", "state", "generation", "attempts", "last_error", "updated_at")

INSERT = insert(events)
INSERT_NUMBERED = INSERT.returning(events.c.id)
DELIVER = insert(deliveries)

# Any number that nobody else locks by in the same database.
LOCK = select(func.pg_advisory_xact_lock(0x4C4F4E47_45564E54))

LAST = select(func.max(events.c.id))
AFTER = (
    select(events, users.c.username)
    .outerjoin(users, users.c.id == events.c.owner)
    .where(events.c.id > bindparam("event_id"))
    .order_by(events.c.id)
    .limit(bindparam("limit"))
)
FORGET = delete(events).where(
    events.c.id.in_(
        select(events.c.id)
        .outerjoin(deliveries, deliveries.c.event_id == events.c.id)
        .where(
            events.c.time < bindparam("before", type_=events.c.time.type),
            or_(deliveries.c.state.is_(None), and_(deliveries.c.state != "waiting", deliveries.c.state != "queued")),
        )
        .order_by(events.c.time)
        .limit(bindparam("limit"))
    )
)
