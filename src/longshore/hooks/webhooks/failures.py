"""What the log is told of a receiver that fails."""

import logging
import time
from collections.abc import Callable
from typing import Final

logger = logging.getLogger(__name__)

_LOG_INTERVAL: Final = 60.0
"""Seconds from one word in the log about a failing receiver to the next."""


class FailureLog:
    """Warns of a failing receiver, now and then: there are many attempts, and each of them fails."""

    def __init__(self, receiver: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Take what may be said of the receiver's URL."""
        self._receiver = receiver
        self._monotonic = monotonic
        self._quiet_until = float("-inf")
        self._unsaid = 0

    def note(self, failure: str, consequence: str) -> None:
        """Say what failed, and why, and what comes of it; or count it, if something was said a short while ago."""
        now = self._monotonic()
        if now < self._quiet_until:
            self._unsaid += 1
            return
        more = f" ({self._unsaid} more since the last word of this)" if self._unsaid else ""
        logger.warning("%s: %s; %s%s", self._receiver, failure, consequence, more)
        self._quiet_until = now + _LOG_INTERVAL
        self._unsaid = 0
