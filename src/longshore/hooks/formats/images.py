"""Disk images (.img): of a virtual machine, or raw with a file system, a partition table or boot code."""

from longshore.hooks.formats.content import HEAD, File, Mismatch
from longshore.hooks.formats.discs import check_disc, is_disc
from longshore.hooks.formats.filesystems import BTRFS_SUPERBLOCK, btrfs_size, find_file_system
from longshore.hooks.formats.foreign import foreign_content
from longshore.hooks.formats.partitions import Extent, find_partitions, has_boot_code

_CYLINDER = 255 * 63 * 512
"""Old tables round a partition up to a whole cylinder of this many bytes, whether the disk has all of it or not."""

_SIGNATURES = (
    (0, b"QFI\xfb"),  # qcow, qcow2
    (0, b"QED\0"),
    (0, b"KDMV"),  # VMDK, sparse
    (0, b"COWD"),  # VMDK of ESX
    (0, b"conectix"),  # VHD, dynamic
    (0, b"vhdxfile"),
    (64, b"\x7f\x10\xda\xbe"),  # VDI
)
_FOOTER = 512
_FOOTER_SIGNATURE = b"conectix"  # VHD, fixed


async def check_image(file: File) -> None:
    """A disk image with something on it, whole as far as it says itself. Raises `Mismatch`, `NotArrived`."""
    head = await file.read(0, HEAD)
    if is_disc(head):
        await check_disc(file)
    elif found := foreign_content(head):
        raise Mismatch(found)
    elif not _is_virtual(head) and not _is_raw(file, head):
        await _check_late(file, head)


def _is_virtual(head: bytes) -> bool:
    return any(head[start : start + len(signature)] == signature for start, signature in _SIGNATURES)


def _is_raw(file: File, head: bytes) -> bool:
    """Whether the first 64 KiB say what is on the disk. Raises `Mismatch` when it is more than there is."""
    if system := find_file_system(head):
        _require(file, system.size, f"{system.name} file system")
        return True
    partitions = find_partitions(head)
    if partitions is None:
        return has_boot_code(head)
    for partition in partitions:
        _require_partition(file, partition)
    return True


def _require_partition(file: File, partition: Extent) -> None:
    slack = min(_CYLINDER, file.length // 100)
    if partition.start >= file.length or partition.end > file.length + slack:
        raise Mismatch(f"a truncated disk image: a partition ends at {partition.end}, the file at {file.length}")


def _require(file: File, size: int, what: str) -> None:
    if file.length < size:
        raise Mismatch(f"a truncated {what}: {file.length} of {size} bytes")


async def _check_late(file: File, head: bytes) -> None:
    """What only bytes further on can tell, where the first 64 KiB are empty. Raises `Mismatch`, `NotArrived`."""
    if any(head):
        raise Mismatch("not a disk image: no file system, partition table or boot code")
    size = btrfs_size(await file.read(BTRFS_SUPERBLOCK, BTRFS_SUPERBLOCK + 4096))
    if size is not None:
        _require(file, size, "btrfs file system")
    elif not (await file.read(max(0, file.length - _FOOTER), file.length)).startswith(_FOOTER_SIGNATURE):
        raise Mismatch("a disk image with nothing on it")
