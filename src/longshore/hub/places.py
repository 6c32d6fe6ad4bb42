"""How many may listen at a time, so that nobody can use up the connections that all others need as well."""

from collections import Counter
from typing import Final

from longshore.protocol.errors import TusError, Unavailable

PER_USER: Final = 100
TOTAL: Final = 10_000

_RETRY_AFTER: Final = (("Retry-After", "30"),)
"""Seconds after which to ask again: nobody knows when somebody leaves."""


class TooManySubscriptions(TusError):
    """The user listens with as many connections as one may have (RFC 6585, section 4)."""

    status = 429
    code = "too-many-subscriptions"
    title = "Too many subscriptions"


class NoPlaceLeft(Unavailable):
    """As many listen as this process serves."""

    code = "too-many-subscribers"
    title = "Too many subscribers"


class Places:
    """The subscribers of one process, counted. Where nobody has a name, all of them together are what counts."""

    def __init__(self, total: int = TOTAL, per_user: int = PER_USER) -> None:
        self._total = total
        self._per_user = per_user
        self._taken: Counter[str] = Counter()
        self._count = 0

    def take(self, subject: str) -> None:
        """Take a place for a user. Raises `TooManySubscriptions` and `NoPlaceLeft`."""
        if subject and self._taken[subject] >= self._per_user:
            detail = f"One user may listen with {self._per_user} connections at a time."
            raise TooManySubscriptions(detail, headers=_RETRY_AFTER)
        if self._count >= self._total:
            raise NoPlaceLeft("No more subscribers can be served just now.", headers=_RETRY_AFTER)
        self._count += 1
        self._taken[subject] += 1

    def give_back(self, subject: str) -> None:
        """Give a place back that was taken."""
        self._count -= 1
        self._taken[subject] -= 1
        if not self._taken[subject]:
            del self._taken[subject]
