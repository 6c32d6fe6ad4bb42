"""The upload resource as the protocol sees it: a frozen value, changed only by making a new one."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class State(StrEnum):
    """Where an upload is in its life; the last two leave a tombstone that answers 410."""

    UNFINISHED = "unfinished"
    COMPLETED = "completed"
    TERMINATED = "terminated"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """One tus upload resource. All times are aware datetimes in UTC, all sizes are bytes."""

    id: str
    created_at: datetime
    owner: str = ""
    """The user who created it, by the subject of their tokens; empty where nobody is known."""
    offset: int = 0
    """The committed offset: bytes below it are acknowledged, bytes beyond it are garbage."""
    length: int | None = None
    """Upload-Length; None while it is deferred, or not yet computable for a final upload."""
    metadata: str = ""
    """Upload-Metadata exactly as received; empty when there was none."""
    concat: str = ""
    """Upload-Concat exactly as received; empty for a regular upload."""
    parts: tuple[str, ...] = ()
    """For a final upload the ids of its partial uploads, in order; an id may repeat."""
    state: State = State.UNFINISHED
    expires_at: datetime | None = None
    """When the upload expires; for a tombstone, when the tombstone itself is forgotten."""
    completed_at: datetime | None = None
    sha256: str | None = None
    """Of the whole file, in lower-case hexadecimal digits; None until it is known, which is after its completion."""

    @property
    def is_partial(self) -> bool:
        """Whether this is a part that only counts inside a final upload."""
        return self.concat == "partial"

    @property
    def is_final(self) -> bool:
        """Whether this upload is the concatenation of partial uploads."""
        return self.concat.startswith("final;")

    @property
    def is_gone(self) -> bool:
        """Whether only the tombstone is left."""
        return self.state in (State.TERMINATED, State.EXPIRED)
