"""Bytes on a local disk: one file for each upload, at `<directory>/<first two characters of the id>/<id>`.

The directory is nobody else's: directories are made with mode 0700, files with 0600, and a symbolic link at a file's
place is an error. Two characters spread the uploads over at most 4,096 directories.
"""

import asyncio
import errno
import os
import re
import stat
import threading
import time
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import aclosing, closing, suppress
from pathlib import Path
from typing import TypeVar, TypeVarTuple

import anyio.to_thread

from longshore.ports import Fsync
from longshore.protocol.errors import InsufficientStorage
from longshore.stores.copying import copy
from longshore.stores.files import FLAGS, full_is_refused, make_directories, sync_directory, sync_file

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")

PIECE = 1024 * 1024
"""Bytes that `read` yields at a time."""

THREADS = 16
"""Worker threads in which the store opens, reads and removes files at a time."""

PLENTY = 8 * 1024**3
PLENTY_LASTS = 0.25
"""Bytes free beyond the reserve, and seconds for which it is then not asked again: nothing writes so many in a quarter
of a second, and small files would take noticeably longer."""

COPIES = 2
"""Concatenations at a time. They can take minutes, so they have threads of their own and reads never wait for them."""

ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
"""What an upload id looks like. Ids come from our own records, yet no path is made out of anything else."""


