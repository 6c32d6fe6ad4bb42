"""Quotas, and what counts towards them."""

from sqlalchemy import BigInteger, CheckConstraint, Column, Date, Table, Text

from longshore.db.tables.uploads import metadata

quotas = Table(
    "quotas",
    metadata,
    Column("holder", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("allowed", BigInteger),
    CheckConstraint("name IN ('daily', 'monthly', 'stored', 'size', 'unfinished')", name="name_known"),
)
"""Quotas other than those in the settings. The holder is `user:<subject>` or `role:<role>`; NULL is no limit."""

usage = Table(
    "usage",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("bytes", BigInteger, nullable=False),
    CheckConstraint("bytes >= 0", name="bytes_not_negative"),
    sqlite_with_rowid=False,
)
"""Bytes that count towards a day (UTC), and so towards its month: of finished uploads, and reserved ones."""

reservations = Table(
    "reservations",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("upload_id", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("bytes", BigInteger, nullable=False),
    CheckConstraint("bytes >= 0", name="bytes_not_negative"),
    sqlite_with_rowid=False,
)
"""Which of the bytes in `usage` are given back should an unfinished upload go. A finished one has none.

Without a foreign key: an upload has become a tombstone, and so has none, long before its record is deleted.
"""

totals = Table(
    "totals",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("stored", BigInteger, nullable=False),
    Column("unfinished", BigInteger, nullable=False),
    CheckConstraint("stored >= 0", name="stored_not_negative"),
    CheckConstraint("unfinished >= 0", name="unfinished_not_negative"),
    sqlite_with_rowid=False,
)
"""The sum of `uploads.charged`, and the number of unfinished uploads, of each owner."""
