"""Partition tables (MBR, GPT) and boot code: whether a file is what a computer would find on a disk."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

_BOOTABLE = b"\x55\xaa"
_PROTECTIVE = 0xEE
_FIRST_CODE = frozenset(
    (0x0E, 0x29, 0x2B, 0x31, 0x33, 0x66, 0x6A, 0x8C, 0x8E, 0x90, 0xE8, 0xE9, 0xEA, 0xEB, 0xFA, 0xFC, *range(0xB0, 0xC0))
)
"""How x86 boot code begins: jumps, cli, cld, and getting the registers into order."""


@dataclass(frozen=True, slots=True)
class Extent:
    """Where a partition lies: bytes from start up to, and without, end."""

    start: int
    end: int


def has_boot_code(head: bytes) -> bool:
    """Whether the first sector is marked as one to start from, and begins as such code does."""
    return head[510:512] == _BOOTABLE and head[0] in _FIRST_CODE


def find_partitions(head: bytes) -> list[Extent] | None:
    """The partitions of a GPT, else of an MBR; None when the first 64 KiB have neither.

    Of a GPT as many as are listed in these bytes. A table without a single partition is one only for a GPT, which has
    a checksum to be known by.
    """
    for sector in (512, 4096):
        if _is_gpt(head, sector):
            return list(_gpt_extents(head, sector))
    return _mbr(head)


def _is_gpt(head: bytes, sector: int) -> bool:
    """Whether there is a GPT header in the second sector, by its checksum (UEFI, section 5.3.2)."""
    header = head[sector : 2 * sector]
    if len(header) < sector or header[:8] != b"EFI PART":
        return False
    size, checksum = struct.unpack_from("<II", header, 12)
    return bool(92 <= size <= sector and zlib.crc32(header[:16] + bytes(4) + header[20:size]) == checksum)


def _gpt_extents(head: bytes, sector: int) -> Iterator[Extent]:
    table, count, size = struct.unpack_from("<QII", head, sector + 72)
    for start in range(table * sector, table * sector + count * size, max(size, 128)):
        entry = head[start : start + 48]
        if len(entry) < 48:
            return
        first, last = struct.unpack_from("<QQ", entry, 32)
        if any(entry[:16]):
            yield Extent(first * sector, (last + 1) * sector)


def _mbr(head: bytes) -> list[Extent] | None:
    if head[510:512] != _BOOTABLE:
        return None
    entries = [head[start : start + 16] for start in range(446, 510, 16)]
    used = [entry for entry in entries if any(entry)]
    if not used or not all(_is_plausible(entry) for entry in used):
        return None
    # The length of a protective entry, which covers what a GPT describes, is often made up.
    return [_mbr_extent(entry) for entry in used if entry[4] != _PROTECTIVE]


def _is_plausible(entry: bytes) -> bool:
    _, sectors = struct.unpack_from("<II", entry, 8)
    return entry[0] in (0, 0x80) and entry[4] != 0 and sectors != 0


def _mbr_extent(entry: bytes) -> Extent:
    first, sectors = struct.unpack_from("<II", entry, 8)
    return Extent(first * 512, (first + sectors) * 512)
