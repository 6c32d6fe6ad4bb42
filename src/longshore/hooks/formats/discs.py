"""ISO 9660 (ECMA-119) and UDF (ECMA-167): whether a file is a disc image, and all of it."""

import struct
from collections.abc import Iterator

from longshore.hooks.formats.content import HEAD, File, Mismatch
from longshore.hooks.formats.foreign import WINDOWS, foreign_content

SECTOR = 2048
SYSTEM_AREA = 16 * SECTOR
"""What a disc begins with is left to the system that starts from it."""

_MOST_PADDING = 150 * SECTOR
"""What mkisofs and its kin add at the end, and counts into the size, for drives that read ahead."""

_VOLUME = b"CD001"
_PRIMARY, _TERMINATOR = 1, 255
_UDF = frozenset({b"NSR02", b"NSR03"})
_RECOGNISED = frozenset({_VOLUME, b"BEA01", b"BOOT2", b"TEA01", *_UDF})
_ANCHOR, _PARTITION = 2, 5


def is_disc(head: bytes) -> bool:
    """Whether the first 64 KiB have the first descriptor of a disc."""
    return head[SYSTEM_AREA + 1 : SYSTEM_AREA + 6] in _RECOGNISED


async def check_disc(file: File) -> None:
    """An ISO 9660 or UDF file system, whole but for padding. Raises `Mismatch`, `NotArrived`.

    Whatever can start a computer may come first (a partition table, a program for EFI), but nothing that some other
    system would run or open as it stands.
    """
    head = await file.read(0, HEAD)
    if not is_disc(head):
        raise Mismatch(foreign_content(head) or "not an ISO 9660 or UDF file system")
    found = foreign_content(head)
    if found not in (None, WINDOWS):
        raise Mismatch(f"{found} with a disc image in it")
    descriptors = list(_descriptors(head))
    size = _iso_size(descriptors)
    if size is None:
        size = await _udf_size(file, descriptors)
    _require_size(file, size)


def _require_size(file: File, size: int) -> None:
    if file.length < size - min(_MOST_PADDING, size // 100):
        raise Mismatch(f"a truncated disc image: {file.length} of {size} bytes")


def _descriptors(head: bytes) -> Iterator[bytes]:
    """The volume descriptors, up to the first thing that is none."""
    for start in range(SYSTEM_AREA, HEAD, SECTOR):
        descriptor = head[start : start + SECTOR]
        if len(descriptor) < SECTOR:
            return
        # With blocks of 4096 bytes there is nothing in every other place.
        if descriptor[1:6] in _RECOGNISED:
            yield descriptor
        elif any(descriptor):
            return


def _iso_size(descriptors: list[bytes]) -> int | None:
    """How many bytes the primary volume descriptor announces; None where there is no ISO 9660. Raises `Mismatch`."""
    volumes = [descriptor for descriptor in descriptors if descriptor[1:6] == _VOLUME]
    if not volumes:
        return None
    primary = next((volume for volume in volumes if volume[0] == _PRIMARY), None)
    if primary is None or not any(volume[0] == _TERMINATOR for volume in volumes):
        raise Mismatch("an incomplete ISO 9660 volume descriptor set")
    blocks, blocks_again, block_size, block_size_again = (*_both(primary, 80, "I"), *_both(primary, 128, "H"))
    if blocks != blocks_again or block_size != block_size_again or block_size not in (512, 1024, 2048) or not blocks:
        raise Mismatch("a damaged ISO 9660 volume descriptor")
    return blocks * block_size


def _both(descriptor: bytes, offset: int, form: str) -> tuple[int, int]:
    """A number that ISO 9660 writes in both byte orders."""
    little: int = struct.unpack_from("<" + form, descriptor, offset)[0]
    big: int = struct.unpack_from(">" + form, descriptor, offset + struct.calcsize(form))[0]
    return little, big


async def _udf_size(file: File, descriptors: list[bytes]) -> int:
    """How many bytes the partitions of a UDF volume reach up to. Raises `Mismatch`, `NotArrived`."""
    if not any(descriptor[1:6] in _UDF for descriptor in descriptors):
        raise Mismatch("an incomplete UDF volume recognition sequence")
    for block in (2048, 512, 4096, 1024):
        anchor = await file.read(256 * block, 256 * block + 512)
        if _tag(anchor, location=256) == _ANCHOR:
            return await _partitions_end(file, anchor, block)
    raise Mismatch("a UDF volume without its anchor")


async def _partitions_end(file: File, anchor: bytes, block: int) -> int:
    length, start = struct.unpack_from("<II", anchor, 16)
    sequence = await file.read(start * block, start * block + min(length, 64 * block))
    end = 0
    for index in range(len(sequence) // block):
        descriptor = sequence[index * block : (index + 1) * block]
        if _tag(descriptor, location=start + index) == _PARTITION:
            first, blocks = struct.unpack_from("<II", descriptor, 188)
            end = max(end, (first + blocks) * block)
    if not end:
        raise Mismatch("a UDF volume without a partition, or a truncated one")
    return end


def _tag(descriptor: bytes, *, location: int) -> int | None:
    """The kind of a UDF descriptor; None when it is none, or belongs elsewhere (ECMA-167, 3/7.2)."""
    if len(descriptor) < 512:
        return None
    kind, _, checksum = struct.unpack_from("<HHB", descriptor)
    (where,) = struct.unpack_from("<I", descriptor, 12)
    right = checksum == (sum(descriptor[:16]) - checksum) % 256 and where == location
    return int(kind) if right else None
