"""How fast uploads arrive, from one commit of their offsets to the next."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from longshore.ports.hooks import HookEvent

_REMEMBERED: Final = 10_000
"""Transfers that are kept in mind. Overflow policy: the one that moved longest ago is forgotten."""

_AGE: Final = 5.0
"""Seconds after which a transfer that has not moved counts as none."""


@dataclass(frozen=True, slots=True)
class _Seen:
    offset: int
    at: float
    speed: float | None = None


class Speeds:
    """A hook that watches transfers run, in this process. Belongs to one event loop."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._seen: OrderedDict[str, _Seen] = OrderedDict()

    async def post_receive(self, event: HookEvent) -> None:
        """Note how far an upload has come."""
        upload, now = event.upload, self._monotonic()
        before = self._seen.pop(upload.id, None)
        self._seen[upload.id] = _Seen(upload.offset, now, _between(before, upload.offset, now))
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)

    def of(self, upload_id: str) -> float | None:
        """Bytes per second of a transfer that is under way; None where there is none, or that cannot be told yet."""
        seen = self._seen.get(upload_id)
        return seen.speed if seen is not None and self._monotonic() - seen.at <= _AGE else None


def _between(before: _Seen | None, offset: int, now: float) -> float | None:
    if before is None or not 0 < now - before.at <= _AGE or offset < before.offset:
        return None
    return (offset - before.offset) / (now - before.at)
