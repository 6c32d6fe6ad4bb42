"""Deciding a creation."""

from dataclasses import replace
from datetime import datetime

from longshore.protocol.append import require_size, settle_length
from longshore.protocol.capabilities import Limits
from longshore.protocol.errors import LengthExceeded
from longshore.protocol.intents import Create
from longshore.protocol.lifetime import expiry
from longshore.protocol.upload import Upload


def decide_create(intent: Create, upload_id: str, *, owner: str = "", limits: Limits, now: datetime) -> Upload:
    """The new upload, empty. A length of 0 is complete at once.

    "If the length of the upload exceeds the maximum [...] the Server MUST respond with the 413 Request Entity Too
    Large status." Raises `TooLarge`, or `LengthExceeded` when the body is announced to be longer than the upload.
    """
    require_size(intent.length, limits)
    body_length = intent.body.length if intent.body else None
    if intent.length is not None and body_length is not None and body_length > intent.length:
        raise LengthExceeded(f"The body has {body_length} bytes, Upload-Length says {intent.length}.")
    require_size(body_length, limits)
    upload = Upload(
        id=upload_id,
        created_at=now,
        owner=owner,
        length=intent.length,
        metadata=intent.metadata,
        concat="partial" if intent.partial else "",
    )
    return settle_length(replace(upload, expires_at=expiry(upload, limits, now)), limits=limits, now=now)
