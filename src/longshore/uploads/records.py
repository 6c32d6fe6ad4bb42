"""Loading upload records as they truly stand."""

import logging
from dataclasses import replace

from longshore.ports import Clock, Store, Uploads
from longshore.protocol.capabilities import Limits
from longshore.protocol.errors import UploadNotFound
from longshore.protocol.lifetime import tombstone
from longshore.protocol.upload import State, Upload

logger = logging.getLogger(__name__)


class Records:
    """Upload records together with the bytes that belong to them."""

    def __init__(self, uploads: Uploads, store: Store, limits: Limits, clock: Clock) -> None:
        self.uploads = uploads
        self.store = store
        self.limits = limits
        self.clock = clock

    async def load(self, upload_id: str) -> Upload:
        """The upload or its tombstone, at the offset that both database and store vouch for.

        Raises `UploadNotFound`.
        """
        upload = await self.uploads.get(upload_id)
        if upload is None:
            raise UploadNotFound
        if upload.state is not State.UNFINISHED or upload.is_final or not upload.offset:
            return upload
        held = await self.store.size(upload_id)
        if held >= upload.offset:
            return upload
        # Only a power failure with unsynced bytes comes to this: what is left is what the client has to go on from.
        logger.warning("upload %s: %d bytes committed, %d in the store", upload_id, upload.offset, held)
        return replace(upload, offset=held)

    async def remove(self, upload: Upload, state: State) -> Upload | None:
        """Leave a tombstone of the upload, and remove its bytes; None when that has been done already.

        The record goes first: should the bytes outlive it through a crash, the sweep finds them by the tombstone.
        """
        left = tombstone(upload, state, self.limits, self.clock())
        if not await self.uploads.bury(left):
            return None
        await self.purge(upload.id)
        return left

    async def purge(self, upload_id: str) -> None:
        """Remove a tombstone's bytes."""
        await self.store.remove(upload_id)
        await self.uploads.purged(upload_id)
