"""This server's own access tokens: JWTs signed with HS256 (RFC 9068 in form), verified by nobody else."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import jwt

from longshore.auth import claims as jwts
from longshore.auth.keyfile import SigningKey
from longshore.auth.keys import FLOOR, KeyRing
from longshore.auth.records import LOCAL_PREFIX
from longshore.ports import Clock
from longshore.protocol.errors import InvalidToken

ISSUER: Final = "longshore"
AUDIENCE: Final = "longshore"

_ALGORITHM: Final = "HS256"
_TYPE: Final = "at+jwt"
_REQUIRED: Final = ("exp", "iat", "iss", "aud", "sub", "jti", "gen")


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token of ours says. Whether the user still is what it says, the records know."""

    user_id: str
    generation: int
    session: str | None
    expires_at: datetime


class LocalTokens:
    """Issues and verifies this server's own tokens."""

    def __init__(self, keys: KeyRing, clock: Clock, *, leeway: timedelta = jwts.LEEWAY) -> None:
        """Take the keys; `leeway` is how far the clocks of two processes that share them may be apart."""
        self._keys = keys
        self._clock = clock
        self._leeway = leeway

    async def issue(self, user_id: str, session: str | None, ttl: timedelta, *, generation: int = 0) -> str:
        """Make a token for a user of that generation (`records.User`), which ends after `ttl`, in whole seconds."""
        await self._keys.refresh()
        now = int(self._clock().timestamp())
        claims: dict[str, Any] = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": user_id,
            "iat": now,
            "nbf": now,
            "exp": now + int(ttl.total_seconds()),
            "jti": secrets.token_urlsafe(16),
            "gen": generation,
        }
        if session is not None:
            claims["sid"] = session
        key = self._keys.signing
        return jwt.encode(claims, key.secret, algorithm=_ALGORITHM, headers={"kid": key.kid, "typ": _TYPE})

    async def verify(self, token: str) -> Claims:
        """Verify a token. Raises `InvalidToken`, which says what is wrong with it and nothing of what it holds."""
        header = jwts.read_unverified(token).header
        if header.get("typ") != _TYPE:
            raise InvalidToken("The token is not an access token (typ).")
        key = await self._key(header.get("kid"))
        claims = jwts.verify(
            token,
            key.secret,
            _ALGORITHM,
            issuer=ISSUER,
            audience=AUDIENCE,
            required=_REQUIRED,
            now=self._clock(),
            leeway=self._leeway,
        )
        return _claims(claims)

    async def _key(self, kid: str | None) -> SigningKey:
        await self._keys.refresh()
        key = self._keys.find(kid or "")
        if key is None:
            # Another process may have made it a moment ago.
            await self._keys.refresh(floor=FLOOR)
            key = self._keys.find(kid or "")
        if key is None:
            raise InvalidToken("The token's key is unknown (kid).")
        return key


def _claims(claims: Mapping[str, Any]) -> Claims:
    user_id, generation, session = claims["sub"], claims["gen"], claims.get("sid")
    if not user_id.startswith(LOCAL_PREFIX) or type(generation) is not int or not isinstance(session, str | None):
        raise InvalidToken("The token is malformed.")
    return Claims(user_id, generation, session, jwts.moment(claims, "exp"))
