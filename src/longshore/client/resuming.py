"""Where uploads stand that were begun: their URLs, kept from run to run, one small file each.

tuspy's own storage is one JSON file that is written anew without a lock, so that of two uploads at a time one is lost;
and its fingerprint is of a file's size and first 64 KiB, in which disk images do not differ.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from longshore.client.errors import ClientError

_KEPT: Final = 30 * 86_400.0
"""Seconds after which what was begun is forgotten: longer than servers keep it."""

_LONGEST_URL: Final = 8192


@dataclass(frozen=True, slots=True)
class Identity:
    """What makes an upload the same one: the file as it is now, where it goes, whose it is, and what is said of it.

    The metadata belongs to it because an upload that is resumed keeps what was said when it was created.
    """

    path: Path
    size: int
    modified: int
    """Nanoseconds since 1970."""
    server: str
    subject: str
    metadata: Mapping[str, str]

    @property
    def key(self) -> str:
        """A name for it that tells nothing."""
        told = [os.fsencode(self.path).hex(), self.size, self.modified, self.server, self.subject]
        written = json.dumps([*told, sorted(self.metadata.items())])
        return hashlib.sha256(written.encode()).hexdigest()


class Entry:
    """The URL of one upload, held by this process alone until it is closed, or killed."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read(self) -> str | None:
        """The URL, if there is one and all of it was written."""
        written = os.pread(self._descriptor, _LONGEST_URL, 0).decode("utf-8", "replace")
        return written[:-1] if written.startswith("http") and written.endswith("\n") else None

    def remember(self, url: str) -> None:
        """Keep the URL, beyond the end of the process."""
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{url}\n".encode(), 0)

    def forget(self) -> None:
        """Keep nothing."""
        os.ftruncate(self._descriptor, 0)


class Begun:
    """A directory of such entries, which is its owner's alone."""

    def __init__(self, directory: Path) -> None:
        """Make the directory, and forget what is old. Raises `ClientError`."""
        self._directory = directory
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._forget_old(time.time() - _KEPT)
        except OSError as error:
            raise _unusable(directory, error) from None

    @contextlib.contextmanager
    def entry(self, identity: Identity) -> Iterator[Entry]:
        """The entry of an upload. Raises `ClientError` while another run holds it."""
        path = self._directory / identity.key
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise _unusable(self._directory, error) from None
        try:
            _hold(descriptor)
            os.utime(descriptor)
            yield Entry(descriptor)
        finally:
            os.close(descriptor)

    def _forget_old(self, before: float) -> None:
        for path in self._directory.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if path.lstat().st_mtime < before:
                    path.unlink()


def _hold(descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ClientError("it is being uploaded by another run of this command") from None


def _unusable(directory: Path, error: OSError) -> ClientError:
    reason = error.strerror or type(error).__name__
    return ClientError(f"what was begun cannot be kept in {str(directory)!r} ({reason})")
