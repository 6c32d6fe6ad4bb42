"""How often somebody may fail to sign in: windows that move with the clock, in memory and within bounds."""

import ipaddress
from collections import OrderedDict, deque
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from longshore.auth.errors import InvalidCredentials, TooManyAttempts, WrongPassword
from longshore.ports import Clock

PER_ACCOUNT: Final = 10
PER_ADDRESS: Final = 50
WINDOW: Final = timedelta(minutes=5)

REMEMBERED: Final = 10_000
"""Accounts, and addresses, with failures. Overflow policy: the one that was tried longest ago is forgotten."""

_UNDER_WAY: Final = 1.0
"""Seconds after which attempts that are under way should be over."""


class Attempts:
    """Counts failed attempts to sign in, for each account (which need not exist) and for each remote address.

    Attempts under way count as well, or a hundred at once would all be let through. The counts are this process's own.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        per_account: int = PER_ACCOUNT,
        per_address: int = PER_ADDRESS,
        window: timedelta = WINDOW,
    ) -> None:
        """Allow so many failures within the window."""
        self._accounts = _Failures(clock, per_account, window)
        self._addresses = _Failures(clock, per_address, window)

    @contextmanager
    def attempt(self, account: str, address: str) -> Iterator[None]:
        """Surround an attempt: it fails with `InvalidCredentials` or `WrongPassword`, and otherwise does not count.

        A success clears the account's count. `address` is a host without its port; "" is nobody's, and not counted.
        Raises `TooManyAttempts` before anything is attempted.
        """
        network = _network(address)
        counted = self._addresses.attempt(network) if network else nullcontext()
        with self._accounts.attempt(account), counted:
            yield
        self._accounts.clear(account)


def _network(address: str) -> str:
    """What one client has to itself: an address of IPv4, but 2^64 of them in IPv6."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    return str(ip.ipv4_mapped or ipaddress.ip_network((ip, 64), strict=False))


@dataclass(slots=True)
class _Count:
    failed: deque[datetime] = field(default_factory=deque)
    under_way: int = 0


class _Failures:
    """The failures of everybody with a key."""

    def __init__(self, clock: Clock, limit: int, window: timedelta) -> None:
        self._clock = clock
        self._limit = limit
        self._window = window
        self._counts: OrderedDict[str, _Count] = OrderedDict()

    @contextmanager
    def attempt(self, key: str) -> Iterator[None]:
        count = self._counts.get(key) or _Count()
        self._ensure_room(count)
        self._remember(key, count)
        count.under_way += 1
        try:
            yield
        except (InvalidCredentials, WrongPassword):
            count.failed.append(self._clock())
            # Anew, should it have been forgotten meanwhile.
            self._remember(key, count)
            raise
        finally:
            count.under_way -= 1
            if not count.under_way and not count.failed:
                self._counts.pop(key, None)

    def _ensure_room(self, count: _Count) -> None:
        now = self._clock()
        while count.failed and count.failed[0] <= now - self._window:
            count.failed.popleft()
        if len(count.failed) >= self._limit:
            raise TooManyAttempts((count.failed[0] + self._window - now).total_seconds())
        if len(count.failed) + count.under_way >= self._limit:
            raise TooManyAttempts(_UNDER_WAY)

    def _remember(self, key: str, count: _Count) -> None:
        self._counts[key] = count
        self._counts.move_to_end(key)
        if len(self._counts) > REMEMBERED:
            self._counts.popitem(last=False)

    def clear(self, key: str) -> None:
        if count := self._counts.get(key):
            count.failed.clear()
            if not count.under_way:
                del self._counts[key]
