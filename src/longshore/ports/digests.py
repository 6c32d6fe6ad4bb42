"""Which files have no digest yet, and a place for those that have been computed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Undigested:
    """A completed file whose SHA-256 is not known."""

    upload_id: str
    size: int
    """Bytes."""
    completed_at: datetime


class Digests(Protocol):
    """The SHA-256 of completed files. Each method raises `protocol.errors.Unavailable` while there is no answer."""

    async def missing(
        self, completed_before: datetime, limit: int, *, after: Undigested | None = None
    ) -> Sequence[Undigested]:
        """Up to `limit` files without one, the newest first; with `after`, those that come behind that one.

        Parts of final uploads are no files.
        """

    async def add(self, digests: Mapping[str, str]) -> None:
        """Store digests, in lower-case hexadecimal digits, by upload id; what has gone meanwhile is left out."""
