"""What a receiver is sent: the JSON of tusd v2's HTTP hooks, so that a receiver written for tusd understands it.

Where tusd's documentation and its program differ, this follows the program: before its creation an upload has the ID
"" and the storage null, and the size of a deferred length is 0.
"""

import json
from collections.abc import Collection, Mapping
from typing import Any, Final

from longshore.events import (
    RequestInfo,
    UploadCompleted,
    UploadCreated,
    UploadEvent,
    UploadExpired,
    UploadRejected,
    UploadTerminated,
    carries_credentials,
)
from longshore.protocol.metadata import parse_metadata
from longshore.protocol.upload import Upload

BLOCKING_TYPES: Final = ("pre-create", "pre-finish", "pre-terminate", "post-receive")
"""Hook types whose answer counts for something."""

EVENT_TYPES: Final[Mapping[str, str]] = {
    "post-create": UploadCreated.type,
    "post-finish": UploadCompleted.type,
    "post-terminate": UploadTerminated.type,
    "post-expire": UploadExpired.type,
    "post-reject": UploadRejected.type,
}
"""Hook types that are delivered durably, and the events that they are about. The last two are our own."""

HOOK_TYPES: Final = (*BLOCKING_TYPES, *EVENT_TYPES)

_HOOK_TYPES_OF_EVENTS: Final = {event: hook for hook, event in EVENT_TYPES.items()}


def event_payload(event: UploadEvent) -> str:
    """Write what a receiver is told of an event."""
    said = _event(event.upload, event.request, created=True)
    if isinstance(event, UploadRejected):
        # tusd has no such event. What it has not got, a receiver written for it ignores.
        said["Rejection"] = {"Code": event.code, "Detail": event.detail}
    return _json(_HOOK_TYPES_OF_EVENTS[event.type], said)


def hook_payload(hook_type: str, upload: Upload, request: RequestInfo) -> str:
    """Write what a receiver is asked before something happens, or while it does."""
    return _json(hook_type, _event(upload, request, created=hook_type != "pre-create"))


def without_credentials(request: RequestInfo, keep: Collection[str]) -> RequestInfo:
    """Drop the header fields that hold credentials, except those named in `keep` (in lower case)."""
    headers = tuple((name, value) for name, value in request.headers if name in keep or not carries_credentials(name))
    return RequestInfo(method=request.method, uri=request.uri, remote_address=request.remote_address, headers=headers)


def _json(hook_type: str, event: Mapping[str, Any]) -> str:
    return json.dumps({"Type": hook_type, "Event": event}, separators=(",", ":"))


def _event(upload: Upload, request: RequestInfo, *, created: bool) -> dict[str, Any]:
    return {"Upload": _upload(upload, created=created), "HTTPRequest": _request(request)}


def _upload(upload: Upload, *, created: bool) -> dict[str, Any]:
    return {
        "ID": upload.id if created else "",
        "Size": upload.length or 0,
        "SizeIsDeferred": upload.length is None,
        "Offset": upload.offset,
        "MetaData": _metadata(upload.metadata),
        "IsPartial": upload.is_partial,
        "IsFinal": upload.is_final,
        "PartialUploads": list(upload.parts) or None,
        # Where the bytes are is the server's own business: a receiver gets them by the upload's URL.
        "Storage": {"Type": "longshore"} if created else None,
    }


def _metadata(raw: str) -> dict[str, str]:
    pairs = parse_metadata(raw, max_size=len(raw))
    return {key: value.decode("utf-8", "replace") for key, value in pairs.items()}


def _request(request: RequestInfo) -> dict[str, Any]:
    headers: dict[str, list[str]] = {}
    for name, value in request.headers:
        headers.setdefault(_canonical(name), []).append(value)
    return {
        "Method": request.method,
        "URI": request.uri,
        "RemoteAddr": request.remote_address,
        "Header": headers,
    }


def _canonical(name: str) -> str:
    """Write a header field's name as Go does: X-Http-Method-Override."""
    return "-".join(part[:1].upper() + part[1:].lower() for part in name.split("-"))
