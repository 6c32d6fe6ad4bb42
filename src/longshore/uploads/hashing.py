"""Digests of a body, computed beside the reading and writing of it: hashlib leaves the interpreter to others."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from longshore.protocol.checksum import Digests

WORTH_A_THREAD = 128 * 1024
"""Bytes whose hashing takes longer than handing them to a thread."""

_threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="longshore-hashing")


class Hashing:
    """Digests that lag at most one piece behind. Called from one thread at a time."""

    def __init__(self, algorithms: Sequence[str]) -> None:
        self.digests = Digests(algorithms)
        self._wanted = bool(algorithms)
        self._pending: Future[None] | None = None

    def update(self, data: memoryview) -> None:
        """Take more bytes, in order; they must stay as they are until the next call, or until `join` has returned."""
        self.join()
        if not self._wanted:
            return
        if len(data) < WORTH_A_THREAD:
            self.digests.update(data)
        else:
            self._pending = _threads.submit(self.digests.update, data)

    def join(self) -> None:
        """Wait until all that was taken has been hashed."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()

    async def finish(self) -> Digests:
        """The digests of everything."""
        if self._pending is not None:
            await asyncio.wrap_future(self._pending)
        return self.digests
