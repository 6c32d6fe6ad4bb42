"""Deciding and settling an append: where bytes may go, and what they have made of the upload."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from longshore.protocol.capabilities import CHECKSUM_ALGORITHMS, Limits
from longshore.protocol.checksum import Checksum, Digests, parse_checksum
from longshore.protocol.errors import (
    FinalUpload,
    InvalidChecksum,
    LengthConflict,
    LengthExceeded,
    OffsetConflict,
    TooLarge,
)
from longshore.protocol.intents import Append, BodyHead
from longshore.protocol.lifetime import expiry, require_live
from longshore.protocol.upload import State, Upload


@dataclass(frozen=True, slots=True, kw_only=True)
class WritePlan:
    """What an append may do."""

    upload: Upload
    """The upload as it will be if not a single byte comes: with its length, if the request declares one."""
    body: BodyHead
    room: int
    """How many bytes may be appended."""

    @property
    def limit(self) -> int:
        """How many bytes to take from the body: one more than there is room for shows that a body is too long."""
        return self.room if self.body.length is not None else self.room + 1

    @property
    def algorithms(self) -> tuple[str, ...]:
        """Which digests to compute while the bytes pass.

        The algorithm of a trailer is only known when all bytes have gone by, so then it is all of them.
        """
        if self.body.checksum:
            return (self.body.checksum.algorithm,)
        return CHECKSUM_ALGORITHMS if self.body.checksum_in_trailer else ()

    def position(self, received: int) -> int:
        """Where the upload would stand if the body ended after so many bytes, before it is settled.

        A checked body counts only as a whole. The last byte is left out: the offset reaches the length when the append
        is settled, never before.
        """
        if self.body.is_checked:
            return self.upload.offset
        taken = min(received, self.room)
        end = self.upload.offset + taken
        return end - 1 if end == self.upload.length and taken else end


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What came of a body."""

    received: int
    """Bytes taken from the body, at most the plan's limit."""
    complete: bool
    """Whether the client sent the body to its end."""
    digests: Digests
    trailers: Mapping[str, str]


def decide_append(intent: Append, upload: Upload, *, limits: Limits, now: datetime) -> WritePlan:
    """Where the body goes, or a refusal before a byte of it is read.

    "The Upload-Offset header's value MUST be equal to the current offset of the resource. [...] If the offsets do not
    match, the Server MUST respond with the 409 Conflict status without modifying the upload resource." Raises
    `UploadGone`, `FinalUpload`, `OffsetConflict`, `LengthConflict`, `TooLarge` or `LengthExceeded`.
    """
    require_appendable(upload, now)
    if intent.offset != upload.offset:
        raise OffsetConflict(upload.offset)
    declared = _declare_length(upload, intent.length, limits)
    return plan_write(declared, intent.body, limits=limits)


def require_appendable(upload: Upload, now: datetime) -> None:
    """Raise `UploadGone` or `FinalUpload` when no append at all can succeed."""
    require_live(upload, now)
    if upload.is_final:
        raise FinalUpload


def plan_write(upload: Upload, body: BodyHead, *, limits: Limits) -> WritePlan:
    """The plan for a body that goes to the end of the upload; raises `TooLarge` or `LengthExceeded`."""
    room = (limits.ceiling if upload.length is None else upload.length) - upload.offset
    plan = WritePlan(upload=upload, body=body, room=max(room, 0))
    if body.length is not None and body.length > plan.room:
        raise _overrun(plan)
    return plan


def _declare_length(upload: Upload, length: int | None, limits: Limits) -> Upload:
    """Set a deferred length: "Once set the length MUST NOT be changed"."""
    if length is None or length == upload.length:
        return upload
    if upload.length is not None:
        raise LengthConflict(f"The length has been set to {upload.length} bytes.", length=upload.length)
    if length < upload.offset:
        raise LengthConflict(f"{upload.offset} bytes are here already.", offset=upload.offset)
    require_size(length, limits)
    return replace(upload, length=length)


def require_size(length: int | None, limits: Limits) -> None:
    """Raise `TooLarge` when an upload of so many bytes is more than this server takes."""
    if length is not None and length > limits.ceiling:
        raise TooLarge(f"At most {limits.ceiling} bytes are taken.", limit=limits.ceiling)


def settle_append(plan: WritePlan, receipt: Receipt, *, limits: Limits, now: datetime) -> Upload:
    """The upload after the body has gone through.

    "The new offset MUST be the sum of the offset before the PATCH request and the number of bytes received and
    processed or stored during the current PATCH request." Of a checked body that was cut short nothing is kept, for
    nothing can be verified. Raises `LengthExceeded` (a body without Content-Length that overruns), `ChecksumMismatch`,
    or what `parse_checksum` raises; the upload then stays as it was committed last.
    """
    if receipt.received > plan.room:
        raise _overrun(plan)
    received = receipt.received
    if plan.body.is_checked:
        if receipt.complete:
            receipt.digests.verify(_checksum(plan.body, receipt.trailers))
        else:
            received = 0
    upload = replace(plan.upload, offset=plan.upload.offset + received)
    return settle_length(replace(upload, expires_at=_slide(upload, limits, now)), limits=limits, now=now)


def settle_length(upload: Upload, *, limits: Limits, now: datetime) -> Upload:
    """Complete the upload if its offset has reached its length; otherwise give it back as it is."""
    if upload.state is not State.UNFINISHED or upload.offset != upload.length:
        return upload
    completed = replace(upload, state=State.COMPLETED, completed_at=now)
    return replace(completed, expires_at=expiry(completed, limits, now))


def _slide(upload: Upload, limits: Limits, now: datetime) -> datetime | None:
    return expiry(upload, limits, now) if upload.state is State.UNFINISHED else upload.expires_at


def _checksum(body: BodyHead, trailers: Mapping[str, str]) -> Checksum:
    if body.checksum:
        return body.checksum
    if "upload-checksum" not in trailers:
        raise InvalidChecksum("The announced Upload-Checksum trailer did not come.")
    return parse_checksum(trailers["upload-checksum"])


def _overrun(plan: WritePlan) -> LengthExceeded | TooLarge:
    if plan.upload.length is None:
        return TooLarge("The upload would become larger than is taken here.")
    return LengthExceeded(f"{plan.room} bytes are left to receive.", left=plan.room)