class DiskStore:
    """A `ports.Store` below a directory, which is made if need be; raises `OSError` when that cannot be.

    Whoever writes decides when files are synced; with `fsync` "never" directories are left alone too. `reserve` is how
    many bytes are left free for everything else on the file system, the database first of all: neither does
    `free_space` count them, nor are they written.
    """

    concatenates = True

    def __init__(self, directory: Path, *, fsync: Fsync = "finish", reserve: int = 0) -> None:
        self._directory = directory
        self._durable = fsync != "never"
        self._reserve = reserve
        self._room = Room(reserve)
        # An executor of our own: anyio's way to a thread and back costs twice as much, and every small upload goes it.
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="longshore-store")
        self._copies = anyio.CapacityLimiter(COPIES)
        self._lasting: set[str] = set()
        make_directories(directory, durable=self._durable)

    async def size(self, upload_id: str) -> int:
        """How many bytes the upload's file holds; 0 when there is none."""
        # On the loop, not in a thread: every HEAD comes here, the inode is nearly always in memory, and stat was
        # measured at 1 µs (p99 80 µs next to four threads that fsync) where the way to a thread and back takes 136 µs
        # (p99 3,900 µs). After the kernel's caches were dropped it was 4 µs, p99 32 µs.
        try:
            found = os.lstat(self._path(upload_id))
        except FileNotFoundError:
            return 0
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.ELOOP, "not a regular file", upload_id)
        return found.st_size

    async def append(self, upload_id: str, offset: int) -> "DiskWriter":
        """Open the upload's file for writing at offset, making it if need be and cutting off what lies beyond.

        Raises `ValueError` when it holds fewer bytes, `protocol.errors.InsufficientStorage` when it cannot be made.
        """
        return await self._in_thread(self._open, self._path(upload_id), offset)

    async def write(self, upload_id: str, offset: int, data: memoryview, *, durable: bool) -> None:
        """Append all of data at offset: everything that `append` and a writer would do, in one thread's turn."""
        await self._in_thread(self._write, self._path(upload_id), offset, data, durable)

    def read(self, upload_id: str, start: int, end: int) -> AsyncGenerator[bytes, None]:
        """Yield the bytes from start to end in pieces. Raises `EOFError`, before the first piece if it can be known."""
        return self._pieces(self._path(upload_id), start, end)

    async def _pieces(self, path: str, start: int, end: int) -> AsyncGenerator[bytes, None]:
        with closing(self._reader(path, end)) as reader:
            async with aclosing(reader.read(start, end)) as pieces:
                async for piece in pieces:
                    yield piece

    async def open(self, upload_id: str, size: int) -> "DiskReader":
        """Open the upload's file for reading. Raises `EOFError` when it holds fewer than `size` bytes."""
        return self._reader(self._path(upload_id), size)

    def _reader(self, path: str, size: int) -> "DiskReader":
        try:
            # On the loop, for the reasons given in `size`, and so that no cancellation can lose the descriptor.
            descriptor = os.open(path, os.O_RDONLY | FLAGS)
        except FileNotFoundError:
            if size:
                raise EOFError(f"the upload holds nothing, fewer than {size} bytes") from None
            return DiskReader(None, self._threads)
        reader = DiskReader(descriptor, self._threads)
        if os.fstat(descriptor).st_size < size:
            reader.close()
            raise EOFError(f"the upload holds fewer than {size} bytes")
        return reader

    async def concatenate(self, upload_id: str, parts: Sequence[tuple[str, int]], *, durable: bool) -> int:
        """Make the upload's file out of the beginnings of those of the parts; a part of no bytes needs no file.

        Raises `EOFError`, `protocol.errors.InsufficientStorage`, and `ValueError` for an upload among its own parts. A
        half-made file is removed.
        """
        if any(part_id == upload_id for part_id, _ in parts):
            raise ValueError(f"upload {upload_id} is among its own parts")
        path, sources = self._path(upload_id), [(self._path(part_id), size) for part_id, size in parts]
        return await anyio.to_thread.run_sync(self._assemble, path, sources, durable, limiter=self._copies)

    async def remove(self, upload_id: str) -> None:
        """Remove the upload's file, if there is one."""
        # Not made durable: what a power failure brings back is listed by `ids` and removed again.
        with suppress(FileNotFoundError):
            await self._in_thread(os.unlink, self._path(upload_id))

    async def ids(self) -> Collection[str]:
        """The ids of all uploads that have a file; anything else below the directory is passed over."""
        return await self._in_thread(self._scan)

    async def free_space(self) -> int | None:
        """Bytes that are free to this user, without the reserve; never below 0."""
        found = await self._in_thread(os.statvfs, self._directory)
        return max(0, found.f_bavail * found.f_frsize - self._reserve)

    async def _in_thread(self, call: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call, *arguments)

    def _path(self, upload_id: str) -> str:
        # A string: every request comes here, and making a Path takes longer than asking the kernel about it.
        if not ID.fullmatch(upload_id):
            raise ValueError(f"not an upload id: {upload_id!r}")
        return f"{self._directory}/{upload_id[:2]}/{upload_id}"

    def _open(self, path: str, offset: int) -> "DiskWriter":
        if offset:
            try:
                descriptor = os.open(path, os.O_WRONLY | FLAGS)
            except FileNotFoundError:
                raise ValueError(f"the upload holds nothing, fewer than {offset} bytes") from None
        else:
            # Also when the file was there before: whoever made it may have died before its name was durable.
            return DiskWriter(self._create(path, durable=self._durable), 0, self._room)
        writer = DiskWriter(descriptor, offset, self._room)
        try:
            writer.cut()
        except BaseException:
            writer.close()
            raise
        return writer

    def _write(self, path: str, offset: int, data: memoryview, durable: bool) -> None:
        with closing(self._open(path, offset)) as writer:
            writer.write(data)
            if durable:
                writer.sync()

    def _create(self, path: str, *, durable: bool) -> int:
        """Open the file, empty; it is made if need be, in a directory that is made if need be."""
        parent = path.rpartition("/")[0]
        with full_is_refused():
            if durable and parent not in self._lasting:
                # Even if it was there: another thread, or a process that has died, may have just made it.
                make_directories(Path(parent), durable=False)
                sync_directory(self._directory)
                self._lasting.add(parent)
            descriptor = _open_empty(path)
            try:
                if durable:
                    sync_directory(parent)
            except BaseException:
                os.close(descriptor)
                raise
        return descriptor

    def _assemble(self, path: str, parts: Sequence[tuple[str, int]], durable: bool) -> int:
        descriptor = self._create(path, durable=durable)
        try:
            with full_is_refused():
                for part, size in parts:
                    add_part(part, descriptor, size)
                if durable:
                    sync_file(descriptor)
        except BaseException:
            Path(path).unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)
        return sum(size for _, size in parts)

    def _scan(self) -> list[str]:
        return [
            entry.name
            for directory in os.scandir(self._directory)
            if directory.is_dir(follow_symlinks=False)
            for entry in os.scandir(directory)
            if ID.fullmatch(entry.name) and entry.name[:2] == directory.name and entry.is_file(follow_symlinks=False)
        ]


