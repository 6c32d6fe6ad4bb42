"""What is kept of accounts, and the Protocol of whoever keeps it. Secrets are kept as hashes alone."""

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from longshore.auth.principal import Role

LOCAL_PREFIX: Final = "local:"
"""How the id of every account begins, and no subject of an external issuer."""


def new_user_id() -> str:
    """Make the id of an account, which nobody can guess and nobody has had before."""
    return LOCAL_PREFIX + secrets.token_hex(16)


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A local account."""

    id: str
    username: str
    """As it was given, normalized."""
    username_key: str
    """As it is compared (`usernames.comparable`); no two accounts have the same."""
    password_hash: str
    role: Role
    created_at: datetime
    disabled: bool = False
    generation: int = 0
    """Goes up when the password changes and when the account is disabled: tokens of an earlier one are void.

    A count rather than a moment, so that nothing hangs on clocks, or on how fine `iat` is.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A sign-in, and the newest of the refresh tokens that came of it. It ends by being deleted."""

    id: str
    user_id: str
    generation: int
    """Which refresh token is the newest; the first is 0."""
    secret_hash: str
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """Leave to register once, for whoever knows the code."""

    code_hash: str
    role: Role
    created_at: datetime
    expires_at: datetime


class AccountRecords(Protocol):
    """Users, sessions and invitations. Each call is one transaction, and has been committed when it returns.

    Each raises `protocol.errors.Unavailable` while there is no answer to be had.
    """

    async def add_user(self, user: User) -> None:
        """Store a new user. Raises `UsernameTaken`."""

    async def add_first_user(self, user: User) -> bool:
        """Store a new user if there is none at all; return whether that was so. Of two at once, one wins."""

    async def add_invited_user(self, user: User, code_hash: str, now: datetime) -> User:
        """Store a new user with the role of an invitation, which is used up by that; return the user as stored.

        Raises `InvitationInvalid`, and only with a valid invitation, which then stays, `UsernameTaken`.
        """

    async def has_users(self) -> bool:
        """Whether there is any user."""

    async def user(self, user_id: str, *, session: str | None = None) -> User | None:
        """The user; None when there is none, or when a session is given and is not, or no longer, one of theirs."""

    async def users_by_session(
        self, sessions: Collection[tuple[str, str | None]]
    ) -> Mapping[tuple[str, str | None], User]:
        """What `user` says of each of these user ids with their sessions; those of which it says None are left out."""

    async def user_named(self, username_key: str) -> User | None:
        """The user of that name."""

    async def users(self, *, after: str | None = None, limit: int | None = None) -> Sequence[User]:
        """Every user, by name as it is compared; those behind that name, and so many of them at most, if asked for."""

    async def rehash(self, user_id: str, old_hash: str, new_hash: str) -> None:
        """Store another hash of the same password, unless the password has been changed meanwhile."""

    async def change_password(
        self, user_id: str, password_hash: str, *, generation: int | None = None, keep: str | None = None
    ) -> bool:
        """Store another password's hash, begin a new generation, and end the user's sessions but the one to keep.

        Returns False, and changes nothing, when there is no such user, or theirs is another generation than the given.
        """

    async def set_disabled(self, user_id: str, disabled: bool) -> bool:
        """Disable a user, which begins a new generation and ends the sessions, or enable them again.

        Returns False when there is no such user. Raises `LastAdmin` rather than disable the only enabled admin.
        """

    async def set_role(self, user_id: str, role: Role) -> bool:
        """Give a user another role. Returns False and raises like `set_disabled`."""

    async def change_user(
        self,
        user_id: str,
        *,
        role: Role | None = None,
        disabled: bool | None = None,
        password_hash: str | None = None,
    ) -> bool:
        """Do several of the above at once, or none of them. Returns False and raises like `set_disabled`."""

    async def add_session(self, session: Session, user: User) -> bool:
        """Store a new session, unless the user is gone, disabled, or of another generation by now; say which."""

    async def rotate(
        self, session_id: str, generation: int, secret_hash: str, *, new_hash: str, now: datetime, expires_at: datetime
    ) -> User | None:
        """Take a refresh token for the next one, which has `new_hash`, and return whose session it is.

        Returns None, and changes nothing, unless the session has not expired, its user is enabled, and generation and
        hash are those of its newest refresh token. One of an earlier generation has been stolen, or its successor has
        been: the session is ended, and None returned (RFC 9700, section 4.14.2).
        """

    async def end_session(self, session_id: str) -> str | None:
        """End a session; return whose it was, None if there is none."""

    async def add_invitation(self, invitation: Invitation) -> None:
        """Store a new invitation."""

    async def forget(self, now: datetime, limit: int) -> int:
        """Delete up to `limit` sessions and as many invitations that have expired; return how many it was."""
