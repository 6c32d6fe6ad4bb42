"""What both kinds of tokens have in common: reading a JSON Web Token and verifying it (RFC 7519, RFC 8725).

PyJWT checks the signature, the issuer and the audience. The times are checked here, against a clock that can be set.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import jwt

from longshore.protocol.errors import InvalidToken

MAX_SIZE: Final = 8 * 1024
"""Characters of a token. A longer one is refused before anything of it is decoded."""

LEEWAY: Final = timedelta(seconds=30)
"""How far the clocks of two machines may be apart."""

Key = Any
"""What PyJWT verifies with: bytes, or a public key of the cryptography library."""

# Seconds since 1970 of the last moment that a datetime can be.
_LAST_SECOND: Final = 253402300799

_REASONS: Final[Sequence[tuple[type[jwt.PyJWTError], str]]] = (
    (jwt.InvalidSignatureError, "The token's signature is wrong."),
    (jwt.InvalidAlgorithmError, "The token's algorithm is not accepted."),
    (jwt.InvalidAudienceError, "The token is meant for somebody else (aud)."),
    (jwt.InvalidIssuerError, "The token is from another issuer (iss)."),
    (jwt.InvalidKeyError, "The token's key cannot be used."),
)


@dataclass(frozen=True, slots=True)
class Unverified:
    """What a token says of itself before anybody knows whether it is true."""

    header: Mapping[str, Any]
    issuer: str | None

    @property
    def kid(self) -> str | None:
        """The name of its key; PyJWT has seen to it that it is text."""
        return self.header.get("kid")


def read_unverified(token: str) -> Unverified:
    """Take a token apart. Raises `InvalidToken` when it is too long, or none at all."""
    if len(token) > MAX_SIZE:
        raise InvalidToken("The token is too long.")
    if not token.isascii():
        raise InvalidToken("The token is malformed.")
    try:
        parts = jwt.decode_complete(token, options={"verify_signature": False})
    except jwt.PyJWTError as error:
        raise _refusal(error) from None
    issuer = parts["payload"].get("iss")
    return Unverified(parts["header"], issuer if isinstance(issuer, str) else None)


def verify(
    token: str,
    key: Key,
    algorithm: str,
    *,
    issuer: str,
    audience: str,
    required: Sequence[str],
    now: datetime,
    leeway: timedelta,
) -> Mapping[str, Any]:
    """Verify everything but the subject; return the claims. Raises `InvalidToken`.

    The algorithm is one that the key is for, and that whoever asks accepts: not whatever the token says.
    """
    try:
        claims = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            issuer=issuer,
            audience=audience,
            options={
                "require": list(required),
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
                "enforce_minimum_key_length": True,
            },
        )
    except jwt.PyJWTError as error:
        raise _refusal(error) from None
    _verify_times(claims, now.timestamp(), leeway.total_seconds())
    return claims


def _verify_times(claims: Mapping[str, Any], now: float, leeway: float) -> None:
    if now >= seconds(claims, "exp") + leeway:
        raise InvalidToken("The token has expired.")
    for name in ("nbf", "iat"):
        if name in claims and seconds(claims, name) > now + leeway:
            raise InvalidToken(f"The token is not valid yet ({name}).")


def seconds(claims: Mapping[str, Any], name: str) -> float:
    """Read a NumericDate: seconds since 1970, whole or not. Raises `InvalidToken` unless it is a moment."""
    value = claims.get(name)
    # Python takes truth values for numbers, and JSON as Python reads it has NaN and Infinity.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LAST_SECOND:
        raise InvalidToken(f"The token has no moment where it should ({name}).")
    return value


def moment(claims: Mapping[str, Any], name: str) -> datetime:
    """Read a NumericDate as a moment. Raises `InvalidToken`."""
    return datetime.fromtimestamp(seconds(claims, name), UTC)


def _refusal(error: jwt.PyJWTError) -> InvalidToken:
    # Not the error's own words: some quote the token.
    if isinstance(error, jwt.MissingRequiredClaimError):
        return InvalidToken(f"The token lacks a claim ({error.claim}).")
    found = (reason for kind, reason in _REASONS if isinstance(error, kind))
    return InvalidToken(next(found, "The token is malformed."))
