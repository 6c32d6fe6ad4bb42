"""What the tus endpoint takes and gives, for the OpenAPI document; `protocol/` is what decides."""

from collections.abc import Sequence
from typing import Final

from longshore.downloads.conditions import PreconditionFailed
from longshore.downloads.links import LinkExpired, LinkGone, LinkInvalid, LinkUsedUp
from longshore.downloads.ranges import RangeNotSatisfiable
from longshore.http.operations import Answer, Content, Operation, Parameter, Schema
from longshore.http.reading import HeadTooLarge
from longshore.ports.hooks import HookRefused
from longshore.protocol.capabilities import CHECKSUM_ALGORITHMS, MAX_OFFSET, VERSION, Capabilities
from longshore.protocol.errors import (
    BodyStalled,
    ChecksumAlgorithmUnsupported,
    ChecksumMismatch,
    ContentTypeUnsupported,
    ExtensionUnsupported,
    FinalUpload,
    FormatNotAllowed,
    InsufficientStorage,
    InvalidChecksum,
    InvalidConcat,
    InvalidHeader,
    InvalidMetadata,
    LengthConflict,
    LengthExceeded,
    MetadataTooLarge,
    OffsetConflict,
    QuotaExceeded,
    ShuttingDown,
    TooLarge,
    TusError,
    UploadExpired,
    UploadLocked,
    UploadNotFound,
    UploadTakenOver,
    UploadTerminated,
    UploadUnfinished,
    VersionUnsupported,
)
from longshore.protocol.parse import OFFSET_STREAM

_SIZE: Final[Schema] = {"type": "integer", "minimum": 0, "maximum": MAX_OFFSET}
_CHECKSUM: Final[Schema] = {
    "type": "string",
    "pattern": f"^({'|'.join(CHECKSUM_ALGORITHMS)}) [A-Za-z0-9+/]+={{0,2}}$",
}
_METADATA: Final[Schema] = {"type": "string"}
_ONE: Final[Schema] = {"const": "1"}

_UPLOAD_ID = Parameter(name="upload_id", where="path", description="The upload's id.", required=True)
_RESUMABLE = Parameter(
    name="Tus-Resumable", description="The version of tus.", required=True, schema={"const": VERSION}
)
_SENT_OFFSET = Parameter(name="Upload-Offset", description="Where the upload stands.", required=True, schema=_SIZE)
_OFFSET = Parameter(name="Upload-Offset", description="Bytes that are there.", schema=_SIZE)
_LENGTH = Parameter(name="Upload-Length", description="Bytes that it is to have.", schema=_SIZE)
_DEFER = Parameter(name="Upload-Defer-Length", description="The length is not known yet.", schema=_ONE)
_PAIRS = Parameter(
    name="Upload-Metadata", description="Pairs of a key and a value in Base64, with commas between.", schema=_METADATA
)
_CONCAT = Parameter(name="Upload-Concat", description="`partial`, or `final;` and the URLs of the parts.")
_SENT_CHECKSUM = Parameter(
    name="Upload-Checksum", description="Algorithm and checksum of the body, in Base64.", schema=_CHECKSUM
)
_EXPIRES = Parameter(name="Upload-Expires", description="When the upload expires.")
_GOES_ON = Parameter(name="Location", description="The upload's URL.", required=True)
_ANSWERED = (_RESUMABLE,)

_BODY = Content(media_types=(OFFSET_STREAM,), required=False)
_FILE = Content(media_types=("*/*",))

_MISTAKES = (VersionUnsupported, InvalidHeader, HeadTooLarge)
_GONE = (UploadNotFound, UploadTerminated, UploadExpired)
_SENDING = (
    *(InvalidChecksum, ChecksumAlgorithmUnsupported, ChecksumMismatch, ContentTypeUnsupported, LengthExceeded),
    *(TooLarge, QuotaExceeded, InsufficientStorage, FormatNotAllowed, HookRefused, BodyStalled, ShuttingDown),
    UploadTakenOver,
)
_CREATING = (InvalidMetadata, MetadataTooLarge, InvalidConcat, ExtensionUnsupported, FinalUpload, UploadLocked)


def tus_operations(base_path: str, capabilities: Capabilities) -> list[Operation]:
    """What the endpoint at this path does, with these capabilities."""
    upload = f"{base_path}/{{upload_id}}"
    operations = [
        *_options(base_path, upload),
        _creation(base_path),
        _inspection(upload),
        _appending(upload),
        _download(upload),
    ]
    return [*operations, _termination(upload)] if capabilities.offers("termination") else operations


