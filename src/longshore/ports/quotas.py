"""How much a user may upload, and how much has been."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Quotas:
    """What one user may come to; None for no limit. Days and months are UTC's."""

    daily: int | None = None
    """Bytes per day."""
    monthly: int | None = None
    """Bytes per month."""
    stored: int | None = None
    """Bytes kept at the same time, unfinished uploads with their whole length."""
    size: int | None = None
    """Bytes of one upload."""
    unfinished: int | None = None
    """Unfinished uploads at the same time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """How far a quota over time has been used up, in bytes."""

    used: int
    """Bytes of uploads that were finished."""
    reserved: int
    """Bytes set aside for uploads that are unfinished."""
    resets_at: datetime
    """When it starts anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a user has used of the quotas."""

    daily: Window
    monthly: Window
    stored: int
    """Bytes, those reserved for unfinished uploads among them."""
    unfinished: int
    """Number of unfinished uploads."""


class QuotaSettings(Protocol):
    """The quotas that were set for holders: `user:<subject>` or `role:<role>`; by the field names of `Quotas`."""

    async def held_by(self, holder: str) -> Mapping[str, int | None]:
        """Those that were set for the holder itself."""

    async def replace(self, holder: str, quotas: Mapping[str, int | None]) -> None:
        """Set these, and have all others be the defaults again. Raises `ValueError` for what is no quota."""
