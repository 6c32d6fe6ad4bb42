"""The file with the keys that sign this server's own tokens, and taking a new one into use. Everything here blocks.

It is a JSON list, the newest key first. It is replaced as a whole, so that whoever reads it finds it complete.
"""

import base64
import fcntl
import json
import os
import re
import secrets
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

KEY_SIZE: Final = 32
"""Bytes of a secret, at least: as many as HS256 gives out (RFC 7518, section 3.2)."""

_SIZE_LIMIT: Final = 1024 * 1024
_KID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A secret, and its name, which stands in the tokens that it signs. Raises `ValueError` where they are not fit."""

    kid: str
    secret: bytes = field(repr=False)
    created_at: datetime

    def __post_init__(self) -> None:
        if not _KID.fullmatch(self.kid):
            raise ValueError("a key's id has 1 to 64 letters, digits and ._-")
        if len(self.secret) < KEY_SIZE:
            raise ValueError(f"a signing key has {KEY_SIZE} bytes or more")


def load(path: Path, *, now: datetime) -> Sequence[SigningKey]:
    """Read the keys; make the file, with a first key, where there is none. Of two processes at once, one makes it.

    Raises `ValueError` when the file is not one of keys, or is open to others; `OSError` when it cannot be had.
    """
    try:
        return read(path)
    except FileNotFoundError:
        with _locked(path.parent):
            try:
                return read(path)
            except FileNotFoundError:
                return _write(path, [_new_key(now)])


def rotate(path: Path, *, now: datetime, drop_before: datetime) -> SigningKey:
    """Make a new key the one that signs, and drop those that have not signed since `drop_before`; return the new key.

    What they signed is void then: keep them for as long as tokens live. Raises like `load`.
    """
    with _locked(path.parent):
        keys = [_new_key(now), *read(path)]
        # A key signs until the next one is made.
        kept = [key for newer, key in pairwise(keys) if newer.created_at > drop_before]
        return _write(path, [keys[0], *kept])[0]


def read(path: Path) -> Sequence[SigningKey]:
    """Read the keys. Raises like `load`, and `FileNotFoundError`."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise ValueError(f"{path} is not a file")
        if found.st_mode & 0o077:
            raise ValueError(f"{path} is open to others than its owner: chmod 600 {path}")
        text = file.read(_SIZE_LIMIT)
    try:
        keys = [_key(entry) for entry in json.loads(text)]
    except (ValueError, TypeError, KeyError):
        # Not the error itself, which may quote what stands in the file.
        keys = []
    if not keys:
        raise ValueError(f"{path} does not hold signing keys")
    return keys


def _key(entry: dict[str, Any]) -> SigningKey:
    created_at = datetime.fromisoformat(entry["created_at"]).astimezone(UTC)
    return SigningKey(entry["kid"], base64.b64decode(entry["secret"], validate=True), created_at)


def _entry(key: SigningKey) -> dict[str, str]:
    secret = base64.b64encode(key.secret).decode()
    return {"kid": key.kid, "secret": secret, "created_at": key.created_at.isoformat()}


def _new_key(now: datetime) -> SigningKey:
    return SigningKey(secrets.token_hex(8), secrets.token_bytes(KEY_SIZE), now.astimezone(UTC))


def _write(path: Path, keys: Sequence[SigningKey]) -> Sequence[SigningKey]:
    # mkstemp makes files that only their owner can read.
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            json.dump([_entry(key) for key in keys], file, indent=1)
            file.flush()
            os.fsync(descriptor)
        Path(temporary).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(temporary).unlink()
        raise
    return keys


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other processes from writing key files to the folder; the lock ends with this process, whatever happens."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
