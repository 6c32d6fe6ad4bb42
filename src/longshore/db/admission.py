"""Admission to a database: how many calls may wait for it at once, and how it empties before it closes."""

import asyncio

from longshore.protocol.errors import ShuttingDown


class Admission:
    """Lets at most `limit` calls in at a time. Overflow policy: whoever comes on top waits, nobody is dropped.

    Used on one event loop only.
    """

    def __init__(self, limit: int) -> None:
        self._room = asyncio.Semaphore(limit)
        self._inside = 0
        self._closed = False
        self._empty = asyncio.Event()

    async def enter(self) -> None:
        """Wait for room. Raises `protocol.errors.ShuttingDown` once `close` was called."""
        if self._closed:
            raise ShuttingDown("The database is closed.")
        self._inside += 1
        try:
            await self._room.acquire()
        except BaseException:
            self._left()
            raise

    def leave(self) -> None:
        """Make room again."""
        self._room.release()
        self._left()

    def _left(self) -> None:
        self._inside -= 1
        if self._closed and not self._inside:
            self._empty.set()

    async def close(self) -> None:
        """Let nobody else in, and wait until everyone who was in, or waiting for room, has left."""
        self._closed = True
        if self._inside:
            await self._empty.wait()
