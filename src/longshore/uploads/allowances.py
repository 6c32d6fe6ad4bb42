"""Which quotas hold for whom."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol

from longshore.auth.principal import Principal
from longshore.ports.quotas import Quotas

_AGE = 5.0
"""Seconds for which an answer is used again: so long it takes at most until a change is felt."""

_MOST = 10_000
"""Users whose quotas are remembered at a time."""


class StoredQuotas(Protocol):
    """Quotas that were set for users and roles."""

    async def of(self, subject: str, role: str) -> Mapping[str, int | None]:
        """Those of the user, and of the role where the user has none; by the field names of `Quotas`."""


class Allowances:
    """The quotas of users: what was set for them, else for their role, else the defaults."""

    def __init__(self, defaults: Quotas, stored: StoredQuotas, *, now: Callable[[], float] = time.monotonic) -> None:
        """`now` tells the seconds by which answers age."""
        self._defaults = defaults
        self._stored = stored
        self._now = now
        self._known: dict[tuple[str, str], tuple[float, Quotas]] = {}

    async def of(self, principal: Principal) -> Quotas | None:
        """The user's quotas; None for those whom nobody knows."""
        if not principal.subject:
            return None
        key = (principal.subject, principal.role.value)
        read_at, quotas = self._known.get(key, (float("-inf"), self._defaults))
        if self._now() - read_at >= _AGE:
            quotas = replace(self._defaults, **await self._stored.of(*key))
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[key] = (self._now(), quotas)
        return quotas
