"""The SHA-256 of completed files.

A migration stays as it was written, so it takes nothing from `longshore`.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

UNDIGESTED = sa.text("state = 'completed' AND concat <> 'partial' AND sha256 IS NULL")


def upgrade() -> None:
    op.add_column("uploads", sa.Column("sha256", sa.Text(), nullable=True))
    op.create_index(
        op.f("ix_uploads_undigested_completed_at_id"),
        "uploads",
        ["completed_at", "id"],
        sqlite_where=UNDIGESTED,
        postgresql_where=UNDIGESTED,
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_uploads_undigested_completed_at_id"), "uploads")
    with op.batch_alter_table("uploads") as uploads:
        uploads.drop_column("sha256")
