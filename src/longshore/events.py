"""What happened, as frozen values. Whoever is told (log, hub, webhooks) is told with one of these."""

from dataclasses import dataclass

from longshore.protocol.upload import Upload


@dataclass(frozen=True, slots=True)
class UploadEvent:
    """Something that happened to an upload; the upload is given as it was afterwards."""

    upload: Upload


class UploadCreated(UploadEvent):
    """A regular, partial or final upload was created."""


class UploadCompleted(UploadEvent):
    """A file is there, whole. Said exactly once for an upload, and never for a partial one."""


class UploadTerminated(UploadEvent):
    """A client deleted the upload."""


class UploadExpired(UploadEvent):
    """The sweep removed the upload because its time had passed."""
