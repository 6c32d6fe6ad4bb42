"""Uploads and their parts, and the type that every table uses for moments."""

from datetime import UTC, datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    text,
)


def _in_utc(moment: datetime) -> datetime:
    if moment.tzinfo is UTC:
        return moment
    if moment.tzinfo is None:
        raise ValueError(f"naive datetime {moment!r}: moments are stored in UTC")
    return moment.astimezone(UTC)


class UtcDateTime(TypeDecorator[datetime]):
    """A moment. Takes aware datetimes only (`ValueError` otherwise) and always gives them back in UTC.

    SQLite stores it as text of a fixed width, so that comparing the text compares the moments. `moment_to_text` and
    `moment_from_text` do the same without SQLAlchemy.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn a moment into UTC, because SQLite would drop the offset without a word."""
        return None if value is None else _in_utc(value)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the moment its zone back: SQLite knows none, PostgreSQL answers in the session's."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def moment_to_text(moment: datetime | None) -> str | None:
    """Write a moment as `UtcDateTime` stores it on SQLite. Raises `ValueError` when it is naive."""
    # Without the offset, which is always the same.
    return None if moment is None else _in_utc(moment).isoformat(" ", "microseconds")[:26]


def moment_from_text(text: str | None) -> datetime | None:
    """Read a moment that `UtcDateTime` or `moment_to_text` wrote on SQLite."""
    return None if text is None else datetime.fromisoformat(text + "+00:00")


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# Partial indexes serve only a query that repeats their condition word for word, so both use these. Literals, not
# bound parameters: neither planner can prove anything about a value that it does not see.
IS_UNFINISHED = text("state = 'unfinished'")
IS_LIVE = text("state IN ('unfinished', 'completed')")
IS_GONE = text("state IN ('terminated', 'expired')")
IS_UNDIGESTED = text("state = 'completed' AND concat <> 'partial' AND sha256 IS NULL")
_IS_COMPLETED = text("completed_at IS NOT NULL")
_EXPIRES = text("state IN ('unfinished', 'completed') AND expires_at IS NOT NULL")

# Compared byte by byte, as SQLite does: the same order everywhere, whatever the locale of the database.
_PLAIN_TEXT = Text().with_variant(Text(collation="C"), "postgresql")

uploads = Table(
    "uploads",
    metadata,
    Column("id", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("upload_offset", BigInteger, nullable=False),
    Column("upload_length", BigInteger),
    Column("metadata", Text, nullable=False),
    Column("concat", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("completed_at", UtcDateTime),
    Column("purged", Boolean, nullable=False),
    Column("owner", Text, nullable=False, server_default=""),
    Column("charged", BigInteger, nullable=False, server_default="0"),
    Column("name", Text, nullable=False, server_default=""),
    Column("name_key", _PLAIN_TEXT, nullable=False, server_default=""),
    Column("media_type", Text, nullable=False, server_default=""),
    Column("sha256", Text),
    CheckConstraint("state IN ('unfinished', 'completed', 'terminated', 'expired')", name="state_known"),
    CheckConstraint("upload_offset >= 0", name="offset_not_negative"),
    CheckConstraint("upload_offset <= upload_length", name="offset_within_length"),
)
"""One row for each upload and each tombstone. `charged` are the bytes that count towards what its owner stores.

`name` and `media_type` are what the metadata says of the file, and `name_key` is the name as it is compared and sorted.
`sha256` is in hexadecimal digits, and null until it is known.
"""

Index(
    "ix_uploads_live_expires_at",
    uploads.c.expires_at,
    sqlite_where=_EXPIRES,
    postgresql_where=_EXPIRES,
)
Index(
    "ix_uploads_gone_purged_expires_at",
    uploads.c.purged,
    uploads.c.expires_at,
    sqlite_where=IS_GONE,
    postgresql_where=IS_GONE,
)
# Holds every column that the sum of outstanding bytes names, so that it never visits the rows; SQLite insists on the
# state as well, which is the same throughout.
Index(
    "ix_uploads_unfinished_outstanding",
    uploads.c.state,
    uploads.c.upload_length,
    uploads.c.upload_offset,
    sqlite_where=IS_UNFINISHED,
    postgresql_where=IS_UNFINISHED,
)

# For lists, each with the id that decides between those that are alike. Lists by name and by length sort what they
# find: another index would cost every creation more than it saves them.
Index("ix_uploads_created_at_id", uploads.c.created_at, uploads.c.id)
Index("ix_uploads_owner_created_at_id", uploads.c.owner, uploads.c.created_at, uploads.c.id)
Index(
    "ix_uploads_completed_at_id",
    uploads.c.completed_at,
    uploads.c.id,
    sqlite_where=_IS_COMPLETED,
    postgresql_where=_IS_COMPLETED,
)
Index(
    "ix_uploads_undigested_completed_at_id",
    uploads.c.completed_at,
    uploads.c.id,
    sqlite_where=IS_UNDIGESTED,
    postgresql_where=IS_UNDIGESTED,
)

# part_id refers to an upload without a foreign key: a part's tombstone may be forgotten while the final upload lives
# on, and the final upload's list of parts must survive that. A final upload that is forgotten takes its list along.
parts = Table(
    "parts",
    metadata,
    Column("final_id", Text, ForeignKey("uploads.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("part_id", Text, nullable=False, index=True),
)
"""The partial uploads of each final upload, in order."""
