"""Deciding a concatenation: what a final upload is made of, and when it can be put together."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from longshore.protocol.append import require_size, settle_length
from longshore.protocol.capabilities import Limits
from longshore.protocol.errors import InvalidConcat, UploadNotFound
from longshore.protocol.intents import Concatenate
from longshore.protocol.lifetime import expiry, require_live
from longshore.protocol.upload import State, Upload


def decide_concatenate(
    intent: Concatenate,
    upload_id: str,
    parts: Mapping[str, Upload],
    *,
    owner: str = "",
    limits: Limits,
    now: datetime,
) -> Upload:
    """The final upload, not yet put together.

    "The length of the final upload MUST be the sum of the length of all partial uploads." `parts` are the uploads
    known of, by id. Raises `UploadNotFound`, `UploadGone`, `InvalidConcat` or `TooLarge`.
    """
    members = [_member(part_id, parts, now) for part_id in intent.parts]
    require_size(sum(part.offset if part.length is None else part.length for part in members), limits)
    final = Upload(
        id=upload_id,
        created_at=now,
        owner=owner,
        metadata=intent.metadata,
        concat=intent.concat,
        parts=intent.parts,
    )
    return replace(final, length=total_length(final, parts), expires_at=expiry(final, limits, now))


def _member(part_id: str, parts: Mapping[str, Upload], now: datetime) -> Upload:
    if part_id not in parts:
        raise UploadNotFound("Upload-Concat names an upload that does not exist.")
    part = parts[part_id]
    require_live(part, now)
    if not part.is_partial:
        raise InvalidConcat("Upload-Concat names an upload that was not created with Upload-Concat: partial.")
    return part


def total_length(final: Upload, parts: Mapping[str, Upload]) -> int | None:
    """The length of the final upload in bytes; None while that of a part is unknown, or a part is.

    "The Upload-Length header MUST be included if the length of the final resource can be calculated at the time of the
    request."
    """
    lengths = [parts[part_id].length if part_id in parts else None for part_id in final.parts]
    return None if None in lengths else sum(length for length in lengths if length is not None)


def is_ready(final: Upload, parts: Mapping[str, Upload]) -> bool:
    """Whether every part is completed and still there."""
    return all(part_id in parts and parts[part_id].state is State.COMPLETED for part_id in final.parts)


def settle_concatenate(final: Upload, assembled: int, *, limits: Limits, now: datetime) -> Upload:
    """The final upload after its parts, so many bytes together, have been put into it.

    "After successful concatenation, the Upload-Offset and Upload-Length MUST be set and their values MUST be equal."
    """
    return settle_length(replace(final, length=assembled, offset=assembled), limits=limits, now=now)
