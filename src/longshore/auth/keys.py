"""The keys of this server's own tokens by their names, read anew when their file changes."""

import base64
import binascii
import logging
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self

from anyio import Lock, to_thread

from longshore.auth import keyfile
from longshore.auth.keyfile import SigningKey
from longshore.ports import Clock

logger = logging.getLogger(__name__)

PERIOD: Final = 30.0
"""Seconds after which the file is looked at in any case: a key that was dropped must not be good for ever."""

FLOOR: Final = 1.0
"""Seconds, at least, between two looks at the file for the sake of names that are not known."""

_UNKNOWN: Final = datetime.fromtimestamp(0, UTC)
"""When a key of a setting was made: nobody asks."""

Monotonic = Callable[[], float]


def _system_clock() -> datetime:
    return datetime.now(UTC)


class KeyRing:
    """Signing keys: the first one signs, all of them verify. Belongs to one event loop."""

    def __init__(
        self, keys: Sequence[SigningKey], *, path: Path | None = None, monotonic: Monotonic = time.monotonic
    ) -> None:
        """Take the keys, and the file that they were read from just now.

        Raises `ValueError` when there are none, or two of the same name.
        """
        self._path = path
        self._monotonic = monotonic
        self._looked_at = monotonic()
        self._looking = Lock()
        self._take(keys)

    @classmethod
    def from_file(cls, path: Path, *, clock: Clock = _system_clock, monotonic: Monotonic = time.monotonic) -> Self:
        """Read the file, and make it where there is none. Blocks; raises like `keyfile.load`."""
        return cls(keyfile.load(path, now=clock()), path=path, monotonic=monotonic)

    @classmethod
    def from_setting(cls, text: str) -> Self:
        """Read `kid:base64,kid:base64`. Raises `ValueError`, without quoting any of it."""
        return cls([_parse(entry) for entry in text.split(",")])

    def _take(self, keys: Sequence[SigningKey]) -> None:
        by_kid = {key.kid: key for key in keys}
        if not keys or len(by_kid) < len(keys):
            raise ValueError("there must be a signing key, and no two of the same id")
        self._signing = keys[0]
        self._by_kid = by_kid

    @property
    def signing(self) -> SigningKey:
        """The key that signs."""
        return self._signing

    def find(self, kid: str) -> SigningKey | None:
        """The key of that name."""
        return self._by_kid.get(kid)

    async def refresh(self, *, floor: float = PERIOD) -> None:
        """Read the file anew unless that was done within `floor` seconds. What cannot be read changes nothing."""
        if self._is_due(floor):
            async with self._looking:
                # Whoever had to wait has been served by now.
                if self._is_due(floor):
                    await self._look()

    def _is_due(self, floor: float) -> bool:
        return self._path is not None and self._monotonic() - self._looked_at >= floor

    async def _look(self) -> None:
        if self._path is None:
            return
        try:
            self._take(await to_thread.run_sync(keyfile.read, self._path))
        except (OSError, ValueError) as error:
            logger.warning("signing keys stay as they are: %s", error)
        self._looked_at = self._monotonic()


def _parse(entry: str) -> SigningKey:
    kid, _, encoded = entry.strip().partition(":")
    try:
        # Both alphabets: the one of URLs is put into the other.
        secret = base64.b64decode(encoded.strip().translate({ord("-"): "+", ord("_"): "/"}), validate=True)
    except (binascii.Error, ValueError):
        # Without the id: who forgets that has the secret in its place.
        raise ValueError("a signing key is written kid:base64") from None
    return SigningKey(kid.strip(), secret, _UNKNOWN)