def _options(base_path: str, upload: str) -> Sequence[Operation]:
    headers = (
        Parameter(name="Tus-Version", description="The versions of tus.", required=True),
        Parameter(name="Tus-Extension", description="The extensions."),
        Parameter(name="Tus-Max-Size", description="Bytes of an upload, at most.", schema=_SIZE),
        Parameter(name="Tus-Checksum-Algorithm", description="The algorithms."),
    )
    answer = Answer(description="What the server can do.", headers=(*_ANSWERED, *headers))
    return [
        Operation(
            method="OPTIONS",
            path=path,
            id=name,
            tag="tus",
            summary="Read what the server can do",
            parameters=(_UPLOAD_ID,) if path == upload else (),
            answers={200: answer},
            errors=(HeadTooLarge,),
            access="open",
        )
        for path, name in ((base_path, "readCapabilities"), (upload, "readCapabilitiesOfUpload"))
    ]


def _creation(path: str) -> Operation:
    return Operation(
        method="POST",
        path=path,
        id="createUpload",
        tag="tus",
        summary="Create an upload",
        description="Of a given or a deferred length, perhaps with the first bytes; or of partial uploads. Any other"
        " method can be sent as POST with X-HTTP-Method-Override.",
        parameters=(_RESUMABLE, _LENGTH, _DEFER, _PAIRS, _CONCAT, _SENT_CHECKSUM),
        body=_BODY,
        answers={
            201: Answer(description="The upload is there.", headers=(*_ANSWERED, _GOES_ON, _OFFSET, _EXPIRES)),
        },
        errors=(*_MISTAKES, *_CREATING, *_SENDING, *_GONE),
    )


def _inspection(path: str) -> Operation:
    headers = (*_ANSWERED, _OFFSET, _LENGTH, _DEFER, _PAIRS, _CONCAT, _EXPIRES)
    return Operation(
        method="HEAD",
        path=path,
        id="inspectUpload",
        tag="tus",
        summary="Ask where an upload stands",
        description="Without Tus-Resumable, of a completed upload: what GET would answer, without the file. What"
        " passes is answered with 423, because clients give up after other errors.",
        parameters=(_UPLOAD_ID, _RESUMABLE),
        answers={200: Answer(description="Where it stands.", headers=headers)},
        errors=(*_MISTAKES, *_GONE, UploadLocked),
    )


def _appending(path: str) -> Operation:
    return Operation(
        method="PATCH",
        path=path,
        id="appendToUpload",
        tag="tus",
        summary="Append to an upload",
        parameters=(_UPLOAD_ID, _RESUMABLE, _SENT_OFFSET, _LENGTH, _SENT_CHECKSUM),
        body=_BODY,
        answers={204: Answer(description="What arrived is committed.", headers=(*_ANSWERED, _OFFSET, _EXPIRES))},
        errors=(*_MISTAKES, *_GONE, *_SENDING, LengthConflict, FinalUpload, OffsetConflict, UploadLocked),
    )


def _termination(path: str) -> Operation:
    return Operation(
        method="DELETE",
        path=path,
        id="terminateUpload",
        tag="tus",
        summary="Remove an upload",
        parameters=(_UPLOAD_ID, _RESUMABLE),
        answers={204: Answer(description="It is gone.", headers=_ANSWERED)},
        errors=(*_MISTAKES, *_GONE, UploadLocked, HookRefused),
    )


_DOWNLOAD_HEADERS: Final = (
    Parameter(name="ETag", description="Strong: the bytes of a completed upload never change."),
    Parameter(name="Last-Modified", description="When it was completed."),
    Parameter(name="Accept-Ranges", description="`bytes`"),
    Parameter(name="Content-Disposition", description="The file's name (RFC 6266)."),
    Parameter(name="Repr-Digest", description="The SHA-256 of the whole file (RFC 9530), once it is known."),
)
_DOWNLOAD_ERRORS: Final[tuple[type[TusError], ...]] = (
    *(*_GONE, UploadUnfinished, PreconditionFailed, RangeNotSatisfiable, HeadTooLarge),
    *(LinkInvalid, LinkGone, LinkExpired, LinkUsedUp),
)


def _download(path: str) -> Operation:
    conditions = ("If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range")
    return Operation(
        method="GET",
        path=path,
        id="download",
        tag="downloads",
        summary="Fetch a file",
        description="Ranges and conditions are those of RFC 9110, sections 13 and 14.",
        parameters=(
            _UPLOAD_ID,
            Parameter(name="link", where="query", description="The token of a link, in the place of a bearer token."),
            Parameter(name="inline", where="query", description="Show what is harmless in the browser.", schema=_ONE),
            Parameter(name="Range", description="Which bytes."),
            *(Parameter(name=name, description="A condition.") for name in conditions),
        ),
        answers={
            200: Answer(description="The file.", content=_FILE, headers=_DOWNLOAD_HEADERS),
            206: Answer(description="Some of its bytes.", content=_FILE, headers=_DOWNLOAD_HEADERS),
            304: Answer(description="The client has it already."),
        },
        errors=_DOWNLOAD_ERRORS,
        access="token-or-else",
    )
