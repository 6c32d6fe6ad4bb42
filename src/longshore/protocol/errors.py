"""Every way a tus request can be refused: one tree, each class with its status and its stable code.

Clients act on the status alone: tus-js-client and Uppy retry after 409, 423 and 5xx (Uppy also after 429) and give up
on every other 4xx. A permanent refusal is therefore a 4xx other than those, and a passing one is one of those.
"""


class TusError(Exception):
    """A refusal. `detail` is for people, `code` for programs; `headers` and `members` go into the reply as they are.

    `body` takes the place of the problem document, where it is not None.
    """

    status: int = 400
    code: str = "bad-request"
    title: str = "Bad request"
    body: bytes | None = None

    def __init__(
        self, detail: str = "", *, headers: tuple[tuple[str, str], ...] = (), **members: str | int | None
    ) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.headers = headers
        self.members = members


class InvalidHeader(TusError):
    """A header field is missing, malformed, or contradicts another one."""

    code = "invalid-header"
    title = "Invalid header field"


class InvalidMetadata(TusError):
    """Upload-Metadata does not follow the grammar of the specification."""

    code = "invalid-metadata"
    title = "Invalid Upload-Metadata"


class MetadataTooLarge(TusError):
    """Upload-Metadata is longer than this server keeps (RFC 6585, section 5)."""

    status = 431
    code = "metadata-too-large"
    title = "Upload-Metadata too large"


class InvalidConcat(TusError):
    """Upload-Concat is malformed, or names something that cannot be concatenated."""

    code = "invalid-concat"
    title = "Invalid Upload-Concat"


class InvalidChecksum(TusError):
    """Upload-Checksum is malformed, or announced as a trailer and never sent."""

    code = "invalid-checksum"
    title = "Invalid Upload-Checksum"


class ChecksumAlgorithmUnsupported(TusError):
    """Checksum extension: 400 if the algorithm is not supported by the server."""

    code = "checksum-algorithm-unsupported"
    title = "Checksum algorithm not supported"


class LengthConflict(TusError):
    """Creation extension: once set, the length must not be changed; nor can it lie below the offset."""

    code = "length-conflict"
    title = "Upload-Length conflicts with the upload"


class UploadTakenOver(TusError):
    """Another request went on with the upload; what this one sent so far is kept."""

    code = "upload-taken-over"
    title = "Another request has taken this upload over"


class ExtensionUnsupported(TusError):
    """The request needs an extension that this server does not offer."""

    code = "extension-unsupported"
    title = "Extension not supported"


class Unauthenticated(TusError):
    """Nobody knows who asks (RFC 9110, section 15.5.2); `WWW-Authenticate` says what would do (RFC 6750)."""

    status = 401
    code = "unauthenticated"
    title = "Authentication required"

    def __init__(self, detail: str = "", *, error: str | None = None) -> None:
        challenge = 'Bearer realm="longshore"' + (f', error="{error}"' if error else "")
        super().__init__(detail, headers=(("WWW-Authenticate", challenge),))


class InvalidToken(Unauthenticated):
    """The bearer token is not, or no longer, one that this server accepts."""

    code = "invalid-token"
    title = "Invalid token"

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail, error="invalid_token")


class Forbidden(TusError):
    """We know who asks, and that they may not."""

    status = 403
    code = "forbidden"
    title = "Not allowed"


class FinalUpload(TusError):
    """Concatenation extension: 403 to PATCH requests against a final upload."""

    status = 403
    code = "final-upload"
    title = "A final upload takes no bytes of its own"


class UploadNotFound(TusError):
    """Nothing is known of the upload."""

    status = 404
    code = "upload-not-found"
    title = "No such upload"


class MethodNotAllowed(TusError):
    """The method means nothing for this resource (RFC 9110, section 15.5.6)."""

    status = 405
    code = "method-not-allowed"
    title = "Method not allowed"


class OffsetConflict(TusError):
    """Core protocol: 409 if Upload-Offset is not the upload's current offset."""

    status = 409
    code = "offset-conflict"
    title = "Upload-Offset does not match"

    def __init__(self, offset: int) -> None:
        super().__init__(
            f"The upload stands at offset {offset}.", headers=(("Upload-Offset", str(offset)),), offset=offset
        )


class UploadUnfinished(TusError):
    """The upload's bytes are not all there yet."""

    status = 409
    code = "upload-unfinished"
    title = "The upload is not finished"


class UploadGone(TusError):
    """Expiration and termination extensions: 410 while the server remembers the upload."""

    status = 410
    code = "upload-gone"
    title = "The upload is gone"


class UploadExpired(UploadGone):
    """The upload's time has passed."""

    code = "upload-expired"
    title = "The upload has expired"


class UploadTerminated(UploadGone):
    """The upload was deleted."""

    code = "upload-terminated"
    title = "The upload was terminated"


class VersionUnsupported(TusError):
    """Core protocol: 412 with Tus-Version if the client's version is not supported."""

    status = 412
    code = "version-unsupported"
    title = "Tus-Resumable is missing or names an unsupported version"


class TooLarge(TusError):
    """The upload would be larger than this server takes (Tus-Max-Size)."""

    status = 413
    code = "max-size-exceeded"
    title = "The upload is too large"


class QuotaExceeded(TusError):
    """It would be more than the user may upload. `quota` says which one, `resets_at` when there is room again."""

    status = 413
    code = "quota-exceeded"
    title = "Quota exceeded"


class LengthExceeded(TusError):
    """The body holds more bytes than the upload has left to receive."""

    status = 413
    code = "length-exceeded"
    title = "More bytes than the upload has left"


class ContentTypeUnsupported(TusError):
    """Core protocol: 415 unless the body is application/offset+octet-stream."""

    status = 415
    code = "content-type-unsupported"
    title = "The body must be application/offset+octet-stream"


class FormatNotAllowed(TusError):
    """The operator does not take files of this kind."""

    status = 415
    code = "format-not-allowed"
    title = "Format not allowed"


class UploadLocked(TusError):
    """Another request is busy with the upload; clients try again."""

    status = 423
    code = "upload-locked"
    title = "The upload is in use"


class ChecksumMismatch(TusError):
    """Checksum extension: 460 if the checksums mismatch; the chunk is discarded."""

    status = 460
    code = "checksum-mismatch"
    title = "Checksum mismatch"


class Unavailable(TusError):
    """The server cannot go on with the request just now; clients try again."""

    status = 503
    code = "unavailable"
    title = "Temporarily unavailable"


class ShuttingDown(Unavailable):
    """The server is stopping; what arrived is kept."""

    code = "shutting-down"
    title = "The server is shutting down"


class BodyStalled(Unavailable):
    """No byte came for the idle timeout; what arrived is kept."""

    code = "body-stalled"
    title = "The client sent nothing for too long"


class InsufficientStorage(TusError):
    """There is no room for the bytes (RFC 4918, section 11.5); what was committed stays."""

    status = 507
    code = "insufficient-storage"
    title = "Not enough storage"
