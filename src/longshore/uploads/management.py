"""What users do with uploads besides sending and fetching them: look through them, read of them, rename them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from longshore.auth.policy import Action, Visibility, is_shared
from longshore.auth.principal import Role
from longshore.ports import Locker
from longshore.ports.listing import Entry, Happening, Listing, Position, Query
from longshore.protocol.errors import TusError, UploadNotFound, UploadTerminated
from longshore.protocol.lifetime import require_live
from longshore.protocol.metadata import MAX_NAME, last_component, parse_metadata, renamed
from longshore.protocol.upload import Upload
from longshore.uploads.caller import Caller
from longshore.uploads.gate import Gate
from longshore.uploads.leases import leased
from longshore.uploads.records import Records
from longshore.uploads.speed import Speeds

_HISTORY: Final = 100
"""Events that are told of an upload; it has a handful."""


class InvalidName(TusError):
    """The name is not one that a file may have, or would be given back otherwise than it was given."""

    status = 422
    code = "invalid-name"
    title = "Invalid file name"


@dataclass(frozen=True, slots=True)
class Page:
    """A piece of a list, and where to go on; None where the list ends."""

    entries: Sequence[Entry]
    next: Position | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """Everything that is known of an upload."""

    entry: Entry
    speed: float | None
    """Bytes per second, while it is being sent to this process."""
    checksums: Mapping[str, str]
    """Of the whole file, by algorithm, in hexadecimal digits; empty until it is known.

    What clients send along is of single requests, and is not kept.
    """
    history: Sequence[Happening]


class Management:
    """Lists, describes and renames uploads, each for those who may (`auth.policy`)."""

    def __init__(
        self,
        records: Records,
        listing: Listing,
        locker: Locker,
        gate: Gate,
        speeds: Speeds,
        *,
        visibility: Visibility,
        max_metadata_size: int,
        lock_timeout: float,
    ) -> None:
        """`max_metadata_size` is in bytes, `lock_timeout` in seconds."""
        self._records = records
        self._listing = listing
        self._locker = locker
        self._gate = gate
        self._speeds = speeds
        self._visibility = visibility
        self._max_metadata_size = max_metadata_size
        self._lock_timeout = lock_timeout

    async def look_through(self, query: Query, caller: Caller) -> Page:
        """The uploads that the caller may learn of, as the query wants them."""
        viewer = None if caller.principal.role is Role.ADMIN else caller.principal.subject
        shared = self._visibility is Visibility.SHARED
        # One more than was asked for tells whether there are more.
        found = await self._listing.page(replace(query, viewer=viewer, shared=shared, limit=query.limit + 1))
        entries = found[: query.limit]
        return Page(entries, entries[-1].position if len(found) > query.limit else None)

    async def read(self, upload_id: str, caller: Caller) -> Details:
        """What is known of an upload, or of what was one. Raises `UploadNotFound`."""
        entry = await self._find(upload_id)
        caller.require(Action.VIEW, entry.upload.owner, shared=is_shared(entry.upload, self._visibility))
        history = await self._listing.history(upload_id, _HISTORY)
        checksums = {"sha256": entry.upload.sha256} if entry.upload.sha256 else {}
        return Details(entry=entry, speed=self._speeds.of(upload_id), checksums=checksums, history=history)

    async def rename(self, upload_id: str, name: str, caller: Caller) -> Entry:
        """Give a file another name, finished or not; its metadata says so from now on.

        Waits for a transfer that is under way, and leaves it alone: what that tells others when it ends has the name
        that it began with, and they hear of the new one behind it. A name that the file has already changes nothing.
        Raises `InvalidName`, `UploadNotFound`, `UploadGone`, `UploadLocked`, and what hooks raise.
        """
        upload = await self._records.load(upload_id)
        caller.require(Action.RENAME, upload.owner)
        async with leased(self._locker, upload_id, timeout=self._lock_timeout):
            await self._rename(upload_id, name, caller)
        return await self._find(upload_id)

    async def may_read_links(self, upload_id: str, caller: Caller) -> bool:
        """Whether the caller may know of links that others have made to an upload, or of their own alone.

        Raises `UploadNotFound` where they may not know of the upload.
        """
        upload = (await self._find(upload_id)).upload
        caller.require(Action.VIEW, upload.owner, shared=is_shared(upload, self._visibility))
        return caller.may(Action.READ_LINKS, upload.owner)

    async def _find(self, upload_id: str) -> Entry:
        entry = await self._listing.find(upload_id)
        if entry is None:
            raise UploadNotFound
        return entry

    async def _rename(self, upload_id: str, name: str, caller: Caller) -> None:
        upload = await self._records.load(upload_id)
        require_live(upload, self._records.clock())
        changed = self._with_name(upload, name)
        await self._gate.admit_renaming(changed, caller)
        if changed != upload and not await self._records.rename(upload, changed.metadata, caller.request):
            raise UploadTerminated

    def _with_name(self, upload: Upload, name: str) -> Upload:
        if not _is_good(name):
            raise InvalidName(
                f"A name has 1 to {MAX_NAME} printable characters, no slash, and no dot or space at its ends."
            )
        metadata = renamed(upload.metadata, name)
        parse_metadata(metadata, max_size=self._max_metadata_size)
        return replace(upload, metadata=metadata)


def _is_good(name: str) -> bool:
    """Whether a file of that name is given back under the very same."""
    return 0 < len(name) <= MAX_NAME and name.isprintable() and last_component(name) == name == name.strip(" .")
