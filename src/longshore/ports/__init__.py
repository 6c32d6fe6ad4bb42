"""The Protocols that rooms are written against, so that adapters can be chosen in `app.py` alone.

Every adapter passes the contract suite of its port (`tests/contracts`).
"""

from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Literal, Protocol

from longshore.events import UploadEvent
from longshore.ports.quotas import Quotas, Usage
from longshore.protocol.upload import Upload

Sink = Callable[[memoryview], None]
"""Takes a piece of a body, in order. Runs in a worker thread and may block; it must not keep the view."""

Fsync = Literal["finish", "always", "never"]
"""When bytes are made to survive a power failure: when an upload is finished, with every commit, or never."""

TRAILERS = "longshore.trailers"
"""Scope extension of our own server: a mapping of trailer fields by lower-case name, filled when the body has ended."""

BODY = "longshore.body"
"""Scope extension of our own server: makes a `Body` that reads from the socket. Only there where that is possible."""

FILE = "longshore.file"
"""Scope extension of our own server: a `SendFile`. Only there where the kernel can send files."""

PATIENCE = "longshore.patience"
"""Scope extension of our own server: a `Patience`."""

Patience = Callable[[float], None]
"""Bounds for how many seconds what was sent on this connection may stay without an answer from the client's machine.

After that the client counts as gone. 0 leaves it to the operating system. Does nothing where there is no such bound.
"""

Clock = Callable[[], datetime]
"""Tells the time as an aware datetime in UTC."""

Emit = Callable[[UploadEvent], None]
"""Tells whoever should know. Called on the event loop, after the commit; never blocks, never raises."""


class StopReason(StrEnum):
    """Why a body ended before its end."""

    DISCONNECTED = "disconnected"
    STALLED = "stalled"
    TAKEN_OVER = "taken-over"
    SHUTTING_DOWN = "shutting-down"
    REFUSED = "refused"


class Body(Protocol):
    """The body of one request, read once."""

    @property
    def stopped(self) -> StopReason | None:
        """Why `feed` returned before the end of the body; None when it did not."""

    @property
    def begun(self) -> bool:
        """Whether the client has been asked for the body; one that sent Expect: 100-continue waits for that."""

    @property
    def complete(self) -> bool:
        """Whether the client has sent the whole body and `feed` has passed all of it on."""

    @property
    def trailers(self) -> Mapping[str, str]:
        """The trailer fields by lower-case name; empty until the body is complete."""

    def take_whole(self) -> memoryview | None:
        """The whole body, where it is small and here already, so that no thread has to wait for it; else None.

        A body that has been taken is complete, and must not be fed any more.
        """

    async def feed(
        self, sink: Sink, *, limit: int | None, heard: Callable[[], None] = lambda: None, keeps: bool = False
    ) -> int:
        """Pass the request's bytes to sink, in order, in large pieces; return how many were passed.

        `heard` is called on the event loop when bytes have come in that wait for company before sink has them. With
        `keeps`, sink may go on reading a piece until its next call has returned; with an empty piece, the body asks
        for the memory back at once.
        sink runs in a worker thread and may block (write, hash, fill a part). At most `limit` bytes are passed when it
        is given. Returns early, without raising, when the client goes away, stalls past the idle timeout, or `stop`
        is called. What sink raises is raised from here.
        """

    def stop(self, reason: StopReason) -> None:
        """Make `feed` return soon, as if the client had gone away. Called on the event loop; the first reason stays."""


class SendFile(Protocol):
    """Sends a piece of a response's body from an open file, without its bytes coming here.

    The response has been started, with a Content-Length, and is ended by a last `http.response.body` as any other.
    """

    async def __call__(self, descriptor: int, start: int, end: int) -> None:
        """Send the bytes from start up to, and without, end; return when the kernel has them all.

        Returns early, without raising, when the client has gone away, or takes nothing for too long. The descriptor
        may be closed as soon as this has returned or raised. Raises `EOFError` when the file ends before, and
        `OSError` when it cannot be read; the response can only be broken off then.
        """


class Reader(Protocol):
    """An upload's bytes, open for reading; they can be read to their end although the upload is removed meanwhile."""

    @property
    def descriptor(self) -> int | None:
        """The open file that they are in, from its start on; None where there is no such file."""

    def read(self, start: int, end: int) -> AsyncGenerator[bytes, None]:
        """Yield the bytes from start up to, and without, end, in pieces of about 1 MiB.

        Raises `EOFError` when there are fewer.
        """

    def close(self) -> None:
        """Let go of them. Nobody reads any more."""


