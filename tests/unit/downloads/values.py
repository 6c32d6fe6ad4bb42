"""Completed uploads, for tests of downloads."""

import base64
from datetime import UTC, datetime
from typing import Any

from longshore.protocol.upload import State, Upload

DONE = datetime(2026, 5, 1, 12, 30, 15, 999_999, tzinfo=UTC)
DONE_HTTP = "Fri, 01 May 2026 12:30:15 GMT"
BEFORE_HTTP = "Fri, 01 May 2026 12:30:14 GMT"
AFTER_HTTP = "Fri, 01 May 2026 12:30:16 GMT"


def upload_with(size: int = 3, **metadata: str | bytes) -> Upload:
    """A completed upload with this metadata."""
    pairs = {key: value.encode() if isinstance(value, str) else value for key, value in metadata.items()}
    raw = ",".join(f"{key} {base64.b64encode(value).decode()}" for key, value in pairs.items())
    times: dict[str, Any] = {"created_at": datetime(2026, 4, 30, tzinfo=UTC), "completed_at": DONE}
    return Upload(id="a" * 32, offset=size, length=size, metadata=raw, state=State.COMPLETED, **times)
