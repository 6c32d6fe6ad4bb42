"""When uploads expire, and what is left of them afterwards (the expiration and termination extensions)."""

from dataclasses import replace
from datetime import datetime, timedelta

from longshore.protocol.capabilities import Limits
from longshore.protocol.errors import UploadExpired, UploadTerminated
from longshore.protocol.upload import State, Upload


def expiry(upload: Upload, limits: Limits, now: datetime) -> datetime | None:
    """When the upload expires, seen from its last activity, now; None for never.

    A partial upload expires like an unfinished one, finished or not: nobody but its final upload has a use for it.
    """
    finished = upload.state is State.COMPLETED and not upload.is_partial
    return _after(now, limits.finished_ttl if finished else limits.unfinished_ttl)


def _after(now: datetime, ttl: timedelta | None) -> datetime | None:
    return None if ttl is None else now + ttl


def is_expired(upload: Upload, now: datetime) -> bool:
    """Whether the upload's time has passed, swept already or not."""
    return upload.state is State.EXPIRED or (upload.expires_at is not None and upload.expires_at <= now)


def require_live(upload: Upload, now: datetime) -> None:
    """Raise `UploadTerminated` or `UploadExpired` when only a tombstone is left.

    "the Server SHOULD respond with the 404 Not Found or 410 Gone status. The latter one SHOULD be used if the Server
    is keeping track of expired uploads."
    """
    if upload.state is State.TERMINATED:
        raise UploadTerminated
    if is_expired(upload, now):
        raise UploadExpired


def tombstone(upload: Upload, state: State, limits: Limits, now: datetime) -> Upload:
    """What is kept of an upload that was terminated or has expired, until the tombstone's own time has passed."""
    return replace(upload, state=state, expires_at=now + limits.tombstone_ttl)