class Writer(Protocol):
    """An upload's bytes, open for appending. Methods block and are called from one worker thread at a time."""

    def write(self, data: memoryview) -> None:
        """Append all of data. Raises `protocol.errors.InsufficientStorage` when the store is full."""

    def sync(self) -> None:
        """Make what was written survive a power failure."""

    def close(self) -> None:
        """Release what the writer holds, after a write that is under way. Never raises, may be called twice."""


class Store(Protocol):
    """Where bytes live. It knows upload ids (made by us, never by a client) and nothing of HTTP, users or hooks."""

    @property
    def concatenates(self) -> bool:
        """Whether `concatenate` works, so that the concatenation extensions may be advertised."""

    async def size(self, upload_id: str) -> int:
        """How many bytes the store holds for the upload; 0 when it knows nothing of it."""

    async def append(self, upload_id: str, offset: int) -> Writer:
        """Open the upload for writing at offset, dropping whatever lies beyond it.

        The upload's file comes into being with the first `append`. Raises `ValueError` when the store holds fewer
        than `offset` bytes, `protocol.errors.InsufficientStorage` when there is no room to create it.
        """

    async def write(self, upload_id: str, offset: int, data: memoryview, *, durable: bool) -> None:
        """Append all of data at offset in one go; with `durable` it survives a power failure before this returns.

        Raises like `append` and `Writer.write`.
        """

    def read(self, upload_id: str, start: int, end: int) -> AsyncGenerator[bytes, None]:
        """Yield the bytes from start up to, and without, end, in pieces of about 1 MiB.

        Raises `EOFError` when the store holds fewer.
        """

    async def open(self, upload_id: str, size: int) -> Reader:
        """Open the upload for reading. Raises `EOFError` when the store holds fewer than `size` bytes."""

    async def concatenate(self, upload_id: str, parts: Sequence[tuple[str, int]], *, durable: bool) -> int:
        """Make the upload's bytes those of the parts in order; return how many that is.

        A part is an upload id and how many bytes from its start to take: what lies beyond is garbage. Parts may
        repeat; the upload itself among them is a `ValueError`. Starts over whatever the upload held before, so that it
        may be called again after a crash. With `durable` the result survives a power failure before this returns.
        Raises `EOFError` when a part holds fewer bytes, `protocol.errors.InsufficientStorage`.
        """

    async def remove(self, upload_id: str) -> None:
        """Remove the upload's bytes; fine when there are none."""

    async def ids(self) -> Collection[str]:
        """Every upload id that the store holds bytes for."""

    async def free_space(self) -> int | None:
        """How many more bytes fit; None where there is no such number."""


