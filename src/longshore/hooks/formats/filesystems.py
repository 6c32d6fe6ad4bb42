"""File systems by their superblocks, and how many bytes each says it has."""

import struct
from collections.abc import Callable
from dataclasses import dataclass

Size = Callable[[bytes], int | None]
"""How many bytes the file system that begins so has, 0 where it does not say; None when it is another one."""


@dataclass(frozen=True, slots=True)
class FileSystem:
    """A file system that was found."""

    name: str
    size: int
    """Bytes; 0 where it does not say."""


def find_file_system(head: bytes) -> FileSystem | None:
    """The file system that begins with these bytes, of which 4 KiB are enough. For btrfs, see `btrfs_size`."""
    for name, size_of in _KINDS:
        size = size_of(head.ljust(4096, b"\0"))
        if size is not None:
            return FileSystem(name, size)
    return None


BTRFS_SUPERBLOCK = 64 * 1024
"""Where the superblock of btrfs is; nothing has to come before it."""


def btrfs_size(superblock: bytes) -> int | None:
    """How many bytes the btrfs with these 4 KiB at 64 KiB has on this device; None when it is none."""
    if len(superblock) < 4096 or superblock[64:72] != b"_BHRfS_M":
        return None
    (size,) = struct.unpack_from("<Q", superblock, 0xC9 + 8)
    return int(size)


def _ext(head: bytes) -> int | None:
    blocks, shift = _read("<I", head, 1024 + 4), _read("<I", head, 1024 + 24)
    if head[1080:1082] != b"\x53\xef" or not blocks or shift > 6:
        return None
    if _read("<I", head, 1024 + 0x60) & 0x80:
        blocks |= _read("<I", head, 1024 + 0x150) << 32
    return blocks * (1024 << shift)


def _ntfs(head: bytes) -> int | None:
    return _read("<Q", head, 40) * _read("<H", head, 11) if head[3:11] == b"NTFS    " and _boots(head) else None


def _exfat(head: bytes) -> int | None:
    if head[3:11] != b"EXFAT   " or not _boots(head) or head[108] not in range(9, 13):
        return None
    return _read("<Q", head, 72) << head[108]


def _fat(head: bytes) -> int | None:
    """FAT12, FAT16 and FAT32, which have no magic number: the BIOS parameter block has to make sense."""
    sector, cluster, reserved, tables = struct.unpack_from("<HBHB", head, 11)
    sectors = _read("<H", head, 19) or _read("<I", head, 32)
    sensible = (
        _boots(head)
        and sectors
        and sector in (512, 1024, 2048, 4096)
        and cluster in (1, 2, 4, 8, 16, 32, 64, 128)
        and reserved
        and tables in (1, 2)
        and (head[21] == 0xF0 or head[21] >= 0xF8)
    )
    return sectors * sector if sensible else None


def _boots(head: bytes) -> bool:
    return head[510:512] == b"\x55\xaa" and (head[0] == 0xE9 or (head[0] == 0xEB and head[2] == 0x90))


def _xfs(head: bytes) -> int | None:
    return _read(">I", head, 4) * _read(">Q", head, 8) if head.startswith(b"XFSB") else None


def _squashfs(head: bytes) -> int | None:
    return _read("<Q", head, 40) if head.startswith(b"hsqs") and _read("<H", head, 28) == 4 else None


def _hfs_plus(head: bytes) -> int | None:
    if head[1024:1028] not in (b"H+\0\x04", b"HX\0\x05"):
        return None
    return _read(">I", head, 1024 + 40) * _read(">I", head, 1024 + 44)


def _apfs(head: bytes) -> int | None:
    return _read("<I", head, 36) * _read("<Q", head, 40) if head[32:36] == b"NXSB" else None


def _f2fs(head: bytes) -> int | None:
    return 0 if head[1024:1028] == b"\x10\x20\xf5\xf2" else None


def _erofs(head: bytes) -> int | None:
    return 0 if head[1024:1028] == b"\xe2\xe1\xf5\xe0" else None


def _read(form: str, data: bytes, offset: int) -> int:
    return int(struct.unpack_from(form, data, offset)[0])


_KINDS: tuple[tuple[str, Size], ...] = (
    ("ext", _ext),
    ("NTFS", _ntfs),
    ("exFAT", _exfat),
    ("FAT", _fat),
    ("XFS", _xfs),
    ("squashfs", _squashfs),
    ("HFS+", _hfs_plus),
    ("APFS", _apfs),
    ("F2FS", _f2fs),
    ("EROFS", _erofs),
)
