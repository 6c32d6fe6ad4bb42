"""Bytes in memory: for tests, and for servers whose uploads need not outlive the process."""

import threading
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import closing

from longshore.protocol.errors import InsufficientStorage

PIECE = 1024 * 1024
"""Bytes that `read` yields at a time."""


class MemoryStore:
    """A `ports.Store` in a dictionary. With `capacity`, no more than that many bytes fit, all uploads together."""

    concatenates = True

    def __init__(self, *, capacity: int | None = None) -> None:
        self._capacity = capacity
        self._uploads: dict[str, bytearray] = {}
        # Writers run in worker threads, and two of them must not both take the last byte.
        self._lock = threading.Lock()

    async def size(self, upload_id: str) -> int:
        """How many bytes are held for the upload; 0 when there is none."""
        return len(self._uploads.get(upload_id, b""))

    async def append(self, upload_id: str, offset: int) -> "MemoryWriter":
        """Open the upload for writing at offset. Raises `ValueError` when it holds fewer bytes than that."""
        with self._lock:
            held = self._uploads.get(upload_id, bytearray())
            if len(held) < offset:
                raise ValueError(f"upload {upload_id} holds {len(held)} bytes, fewer than {offset}")
            del held[offset:]
            self._uploads[upload_id] = held
        return MemoryWriter(self, held)

    async def write(self, upload_id: str, offset: int, data: memoryview, *, durable: bool) -> None:
        """Append all of data at offset; `durable` promises nothing more here. Raises as `append` and its writer do."""
        with closing(await self.append(upload_id, offset)) as writer:
            writer.write(data)
            if durable:
                writer.sync()

    def read(self, upload_id: str, start: int, end: int) -> AsyncGenerator[bytes, None]:
        """Yield the bytes from start to end in pieces. Raises `EOFError` when there are fewer."""
        return MemoryReader(self._uploads.get(upload_id, bytearray())).read(start, end)

    async def open(self, upload_id: str, size: int) -> "MemoryReader":
        """Open the upload for reading. Raises `EOFError` when it holds fewer than `size` bytes."""
        held = self._uploads.get(upload_id, bytearray())
        if len(held) < size:
            raise EOFError(f"upload {upload_id} holds {len(held)} bytes, fewer than {size}")
        return MemoryReader(held)

    async def concatenate(self, upload_id: str, parts: Sequence[tuple[str, int]], *, durable: bool) -> int:
        """Make the upload's bytes those of the parts; `durable` promises nothing more here.

        Raises `EOFError`, `protocol.errors.InsufficientStorage`, and `ValueError` for an upload among its own parts.
        """
        if any(part_id == upload_id for part_id, _ in parts):
            raise ValueError(f"upload {upload_id} is among its own parts")
        with self._lock:
            self._uploads.pop(upload_id, None)
            whole = bytearray().join(self._beginning(part_id, size) for part_id, size in parts)
            if len(whole) > self._room(len(whole)):
                raise InsufficientStorage
            self._uploads[upload_id] = whole
        return len(whole)

    def _beginning(self, part_id: str, size: int) -> bytes:
        held = bytes(self._uploads.get(part_id, b"")[:size])
        if len(held) < size:
            raise EOFError(f"part {part_id} holds {len(held)} bytes, fewer than {size}")
        return held

    async def remove(self, upload_id: str) -> None:
        """Remove the upload's bytes, if there are any."""
        with self._lock:
            self._uploads.pop(upload_id, None)

    async def ids(self) -> Collection[str]:
        """The ids of all uploads that were appended to or concatenated, and not removed since."""
        return list(self._uploads)

    async def free_space(self) -> int | None:
        """What is left of the capacity; None without one."""
        if self._capacity is None:
            return None
        with self._lock:
            return self._room(0)

    def extend(self, held: bytearray, data: memoryview) -> None:
        """Add as much of data as fits; raise `protocol.errors.InsufficientStorage` when that is not all, as a disk."""
        with self._lock:
            room = self._room(len(data))
            held += data[:room]
        if room < len(data):
            raise InsufficientStorage

    def _room(self, wanted: int) -> int:
        if self._capacity is None:
            return wanted
        return max(0, self._capacity - sum(map(len, self._uploads.values())))


class MemoryReader:
    """A `ports.Reader` of an upload's bytes, which stay as long as it does."""

    descriptor = None

    def __init__(self, held: bytearray) -> None:
        self._held = held

    async def read(self, start: int, end: int) -> AsyncGenerator[bytes, None]:
        """Yield the bytes from start to end in pieces. Raises `EOFError` when there are fewer."""
        for position in [end, *range(start, end, PIECE)]:
            if len(self._held) < end:  # Before the first piece, and again when an append has cut it off since.
                raise EOFError(f"the upload holds {len(self._held)} bytes, fewer than {end}")
            if position < end:
                yield bytes(self._held[position : min(position + PIECE, end)])

    def close(self) -> None:
        """Let go of the bytes."""
        self._held = bytearray()


class MemoryWriter:
    """A `ports.Writer` that adds to an upload of a `MemoryStore`."""

    def __init__(self, store: MemoryStore, held: bytearray) -> None:
        self._store = store
        self._held: bytearray | None = held

    def write(self, data: memoryview) -> None:
        """Add all of data. Raises `protocol.errors.InsufficientStorage`, or `ValueError` when closed."""
        if self._held is None:
            raise ValueError("the writer is closed")
        self._store.extend(self._held, data)

    def sync(self) -> None:
        """Nothing in memory survives a power failure."""

    def close(self) -> None:
        """Let go of the upload."""
        self._held = None
