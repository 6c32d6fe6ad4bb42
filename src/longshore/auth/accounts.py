"""Local accounts: becoming a user, signing in and out, and what operators do to users."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from typing import Final, Literal

from longshore.auth import passwords as new_passwords
from longshore.auth.attempts import Attempts
from longshore.auth.errors import (
    InvalidCredentials,
    InvalidUsername,
    InvitationInvalid,
    RegistrationOff,
    UserNotFound,
    WrongPassword,
)
from longshore.auth.passwords import Passwords
from longshore.auth.principal import Role
from longshore.auth.records import AccountRecords, Invitation, Session, User, new_user_id
from longshore.auth.refresh_tokens import RefreshToken
from longshore.auth.tokens import LocalTokens
from longshore.auth.usernames import comparable, normalize
from longshore.ports import Clock
from longshore.protocol.errors import InvalidToken

Registration = Literal["off", "open", "invite"]
"""Who may make an account for themselves: nobody, anybody, or whoever has been invited."""

ADMIN: Final = "admin"
"""The name of the account that a new server begins with."""

ACCESS_TTL: Final = timedelta(minutes=15)
REFRESH_TTL: Final = timedelta(days=30)

_BATCH: Final = 1000


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a sign-in gives (RFC 6749, section 5.1)."""

    access_token: str = field(repr=False)
    expires_in: int
    """Seconds for which the access token is good."""
    refresh_token: str = field(repr=False)


