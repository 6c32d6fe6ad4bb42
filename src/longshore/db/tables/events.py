"""What happened to uploads, and who has still to be told."""

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Index, Integer, Table, Text, text

from longshore.db.tables.uploads import UtcDateTime, metadata

# SQLite counts up a column of exactly this type by itself.
_COUNTED = BigInteger().with_variant(Integer, "sqlite")

events = Table(
    "events",
    metadata,
    Column("id", _COUNTED, primary_key=True, autoincrement=True),
    Column("type", Text, nullable=False),
    Column("upload_id", Text, nullable=False, index=True),
    Column("owner", Text, nullable=False),
    Column("time", UtcDateTime, nullable=False, index=True),
    Column("data", Text, nullable=False),
    sqlite_autoincrement=True,
)
"""Appended in the transaction that changes the upload. `data` is JSON: the upload as it was then, and the request."""

deliveries = Table(
    "deliveries",
    metadata,
    Column("event_id", _COUNTED, ForeignKey("events.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("state", Text, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("last_error", Text, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    CheckConstraint("state IN ('waiting', 'queued', 'delivered', 'failed')", name="state_known"),
)
"""Events that the webhook receiver is to be told of. A delivery that is asked for again has a higher generation."""

# As a literal, word for word as in the queries that are to be served by the index.
IS_OPEN = text("deliveries.state IN ('waiting', 'queued')")
_IS_OPEN = text("state IN ('waiting', 'queued')")

Index(
    "ix_deliveries_open_state_event_id",
    deliveries.c.state,
    deliveries.c.event_id,
    sqlite_where=_IS_OPEN,
    postgresql_where=_IS_OPEN,
)
