"""Who asks, once that is known."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """What somebody is to the whole server; what they are to an upload is a matter of owning it."""

    USER = "user"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody whom the server knows, for the length of a request."""

    subject: str
    """Owns uploads. `local:` and 32 hexadecimal digits for an account here, otherwise the issuer's `sub`."""
    role: Role
    name: str
    """For people and logs: nothing is decided by it."""
    session: str | None = None
    """The sign-in that the token belongs to."""
    expires_at: datetime | None = None
    """When the token that was shown ends. A request that has begun by then is not cut short."""
    generation: int | None = None
    """That of the account when the token was made (`records.User`); None for users of an external issuer."""


EVERYBODY: Final = Principal(subject="", role=Role.ADMIN, name="")
"""Whoever it is, where nobody has to say so. Its uploads have the owner "", whom no token names."""
