"""Download links: making, redeeming and revoking them."""

import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from urllib.parse import urlencode

from longshore.downloads.links import LinkGone, LinkUsedUp, make, verify
from longshore.ports import Clock
from longshore.ports.links import Link, LinkRecords
from longshore.protocol.upload import Upload

PARAMETER: Final = "link"
"""The parameter of a download URL's query that holds the token."""

MAX_TTL: Final = timedelta(days=366)
"""How long a link may be good, at most: one that nobody remembers should not open anything."""

CONTINUATION: Final = timedelta(hours=24)
"""How long a download may be gone on with, counted from its beginning.

What does not ask for the file's first byte is not counted until then: a download in several pieces, or one that was cut
short, is one download.
"""

_ID_BYTES: Final = 12


class Links:
    """The links of a server. `keys` are 32 secret bytes each: the first signs, all of them verify."""

    def __init__(self, records: LinkRecords, keys: Sequence[bytes], clock: Clock) -> None:
        if not keys or any(len(key) < 32 for key in keys):
            raise ValueError("links need keys of 32 bytes or more")
        self.records = records
        self._keys = keys
        self._clock = clock

    async def create(
        self, upload: Upload, ttl: timedelta, max_uses: int | None = None, *, created_by: str = ""
    ) -> tuple[Link, str]:
        """Make a link; return it, and the query (without `?`) that makes a download URL of the upload's URL.

        Who may do that is for the caller to see to. Raises `ValueError` unless `ttl` is at least a second and at most
        `MAX_TTL`, and `max_uses` at least 1.
        """
        if not timedelta(seconds=1) <= ttl <= MAX_TTL:
            raise ValueError(f"a link is good for a second at least, and for {MAX_TTL.days} days at most")
        if max_uses is not None and not 1 <= max_uses < 2**31:
            raise ValueError("a link is good for at least one download")
        now = self._clock()
        link = Link(
            id=secrets.token_urlsafe(_ID_BYTES),
            upload_id=upload.id,
            created_by=created_by,
            created_at=now,
            expires_at=(now + ttl).replace(microsecond=0),
            max_uses=max_uses,
        )
        await self.records.add(link)
        return link, urlencode({PARAMETER: make(upload.id, link.expires_at, link.id, self._keys[0])})

    async def redeem(self, token: str, upload_id: str) -> Link:
        """The link that the token stands for, which may still have been used up.

        Raises `LinkInvalid`, `LinkExpired`, and `LinkGone` for one that was revoked.
        """
        link = await self.records.get(verify(token, upload_id, self._keys, self._clock()))
        if link is None or link.upload_id != upload_id:
            raise LinkGone
        return link

    async def use(self, link: Link, *, begins: bool) -> None:
        """Let a download begin, which is counted, or go on with one. Raises `LinkUsedUp`."""
        counts = begins or not self._goes_on(link)
        if counts and not await self.records.use(link.id, self._clock()):
            raise LinkUsedUp

    def _goes_on(self, link: Link) -> bool:
        return link.used_at is not None and self._clock() < link.used_at + CONTINUATION

    async def revoke(self, upload_id: str, link_id: str) -> bool:
        """Make a link void; return whether there was one. A download that has begun goes on to its end."""
        return await self.records.revoke(upload_id, link_id)
