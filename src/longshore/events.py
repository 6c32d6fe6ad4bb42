"""What happened, as frozen values. Whoever is told (log, hub, webhooks) is told with one of these."""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import ClassVar, Final

from longshore.protocol.upload import Upload

_CREDENTIALS: Final = frozenset({"authorization", "proxyauthorization", "cookie"})
_CREDENTIAL_WORDS: Final = ("token", "secret", "apikey")


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestInfo:
    """The request that something happened on; all empty where nobody asked for it (the sweep)."""

    method: str = ""
    uri: str = ""
    """Path and query as sent."""
    remote_address: str = ""
    """`host:port` of the client, as far as proxies are trusted."""
    headers: tuple[tuple[str, str], ...] = ()
    """Header fields by lower-case name, in the order sent, credentials among them: pass on with care."""


# Every client sends the same few.
@lru_cache(maxsize=1024)
def carries_credentials(name: str) -> bool:
    """Whether a header field of this name is one that lets whoever reads it act as the client."""
    plain = name.lower().replace("-", "").replace("_", "")
    return plain in _CREDENTIALS or any(word in plain for word in _CREDENTIAL_WORDS)


@dataclass(frozen=True, slots=True)
class UploadEvent:
    """Something that happened to an upload; the upload is given as it was afterwards."""

    type: ClassVar[str]
    """Its stable name."""
    upload: Upload
    request: RequestInfo = field(default_factory=RequestInfo)


class UploadCreated(UploadEvent):
    """A regular, partial or final upload was created."""

    type = "created"


class UploadCompleted(UploadEvent):
    """A file is there, whole. Said exactly once for an upload, and never for a partial one."""

    type = "completed"


class UploadTerminated(UploadEvent):
    """A client deleted the upload."""

    type = "terminated"


class UploadExpired(UploadEvent):
    """The sweep removed the upload because its time had passed."""

    type = "expired"


@dataclass(frozen=True, slots=True)
class UploadRenamed(UploadEvent):
    """Somebody gave the file another name."""

    type = "renamed"
    previous_name: str = ""
    """What it was called before; empty where it had no name."""


@dataclass(frozen=True, slots=True)
class UploadRejected(UploadEvent):
    """The upload was removed because its content is not what the operator takes."""

    type = "rejected"
    code: str = ""
    """The stable code of the refusal."""
    detail: str = ""
    """The refusal in words."""
