"""Trying again: after longer and longer pauses, for as long as something comes of it now and then."""

import random
from collections.abc import Callable
from threading import Event
from typing import Final, TypeVar

from longshore.client.errors import Passing, Stopped

T = TypeVar("T")

_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 30.0
_LONGEST_ASKED_FOR: Final = 120.0
"""Seconds; a server that asks for more is asked again all the same."""


class Patience:
    """How often in a row something may fail, and how long to wait before the next attempt."""

    def __init__(self, attempts: int, stop: Event | None = None) -> None:
        """`attempts` is how often to try again without any success; a `stop` that is set ends a pause."""
        self._attempts = attempts
        self._stop = stop or Event()
        self._failed = 0

    def succeeded(self) -> None:
        """Start counting anew: something has come of it."""
        self._failed = 0

    def pause(self, error: Passing) -> float:
        """Seconds to wait after an error; raises the error once it has come too often."""
        if self._failed >= self._attempts:
            raise error
        longest = min(_FIRST_PAUSE * 2.0 ** min(self._failed, 10), _LONGEST_PAUSE)
        self._failed += 1
        if error.retry_after is not None:
            return min(error.retry_after, _LONGEST_ASKED_FOR)
        # Not all at the same moment, when a server comes back.
        return longest * random.uniform(0.5, 1)  # noqa: S311 - nobody gains by guessing it

    def wait(self, seconds: float) -> None:
        """Wait. Raises `Stopped`."""
        if self._stop.wait(seconds):
            raise Stopped


def persist(work: Callable[[], T], patience: Patience) -> T:
    """Do something until it works. Raises what does not pass, or has not passed."""
    while True:
        try:
            return work()
        except Passing as error:
            patience.wait(patience.pause(error))