class Accounts:
    """The local accounts. Everything is refused with the errors of `auth.errors`, and `Unavailable` under load."""

    def __init__(
        self,
        records: AccountRecords,
        passwords: Passwords,
        tokens: LocalTokens,
        attempts: Attempts,
        clock: Clock,
        *,
        registration: Registration = "off",
        access_ttl: timedelta = ACCESS_TTL,
        refresh_ttl: timedelta = REFRESH_TTL,
        changed: Callable[[str], None] = lambda user_id: None,
    ) -> None:
        """Take what accounts are made of. `changed` is told the id of a user who is not as before.

        `refresh_ttl` is how long a session lives that is not used.
        """
        self._records = records
        self._passwords = passwords
        self._tokens = tokens
        self._attempts = attempts
        self._clock = clock
        self._registration = registration
        self._access_ttl = access_ttl
        self._refresh_ttl = refresh_ttl
        self._changed = changed

    # Becoming a user

    async def ensure_admin(self, password: str | None = None) -> str | None:
        """Make the first account, an admin's, where there is none at all. Of two processes at once, one makes it.

        Returns the password if it was made up here for lack of another, which is the only time that it is known.
        Raises `InvalidPassword`.
        """
        if await self._records.has_users():
            return None
        generated = None if password else new_passwords.generate()
        user = await self._new_user(ADMIN, password or generated or "", Role.ADMIN)
        return generated if await self._records.add_first_user(user) else None

    async def register(self, username: str, password: str, invitation: str | None = None) -> User:
        """Become a user. Raises `RegistrationOff`, `InvitationInvalid`, `UsernameTaken`, and for what is malformed.

        An invitation that is given counts where registration is open, too: it may be one to become an admin.
        """
        if self._registration == "off":
            raise RegistrationOff
        if self._registration == "invite" and not invitation:
            raise InvitationInvalid
        user = await self._new_user(username, password, Role.USER)
        if invitation:
            return await self._records.add_invited_user(user, _hash(invitation), self._clock())
        await self._records.add_user(user)
        return user

    async def _new_user(self, username: str, password: str, role: Role) -> User:
        return User(
            id=new_user_id(),
            username=normalize(username),
            username_key=comparable(username),
            password_hash=await self._passwords.hash(password),
            role=role,
            created_at=self._clock(),
        )

    # Signing in and out

    async def sign_in(self, username: str, password: str, address: str = "") -> Tokens:
        """Begin a session. `address` is the client's, without the port, for counting failures.

        Raises `InvalidCredentials`, the same and after the same work whatever is wrong, and `TooManyAttempts`.
        """
        try:
            key = comparable(username)
        except InvalidUsername:
            # Nobody's, and so treated like any other that nobody has.
            key = ""
        with self._attempts.attempt(key, address):
            user = await self._records.user_named(key)
            matches = await self._passwords.verify(password, user.password_hash if user else None)
            if user is None or not matches or user.disabled:
                raise InvalidCredentials
        if self._passwords.needs_rehash(user.password_hash):
            await self._records.rehash(user.id, user.password_hash, await self._passwords.hash(password))
        return await self._begin_session(user)

    async def _begin_session(self, user: User) -> Tokens:
        token, now = RefreshToken.first(), self._clock()
        session = Session(
            id=token.session_id,
            user_id=user.id,
            generation=token.generation,
            secret_hash=token.secret_hash,
            created_at=now,
            expires_at=now + self._refresh_ttl,
        )
        if not await self._records.add_session(session, user):
            raise InvalidCredentials
        return await self._give(user, token)

    async def _give(self, user: User, token: RefreshToken) -> Tokens:
        ttl = self._access_ttl
        access_token = await self._tokens.issue(user.id, token.session_id, ttl, generation=user.generation)
        return Tokens(access_token, int(ttl.total_seconds()), str(token))

    async def refresh(self, refresh_token: str) -> Tokens:
        """Take a refresh token, which is used up by that, for new tokens of the same session. Raises `InvalidToken`.

        A refresh token that is shown again after it was used ends the session.
        """
        token, now = RefreshToken.parse(refresh_token), self._clock()
        if token is None:
            raise InvalidToken("The refresh token is malformed.")
        following = token.next()
        user = await self._records.rotate(
            token.session_id,
            token.generation,
            token.secret_hash,
            new_hash=following.secret_hash,
            now=now,
            expires_at=now + self._refresh_ttl,
        )
        if user is None:
            raise InvalidToken("The refresh token is not, or no longer, good.")
        return await self._give(user, following)

    async def sign_out(self, *, refresh_token: str | None = None, session: str | None = None) -> None:
        """End the session of a refresh token, or the one that an access token names; fine when there is none.

        Any refresh token of a session will do, used ones among them (RFC 7009, section 2.2).
        """
        ids = {session} if session else set()
        if token := RefreshToken.parse(refresh_token or ""):
            ids.add(token.session_id)
        for session_id in ids:
            if user_id := await self._records.end_session(session_id):
                self._changed(user_id)

    async def change_password(
        self, user_id: str, old: str, new: str, *, session: str | None = None, address: str = ""
    ) -> None:
        """Change one's own password. Every access token so far is void, and so is every session but the one given.

        Raises `WrongPassword`, `InvalidPassword`, `TooManyAttempts` (counted as when signing in), and `UserNotFound`
        for somebody who has no account here.
        """
        user = await self._records.user(user_id)
        if user is None:
            raise UserNotFound
        with self._attempts.attempt(user.username_key, address):
            if not await self._passwords.verify(old, user.password_hash):
                raise WrongPassword
        new_hash = await self._passwords.hash(new)
        if not await self._records.change_password(user_id, new_hash, generation=user.generation, keep=session):
            raise WrongPassword("The password was changed meanwhile.")
        self._changed(user_id)

    # What operators do

    async def add_user(self, username: str, password: str, role: Role = Role.USER) -> User:
        """Make an account. Raises `UsernameTaken`, `InvalidUsername` and `InvalidPassword`."""
        user = await self._new_user(username, password, role)
        await self._records.add_user(user)
        return user

    async def users(self, *, after: str | None = None, limit: int | None = None) -> Sequence[User]:
        """Every user, by name; those behind a `username_key`, and so many of them at most, if asked for."""
        return await self._records.users(after=after, limit=limit)

    async def user(self, username: str) -> User:
        """The user of that name. Raises `UserNotFound`, for names that nobody can have as well."""
        try:
            found = await self._records.user_named(comparable(username))
        except InvalidUsername:
            found = None
        if found is None:
            raise UserNotFound
        return found

    async def set_password(self, username: str, password: str) -> None:
        """Give a user another password, which ends all their sessions. Raises `UserNotFound` and `InvalidPassword`."""
        user = await self.user(username)
        password_hash = await self._passwords.hash(password)
        self._settle(user, await self._records.change_password(user.id, password_hash))

    async def set_disabled(self, username: str, disabled: bool) -> None:
        """Disable a user, which ends all their sessions, or enable them. Raises `UserNotFound` and `LastAdmin`."""
        user = await self.user(username)
        self._settle(user, await self._records.set_disabled(user.id, disabled))

    async def set_role(self, username: str, role: Role) -> None:
        """Give a user another role, which holds for their tokens at once. Raises `UserNotFound` and `LastAdmin`."""
        user = await self.user(username)
        self._settle(user, await self._records.set_role(user.id, role))

    async def user_with_id(self, user_id: str) -> User:
        """The user with that id. Raises `UserNotFound`."""
        found = await self._records.user(user_id)
        if found is None:
            raise UserNotFound
        return found

    async def change_user(
        self, user_id: str, *, role: Role | None = None, disabled: bool | None = None, password: str | None = None
    ) -> User:
        """Change several things about a user at once, or none of them; return the user as they are then.

        Raises `UserNotFound`, `LastAdmin` and `InvalidPassword`.
        """
        user = await self.user_with_id(user_id)
        password_hash = None if password is None else await self._passwords.hash(password)
        changed = self._records.change_user(user_id, role=role, disabled=disabled, password_hash=password_hash)
        self._settle(user, await changed)
        return await self.user_with_id(user_id)

    def _settle(self, user: User, found: bool) -> None:
        if not found:
            raise UserNotFound
        self._changed(user.id)

    async def invite(self, role: Role, ttl: timedelta) -> str:
        """Make an invitation to register, good once and for so long; return its code, which is not stored."""
        code, now = secrets.token_urlsafe(24), self._clock()
        await self._records.add_invitation(
            Invitation(code_hash=_hash(code), role=role, created_at=now, expires_at=now + ttl)
        )
        return code

    async def issue_token(self, username: str, ttl: timedelta) -> str:
        """Make an access token for a script, good until it ends or the user's password changes.

        Raises `UserNotFound`, for a user who is disabled as well.
        """
        user = await self.user(username)
        if user.disabled:
            raise UserNotFound("The user is disabled.")
        return await self._tokens.issue(user.id, None, ttl, generation=user.generation)

    async def forget_expired(self) -> int:
        """Delete the sessions and invitations that have expired; return how many it was."""
        total = 0
        while count := await self._records.forget(self._clock(), _BATCH):
            total += count
        return total


def _hash(code: str) -> str:
    return sha256(code.encode(errors="surrogatepass")).hexdigest()
