"""The SHA-256 of completed files, computed in the background: one file at a time, in a thread that steps back.

Which files have none is looked up in the records, so nothing is lost with the process: whatever it leaves undone is
found by a later search.
"""

import asyncio
import hashlib
import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager, closing, suppress
from datetime import timedelta
from typing import Final, TypeVar, TypeVarTuple

from longshore.events import UploadCompleted, UploadEvent
from longshore.ports import Clock, Reader, Store, Uploads
from longshore.ports.digests import Digests, Undigested

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")

logger = logging.getLogger(__name__)

LEFT_TO_OTHERS: Final = timedelta(minutes=5)
"""How long files that another process has completed are left to that one."""

_INTERVAL: Final = 300.0
"""Seconds between searches for files that nobody got to. They cost next to nothing where there are none."""

_RETRY: Final = 3600.0
"""Seconds after which a file that could not be read is tried again."""

_REMEMBERED: Final = 10_000
"""Files that could not be read which are remembered, so that each is logged once."""

_NOTED: Final = 1000
"""Completions that wait here at most; the searches find those that come on top."""

_AT_ONCE: Final = 100
_BYTES_AT_ONCE: Final = 64 * 1024**2
"""Files, and bytes, that are read before their digests are stored: small files must not cost a transaction each."""

_PIECE: Final = 4 * 1024 * 1024
"""Bytes between two times that the thread needs the interpreter's lock."""

_NICENESS: Final = 10
"""Not more: a thread that is hardly ever let run may be holding the interpreter's lock, or be about to be handed it,
and everything else waits for that on a machine that has more to do than this process."""


