"""What happened, as frozen values. Whoever is told (log, hub, webhooks) is told with one of these."""

from dataclasses import dataclass
from typing import ClassVar

from longshore.protocol.upload import Upload


@dataclass(frozen=True, slots=True)
class UploadEvent:
    """Something that happened to an upload; the upload is given as it was afterwards."""

    name: ClassVar[str]
    upload: Upload


class UploadCreated(UploadEvent):
    """A regular, partial or final upload was created."""

    name = "upload created"


class UploadCompleted(UploadEvent):
    """A file is there, whole. Said exactly once for an upload, and never for a partial one."""

    name = "upload completed"


class UploadTerminated(UploadEvent):
    """A client deleted the upload."""

    name = "upload terminated"


class UploadExpired(UploadEvent):
    """The sweep removed the upload because its time had passed."""

    name = "upload expired"
