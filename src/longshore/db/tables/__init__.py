"""The tables, as they are after the newest migration. A test holds the two together."""

from longshore.db.tables.accounts import invitations, sessions, users
from longshore.db.tables.events import deliveries, events
from longshore.db.tables.links import links
from longshore.db.tables.quotas import quotas, reservations, totals, usage
from longshore.db.tables.uploads import (
    IS_GONE,
    IS_LIVE,
    IS_UNDIGESTED,
    IS_UNFINISHED,
    UtcDateTime,
    metadata,
    moment_from_text,
    moment_to_text,
    parts,
    uploads,
)

__all__ = [
    "IS_GONE",
    "IS_LIVE",
    "IS_UNDIGESTED",
    "IS_UNFINISHED",
    "UtcDateTime",
    "deliveries",
    "events",
    "invitations",
    "links",
    "metadata",
    "moment_from_text",
    "moment_to_text",
    "parts",
    "quotas",
    "reservations",
    "sessions",
    "totals",
    "uploads",
    "usage",
    "users",
]
