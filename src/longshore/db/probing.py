"""Questions about the database itself: whether it can be written to, whether it is migrated, and what waits in it."""

from datetime import UTC, datetime
from typing import Final

from alembic.migration import MigrationContext
from sqlalchemy import Connection, delete, func, insert, literal, select

from longshore.db.tables import deliveries, usage
from longshore.db.tables.events import IS_OPEN

COUNTED: Final = 100_000
"""Rows that are counted at most: beyond that, more makes no difference to anybody."""

# Nobody's: an owner has a subject, and nobody has uploaded anything on that day.
_ROW: Final = {"owner": "", "day": datetime.fromtimestamp(0, UTC).date(), "bytes": 0}
_ADD: Final = insert(usage)
_REMOVE: Final = delete(usage).where(usage.c.owner == _ROW["owner"], usage.c.day == _ROW["day"])


class Outdated(Exception):
    """The database is behind this version of the server."""


def write_nothing(connection: Connection) -> None:
    """Write, and leave all as it was: a row that comes and goes within the transaction, whose commit is a real one."""
    connection.execute(_ADD, _ROW)
    connection.execute(_REMOVE)


def require_revision(connection: Connection, expected: str | None) -> None:
    """Raise `Outdated` when the database's revision is an earlier one.

    A later one comes of an update that is under way, during which the processes of the old version are still needed.
    Revisions are numbers of four digits, and so in order.
    """
    found = MigrationContext.configure(connection).get_current_revision()
    if (found or "") < (expected or ""):
        raise Outdated(f"the database is at revision {found}, and {expected} is the newest")


def count_open_deliveries(connection: Connection) -> int:
    """How many webhook deliveries wait or are under way; no more than `COUNTED` are counted."""
    found = select(literal(1)).select_from(deliveries).where(IS_OPEN).limit(COUNTED).subquery()
    return connection.execute(select(func.count()).select_from(found)).scalar_one()
