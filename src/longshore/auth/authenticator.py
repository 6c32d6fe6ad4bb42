"""From a bearer token to somebody whom the server knows."""

from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from longshore.auth.claims import read_unverified
from longshore.auth.external import ExternalTokens
from longshore.auth.principal import Principal
from longshore.auth.records import AccountRecords, User
from longshore.auth.tokens import ISSUER, LocalTokens
from longshore.ports import Clock
from longshore.protocol.errors import InvalidToken

REMEMBERED_FOR: Final = timedelta(seconds=5)
"""How long a token may be good after its user was disabled, or its session ended, by another process."""

REMEMBERED: Final = 10_000
"""Tokens that are remembered. Overflow policy: the one that was verified longest ago is forgotten."""


@dataclass(frozen=True, slots=True)
class _Known:
    principal: Principal
    since: datetime


class Authenticator:
    """Verifies tokens, ours and those of an external issuer. Belongs to one event loop.

    What came of a token is remembered for `REMEMBERED_FOR`, so that a request costs neither arithmetic nor a query.
    """

    def __init__(
        self,
        records: AccountRecords,
        clock: Clock,
        *,
        local: LocalTokens | None = None,
        external: ExternalTokens | None = None,
    ) -> None:
        """Accept the tokens of those that are given."""
        self._records = records
        self._clock = clock
        self._local = local
        self._external = external
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._forgotten = 0

    async def authenticate(self, token: str) -> Principal:
        """Tell whose token this is.

        Raises `InvalidToken` when it is not, or no longer, good; `protocol.errors.Unavailable` while that is unknown.
        """
        # The digest, because a token may be 8 KiB long and is a secret.
        digest = sha256(token.encode(errors="surrogatepass")).digest()
        known = self._known.get(digest)
        if known and self._is_fresh(known):
            return known.principal
        forgotten, now = self._forgotten, self._clock()
        principal = await self._verify(token)
        if forgotten == self._forgotten:
            self._remember(digest, _Known(principal, now))
        return principal

    async def review(self, principals: Collection[Principal]) -> Sequence[Principal | None]:
        """Look up what has become of the accounts of all these: each as it is now, None where its tokens are void.

        In the order given; users of an external issuer are what their tokens say. Raises `protocol.errors.Unavailable`.
        """
        sessions = {(who.subject, who.session) for who in principals if who.generation is not None}
        found = await self._records.users_by_session(sessions) if sessions else {}
        return [
            who if who.generation is None else _reviewed(who, found.get((who.subject, who.session)))
            for who in principals
        ]

    def forget(self, user_id: str) -> None:
        """Have an account looked up anew, because it has changed."""
        self._forgotten += 1
        for digest in [digest for digest, known in self._known.items() if known.principal.subject == user_id]:
            del self._known[digest]

    def _is_fresh(self, known: _Known) -> bool:
        now, expires_at = self._clock(), known.principal.expires_at
        return known.since <= now < known.since + REMEMBERED_FOR and (expires_at is None or now < expires_at)

    def _remember(self, digest: bytes, known: _Known) -> None:
        self._known[digest] = known
        self._known.move_to_end(digest)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)

    async def _verify(self, token: str) -> Principal:
        """Have the token verified by whoever its issuer is, by its own word; they verify that as well."""
        issuer = read_unverified(token).issuer
        if self._local and issuer == ISSUER:
            return await self._verify_local(self._local, token)
        if self._external and issuer == self._external.issuer:
            return await self._external.verify(token)
        raise InvalidToken("The token is from another issuer (iss).")

    async def _verify_local(self, local: LocalTokens, token: str) -> Principal:
        claims = await local.verify(token)
        user = await self._records.user(claims.user_id, session=claims.session)
        if user is None or not _accepts(user, claims.generation):
            raise InvalidToken("The token has been revoked.")
        return Principal(user.id, user.role, user.username, claims.session, claims.expires_at, claims.generation)


def _accepts(user: User, generation: int | None) -> bool:
    """Whether the account's tokens of that generation are good."""
    return not user.disabled and user.generation == generation


def _reviewed(principal: Principal, user: User | None) -> Principal | None:
    if user is None or not _accepts(user, principal.generation):
        return None
    if (user.role, user.username) == (principal.role, principal.name):
        return principal
    return replace(principal, role=user.role, name=user.username)
