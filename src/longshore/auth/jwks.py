"""An issuer's public keys from a JWK Set (RFC 7517) behind a URL, fetched when needed and no more often than that."""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import httpx
from cryptography.exceptions import UnsupportedAlgorithm
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from jwt.exceptions import PyJWTError

from longshore.auth.public_keys import ALGORITHMS
from longshore.protocol.errors import InvalidToken, Unavailable

logger = logging.getLogger(__name__)

LIFETIME: Final = 600.0
"""Seconds for which keys are used before they are fetched again."""

FLOOR: Final = 30.0
"""Seconds, at least, between two fetches: tokens that nobody issued must not make us bother the issuer."""

EMPTY_FLOOR: Final = 2.0
"""The same as long as there are no keys at all, when nobody can come in."""

TIMEOUT: Final = 5.0
"""Seconds that a fetch may take in all."""

MAX_SIZE: Final = 1024 * 1024
"""Bytes of a set."""

MAX_KEYS: Final = 100
"""Keys of a set that are looked at."""

MAX_AGE: Final = 24 * 3600.0
"""Seconds for which keys serve while the issuer cannot be reached."""

_READERS: Final[Mapping[str, Callable[[dict[str, Any]], object]]] = {
    "RSA": RSAAlgorithm.from_jwk,
    "EC": ECAlgorithm.from_jwk,
    "OKP": OKPAlgorithm.from_jwk,
}


@dataclass(frozen=True, slots=True)
class _Jwk:
    kid: str | None
    algorithm: str | None
    """The only one that the key is for; None where the set does not say."""
    key: object

    def fits(self, algorithm: str) -> bool:
        return self.algorithm in (None, algorithm) and ALGORITHMS[algorithm](self.key)


class JwksKeys:
    """The keys that an issuer publishes. Belongs to one event loop.

    Keys that have outlived `lifetime` still serve while they are fetched anew, and, up to `max_age`, while that fails.
    """

    def __init__(
        self,
        url: str,
        *,
        lifetime: float = LIFETIME,
        floor: float = FLOOR,
        timeout: float = TIMEOUT,
        max_age: float = MAX_AGE,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the URL; nothing is fetched before the first token. All times are in seconds.

        Raises `ValueError` unless the URL is one of https or http; http is for networks that are trusted throughout.
        """
        self._url = _parse_url(url)
        self._lifetime = lifetime
        self._floor = floor
        self._timeout = timeout
        self._max_age = max_age
        self._monotonic = monotonic
        # No connection is kept: a fetch every ten minutes has no use for it, and so there is nothing to close.
        # The transport and not a client, which would log the whole URL, and look for proxies.
        self._transport = httpx.AsyncHTTPTransport(limits=httpx.Limits(max_keepalive_connections=0))
        self._keys: Sequence[_Jwk] = ()
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._fetching: asyncio.Task[None] | None = None

    def require(self, algorithms: frozenset[str]) -> None:
        """Accept any: which keys there are shows only later."""

    async def find(self, kid: str | None, algorithm: str) -> object:
        fetching = self._fetch_if(self._age() >= self._lifetime)
        if fetching and self._age() >= self._max_age:
            await asyncio.shield(fetching)
        found = self._matching(kid, algorithm)
        if found is None and (fetching := self._fetch_if(True)):
            await asyncio.shield(fetching)
            found = self._matching(kid, algorithm)
        if self._age() >= self._max_age:
            raise Unavailable("The token's issuer cannot be reached.")
        if found is None:
            raise InvalidToken("The token's key is unknown (kid).")
        return found.key

    def _age(self) -> float:
        return float("inf") if self._fetched_at is None else self._monotonic() - self._fetched_at

    def _matching(self, kid: str | None, algorithm: str) -> _Jwk | None:
        """The key of that name, or the only one there is, if there is no doubt about it."""
        found = [key for key in self._keys if key.fits(algorithm) and kid in (None, key.kid)]
        return found[0] if len(found) == 1 else None

    def _fetch_if(self, wanted: bool) -> asyncio.Task[None] | None:
        """Begin a fetch if one is wanted and the last is long enough ago; give the one that is under way."""
        floor = self._floor if self._fetched_at is not None else min(self._floor, EMPTY_FLOOR)
        allowed = self._tried_at is None or self._monotonic() - self._tried_at >= floor
        if self._fetching is None and wanted and allowed:
            self._tried_at = self._monotonic()
            self._fetching = asyncio.create_task(self._fetch(), name="longshore-jwks")
        return self._fetching

    async def _fetch(self) -> None:
        """Fetch the set; what cannot be had, or holds no key, leaves the keys as they are."""
        try:
            async with asyncio.timeout(self._timeout):
                keys = _parse(await self._download())
            self._keys, self._fetched_at = keys, self._monotonic()
        except (httpx.HTTPError, TimeoutError, ValueError) as error:
            logger.warning("cannot fetch the issuer's keys: %s", str(error) or type(error).__name__)
        finally:
            self._fetching = None

    async def _download(self) -> bytes:
        # Not compressed: what a megabyte unpacks to has no bound.
        headers = {"Accept": "application/jwk-set+json, application/json", "Accept-Encoding": "identity"}
        received = bytearray()
        response = await self._transport.handle_async_request(self._request(headers))
        try:
            if response.status_code != httpx.codes.OK:
                raise ValueError(f"status {response.status_code}")
            async for chunk in response.aiter_raw():
                received += chunk
                if len(received) > MAX_SIZE:
                    raise ValueError(f"more than {MAX_SIZE} bytes")
        finally:
            await response.aclose()
        return bytes(received)

    def _request(self, headers: Mapping[str, str]) -> httpx.Request:
        """Ask with the URL's credentials, if it has any, where they belong."""
        seconds = dict.fromkeys(("connect", "read", "write", "pool"), self._timeout)
        request = httpx.Request("GET", self._url, headers=headers, extensions={"timeout": seconds})
        if self._url.username:
            return next(httpx.BasicAuth(self._url.username, self._url.password).auth_flow(request))
        return request


def _parse_url(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        raise ValueError("the address of the JWK Set is no URL") from None
    if parsed.scheme not in ("https", "http") or not parsed.host:
        raise ValueError("the address of the JWK Set does not begin with https://")
    return parsed


def _parse(text: bytes) -> Sequence[_Jwk]:
    """Read a JWK Set; keys that are not for verifying signatures are left out. Raises `ValueError` if none is left."""
    try:
        entries = json.loads(text)["keys"][:MAX_KEYS]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise ValueError("not a JWK Set") from None
    keys = [key for key in map(_jwk, entries) if key is not None]
    if not keys:
        raise ValueError("no key in the JWK Set can be used")
    return keys


def _jwk(entry: Any) -> _Jwk | None:
    if not isinstance(entry, dict) or not _is_for_verifying(entry):
        return None
    kid, algorithm = entry.get("kid"), entry.get("alg")
    try:
        key = _READERS[entry["kty"]](entry)
    except (PyJWTError, UnsupportedAlgorithm, ValueError, TypeError, KeyError, AttributeError):
        return None
    if not isinstance(kid, str | None) or not isinstance(algorithm, str | None):
        return None
    # One that was published with its private half is of none of these kinds.
    return _Jwk(kid, algorithm, key) if any(fits(key) for fits in ALGORITHMS.values()) else None


def _is_for_verifying(entry: Mapping[str, Any]) -> bool:
    """Whether a key may verify signatures (RFC 7517, section 4)."""
    operations = entry.get("key_ops", ["verify"])
    return entry.get("use", "sig") == "sig" and isinstance(operations, list) and "verify" in operations
