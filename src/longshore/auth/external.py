"""Access tokens of an external issuer: an OpenID provider, say, whose users need no account here."""

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any, Final, TypeGuard

from longshore.auth import claims as jwts
from longshore.auth.principal import Principal, Role
from longshore.auth.public_keys import ALGORITHMS, KeySource
from longshore.auth.records import LOCAL_PREFIX
from longshore.auth.tokens import ISSUER
from longshore.ports import Clock
from longshore.protocol.errors import InvalidToken

SUBJECT_LIMIT: Final = 255
"""Characters of a subject (OpenID Connect Core 1.0, section 2)."""

_REQUIRED: Final = ("exp", "iss", "aud", "sub")


class ExternalTokens:
    """Verifies the tokens of one issuer. What it says of somebody's roles is believed."""

    def __init__(
        self,
        issuer: str,
        audience: str,
        algorithms: Collection[str],
        keys: KeySource,
        clock: Clock,
        *,
        roles_claim: str = "roles",
        admin_role: str = "admin",
        leeway: timedelta = jwts.LEEWAY,
    ) -> None:
        """Take what tokens have to say, and where the keys come from.

        `roles_claim` names a claim, or is a path such as `realm_access.roles` to one; whoever's text, or list of texts,
        has `admin_role` there is an admin. Raises `ValueError` for an algorithm that is not one of
        `public_keys.ALGORITHMS`, for a key that is fit for none of those given, and without an issuer or an audience.
        """
        unfit = sorted(set(algorithms) - ALGORITHMS.keys())
        if unfit or not algorithms:
            raise ValueError(f"tokens cannot be accepted with {', '.join(unfit) or 'no algorithm'}")
        if not issuer or not audience or issuer == ISSUER:
            raise ValueError("tokens of another issuer need its name and an audience, and the name is not ours")
        self._algorithms = frozenset(algorithms)
        keys.require(self._algorithms)
        self._issuer = issuer
        self._audience = audience
        self._keys = keys
        self._clock = clock
        self._roles_claim = roles_claim
        self._admin_role = admin_role
        self._leeway = leeway

    @property
    def issuer(self) -> str:
        """Whose tokens these are: what stands in `iss`."""
        return self._issuer

    async def verify(self, token: str) -> Principal:
        """Verify a token. Raises `InvalidToken`, and `protocol.errors.Unavailable` while there are no keys."""
        unverified = jwts.read_unverified(token)
        algorithm = unverified.header.get("alg")
        if not isinstance(algorithm, str) or algorithm not in self._algorithms:
            raise InvalidToken("The token's algorithm is not accepted.")
        claims = jwts.verify(
            token,
            await self._keys.find(unverified.kid, algorithm),
            algorithm,
            issuer=self._issuer,
            audience=self._audience,
            required=_REQUIRED,
            now=self._clock(),
            leeway=self._leeway,
        )
        return self._principal(claims)

    def _principal(self, claims: Mapping[str, Any]) -> Principal:
        subject = claims["sub"]
        if not _is_fit(subject) or subject.startswith(LOCAL_PREFIX):
            raise InvalidToken("The token's subject cannot be accepted (sub).")
        name = claims.get("preferred_username", "")
        return Principal(
            subject=subject,
            role=Role.ADMIN if self._admin_role in self._roles(claims) else Role.USER,
            name=name if _is_fit(name) else subject,
            expires_at=jwts.moment(claims, "exp"),
        )

    def _roles(self, claims: Mapping[str, Any]) -> Collection[Any]:
        # A claim's name may have dots of its own: some are URLs.
        path = [self._roles_claim] if self._roles_claim in claims else self._roles_claim.split(".")
        found: Any = claims
        for name in path:
            found = found.get(name) if isinstance(found, Mapping) else None
        if isinstance(found, str):
            return (found,)
        return found if isinstance(found, list) else ()


def _is_fit(text: object) -> TypeGuard[str]:
    return isinstance(text, str) and 0 < len(text) <= SUBJECT_LIMIT and text.isprintable()
