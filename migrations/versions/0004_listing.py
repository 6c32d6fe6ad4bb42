"""What lists of uploads look at: names and media types, taken from the metadata, and indexes.

A migration stays as it was written, so it takes nothing from `longshore`.
"""

import re
from base64 import b64decode
from collections.abc import Iterator, Mapping

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

AT_ONCE = 1000
COMPLETED = sa.text("completed_at IS NOT NULL")
PLAIN_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,100}/[A-Za-z0-9!#$&^_.+-]{1,100}")


def upgrade() -> None:
    op.add_column("uploads", sa.Column("name", sa.Text(), server_default="", nullable=False))
    op.add_column("uploads", sa.Column("name_key", PLAIN_TEXT, server_default="", nullable=False))
    op.add_column("uploads", sa.Column("media_type", sa.Text(), server_default="", nullable=False))
    fill(op.get_bind())
    op.create_index(op.f("ix_uploads_created_at_id"), "uploads", ["created_at", "id"])
    op.create_index(op.f("ix_uploads_owner_created_at_id"), "uploads", ["owner", "created_at", "id"])
    op.create_index(
        op.f("ix_uploads_completed_at_id"),
        "uploads",
        ["completed_at", "id"],
        sqlite_where=COMPLETED,
        postgresql_where=COMPLETED,
    )


def fill(connection: sa.Connection) -> None:
    """Take the names and media types of the uploads that are there from their metadata."""
    change = sa.text("UPDATE uploads SET name = :name, name_key = :name_key, media_type = :media_type WHERE id = :id")
    for rows in pieces(connection):
        connection.execute(change, [{"id": row.id, **described(row.metadata)} for row in rows])


def pieces(connection: sa.Connection) -> Iterator[list[sa.Row[tuple[str, str]]]]:
    some = sa.text("SELECT id, metadata FROM uploads WHERE id > :last AND metadata <> '' ORDER BY id LIMIT :limit")
    last = ""
    while rows := list(connection.execute(some, {"last": last, "limit": AT_ONCE})):
        yield rows
        last = rows[-1].id


def described(metadata: str) -> dict[str, str]:
    pairs = read(metadata)
    given = next((pairs[key] for key in ("filename", "name") if pairs.get(key)), "")
    last = re.split(r"[/\\]", given)[-1]
    name = "".join(char for char in last if char.isprintable()).strip(" .")[:255]
    kind = next((pairs[key] for key in ("filetype", "type", "contentType") if pairs.get(key)), "")
    media_type = kind.lower() if MEDIA_TYPE.fullmatch(kind) else ""
    return {"name": name, "name_key": name.casefold(), "media_type": media_type}


def read(metadata: str) -> Mapping[str, str]:
    """Read Upload-Metadata, which was checked when it was stored."""
    split = (pair.strip(" \t").partition(" ") for pair in metadata.split(","))
    return {key: b64decode(value).decode("utf-8", "replace") for key, _, value in split}


def downgrade() -> None:
    for index in ("completed_at_id", "owner_created_at_id", "created_at_id"):
        op.drop_index(op.f(f"ix_uploads_{index}"), "uploads")
    with op.batch_alter_table("uploads") as uploads:
        for column in ("media_type", "name_key", "name"):
            uploads.drop_column(column)
