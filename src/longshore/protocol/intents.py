"""What a request asks for, once it has been read. A second dialect of the protocol parses into the same values."""

from collections.abc import Mapping
from dataclasses import dataclass

from longshore.protocol.checksum import Checksum


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestHead:
    """A request without its body."""

    method: str
    headers: Mapping[str, str]
    """Field values by lower-case name; repeated fields joined with commas (RFC 9110, section 5.3)."""
    resource: str | None = None
    """The id of the upload that the URL names; None for the creation URL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyHead:
    """What the head says of the body."""

    length: int | None = None
    """Content-Length in bytes; None for a chunked body."""
    checksum: Checksum | None = None
    checksum_in_trailer: bool = False

    @property
    def is_checked(self) -> bool:
        """Whether the body counts only as a whole, once its checksum has been verified."""
        return self.checksum is not None or self.checksum_in_trailer


@dataclass(frozen=True, slots=True)
class Options:
    """Tell what the server can do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Create:
    """Create a regular or partial upload."""

    length: int | None
    """Upload-Length in bytes; None when deferred."""
    metadata: str = ""
    partial: bool = False
    body: BodyHead | None = None
    """None when the request carries no bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Concatenate:
    """Create a final upload from partial ones."""

    parts: tuple[str, ...]
    """Ids of the partial uploads, in order."""
    concat: str
    """Upload-Concat as received."""
    metadata: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspect:
    """Tell the offset."""

    resource: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Append:
    """Append the body at an offset."""

    resource: str
    offset: int
    length: int | None = None
    """Upload-Length in bytes, when the request declares a deferred one."""
    body: BodyHead


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminate:
    """Remove the upload."""

    resource: str


UploadIntent = Create | Concatenate | Inspect | Append | Terminate
Intent = Options | UploadIntent
