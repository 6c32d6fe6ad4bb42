"""Upload records as they truly stand, changed and announced in one place."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from longshore.events import (
    RequestInfo,
    UploadCompleted,
    UploadCreated,
    UploadEvent,
    UploadExpired,
    UploadRejected,
    UploadRenamed,
    UploadTerminated,
)
from longshore.ports import Clock, Emit, Store, Uploads
from longshore.ports.quotas import Quotas
from longshore.protocol.capabilities import Limits
from longshore.protocol.errors import TusError, UploadNotFound
from longshore.protocol.lifetime import tombstone
from longshore.protocol.metadata import file_name
from longshore.protocol.upload import State, Upload

logger = logging.getLogger(__name__)

NOBODY = RequestInfo()
"""The request of what nobody asked for."""


class Records:
    """Upload records together with the bytes that belong to them; whoever should know of a change is told here."""

    def __init__(
        self,
        uploads: Uploads,
        store: Store,
        limits: Limits,
        clock: Clock,
        emit: Emit,
        progressed: Callable[[Upload], None] = lambda upload: None,
    ) -> None:
        """`progressed` is told of every upload that an append leaves unfinished; it never blocks and never raises.

        How far a transfer has come while it lasts, post-hooks are told: see `Appender`.
        """
        self.uploads = uploads
        self.store = store
        self.limits = limits
        self.clock = clock
        self._emit = emit
        self._progressed = progressed

    async def add(self, upload: Upload, request: RequestInfo, *, free_space: int | None, quotas: Quotas | None) -> None:
        """Store a new upload. Raises what `Uploads.add` raises."""
        events = [UploadCreated(upload, request), *_completion(upload, request)]
        await self.uploads.add(upload, free_space=free_space, quotas=quotas, events=events)
        self._tell(events)

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

    async def save(self, upload: Upload, request: RequestInfo) -> bool:
        """Commit what has become of an unfinished upload; False when it is not unfinished any more."""
        events = _completion(upload, request)
        if not await self.uploads.save(upload, events=events):
            return False
        self._tell(events)
        if upload.state is State.UNFINISHED:
            self._progressed(upload)
        return True

    async def rename(self, upload: Upload, metadata: str, request: RequestInfo) -> bool:
        """Give a live upload another name, by its metadata; False when it is not live any more."""
        event = UploadRenamed(replace(upload, metadata=metadata), request, previous_name=file_name(upload.metadata))
        if not await self.uploads.rename(upload.id, metadata, events=[event]):
            return False
        self._tell([event])
        return True

    async def remove(
        self, upload: Upload, state: State, request: RequestInfo = NOBODY, *, refusal: TusError | None = None
    ) -> bool:
        """Leave a tombstone of the upload, and remove its bytes; False when that has been done already.

        With a refusal, the upload was rejected for it. The record goes first: should the bytes outlive it through a
        crash, the sweep finds them by the tombstone.
        """
        left = tombstone(upload, state, self.limits, self.clock())
        event = _removal(left, request, refusal)
        if not await self.uploads.bury(left, events=[event]):
            return False
        await self.purge(upload.id)
        self._tell([event])
        return True

    async def purge(self, upload_id: str) -> None:
        """Remove a tombstone's bytes."""
        await self.store.remove(upload_id)
        await self.uploads.purged(upload_id)

    def _tell(self, events: Sequence[UploadEvent]) -> None:
        for event in events:
            self._emit(event)


def _completion(upload: Upload, request: RequestInfo) -> Sequence[UploadEvent]:
    """A part is not a file: nobody is told of it."""
    if upload.state is State.COMPLETED and not upload.is_partial:
        return [UploadCompleted(upload, request)]
    return []


def _removal(left: Upload, request: RequestInfo, refusal: TusError | None) -> UploadEvent:
    if refusal is not None:
        return UploadRejected(left, request, code=refusal.code, detail=refusal.detail)
    if left.state is State.EXPIRED:
        return UploadExpired(left, request)
    return UploadTerminated(left, request)
