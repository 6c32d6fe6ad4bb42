"""Download links: who may use which one, and how often that has been done."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Leave to download one upload without a token."""

    id: str
    upload_id: str
    created_by: str
    """The subject of the user who made it."""
    created_at: datetime
    expires_at: datetime
    max_uses: int | None = None
    """How many downloads may begin; None for any number."""
    uses: int = 0
    """How many have begun."""
    used_at: datetime | None = None
    """When the last one began."""


class LinkRecords(Protocol):
    """The links that have been made. Each call is one transaction, and has been committed when it returns."""

    async def add(self, link: Link) -> None:
        """Store a new link. Raises `ValueError` when the id is taken."""

    async def get(self, link_id: str) -> Link | None:
        """The link; None when it is unknown, which it is once it has been revoked."""

    async def of(self, upload_id: str) -> list[Link]:
        """The links to an upload, the newest first."""

    async def use(self, link_id: str, now: datetime) -> bool:
        """Count a download that begins; False, and nothing is counted, when no more may or the link is unknown.

        However many ask at the same time, no more than `max_uses` are told yes.
        """

    async def revoke(self, upload_id: str, link_id: str) -> bool:
        """Delete a link to the upload; return whether there was one."""

    async def forget(self, now: datetime, limit: int) -> int:
        """Delete up to `limit` links that have expired; return how many it was."""
