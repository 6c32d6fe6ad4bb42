"""Reading a request head: from header fields to an intent, or a refusal before anything is processed."""

from collections.abc import Callable
from urllib.parse import urlsplit

from longshore.protocol.capabilities import VERSION, Capabilities
from longshore.protocol.checksum import parse_checksum
from longshore.protocol.errors import (
    ContentTypeUnsupported,
    ExtensionUnsupported,
    FinalUpload,
    InvalidChecksum,
    InvalidConcat,
    InvalidHeader,
    MethodNotAllowed,
    VersionUnsupported,
)
from longshore.protocol.intents import (
    Append,
    BodyHead,
    Concatenate,
    Create,
    Inspect,
    Intent,
    Options,
    RequestHead,
    Terminate,
)
from longshore.protocol.metadata import parse_metadata

OFFSET_STREAM = "application/offset+octet-stream"

_WHITESPACE = " \t"
"""What HTTP takes for white space around a field value (RFC 9110, section 5.6.3)."""

_MAX_DIGITS = 40
"""More digits than any size has; reading longer numbers would only cost time."""


def effective_method(head: RequestHead) -> str:
    """The method to act on.

    X-HTTP-Method-Override "MUST be interpreted as the request's method by the Server, if the header is presented. The
    actual method of the request MUST be ignored."
    """
    return head.headers.get("x-http-method-override", head.method).strip().upper()


def parse_request(head: RequestHead, capabilities: Capabilities) -> Intent:
    """Read a request head; raise a `TusError` where it cannot be followed.

    GET is no part of tus and never comes here.
    """
    method = effective_method(head)
    if method == "OPTIONS":
        return Options()
    _require_version(head)
    parsers = _CREATION_URL if head.resource is None else _UPLOAD_URL
    if method not in parsers or (method == "DELETE" and not capabilities.offers("termination")):
        raise method_not_allowed(head, capabilities)
    return parsers[method](head, capabilities)


def method_not_allowed(head: RequestHead, capabilities: Capabilities) -> MethodNotAllowed:
    """The refusal of a method that the URL does not know, saying which ones it does."""
    delete = "DELETE, " if capabilities.offers("termination") else ""
    allowed = "POST, OPTIONS" if head.resource is None else f"HEAD, PATCH, {delete}GET, OPTIONS"
    return MethodNotAllowed(
        f"{effective_method(head)[:20]} is not allowed here; use {allowed}.", headers=(("Allow", allowed),)
    )


def _require_version(head: RequestHead) -> None:
    """If the version "is not supported by the Server, it MUST respond with the 412 Precondition Failed status"."""
    if head.headers.get("tus-resumable") != VERSION:
        raise VersionUnsupported(f"Send Tus-Resumable: {VERSION}.", headers=(("Tus-Version", VERSION),))


def _parse_post(head: RequestHead, capabilities: Capabilities) -> Create | Concatenate:
    metadata = head.headers.get("upload-metadata", "").strip(_WHITESPACE)
    parse_metadata(metadata, max_size=capabilities.max_metadata_size)
    concat = head.headers.get("upload-concat")
    if concat is not None and not capabilities.offers("concatenation"):
        raise ExtensionUnsupported("Concatenation is not available here.")
    if concat is None or concat == "partial":
        return _parse_create(head, capabilities, metadata=metadata, partial=concat is not None)
    return _parse_concatenate(head, concat, metadata)


def _parse_create(head: RequestHead, capabilities: Capabilities, *, metadata: str, partial: bool) -> Create:
    body = _parse_body(head, capabilities) if _has_body(head) else None
    if body and not capabilities.offers("creation-with-upload"):
        raise ExtensionUnsupported("Create the upload without a body, then send PATCH.")
    return Create(length=_parse_new_length(head, capabilities), metadata=metadata, partial=partial, body=body)


def _parse_new_length(head: RequestHead, capabilities: Capabilities) -> int | None:
    length, deferred = head.headers.get("upload-length"), head.headers.get("upload-defer-length")
    if (length is None) == (deferred is None):
        raise InvalidHeader("Send exactly one of Upload-Length and Upload-Defer-Length.", header="Upload-Length")
    if length is not None:
        return _parse_size("Upload-Length", length)
    if deferred != "1":
        raise InvalidHeader("Upload-Defer-Length must be 1.", header="Upload-Defer-Length")
    if not capabilities.offers("creation-defer-length"):
        raise ExtensionUnsupported("The length cannot be deferred here; send Upload-Length.")
    return None


