"""What uploads ought to be: the simplest thing that a sequence of requests can be held against."""

import base64
import hashlib
import itertools
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

TTL = timedelta(days=7)
"""The default: how long unfinished uploads, partial uploads and tombstones are kept."""

TUS = {"Tus-Resumable": "1.0.0"}
STREAM = {"Content-Type": "application/offset+octet-stream"}


@dataclass(eq=False)
class Copy:
    """An upload as the client believes it to be."""

    location: str
    length: int | None
    metadata: str = ""
    concat: str = ""
    parts: tuple["Copy", ...] = ()
    data: bytes = b""
    """Everything that was acknowledged."""
    completed: bool = False
    expires: datetime | None = None
    """For a tombstone, when it may be forgotten."""
    fate: str = ""
    """"terminated", "expired" or "forgotten" once it is gone; empty before."""

    @property
    def id(self) -> str:
        return self.location.rsplit("/", 1)[-1]

    @property
    def is_partial(self) -> bool:
        return self.concat == "partial"

    @property
    def is_final(self) -> bool:
        return bool(self.parts)

    @property
    def room(self) -> int | None:
        return None if self.length is None else self.length - len(self.data)

    @property
    def total(self) -> int | None:
        """The length of a final upload, as far as its parts tell it."""
        lengths = [part.length for part in self.parts if part.fate != "forgotten"]
        is_known = None not in lengths and len(lengths) == len(self.parts)
        return sum(length or 0 for length in lengths) if is_known else None

    def refusal(self, now: datetime) -> int | None:
        """How any request is answered once the upload is gone, swept or not."""
        if self.fate == "forgotten":
            return 404
        return 410 if self.fate or (self.expires is not None and self.expires <= now) else None

    def bury(self, fate: str, now: datetime) -> None:
        self.fate, self.expires = fate, now + TTL

    def touch(self, now: datetime) -> None:
        """Note that something happened: time begins anew, and a full upload is complete."""
        if not self.completed:
            self.expires = now + TTL
            if len(self.data) == self.length:
                self.completed = True
                self.expires = now + TTL if self.is_partial else None


@dataclass
class Bytes:
    """A request body on its way: what it claims, and how it is cut into messages."""

    content: bytes = field(repr=False)
    chunked: bool = False
    checksum: str = ""
    """"", "right" or "wrong"; "trailer right", "trailer wrong" or "trailer missing" only for chunked bodies."""
    cuts: list[int] = field(default_factory=list)
    """Where the content is cut into messages, in permille."""

    def __post_init__(self) -> None:
        if not self.chunked:
            self.checksum = self.checksum.removeprefix("trailer ").replace("missing", "wrong")

    @property
    def headers(self) -> dict[str, str]:
        fields = {"Transfer-Encoding": "chunked"} if self.chunked else {"Content-Length": str(len(self.content))}
        if self.checksum in ("right", "wrong"):
            fields["Upload-Checksum"] = self._checksum()
        elif self.checksum:
            fields["Trailer"] = "Upload-Checksum"
        return STREAM | fields

    @property
    def trailers(self) -> dict[str, str]:
        is_sent = self.checksum in ("trailer right", "trailer wrong")
        return {"upload-checksum": self._checksum()} if is_sent else {}

    def _checksum(self) -> str:
        digest = hashlib.sha1(self.content + (b"" if "right" in self.checksum else b"!")).digest()
        return f"sha1 {base64.b64encode(digest).decode()}"

    @property
    def pieces(self) -> list[bytes]:
        places = sorted({len(self.content) * cut // 1000 for cut in self.cuts} | {0, len(self.content)})
        return [self.content[a:b] for a, b in itertools.pairwise(places)] or [b""]

    def fitting(self, room: int | None) -> "Bytes":
        """The same, with no more content than there is room for."""
        return replace(self, content=self.content[:room])

    def overruns(self, room: int | None) -> bool:
        return room is not None and len(self.content) > room

    @property
    def verdict(self) -> int | None:
        """How the whole body is refused for its checksum."""
        return {"": None, "right": None, "trailer right": None, "trailer missing": 400}.get(self.checksum, 460)
