"""The upload records, and the parts of final uploads.

A migration stays as it was written, so it takes nothing from `longshore.db.tables`.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

UNFINISHED = sa.text("state = 'unfinished'")
EXPIRES = sa.text("state IN ('unfinished', 'completed') AND expires_at IS NOT NULL")
GONE = sa.text("state IN ('terminated', 'expired')")


def upgrade() -> None:
    create_uploads()
    create_uploads_indexes()
    create_parts()


def create_uploads() -> None:
    op.create_table(
        "uploads",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("upload_offset", sa.BigInteger(), nullable=False),
        sa.Column("upload_length", sa.BigInteger(), nullable=True),
        sa.Column("metadata", sa.Text(), nullable=False),
        sa.Column("concat", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("purged", sa.Boolean(), nullable=False),
        sa.CheckConstraint(
            "state IN ('unfinished', 'completed', 'terminated', 'expired')", name=op.f("ck_uploads_state_known")
        ),
        sa.CheckConstraint("upload_offset >= 0", name=op.f("ck_uploads_offset_not_negative")),
        sa.CheckConstraint("upload_offset <= upload_length", name=op.f("ck_uploads_offset_within_length")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_uploads")),
    )


def create_uploads_indexes() -> None:
    op.create_index(
        op.f("ix_uploads_live_expires_at"),
        "uploads",
        ["expires_at"],
        sqlite_where=EXPIRES,
        postgresql_where=EXPIRES,
    )
    op.create_index(
        op.f("ix_uploads_gone_purged_expires_at"),
        "uploads",
        ["purged", "expires_at"],
        sqlite_where=GONE,
        postgresql_where=GONE,
    )
    op.create_index(
        op.f("ix_uploads_unfinished_outstanding"),
        "uploads",
        ["state", "upload_length", "upload_offset"],
        sqlite_where=UNFINISHED,
        postgresql_where=UNFINISHED,
    )


def create_parts() -> None:
    op.create_table(
        "parts",
        sa.Column("final_id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("part_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["final_id"], ["uploads.id"], name=op.f("fk_parts_final_id_uploads"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("final_id", "position", name=op.f("pk_parts")),
    )
    op.create_index(op.f("ix_parts_part_id"), "parts", ["part_id"])


def downgrade() -> None:
    op.drop_table("parts")
    op.drop_table("uploads")
