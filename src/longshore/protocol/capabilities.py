"""What this server can do, and how much it takes: the constants that parsing and deciding depend on."""

from dataclasses import dataclass, replace
from datetime import timedelta

VERSION = "1.0.0"

MAX_OFFSET = 2**63 - 1
"""The largest size that files and databases can count, in bytes."""

CHECKSUM_ALGORITHMS = ("md5", "sha1", "sha256", "sha512", "crc32")

EXTENSIONS = (
    "creation",
    "creation-with-upload",
    "creation-defer-length",
    "expiration",
    "checksum",
    "checksum-trailer",
    "termination",
    "concatenation",
    "concatenation-unfinished",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a client may ask for."""

    extensions: frozenset[str] = frozenset(EXTENSIONS)
    max_size: int | None = None
    """Tus-Max-Size in bytes; None for no limit."""
    max_metadata_size: int = 8192
    """The longest Upload-Metadata kept, in bytes of the header as sent."""

    def without(self, extension: str) -> "Capabilities":
        """The same less an extension."""
        return replace(self, extensions=self.extensions - {extension})

    def offers(self, extension: str) -> bool:
        """Whether the extension is advertised."""
        return extension in self.extensions

    @property
    def advertised(self) -> str:
        """The value of Tus-Extension, in the order of the specification."""
        return ",".join(name for name in EXTENSIONS if name in self.extensions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What an upload may come to, and how long it lives."""

    max_size: int | None = None
    """The largest upload in bytes; None for no limit."""
    unfinished_ttl: timedelta | None = timedelta(days=7)
    """How long after the last activity an unfinished or partial upload expires; None for never."""
    finished_ttl: timedelta | None = None
    """How long after completion a finished upload expires; None for never."""
    tombstone_ttl: timedelta = timedelta(days=7)
    """How long a removed upload answers 410 before it is forgotten."""

    @property
    def ceiling(self) -> int:
        """The largest upload in bytes that can be handled at all."""
        return MAX_OFFSET if self.max_size is None else min(self.max_size, MAX_OFFSET)