def _parse_concatenate(head: RequestHead, concat: str, metadata: str) -> Concatenate:
    """Upload-Concat "MUST be `final` followed by a semicolon and a space-separated list of the partial upload URLs"."""
    kind, separator, urls = concat.partition(";")
    if kind != "final" or not separator or not (urls.isascii() and urls.replace("\t", " ").isprintable()):
        raise InvalidConcat("Upload-Concat must be 'partial' or 'final;' and the URLs of the partial uploads.")
    if "upload-length" in head.headers or "upload-defer-length" in head.headers:
        raise InvalidConcat("A final upload's length follows from its parts; send neither length header.")
    if _has_body(head):
        raise FinalUpload
    parts = tuple(_upload_id(url) for url in urls.replace("\t", " ").split(" ") if url)
    if not parts:
        raise InvalidConcat("Upload-Concat names no partial upload.")
    return Concatenate(parts=parts, concat=concat, metadata=metadata)


def _upload_id(url: str) -> str:
    """The id that an absolute or relative upload URL ends with.

    The host and the path before the id are whatever the client reached us by (a proxy may rewrite both), so they say
    nothing.
    """
    try:
        upload_id = urlsplit(url).path.rsplit("/", 1)[-1]
    except ValueError:
        upload_id = ""
    if not upload_id:
        raise InvalidConcat("Upload-Concat has something that is no upload URL.")
    return upload_id


def _parse_inspect(head: RequestHead, _: Capabilities) -> Inspect:
    return Inspect(resource=head.resource or "")


def _parse_append(head: RequestHead, capabilities: Capabilities) -> Append:
    body = _parse_body(head, capabilities)
    if "upload-offset" not in head.headers:
        raise InvalidHeader("Upload-Offset is missing.", header="Upload-Offset")
    length = head.headers.get("upload-length")
    return Append(
        resource=head.resource or "",
        offset=_parse_size("Upload-Offset", head.headers["upload-offset"]),
        length=None if length is None else _parse_size("Upload-Length", length),
        body=body,
    )


def _parse_terminate(head: RequestHead, _: Capabilities) -> Terminate:
    return Terminate(resource=head.resource or "")


def _has_body(head: RequestHead) -> bool:
    return "transfer-encoding" in head.headers or head.headers.get("content-length", "0").strip(_WHITESPACE) != "0"


def _parse_body(head: RequestHead, capabilities: Capabilities) -> BodyHead:
    """Read what the head says of a body of bytes to append.

    "All PATCH requests MUST use Content-Type: application/offset+octet-stream, otherwise the server SHOULD return a
    415 Unsupported Media Type status."
    """
    content_type = head.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() != OFFSET_STREAM:
        raise ContentTypeUnsupported
    checksum = head.headers.get("upload-checksum")
    in_trailer = "upload-checksum" in _trailer_names(head)
    if checksum is not None and in_trailer:
        raise InvalidChecksum("Send Upload-Checksum as a header or as a trailer, not as both.")
    if in_trailer and "transfer-encoding" not in head.headers:
        raise InvalidChecksum("Trailers come with a chunked body only; send Upload-Checksum as a header.")
    if in_trailer and not capabilities.offers("checksum-trailer"):
        raise ExtensionUnsupported("Trailers do not reach this server; send Upload-Checksum as a header.")
    return BodyHead(
        length=_body_length(head),
        checksum=None if checksum is None else parse_checksum(checksum),
        checksum_in_trailer=in_trailer,
    )


def _trailer_names(head: RequestHead) -> set[str]:
    """The trailers to come, which "MUST be announced using the Trailer header"."""
    return {name.strip().lower() for name in head.headers.get("trailer", "").split(",")}


def _body_length(head: RequestHead) -> int | None:
    if "transfer-encoding" in head.headers:
        return None
    return _parse_size("Content-Length", head.headers.get("content-length", "0"))


def _parse_size(name: str, value: str) -> int:
    """Read a "non-negative integer" of plain ASCII digits; raise `InvalidHeader`."""
    digits = value.strip(_WHITESPACE)
    if not (digits.isascii() and digits.isdigit() and len(digits) <= _MAX_DIGITS):
        raise InvalidHeader(f"{name} must be a non-negative integer.", header=name)
    return int(digits)


_Parser = Callable[[RequestHead, Capabilities], Intent]
_CREATION_URL: dict[str, _Parser] = {"POST": _parse_post}
_UPLOAD_URL: dict[str, _Parser] = {"HEAD": _parse_inspect, "PATCH": _parse_append, "DELETE": _parse_terminate}
