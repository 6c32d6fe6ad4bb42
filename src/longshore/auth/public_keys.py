"""Public keys that verify an external issuer's tokens, and which algorithms each is fit for."""

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, EllipticCurve, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from longshore.protocol.errors import InvalidToken

MIN_RSA_BITS: Final = 2048
"""RFC 7518, section 3.3."""


def _is_rsa(key: object) -> bool:
    return isinstance(key, RSAPublicKey) and key.key_size >= MIN_RSA_BITS


def _is_on(curve: type[EllipticCurve]) -> Callable[[object], bool]:
    return lambda key: isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, curve)


ALGORITHMS: Final[Mapping[str, Callable[[object], bool]]] = {
    "RS256": _is_rsa,
    "RS384": _is_rsa,
    "RS512": _is_rsa,
    "PS256": _is_rsa,
    "ES256": _is_on(SECP256R1),
    "ES384": _is_on(SECP384R1),
    "EdDSA": lambda key: isinstance(key, Ed25519PublicKey),
}
"""The algorithms that may be accepted, each with the question whether a key is one of its.

All are asymmetric: with a symmetric one among them, whoever knows the public key could sign (RFC 8725, section 3.2).
"""


class KeySource(Protocol):
    """Where an issuer's public keys come from."""

    def require(self, algorithms: frozenset[str]) -> None:
        """Raise `ValueError` if it is known already that no key here is fit for any of these algorithms."""

    async def find(self, kid: str | None, algorithm: str) -> Any:
        """Give the key that a token with this header is to be verified with, which is one for the algorithm.

        Raises `InvalidToken` where there is none, `protocol.errors.Unavailable` while that cannot be told.
        """


class PemKey:
    """One key for all tokens, whatever they call it."""

    def __init__(self, pem: str) -> None:
        """Read a public key in PEM. Raises `ValueError` for anything else, private keys among it."""
        try:
            key = load_pem_public_key(pem.strip().encode())
        except (ValueError, UnsupportedAlgorithm):
            # Not the error itself: if this is a private key, it must not be quoted.
            raise ValueError("the issuer's key is not a public key in PEM") from None
        if not any(fits(key) for fits in ALGORITHMS.values()):
            raise ValueError("the issuer's key is of no kind that may be accepted")
        self._key: object = key

    def require(self, algorithms: frozenset[str]) -> None:
        if not any(ALGORITHMS[algorithm](self._key) for algorithm in algorithms):
            raise ValueError(f"the issuer's public key is not for any of {', '.join(sorted(algorithms))}")

    async def find(self, kid: str | None, algorithm: str) -> object:
        if not ALGORITHMS[algorithm](self._key):
            raise InvalidToken("The token's algorithm is not that of the issuer's key.")
        return self._key