class Uploads(Protocol):
    """The upload records. Each call is one transaction, and has been committed when it returns."""

    async def add(
        self,
        upload: Upload,
        *,
        free_space: int | None,
        quotas: Quotas | None = None,
        events: Sequence[UploadEvent] = (),
    ) -> None:
        """Store a new upload, and the events with it.

        With `quotas`, which are its owner's, its length is set aside in the same transaction; raises
        `protocol.errors.QuotaExceeded` where that is too much. A final upload takes its parts' place. With
        `free_space`, raises `protocol.errors.InsufficientStorage` in the same transaction when the upload's length (0
        while unknown) plus what all unfinished uploads still have to receive is more than that many bytes. Raises
        `ValueError` when the id is taken.
        """

    async def get(self, upload_id: str) -> Upload | None:
        """The upload, or its tombstone; None when nothing is known of the id."""

    async def get_many(self, upload_ids: Collection[str]) -> Mapping[str, Upload]:
        """The uploads that are known of, by id."""

    async def checkpoint(self, upload_id: str, offset: int, expires_at: datetime | None) -> bool:
        """Commit the offset of an unfinished upload and move its expiry.

        Returns whether it was unfinished. The offset never moves backwards: a smaller one leaves it as it is. It is the
        caller who sees to it that a checkpoint never reaches the length; beyond it none gets.
        """

    async def reserve(self, upload_id: str, wanted: int, *, quotas: Quotas) -> int:
        """Set bytes aside for an unfinished upload whose length is deferred, until `wanted` are covered in total.

        Returns how many are covered now: as many as the owner's quotas allow, never fewer than before. Raises
        `protocol.errors.QuotaExceeded` when `wanted` is more than before and nothing could be added. What the upload
        has not used is given back when it is saved. An upload that is unknown or not unfinished is covered.
        """

    async def usage(self, owner: str) -> Usage:
        """What the owner has used of quotas, now."""

    async def save(self, upload: Upload, *, events: Sequence[UploadEvent] = ()) -> bool:
        """Replace offset, length, state and times of an upload whose stored state is unfinished; store the events.

        Returns False, and changes nothing, when it was not: so of two completions one wins.
        """

    async def bury(self, upload: Upload, *, events: Sequence[UploadEvent] = ()) -> bool:
        """Turn a live upload into the tombstone given, whose `expires_at` says when to forget it; store the events.

        What an unfinished upload had set aside of quotas is given back.

        Offset, length, metadata, state and times become the tombstone's; `ValueError` unless its state is a gone one.

        Returns False when the upload was a tombstone already or is unknown. Its bytes are listed by `unpurged` until
        `purged` is called.
        """

    async def rename(self, upload_id: str, metadata: str, *, events: Sequence[UploadEvent] = ()) -> bool:
        """Replace the metadata of a live upload, and so its name; store the events. Return whether it was live."""

    async def purged(self, upload_id: str) -> None:
        """Note that a tombstone's bytes have been removed."""

    async def unpurged(self, limit: int) -> Sequence[str]:
        """Ids of tombstones whose bytes have not been noted as removed."""

    async def finals_of(self, part_id: str) -> Sequence[Upload]:
        """The unfinished final uploads that wait for this part."""

    async def unfinished_finals(self, limit: int) -> Sequence[Upload]:
        """Unfinished final uploads all of whose parts are completed: an assembly that a crash may have cut short."""

    async def extend_finals_of(self, part_id: str, expires_at: datetime | None) -> None:
        """Move the expiry of the unfinished finals that wait for this part."""

    async def expired(self, now: datetime, limit: int) -> Sequence[Upload]:
        """Unfinished and completed uploads whose `expires_at` has passed, the oldest first."""

    async def forget(self, now: datetime, limit: int) -> int:
        """Delete up to `limit` purged tombstones whose `expires_at` has passed; return how many it was."""

    async def known(self, upload_ids: Collection[str]) -> Collection[str]:
        """Which of these ids have a record that is not a tombstone."""


class Lease(Protocol):
    """The right to change one upload, held by one request."""

    upload_id: str

    def admit(self, position: int) -> None:
        """Note that the holder may change the upload, and where that stands. Event loop only."""

    def busy(self) -> None:
        """Note that bytes came in and are being worked on: however long that takes, until `advance` we are not quiet.

        Any thread.
        """

    def advance(self, position: int) -> None:
        """Note that bytes came in, and where the upload would stand if the holder were stopped now. Any thread."""

    async def release(self) -> None:
        """Give the lease up; waiting newcomers go on. May be called twice."""


class Holder(Protocol):
    """What a newcomer may know of the request that holds the lease."""

    @property
    def position(self) -> int:
        """The offset at which the upload would stand if the holder were stopped now."""

    @property
    def quiet_for(self) -> float:
        """Seconds since the holder last received anything."""


class Locker(Protocol):
    """One writer per upload. Leases die with their process."""

    async def acquire(
        self,
        upload_id: str,
        *,
        position: int | None,
        stop: Callable[[], None],
        may_take: Callable[[Holder], bool],
        timeout: float,
    ) -> Lease:
        """Take the lease, asking its holder to stop where `may_take(holder)` says so.

        Without a `position` nobody knows yet whether this request may do anything to the upload: newcomers wait for
        `admit` or `release`, and do not judge by it.

        `stop` is how a later newcomer asks us to stop; it is called on the event loop. `may_take` is asked again
        whenever the lease changed hands while we waited; what it raises is raised from here. When it returns False the
        holder is left alone and we wait. Raises `protocol.errors.UploadLocked` after `timeout` seconds (at once for 0
        when somebody holds it).
        """

    async def quiesce(self, upload_id: str, *, quiet_for: float, timeout: float) -> bool:
        """If a holder has received nothing for `quiet_for` seconds, ask it to stop and wait until it has released.

        Returns whether there was one to wait for; at once when nobody holds the lease or the holder is lively. Raises
        `protocol.errors.UploadLocked` after `timeout` seconds.
        """
