"""Quota for uploads of unknown length, set aside as they receive."""

import anyio.from_thread

from longshore.ports import Uploads
from longshore.ports.quotas import Quotas
from longshore.protocol.errors import QuotaExceeded
from longshore.protocol.upload import Upload

STEP = 64 * 1024 * 1024
"""Bytes set aside at a time, so that the database is asked now and then only; what is left is given back at the end."""


class Grant:
    """How far one append to an upload of unknown length is covered by its owner's quotas. Positions are offsets."""

    def __init__(self, uploads: Uploads, upload: Upload, quotas: Quotas, *, body_length: int | None) -> None:
        """`upload` is as stored; `body_length` is in bytes, None where the client did not say."""
        self._uploads = uploads
        self._upload = upload
        self._quotas = quotas
        self._most = None if body_length is None else upload.offset + body_length
        self._covered = 0

    async def cover(self, end: int) -> int:
        """How far the upload may go, as near to `end` as quotas allow.

        Raises `QuotaExceeded` when that is no farther than before.
        """
        if end > self._covered:
            ahead = self._covered + STEP
            wanted = max(end, ahead if self._most is None else min(ahead, self._most))
            self._covered = await self._uploads.reserve(self._upload.id, wanted, quotas=self._quotas)
        return self._covered

    async def cover_all(self, end: int) -> None:
        """Cover that much, or nothing more than before. Raises `QuotaExceeded`."""
        try:
            # Only when nothing more can be had does it say which quota is used up.
            while self._covered < end:
                self._covered = await self._uploads.reserve(self._upload.id, end, quotas=self._quotas)
        except QuotaExceeded:
            await self._uploads.save(self._upload)
            raise

    def cover_from_thread(self, start: int, end: int) -> int:
        """How far bytes from `start` to `end` may go; one of them at least. From a worker thread of anyio's.

        Raises `QuotaExceeded` when it is none.
        """
        # What is covered is used up first: asking for more is refused where there is no more.
        return self._covered if start < self._covered else anyio.from_thread.run(self.cover, end)
