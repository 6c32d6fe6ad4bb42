"""Who owns an upload; accounts, quotas, events and webhook deliveries.

A migration stays as it was written, so it takes nothing from `longshore.db.tables`.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

COUNTED = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
OPEN = sa.text("state IN ('waiting', 'queued')")


def upgrade() -> None:
    op.add_column("uploads", sa.Column("owner", sa.Text(), server_default="", nullable=False))
    op.add_column("uploads", sa.Column("charged", sa.BigInteger(), server_default="0", nullable=False))
    create_accounts()
    create_quotas()
    create_events()


def create_accounts() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("username_key", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.CheckConstraint("role IN ('user', 'admin')", name=op.f("ck_users_role_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("username_key", name=op.f("uq_users_username_key")),
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.Text(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_sessions_user_id_users"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
    )
    op.create_index(op.f("ix_sessions_user_id"), "sessions", ["user_id"])
    op.create_index(op.f("ix_sessions_expires_at"), "sessions", ["expires_at"])
    op.create_table(
        "invitations",
        sa.Column("code_hash", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.CheckConstraint("role IN ('user', 'admin')", name=op.f("ck_invitations_role_known")),
        sa.PrimaryKeyConstraint("code_hash", name=op.f("pk_invitations")),
    )
    op.create_index(op.f("ix_invitations_expires_at"), "invitations", ["expires_at"])


def create_quotas() -> None:
    op.create_table(
        "quotas",
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("allowed", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "name IN ('daily', 'monthly', 'stored', 'size', 'unfinished')", name=op.f("ck_quotas_name_known")
        ),
        sa.PrimaryKeyConstraint("holder", "name", name=op.f("pk_quotas")),
    )
    op.create_table(
        "usage",
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("bytes >= 0", name=op.f("ck_usage_bytes_not_negative")),
        sa.PrimaryKeyConstraint("owner", "day", name=op.f("pk_usage")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "reservations",
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("upload_id", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("bytes >= 0", name=op.f("ck_reservations_bytes_not_negative")),
        sa.PrimaryKeyConstraint("owner", "upload_id", "day", name=op.f("pk_reservations")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "totals",
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("stored", sa.BigInteger(), nullable=False),
        sa.Column("unfinished", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("stored >= 0", name=op.f("ck_totals_stored_not_negative")),
        sa.CheckConstraint("unfinished >= 0", name=op.f("ck_totals_unfinished_not_negative")),
        sa.PrimaryKeyConstraint("owner", name=op.f("pk_totals")),
        sqlite_with_rowid=False,
    )


def create_events() -> None:
    op.create_table(
        "events",
        sa.Column("id", COUNTED, autoincrement=True, nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("upload_id", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("time", MOMENT, nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_events_upload_id"), "events", ["upload_id"])
    op.create_index(op.f("ix_events_time"), "events", ["time"])
    op.create_table(
        "deliveries",
        sa.Column("event_id", COUNTED, autoincrement=False, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.CheckConstraint(
            "state IN ('waiting', 'queued', 'delivered', 'failed')", name=op.f("ck_deliveries_state_known")
        ),
        sa.ForeignKeyConstraint(
            ["event_id"], ["events.id"], name=op.f("fk_deliveries_event_id_events"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_deliveries")),
    )
    op.create_index(
        op.f("ix_deliveries_open_state_event_id"),
        "deliveries",
        ["state", "event_id"],
        sqlite_where=OPEN,
        postgresql_where=OPEN,
    )


def downgrade() -> None:
    for table in ("deliveries", "events", "totals", "reservations", "usage", "quotas", "invitations", "sessions"):
        op.drop_table(table)
    op.drop_table("users")
    with op.batch_alter_table("uploads") as uploads:
        uploads.drop_column("charged")
        uploads.drop_column("owner")
