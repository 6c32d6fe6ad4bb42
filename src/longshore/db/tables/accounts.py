"""Users, their sessions, and invitations to become one."""

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, ForeignKey, Table, Text

from longshore.db.tables.uploads import UtcDateTime, metadata

users = Table(
    "users",
    metadata,
    Column("id", Text, primary_key=True),
    Column("username", Text, nullable=False),
    Column("username_key", Text, nullable=False, unique=True),
    Column("password_hash", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("disabled", Boolean, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    CheckConstraint("role IN ('user', 'admin')", name="role_known"),
)
"""Local accounts. `username_key` is the name as it is compared; tokens of an earlier `generation` are void."""

sessions = Table(
    "sessions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user_id", Text, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("secret_hash", Text, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
)
"""A sign-in and the refresh tokens that came of it, of which only the newest is good: its hash is here.

A session ends by being deleted.
"""

invitations = Table(
    "invitations",
    metadata,
    Column("code_hash", Text, primary_key=True),
    Column("role", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
    CheckConstraint("role IN ('user', 'admin')", name="role_known"),
)
"""Invitations that have not been used yet."""
