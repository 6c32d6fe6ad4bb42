"""What the server answers: a status, header fields, and for errors a problem document."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime

from longshore.protocol.capabilities import CHECKSUM_ALGORITHMS, VERSION, Capabilities
from longshore.protocol.errors import TusError
from longshore.protocol.upload import State, Upload

Fields = tuple[tuple[str, str], ...]

_RESUMABLE: Fields = (("Tus-Resumable", VERSION),)
_NO_STORE: Fields = (("Cache-Control", "no-store"),)


@dataclass(frozen=True, slots=True)
class Reply:
    """A response, whole."""

    status: int
    headers: Fields
    body: bytes = b""


def reply_options(capabilities: Capabilities) -> Reply:
    """Answer OPTIONS: "A successful response [...] MUST contain the Tus-Version header"."""
    fields: list[tuple[str, str]] = [("Tus-Version", VERSION)]
    if capabilities.extensions:
        fields.append(("Tus-Extension", capabilities.advertised))
    if capabilities.max_size is not None:
        fields.append(("Tus-Max-Size", str(capabilities.max_size)))
    if capabilities.offers("checksum"):
        fields.append(("Tus-Checksum-Algorithm", ",".join(CHECKSUM_ALGORITHMS)))
    return Reply(200, (*_RESUMABLE, *fields))


def reply_created(upload: Upload, location: str, *, with_body: bool) -> Reply:
    """Answer a creation: 201 with "the Location header [set] to the URL of the created resource".

    With a body, the server "MUST include the Upload-Offset header in the response".
    """
    offset: Fields = (("Upload-Offset", str(upload.offset)),) if with_body else ()
    return Reply(201, (*_RESUMABLE, ("Location", location), *offset, *_expires(upload)))


def reply_appended(upload: Upload) -> Reply:
    """Answer an append: 204, which "MUST include the Upload-Offset header containing the new offset"."""
    return Reply(204, (*_RESUMABLE, ("Upload-Offset", str(upload.offset)), *_expires(upload)))


def tell_expiry(refusal: TusError, upload: Upload) -> None:
    """Add Upload-Expires to the refusal of an append: it "MUST be included in every PATCH response"."""
    refusal.headers += _expires(upload)


def reply_inspected(upload: Upload) -> Reply:
    """Answer HEAD: everything known of the upload, never to be cached.

    "The response to a HEAD request for a final upload SHOULD NOT contain the Upload-Offset header unless the
    concatenation has been successfully finished."
    """
    fields: list[tuple[str, str]] = []
    if not upload.is_final or upload.state is State.COMPLETED:
        fields.append(("Upload-Offset", str(upload.offset)))
    if upload.length is not None:
        fields.append(("Upload-Length", str(upload.length)))
    elif not upload.is_final:
        fields.append(("Upload-Defer-Length", "1"))
    if upload.metadata:
        fields.append(("Upload-Metadata", upload.metadata))
    if upload.concat:
        fields.append(("Upload-Concat", upload.concat))
    return Reply(200, (*_RESUMABLE, *fields, *_expires(upload), *_NO_STORE))


def reply_terminated() -> Reply:
    """Answer DELETE: 204 "confirming that the upload was terminated"."""
    return Reply(204, _RESUMABLE)


def reply_error(error: TusError, *, with_body: bool = True) -> Reply:
    """Answer with a problem document (RFC 9457); `code` is the stable name of the problem. A HEAD request gets none."""
    if not with_body:
        return Reply(error.status, (*_RESUMABLE, *error.headers, *_NO_STORE))
    if error.body is not None:
        return Reply(error.status, (*_RESUMABLE, *error.headers, *_NO_STORE), error.body)
    problem = {
        "type": f"urn:longshore:problem:{error.code}",
        "title": error.title,
        "status": error.status,
        "code": error.code,
        "detail": error.detail,
        **error.members,
    }
    content: Fields = (("Content-Type", "application/problem+json"),)
    return Reply(error.status, (*_RESUMABLE, *error.headers, *content, *_NO_STORE), json.dumps(problem).encode())


def _expires(upload: Upload) -> Fields:
    """Upload-Expires, which "MUST be in RFC 7231 datetime format"."""
    return (("Upload-Expires", http_date(upload.expires_at)),) if upload.expires_at else ()


def http_date(moment: datetime) -> str:
    """An aware datetime as IMF-fixdate."""
    return format_datetime(moment.astimezone(UTC), usegmt=True)
