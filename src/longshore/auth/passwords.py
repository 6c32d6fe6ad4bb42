"""Passwords: what they may look like, how they are kept (Argon2id), and new ones.

Rules: NIST SP 800-63B, section 5.1.1.2 (length alone, any character, normalized); RFC 9106, section 4 (parameters).
"""

import base64
import secrets
import unicodedata
from collections.abc import Callable
from typing import Final, TypeVar

from anyio import CapacityLimiter, to_thread
from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from longshore.auth.errors import InvalidPassword
from longshore.protocol.errors import Unavailable

T = TypeVar("T")

MIN_LENGTH: Final = 8
MAX_LENGTH: Final = 1024
"""Characters of a password, after normalization."""

THREADS: Final = 2
"""Hashes computed at a time: each takes 64 MiB of memory and several threads of its own for about 50 ms."""

WAITING: Final = 64
"""Hashes that may wait for a thread. Overflow policy: whoever comes on top is told to come again."""

_RETRY_AFTER: Final = "2"

# Without letters and digits that look alike: people copy these from a console.
_ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"
_GENERATED_LENGTH: Final = 24


def generate() -> str:
    """Make a password of 118 bits for somebody to type."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_GENERATED_LENGTH))


class Passwords:
    """Hashes and verifies passwords in worker threads. Belongs to one event loop."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        """Take the parameters of Argon2; without any, the second recommended ones of RFC 9106 (64 MiB, 3 passes)."""
        self._hasher = hasher or PasswordHasher()
        if self._hasher.type is not Type.ID:
            raise ValueError("passwords are hashed with Argon2id")
        self._nobodys_hash = _hash_of_nothing(self._hasher)
        self._threads = CapacityLimiter(THREADS)
        self._entered = 0

    async def hash(self, password: str) -> str:
        """Hash a new password. Raises `InvalidPassword` unless it may be one, `Unavailable` when too many wait."""
        normalized = _normalize(password)
        return await self._run(lambda: self._hasher.hash(normalized))

    async def verify(self, password: str, password_hash: str | None) -> bool:
        """Whether this is the password; never, though after the same work, where there is no hash.

        Raises `Unavailable` when too many wait.
        """
        try:
            normalized = _normalize(password)
        except InvalidPassword:
            normalized, password_hash = b"", None
        known = password_hash or self._nobodys_hash
        return await self._run(lambda: self._matches(known, normalized))

    def _matches(self, password_hash: str, password: bytes) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False

    def needs_rehash(self, password_hash: str) -> bool:
        """Whether the hash was made with other parameters than are used now."""
        return self._hasher.check_needs_rehash(password_hash)

    async def _run(self, work: Callable[[], T]) -> T:
        if self._entered == THREADS + WAITING:
            raise Unavailable("Too many are signing in just now.", headers=(("Retry-After", _RETRY_AFTER),))
        self._entered += 1
        try:
            return await to_thread.run_sync(work, limiter=self._threads)
        finally:
            self._entered -= 1


def _normalize(password: str) -> bytes:
    # The length is looked at before as well, so that nobody has a megabyte normalized.
    text = unicodedata.normalize("NFKC", password) if len(password) <= MAX_LENGTH else ""
    if not MIN_LENGTH <= len(text) <= MAX_LENGTH:
        raise InvalidPassword(f"A password has {MIN_LENGTH} to {MAX_LENGTH} characters.")
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise InvalidPassword("The password is not Unicode text.") from None


def _hash_of_nothing(hasher: PasswordHasher) -> str:
    """A hash that takes as much work to compare with as any, and that no password has: its bytes are random."""
    salt, digest = (
        base64.b64encode(secrets.token_bytes(size)).rstrip(b"=").decode() for size in (hasher.salt_len, hasher.hash_len)
    )
    cost = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    return f"$argon2id$v=19${cost}${salt}${digest}"
