"""Uploads as the API shows them, and what it takes of them. Sizes are bytes, durations seconds, moments RFC 3339."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from longshore.http.api.cursors import LONGEST
from longshore.http.api.values import Asked, Given, Moment, Seconds, Shown, Text
from longshore.ports.listing import Entry, Kind, Sort
from longshore.protocol.upload import State, Upload
from longshore.uploads.management import Details

MAX_LIMIT = 200


class Composition(StrEnum):
    """What an upload is in the terms of the concatenation extension."""

    REGULAR = "regular"
    PARTIAL = "partial"
    FINAL = "final"


class Owner(Shown):
    """Who created an upload."""

    id: str = Field(description="The subject of their tokens.")
    name: str | None = Field(description="The user name; null for users of an external issuer.")


class UploadSummary(Shown):
    """An upload in a list."""

    id: str
    url: str = Field(description="Where it is sent to by tus, and fetched from by GET: a path from the root, or a URL.")
    state: State
    kind: Composition
    offset: int = Field(ge=0, description="Bytes that have arrived and been committed.")
    length: int | None = Field(ge=0, description="Bytes that it is to have; null while that is not known.")
    name: str | None = Field(description="The file's name, from `filename` or `name` in its metadata.")
    type: str | None = Field(description="The media type that the client gave, in lower case.")
    owner: Owner | None = Field(description="Null where nobody had to say who they are.")
    created_at: datetime
    completed_at: datetime | None
    expires_at: datetime | None = Field(description="When it is removed; of one that is gone, when it is forgotten.")


class Event(Shown):
    """Something that happened to an upload."""

    type: str = Field(description="`created`, `completed`, `renamed`, `terminated`, `expired` or `rejected`.")
    time: datetime


class UploadDetails(UploadSummary):
    """Everything that is known of an upload."""

    speed: float | None = Field(
        description="Bytes per second while it is being sent, from one commit to the next; null where that is not so."
    )
    checksums: dict[str, str] = Field(
        description="Checksums of the whole file by algorithm, in hexadecimal digits: `sha256`, a while after the file"
        " was completed where the server computes it (`checksum` in the configuration); empty until it is known."
    )
    history: list[Event] = Field(description="What happened to it, as long as events are kept.")


class UploadPage(Shown):
    """A piece of a list."""

    uploads: list[UploadSummary]
    next: str | None = Field(description="The `cursor` to go on with; null at the end of the list.")


MediaType = Annotated[str, Field(max_length=201, pattern=r"^[A-Za-z0-9!#$&^_.+-]+/([A-Za-z0-9!#$&^_.+-]+|\*)$")]


class ListQuery(Asked):
    """What to list, and in which order."""

    state: list[State] = Field(
        default=[State.UNFINISHED, State.COMPLETED], description="May be given several times.", max_length=4
    )
    kind: Kind = Field(Kind.FILE, description="`file` leaves out the parts that only count inside a final upload.")
    owner: Text | None = Field(None, description="A user's id, or `me`.")
    name: Text | None = Field(None, description="A part of the name, without regard to capitals.")
    type: MediaType | None = Field(None, description="A media type, or all of a kind as `image/*`.")
    created_after: Moment | None = Field(None, description="Created then or later.")
    created_before: Moment | None = Field(None, description="Created earlier than that.")
    completed_after: Moment | None = Field(None, description="Completed then or later.")
    completed_before: Moment | None = Field(None, description="Completed earlier than that.")
    sort: Sort = Field(Sort.CREATED_AT, description="`completed_at` leaves out what has not been completed.")
    order: Literal["asc", "desc"] = "desc"
    cursor: str | None = Field(None, max_length=LONGEST, description="`next` of the page before.")
    limit: int = Field(50, ge=1, le=MAX_LIMIT)


class Renaming(Given):
    """What to change about an upload."""

    name: Text


class CleanupRequest(Given):
    """What to clear away."""

    dry_run: bool = Field(False, description="Tell what would go, and leave it.")
    abandoned_after: Seconds | None = Field(
        None, description="Take unfinished uploads as well that nothing has been sent to for so long."
    )


class CleanupResult(Shown):
    """What was cleared away, or would be."""

    dry_run: bool
    expired: int = Field(description="How many had expired.")
    abandoned: int = Field(description="How many were unfinished, and nothing had been sent to them for so long.")
    bytes: int = Field(description="How many bytes they had received.")
    more: bool = Field(description="Whether there is more than is done at a time: ask again.")
    uploads: list[UploadSummary] = Field(description="The uploads; of what has been removed none are listed.")


def summary(entry: Entry, url: str) -> UploadSummary:
    """Show an upload as in a list."""
    return UploadSummary(**_fields(entry, url))


def details(found: Details, url: str) -> UploadDetails:
    """Show all there is of an upload."""
    return UploadDetails(
        **_fields(found.entry, url),
        speed=found.speed,
        checksums=dict(found.checksums),
        history=[Event(type=event.type, time=event.time) for event in found.history],
    )


def _fields(entry: Entry, url: str) -> dict[str, object]:
    upload = entry.upload
    return {
        "id": upload.id,
        "url": url,
        "state": upload.state,
        "kind": _composition(upload),
        "offset": upload.offset,
        "length": upload.length,
        "name": entry.name or None,
        "type": entry.media_type or None,
        "owner": Owner(id=upload.owner, name=entry.owner_name) if upload.owner else None,
        "created_at": upload.created_at,
        "completed_at": upload.completed_at,
        "expires_at": upload.expires_at,
    }


def _composition(upload: Upload) -> Composition:
    if upload.is_partial:
        return Composition.PARTIAL
    return Composition.FINAL if upload.is_final else Composition.REGULAR
