"""Users, sessions and invitations in SQL: `auth.records.AccountRecords` over a `Database`."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from secrets import compare_digest
from typing import Any, Final, cast

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    CursorResult,
    Delete,
    Row,
    Select,
    Update,
    bindparam,
    delete,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.exc import IntegrityError

from longshore.auth.errors import InvitationInvalid, LastAdmin, UsernameTaken
from longshore.auth.principal import Role
from longshore.auth.records import Invitation, Session, User
from longshore.db.database import Database
from longshore.db.statements import in_pieces
from longshore.db.tables import invitations, sessions, users

_USER: Final = select(
    users.c.id,
    users.c.username,
    users.c.username_key,
    users.c.password_hash,
    users.c.role,
    users.c.disabled,
    users.c.generation,
    users.c.created_at,
)

_USERS: Final = _USER.where(users.c.id.in_(bindparam("user_ids", expanding=True)))
_OWNERS: Final = select(sessions.c.id, sessions.c.user_id).where(
    sessions.c.id.in_(bindparam("session_ids", expanding=True))
)

# Waits for whoever adds or changes users, and has them wait, while others still read: what is asked of all users at
# once must hold until the end. On SQLite there is only one writer anyway.
_LOCK_USERS: Final = text("LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE")


class SqlAccounts:
    """The account records on SQLite or PostgreSQL."""

    def __init__(self, database: Database) -> None:
        """Work on a database that has been started, and migrated, by the time of the first call."""
        self._database = database

    async def add_user(self, user: User) -> None:
        await self._database.write(lambda connection: _insert_user(connection, user))

    async def add_first_user(self, user: User) -> bool:
        def insert_first(connection: Connection) -> bool:
            _lock_users(connection)
            if _has_users(connection):
                return False
            _insert_user(connection, user)
            return True

        return await self._database.write(insert_first)

    async def add_invited_user(self, user: User, code_hash: str, now: datetime) -> User:
        def insert_invited(connection: Connection) -> User:
            invited = replace(user, role=_use_invitation(connection, code_hash, now))
            _insert_user(connection, invited)
            return invited

        return await self._database.write(insert_invited)

    async def has_users(self) -> bool:
        return await self._database.read(_has_users)

    async def user(self, user_id: str, *, session: str | None = None) -> User | None:
        query = _USER.where(users.c.id == user_id)
        if session is not None:
            query = query.join(sessions, sessions.c.user_id == users.c.id).where(sessions.c.id == session)
        return await self._database.read(lambda connection: _one(connection, query))

    async def users_by_session(
        self, sessions: Collection[tuple[str, str | None]]
    ) -> Mapping[tuple[str, str | None], User]:
        return await self._database.read(lambda connection: _users_by_session(connection, sessions))

    async def user_named(self, username_key: str) -> User | None:
        query = _USER.where(users.c.username_key == username_key)
        return await self._database.read(lambda connection: _one(connection, query))

    async def users(self, *, after: str | None = None, limit: int | None = None) -> Sequence[User]:
        query = _USER.order_by(users.c.username_key).limit(limit)
        if after is not None:
            query = query.where(users.c.username_key > after)
        return await self._database.read(lambda connection: [_user(row) for row in connection.execute(query)])

    async def rehash(self, user_id: str, old_hash: str, new_hash: str) -> None:
        change = update(users).where(users.c.id == user_id, users.c.password_hash == old_hash)
        await self._database.write(lambda connection: _change(connection, change.values(password_hash=new_hash)))

    async def change_password(
        self, user_id: str, password_hash: str, *, generation: int | None = None, keep: str | None = None
    ) -> bool:
        change = update(users).where(users.c.id == user_id)
        if generation is not None:
            change = change.where(users.c.generation == generation)
        change = change.values(password_hash=password_hash, generation=users.c.generation + 1)

        def change_it(connection: Connection) -> bool:
            changed = _change(connection, change) == 1
            if changed:
                _end_sessions(connection, user_id, keep=keep)
            return changed

        return await self._database.write(change_it)

    async def set_disabled(self, user_id: str, disabled: bool) -> bool:
        change = update(users).where(users.c.id == user_id)
        change = change.values(disabled=disabled, generation=users.c.generation + int(disabled))

        def change_it(connection: Connection) -> bool:
            if disabled:
                _ensure_another_admin(connection, user_id)
            changed = _change(connection, change) == 1
            if disabled:
                # Last, so that no session that is being added slips through: see `add_session`.
                _end_sessions(connection, user_id)
            return changed

        return await self._database.write(change_it)

    async def set_role(self, user_id: str, role: Role) -> bool:
        change = update(users).where(users.c.id == user_id).values(role=role.value)

        def change_it(connection: Connection) -> bool:
            if role is not Role.ADMIN:
                _ensure_another_admin(connection, user_id)
            return _change(connection, change) == 1

        return await self._database.write(change_it)

    async def change_user(
        self,
        user_id: str,
        *,
        role: Role | None = None,
        disabled: bool | None = None,
        password_hash: str | None = None,
    ) -> bool:
        ends_sessions = password_hash is not None or bool(disabled)
        change = update(users).where(users.c.id == user_id).values(generation=users.c.generation + int(ends_sessions))
        given = {"role": role and role.value, "disabled": disabled, "password_hash": password_hash}
        change = change.values({name: value for name, value in given.items() if value is not None})

        def change_it(connection: Connection) -> bool:
            if disabled or role not in (None, Role.ADMIN):
                _ensure_another_admin(connection, user_id)
            changed = _change(connection, change) == 1
            if ends_sessions:
                # Last, so that no session that is being added slips through: see `add_session`.
                _end_sessions(connection, user_id)
            return changed

        return await self._database.write(change_it)

    async def add_session(self, session: Session, user: User) -> bool:
        unchanged = _USER.where(users.c.id == user.id, users.c.generation == user.generation, ~users.c.disabled)
        row = {
            "id": session.id,
            "user_id": session.user_id,
            "generation": session.generation,
            "secret_hash": session.secret_hash,
            "created_at": session.created_at,
            "expires_at": session.expires_at,
        }

        def insert_session(connection: Connection) -> bool:
            # Locked: until the end of the transaction nobody changes the user.
            if _one(connection, unchanged.with_for_update(read=True)) is None:
                return False
            connection.execute(insert(sessions), row)
            return True

        return await self._database.write(insert_session)

    async def rotate(
        self, session_id: str, generation: int, secret_hash: str, *, new_hash: str, now: datetime, expires_at: datetime
    ) -> User | None:
        locked = select(sessions).where(sessions.c.id == session_id, sessions.c.expires_at > now).with_for_update()
        change = update(sessions).where(sessions.c.id == session_id)
        change = change.values(generation=generation + 1, secret_hash=new_hash, expires_at=expires_at)

        def take(connection: Connection) -> User | None:
            session = connection.execute(locked).one_or_none()
            if session is None:
                return None
            if generation < session.generation:
                _end_session(connection, session_id)
                return None
            user = _one(connection, _USER.where(users.c.id == session.user_id, ~users.c.disabled))
            is_newest = generation == session.generation and compare_digest(secret_hash, session.secret_hash)
            if user is None or not is_newest:
                return None
            _change(connection, change)
            return user

        return await self._database.write(take)

    async def end_session(self, session_id: str) -> str | None:
        return await self._database.write(lambda connection: _end_session(connection, session_id))

    async def add_invitation(self, invitation: Invitation) -> None:
        row = {
            "code_hash": invitation.code_hash,
            "role": invitation.role.value,
            "created_at": invitation.created_at,
            "expires_at": invitation.expires_at,
        }

        def insert_invitation(connection: Connection) -> None:
            connection.execute(insert(invitations), row)

        await self._database.write(insert_invitation)

    async def forget(self, now: datetime, limit: int) -> int:
        old_sessions = _expired(sessions.c.id, sessions.c.expires_at <= now, limit)
        old_invitations = _expired(invitations.c.code_hash, invitations.c.expires_at <= now, limit)
        return await self._database.write(lambda c: _change(c, old_sessions) + _change(c, old_invitations))


def _change(connection: Connection, statement: Update | Delete) -> int:
    return cast(CursorResult[Any], connection.execute(statement)).rowcount


def _one(connection: Connection, query: Select[*tuple[Any, ...]]) -> User | None:
    row = connection.execute(query).one_or_none()
    return None if row is None else _user(row)


def _user(row: Row[*tuple[Any, ...]]) -> User:
    user_id, username, username_key, password_hash, role, disabled, generation, created_at = row
    return User(
        id=user_id,
        username=username,
        username_key=username_key,
        password_hash=password_hash,
        role=Role(role),
        disabled=disabled,
        generation=generation,
        created_at=created_at,
    )


def _users_by_session(
    connection: Connection, asked: Collection[tuple[str, str | None]]
) -> Mapping[tuple[str, str | None], User]:
    owners: dict[str | None, str] = {}
    for session_ids in in_pieces({session for _, session in asked if session is not None}):
        owners.update((session, owner) for session, owner in connection.execute(_OWNERS, {"session_ids": session_ids}))
    found: dict[str, User] = {}
    for user_ids in in_pieces({user_id for user_id, _ in asked}):
        found.update((row.id, _user(row)) for row in connection.execute(_USERS, {"user_ids": user_ids}))
    return {
        (user_id, session): found[user_id]
        for user_id, session in asked
        if user_id in found and (session is None or owners.get(session) == user_id)
    }


def _insert_user(connection: Connection, user: User) -> None:
    row = {
        "id": user.id,
        "username": user.username,
        "username_key": user.username_key,
        "password_hash": user.password_hash,
        "role": user.role.value,
        "disabled": user.disabled,
        "generation": user.generation,
        "created_at": user.created_at,
    }
    try:
        connection.execute(insert(users), row)
    except IntegrityError:
        # Without the cause, which quotes the row with the hash of the password.
        raise UsernameTaken from None


def _has_users(connection: Connection) -> bool:
    return connection.execute(select(users.c.id).limit(1)).first() is not None


def _lock_users(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(_LOCK_USERS)


def _ensure_another_admin(connection: Connection, user_id: str) -> None:
    """Raise `LastAdmin` if this is the only admin who is enabled. Nobody becomes or ceases to be one meanwhile."""
    _lock_users(connection)
    admins = select(users.c.id).where(users.c.role == Role.ADMIN.value, ~users.c.disabled).limit(2)
    if connection.execute(admins).scalars().all() == [user_id]:
        raise LastAdmin


def _use_invitation(connection: Connection, code_hash: str, now: datetime) -> Role:
    """Use an invitation up; raise `InvitationInvalid` unless it is there and has not expired."""
    use = delete(invitations).where(invitations.c.code_hash == code_hash, invitations.c.expires_at > now)
    role = connection.execute(use.returning(invitations.c.role)).scalar_one_or_none()
    if role is None:
        raise InvitationInvalid
    return Role(role)


def _end_session(connection: Connection, session_id: str) -> str | None:
    end = delete(sessions).where(sessions.c.id == session_id).returning(sessions.c.user_id)
    return connection.execute(end).scalar_one_or_none()


def _end_sessions(connection: Connection, user_id: str, *, keep: str | None = None) -> None:
    end = delete(sessions).where(sessions.c.user_id == user_id)
    connection.execute(end if keep is None else end.where(sessions.c.id != keep))


def _expired(key: Column[str], condition: ColumnElement[bool], limit: int) -> Delete:
    return delete(key.table).where(key.in_(select(key).where(condition).limit(limit)))