class Digesting:
    """Computes what is missing, for as long as it is `running`."""

    def __init__(
        self, uploads: Uploads, store: Store, digests: Digests, clock: Clock, *, left_to_others: timedelta
    ) -> None:
        """`left_to_others` is `LEFT_TO_OTHERS`, or nothing where there are no others."""
        self._uploads = uploads
        self._store = store
        self._digests = digests
        self._clock = clock
        self._left_to_others = left_to_others
        self._noted: deque[Undigested] = deque()
        self._woken = asyncio.Event()
        self._stopping = threading.Event()
        self._failed: dict[str, float] = {}

    def note(self, event: UploadEvent) -> None:
        """Take down a file that this process has completed, to be the next. Called on the event loop, as any `Emit`."""
        upload = event.upload
        if isinstance(event, UploadCompleted) and upload.completed_at is not None and len(self._noted) < _NOTED:
            self._noted.append(Undigested(upload.id, upload.offset, upload.completed_at))
            self._woken.set()

    @asynccontextmanager
    async def running(self, interval: float = _INTERVAL) -> AsyncIterator[None]:
        """Compute in the background; searches are `interval` seconds apart. It ends within a piece of a file."""
        self._stopping.clear()
        self._woken = asyncio.Event()
        with ThreadPoolExecutor(1, thread_name_prefix="longshore-digests", initializer=_step_back) as thread:
            task = asyncio.create_task(self._run(thread, interval))
            try:
                yield
            finally:
                self._stopping.set()
                task.cancel()
                await asyncio.wait([task])

    async def _run(self, thread: Executor, interval: float) -> None:
        while True:
            try:
                await self._search(thread)
                await self._follow(thread, interval)
            except Exception:
                logger.exception("checksums could not be computed; it is tried again in %g s", interval)
                await asyncio.sleep(interval)

    async def _search(self, thread: Executor) -> None:
        """See to all files that have none, the newest first, and to those that are completed meanwhile before them."""
        completed_before = self._clock() - self._left_to_others
        after: Undigested | None = None
        while found := await self._digests.missing(completed_before, _AT_ONCE, after=after):
            after = found[-1]
            for files in _portions([file for file in found if not self._has_failed_lately(file)]):
                await self._digest_noted(thread)
                await self._digest(files, thread)

    async def _follow(self, thread: Executor, interval: float) -> None:
        """See to the files that are completed from now on, until it is time for another search."""
        ending = asyncio.get_running_loop().time() + interval
        while True:
            await self._digest_noted(thread)
            try:
                async with asyncio.timeout_at(ending):
                    await self._woken.wait()
            except TimeoutError:
                return
            self._woken.clear()

    async def _digest_noted(self, thread: Executor) -> None:
        for files in _portions(self._take_noted()):
            await self._digest(files, thread)

    def _take_noted(self) -> Iterator[Undigested]:
        while self._noted:
            yield self._noted.popleft()

    async def _digest(self, files: Sequence[Undigested], thread: Executor) -> None:
        digests = {file.upload_id: digest for file in files if (digest := await self._try(file, thread))}
        await self._digests.add(digests)

    async def _try(self, file: Undigested, thread: Executor) -> str | None:
        """The file's digest; None where it cannot be had, which is logged."""
        try:
            digest = await self._read(file, thread)
        except Exception as error:
            await self._fail(file, error)
            return None
        self._failed.pop(file.upload_id, None)
        return digest

    async def _read(self, file: Undigested, thread: Executor) -> str | None:
        with closing(await self._store.open(file.upload_id, file.size)) as reader:
            if reader.descriptor is None:
                return await _hash_pieces(reader, file.size, thread)
            return await _in_thread(thread, self._hash_file, reader.descriptor, file.size)

    def _hash_file(self, descriptor: int, size: int) -> str | None:
        """The digest of an open file; None when there is no time to read it to its end. Runs in the thread.

        Read here and not by the store's threads, so that reading steps back as well, and the event loop has no part in
        it.
        """
        digest = hashlib.sha256()
        buffer = memoryview(bytearray(min(size, _PIECE)))
        position = 0
        while position < size:
            if self._stopping.is_set():
                return None
            count = os.preadv(descriptor, [buffer[: size - position]], position)
            if not count:
                raise EOFError(f"the upload ends at {position}, before {size}")
            digest.update(buffer[:count])
            position += count
        return digest.hexdigest()

    async def _fail(self, file: Undigested, error: Exception) -> None:
        upload = await self._uploads.get(file.upload_id)
        if upload is None or upload.is_gone:
            return
        if self._failed.pop(file.upload_id, None) is None:
            logger.error("upload %s: its SHA-256 cannot be computed: %s", file.upload_id, error)
        self._failed[file.upload_id] = time.monotonic()
        if len(self._failed) > _REMEMBERED:
            del self._failed[next(iter(self._failed))]

    def _has_failed_lately(self, file: Undigested) -> bool:
        failed_at = self._failed.get(file.upload_id)
        return failed_at is not None and time.monotonic() < failed_at + _RETRY


def _portions(files: Iterable[Undigested]) -> Iterator[Sequence[Undigested]]:
    """Divide files, as they come, into as many at a time as are read quickly; a larger one is by itself."""
    portion: list[Undigested] = []
    size = 0
    for file in files:
        if portion and (len(portion) == _AT_ONCE or size + file.size > _BYTES_AT_ONCE):
            yield portion
            portion, size = [], 0
        portion.append(file)
        size += file.size
    if portion:
        yield portion


async def _hash_pieces(reader: Reader, size: int, thread: Executor) -> str:
    digest = hashlib.sha256()
    async with aclosing(reader.read(0, size)) as pieces:
        async for piece in pieces:
            await _in_thread(thread, digest.update, piece)
    return digest.hexdigest()


async def _in_thread(thread: Executor, call: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
    running = asyncio.get_running_loop().run_in_executor(thread, call, *arguments)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        # The file must stay open for as long as the thread reads it.
        await asyncio.wait([running])
        raise


def _step_back() -> None:
    """Have the calling thread run, and read, only when nobody else wants to: on Linux that is a thread's own."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