class DiskReader:
    """A `ports.Reader` of an open file, which it owns; None for the file of an upload that holds nothing."""

    def __init__(self, descriptor: int | None, threads: Executor) -> None:
        self.descriptor = descriptor
        self._threads = threads

    async def read(self, start: int, end: int) -> AsyncGenerator[bytes, None]:
        """Yield the bytes from start to end in pieces. Raises `EOFError`."""
        loop = asyncio.get_running_loop()
        while start < end:
            if self.descriptor is None:
                raise EOFError(f"there is nothing at {start}")
            piece = await loop.run_in_executor(self._threads, os.pread, self.descriptor, min(PIECE, end - start), start)
            if not piece:
                raise EOFError(f"the upload ends at {start}, before {end}")
            yield piece
            start += len(piece)

    def close(self) -> None:
        """Close the file."""
        # A pread may still be under way if the task was cancelled. It moves no position, nobody gets what it reads.
        descriptor, self.descriptor = self.descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def __del__(self) -> None:
        # A download that was given up before its first byte, or a generator that nobody closed.
        self.close()


class DiskWriter:
    """A `ports.Writer` on an open file, which it owns."""

    def __init__(self, descriptor: int, position: int, room: "Room") -> None:
        self._descriptor: int | None = descriptor
        self._position = position
        self._room = room
        # A caller that was cancelled may close while its write still runs in a thread. Unlocked, the number of the
        # descriptor could by then belong to another upload's file, and the rest of the write would go there.
        self._lock = threading.Lock()

    def cut(self) -> None:
        """Drop what lies beyond the writer's position. Raises `ValueError` when the file ends before it."""
        held = os.fstat(self._opened()).st_size
        if held < self._position:
            raise ValueError(f"{held} bytes are held, fewer than {self._position}")
        if held > self._position:
            os.ftruncate(self._opened(), self._position)

    def write(self, data: memoryview) -> None:
        """Append all of data. Raises `protocol.errors.InsufficientStorage`, `OSError`, or `ValueError` when closed."""
        with self._lock, full_is_refused():
            descriptor = self._opened()
            self._room.require(descriptor, len(data))
            while data:
                count = os.pwrite(descriptor, data, self._position)
                self._position += count
                data = data[count:]

    def sync(self) -> None:
        """Wait until the disk has what was written. Raises as `write` does."""
        with self._lock, full_is_refused():
            sync_file(self._opened())

    def close(self) -> None:
        """Close the file, after the write that may be under way."""
        with self._lock:
            descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with suppress(OSError):  # Bytes that must be on the disk were synced, and that has raised.
                os.close(descriptor)

    def __del__(self) -> None:
        # The writer that a cancelled `append` opened all the same is in nobody's hands.
        self.close()

    def _opened(self) -> int:
        if self._descriptor is None:
            raise ValueError("the writer is closed")
        return self._descriptor


class Room:
    """Sees to it that `reserve` bytes of a file system stay free, but for the pieces that are under way. Any thread."""

    def __init__(self, reserve: int) -> None:
        self._reserve = reserve
        self._plenty_until = 0.0

    def require(self, descriptor: int, size: int) -> None:
        """Raise `protocol.errors.InsufficientStorage` when size more bytes would leave less than the reserve free."""
        if not self._reserve or (now := time.monotonic()) < self._plenty_until:
            return
        found = os.fstatvfs(descriptor)
        free = found.f_bavail * found.f_frsize - self._reserve
        if free < size:
            raise InsufficientStorage
        if free > PLENTY:
            self._plenty_until = now + PLENTY_LASTS


def _open_empty(path: str) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | FLAGS
    try:
        return os.open(path, flags, 0o600)
    except FileNotFoundError:
        make_directories(Path(path).parent, durable=False)
        return os.open(path, flags, 0o600)


def add_part(part: str, target: int, size: int) -> None:
    """Copy the first size bytes of a part's file to where target stands. Raises `EOFError` when it holds fewer."""
    try:
        source = os.open(part, os.O_RDONLY | FLAGS)
    except FileNotFoundError:
        if size:
            raise EOFError(f"a part holds nothing, fewer than {size} bytes") from None
        return
    try:
        copy(source, target, size)
    finally:
        os.close(source)
