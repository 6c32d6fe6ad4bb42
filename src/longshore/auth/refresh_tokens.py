"""Refresh tokens: `<handle>.<generation>.<secret>`.

The handle is the session's for as long as it lives, the secret is anew in each generation. Neither is stored: a
session's id is made from the handle, so that an access token, which names the session, gives nobody the means to pass
for one of its refresh tokens.
"""

import re
import secrets
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, Self

_BYTES: Final = 32
_PATTERN: Final = re.compile(r"([A-Za-z0-9_-]{43})\.(0|[1-9][0-9]{0,17})\.([A-Za-z0-9_-]{43})", re.ASCII)


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A refresh token, taken apart."""

    handle: str = field(repr=False)
    generation: int
    secret: str = field(repr=False)

    @classmethod
    def first(cls) -> Self:
        """Make the first one of a new session."""
        return cls(secrets.token_urlsafe(_BYTES), 0, secrets.token_urlsafe(_BYTES))

    def next(self) -> "RefreshToken":
        """Make the one that takes this one's place."""
        return RefreshToken(self.handle, self.generation + 1, secrets.token_urlsafe(_BYTES))

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read one; None when it is none."""
        match = _PATTERN.fullmatch(text)
        return cls(match[1], int(match[2]), match[3]) if match else None

    @property
    def session_id(self) -> str:
        """The id of the session, which anybody may know."""
        return sha256(self.handle.encode()).hexdigest()[:32]

    @property
    def secret_hash(self) -> str:
        """What is stored of the secret. It has 256 bits, so that a fast hash will do."""
        return sha256(self.secret.encode()).hexdigest()

    def __str__(self) -> str:
        return f"{self.handle}.{self.generation}.{self.secret}"
