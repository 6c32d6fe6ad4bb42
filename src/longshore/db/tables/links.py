"""Download links."""

from sqlalchemy import CheckConstraint, Column, Integer, Table, Text

from longshore.db.tables.uploads import UtcDateTime, metadata

links = Table(
    "links",
    metadata,
    Column("id", Text, primary_key=True),
    Column("upload_id", Text, nullable=False, index=True),
    Column("created_by", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
    Column("max_uses", Integer),
    Column("uses", Integer, nullable=False),
    Column("used_at", UtcDateTime),
    CheckConstraint("uses >= 0", name="uses_not_negative"),
    CheckConstraint("uses <= max_uses", name="uses_within_max_uses"),
)
"""Links that are good, or have expired a short while ago. A link that is revoked is deleted.

Without a foreign key: links end by themselves, and what an upload's tombstone answers does not depend on them.
"""
