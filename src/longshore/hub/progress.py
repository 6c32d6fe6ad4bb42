"""How far uploads have come, in long transfers and in many short ones: passed on at most once a second for each."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from typing import Final

from longshore.ports.hooks import HookEvent
from longshore.protocol.upload import Upload

logger = logging.getLogger(__name__)

INTERVAL: Final = 1.0
"""Seconds between two messages about the same upload, at least."""

_REST: Final = 9
"""How many times as long as passing on took there is a rest afterwards: progress takes a tenth of the time at most."""


class Progress:
    """Keeps the latest of each upload until it is its turn: a hook (`post_receive`), and told of what was saved.

    What is kept is bounded by the number of uploads that receive bytes within a second or so.
    """

    def __init__(self, pass_on: Callable[[Collection[Upload]], Awaitable[None]]) -> None:
        self._pass_on = pass_on
        self._latest: dict[str, Upload] = {}
        self._there_is_some = asyncio.Event()

    async def post_receive(self, event: HookEvent) -> None:
        """Note how far a transfer has come that is under way."""
        self.note(event.upload)

    def note(self, upload: Upload) -> None:
        """Note how far an upload has come. Event loop only; never blocks."""
        self._latest[upload.id] = upload
        self._there_is_some.set()

    def forget(self, upload_id: str) -> None:
        """Say nothing more of an upload: something has become of it."""
        self._latest.pop(upload_id, None)

    def forget_all(self) -> None:
        """Say nothing of what is known up to now."""
        self._latest.clear()

    async def run(self) -> None:
        """Pass on what there is, until cancelled."""
        clock = asyncio.get_running_loop().time
        while True:
            await self._there_is_some.wait()
            self._there_is_some.clear()
            latest, self._latest = self._latest, {}
            started = clock()
            try:
                await self._pass_on(latest.values())
            except Exception:
                logger.exception("progress could not be passed on")
            await asyncio.sleep(max(INTERVAL, _REST * (clock() - started)))
