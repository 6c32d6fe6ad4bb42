"""What the disk store asks of the operating system: directories, durability, and the errors of a full disk."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from longshore.protocol.errors import InsufficientStorage

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""The file system is full, or the user's quota, or the file is as large as it may get."""

FLAGS = os.O_NOFOLLOW | os.O_CLOEXEC
"""How every file is opened: never through a symbolic link, never inherited by a process that is started."""


@contextmanager
def full_is_refused() -> Iterator[None]:
    """Turn the errors of a full file system into `protocol.errors.InsufficientStorage`."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise InsufficientStorage from error
        raise


def make_directories(path: Path, *, durable: bool) -> None:
    """Make a directory and those above it where they are missing, open to this user only. Raises `OSError`."""
    try:
        path.mkdir(0o700)
    except FileExistsError:
        if not path.is_dir():
            raise
        return
    except FileNotFoundError:
        make_directories(path.parent, durable=durable)
        path.mkdir(0o700, exist_ok=True)
    if durable:
        sync_directory(path.parent)


def sync_directory(path: Path | str) -> None:
    """Make the names in a directory survive a power failure."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file(descriptor: int) -> None:
    """Make a file's bytes, and its size, survive a power failure."""
    if sys.platform == "darwin":
        os.fsync(descriptor)
    else:
        os.fdatasync(descriptor)
