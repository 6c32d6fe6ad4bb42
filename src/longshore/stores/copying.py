"""Copying bytes from one open file to another: by the kernel where it can, by hand where it refuses."""

import errno
import os
import sys

CHUNK = 1024 * 1024
"""Bytes that are copied at a time by hand."""

REFUSALS = frozenset({errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EPERM})
"""copy_file_range(2) and what it says where it is of no use; EPERM is what old container sandboxes make of it."""


def copy(source: int, target: int, size: int) -> None:
    """Copy size bytes from where source stands to where target stands.

    Raises `EOFError` when source ends before that, and `OSError` as reading and writing do.
    """
    copied = copy_in_kernel(source, target, size)
    copy_by_hand(source, target, size - copied)


def copy_in_kernel(source: int, target: int, size: int) -> int:
    """Copy up to size bytes without bringing them here, or without copying at all where blocks can be shared.

    Returns how many were copied before the kernel refused or source ended; both files stand right behind them.
    """
    copied = 0
    while copied < size and sys.platform == "linux":
        try:
            count = os.copy_file_range(source, target, size - copied)
        except OSError as error:
            if error.errno in REFUSALS:
                break
            raise
        if not count:  # The end, or a file system that gives up without saying so: reading tells which it was.
            break
        copied += count
    return copied


def copy_by_hand(source: int, target: int, size: int) -> None:
    """Copy size bytes through a buffer. Raises `EOFError` when source ends before that."""
    buffer = memoryview(bytearray(min(CHUNK, size)))
    while size:
        count = os.readv(source, [buffer[:size]])
        if not count:
            raise EOFError(f"{size} bytes are missing")
        write_all(target, buffer[:count])
        size -= count


def write_all(target: int, data: memoryview) -> None:
    """Write all of data where target stands; a write that is cut short (a full disk, 2 GiB) is gone on with."""
    while data:
        data = data[os.write(target, data) :]
