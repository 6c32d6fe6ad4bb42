"""Digests of a body, computed beside the reading and writing of it: hashlib leaves the interpreter to others."""

import asyncio
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from longshore.protocol.checksum import Digests

WORTH_A_THREAD = 128 * 1024
"""Bytes whose hashing takes longer than handing them to a thread."""

_threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="longshore-hashing")


class Hashing:
    """Digests that may lag behind what they were given. Called from one thread at a time."""

    def __init__(self, algorithms: Sequence[str]) -> None:
        self.digests = Digests(algorithms)
        self._wanted = bool(algorithms)
        self._pending: deque[memoryview] = deque()
        self._changed = threading.Condition()
        self._run: Future[None] | None = None

    def update(self, data: memoryview) -> None:
        """Take more bytes, in order; they must stay as they are until `join` says that they have been hashed."""
        if not self._wanted:
            return
        with self._changed:
            if self._pending or len(data) >= WORTH_A_THREAD:
                self._pending.append(data)
                if len(self._pending) == 1:
                    self._run = _threads.submit(self._hash_pending)
                return
        self.digests.update(data)

    def _hash_pending(self) -> None:
        try:
            while self._pending:
                self.digests.update(self._pending[0])
                if self._is_last():
                    return
        except BaseException:
            with self._changed:
                self._pending.clear()
                self._changed.notify()
            raise

    def _is_last(self) -> bool:
        """Cross off the piece that has been hashed; whether there is no other. Asked and settled under one lock."""
        with self._changed:
            self._pending.popleft()
            self._changed.notify()
            return not self._pending

    def join(self, *, behind: int = 0) -> None:
        """Wait until at most so many of the pieces taken last have not been hashed."""
        if self._pending:
            with self._changed:
                self._changed.wait_for(lambda: len(self._pending) <= behind)

    async def finish(self) -> Digests:
        """The digests of everything."""
        if self._run is not None:
            await asyncio.wrap_future(self._run)
        return self.digests
