"""What subscribers are told: CloudEvents 1.0 in their JSON format, encoded once however many are told."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from longshore.auth.policy import SHARED_TABLE, TABLE, Action, Verdict, Visibility, Who
from longshore.events import (
    UploadCompleted,
    UploadCreated,
    UploadExpired,
    UploadRejected,
    UploadRenamed,
    UploadTerminated,
)
from longshore.ports.events import StoredEvent
from longshore.protocol.metadata import file_name, media_type
from longshore.protocol.upload import State, Upload

TYPE_PREFIX: Final = "longshore.upload."
PROGRESS: Final = "progress"
"""How far an upload has come. Not stored, and so never replayed."""

_STORED: Final = (UploadCreated, UploadCompleted, UploadRenamed, UploadTerminated, UploadExpired, UploadRejected)

TYPES: Final = frozenset({*(kind.type for kind in _STORED), PROGRESS})
"""What events are called behind `TYPE_PREFIX`."""

_BESIDES: Final = ("code", "detail", "previous_name")
"""What is told of an event besides its upload, where it has that."""

_write_json: Final = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


@dataclass(frozen=True, slots=True, eq=False)
class Message:
    """A message as it is sent to every subscriber who may see it."""

    text: str
    """JSON in one line of ASCII."""
    type: str
    """One of `TYPES`, or what kind of message the hub says for itself."""
    id: int | None = None
    """Where to go on after it; None where it changes nothing about that."""
    upload_id: str = ""
    """Empty in what the hub says for itself."""
    owner: str = ""
    audience: frozenset[Who] = frozenset()
    """Who may see it, by what they are to its owner's uploads."""


def event_message(event: StoredEvent, *, source: str, visibility: Visibility) -> Message:
    """The message about a stored event. `source` is the URI reference that CloudEvents wants."""
    upload = event.data["upload"]
    told = _told(upload) | {key: event.data[key] for key in _BESIDES if key in event.data}
    if event.owner_name is not None:
        told["owner_name"] = event.owner_name
    cloud_event = _cloud_event(str(event.id), source, event.type, event.time, event.upload_id, told)
    shared = visibility is Visibility.SHARED and _is_of_a_file(event.type, upload)
    return Message(_write_json(cloud_event), event.type, event.id, event.upload_id, event.owner, _audience(shared))


def progress_message(upload: Upload, now: datetime, *, source: str) -> Message:
    """The message about how far an upload has come.

    Its id, which CloudEvents demands, is no number: nobody can go on after it.
    """
    told = _told(
        {
            "id": upload.id,
            "owner": upload.owner,
            "created_at": upload.created_at.isoformat(),
            "offset": upload.offset,
            "length": upload.length,
            "metadata": upload.metadata,
            "concat": upload.concat,
            "state": upload.state.value,
            "expires_at": upload.expires_at and upload.expires_at.isoformat(),
            "completed_at": None,
        }
    )
    event_id = f"{PROGRESS}-{upload.id}-{upload.offset}"
    text = _write_json(_cloud_event(event_id, source, PROGRESS, now, upload.id, told))
    return Message(text, PROGRESS, None, upload.id, upload.owner, _audience(False))


def position_message(after: int, current: int) -> Message:
    """Say behind which event it goes on, and which one is the newest."""
    return replace(_own_message("position", after=str(after), current=str(current)), id=after)


def gap_message(after: int) -> Message:
    """Say that some of the events behind this one are not kept any more."""
    return _own_message("gap", after=str(after))


def token_message(expires_at: datetime | None) -> Message:
    """Say until when the token is good."""
    return _own_message("token", expires_at=_moment(expires_at.isoformat()) if expires_at else None)


def _own_message(kind: str, **members: str | None) -> Message:
    return Message(_write_json({"type": kind, **members}), kind)


def _cloud_event(
    event_id: str, source: str, kind: str, time: datetime, upload_id: str, data: Mapping[str, Any]
) -> Mapping[str, Any]:
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": source,
        "type": TYPE_PREFIX + kind,
        "time": _moment(time.astimezone(UTC).isoformat()),
        "subject": upload_id,
        "datacontenttype": "application/json",
        "data": data,
    }


def _told(upload: Mapping[str, Any]) -> dict[str, Any]:
    """What a list of uploads shows. Of the metadata nothing but name and type: the rest is between client and owner."""
    is_gone = upload["state"] in (State.TERMINATED, State.EXPIRED)
    return {
        "id": upload["id"],
        "owner": upload["owner"],
        "name": file_name(upload["metadata"]),
        "media_type": media_type(upload["metadata"]),
        "size": upload["length"],
        "offset": upload["offset"],
        "state": upload["state"],
        "partial": _is_partial(upload),
        "created_at": _moment(upload["created_at"]),
        "completed_at": _moment(upload["completed_at"]),
        # A tombstone's is when it will be forgotten, which concerns nobody.
        "expires_at": None if is_gone else _moment(upload["expires_at"]),
    }


def _moment(written: str | None) -> str | None:
    return written and written.replace("+00:00", "Z")


def _is_partial(upload: Mapping[str, Any]) -> bool:
    return bool(upload["concat"] == "partial")


def _is_of_a_file(kind: str, upload: Mapping[str, Any]) -> bool:
    """Whether it is about a file that was, or is now, there for everybody; a rejected one never was."""
    return kind != UploadRejected.type and upload["completed_at"] is not None and not _is_partial(upload)


def _audience(shared: bool) -> frozenset[Who]:
    return _SHARED_AUDIENCE if shared else _AUDIENCE


def _allowed(row: Mapping[Who, Verdict]) -> frozenset[Who]:
    return frozenset(who for who, verdict in row.items() if verdict is Verdict.ALLOW)


_AUDIENCE: Final = _allowed(TABLE[Action.VIEW])
_SHARED_AUDIENCE: Final = _allowed(SHARED_TABLE[Action.VIEW])
