import random
import struct
from pathlib import Path

import pytest
from tests.unit.hooks.formats.samples import (
    FOREIGN,
    MEGABYTE,
    SECTOR,
    blank,
    cut,
    found_first,
    found_whole,
    guid_partition_table,
    iso,
    master_boot_record,
    patched,
    portable_executable,
    run,
    tree,
    write,
)

pytestmark = pytest.mark.anyio

NOTHING = "not a disk image: no file system, partition table or boot code"
EMPTY = "a disk image with nothing on it"

FILE_SYSTEMS = {
    "ext2": (8, ("mkfs.ext2", "-q")),
    "ext3": (8, ("mkfs.ext3", "-q")),
    "ext4": (8, ("mkfs.ext4", "-q")),
    "ext4, blocks of 1 KiB": (8, ("mkfs.ext4", "-q", "-b", "1024")),
    "FAT12": (2, ("mkfs.fat", "-F", "12")),
    "FAT16": (20, ("mkfs.fat", "-F", "16")),
    "FAT32": (64, ("mkfs.fat", "-F", "32")),
    "FAT, sectors of 4 KiB": (64, ("mkfs.fat", "-S", "4096")),
    "exFAT": (16, ("mkfs.exfat",)),
    "NTFS": (16, ("mkfs.ntfs", "-F", "-q")),
    "XFS": (320, ("mkfs.xfs", "-q")),
    "btrfs": (120, ("mkfs.btrfs", "-q")),
}


async def assert_passes(path: Path) -> None:
    assert await found_first("disk.img", path) is None
    assert await found_whole("disk.img", path) is None


async def assert_truncated(path: Path) -> None:
    assert "a truncated" in (await found_whole("disk.img", path) or "")


@pytest.mark.parametrize("kind", FILE_SYSTEMS)
async def test_takes_a_file_system_that_is_whole(tmp_path: Path, kind: str) -> None:
    size, command = FILE_SYSTEMS[kind]
    disk = blank(tmp_path / "disk", size * MEGABYTE)
    run(*command, disk)
    await assert_passes(disk)
    await assert_passes(cut(disk, (size + 1) * MEGABYTE))
    await assert_truncated(cut(disk, size * MEGABYTE // 2))


async def test_takes_squashfs(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    run("mksquashfs", tree(tmp_path), disk, "-quiet", "-noI", "-noD")
    await assert_passes(disk)
    await assert_truncated(cut(disk, disk.stat().st_size // 2))


@pytest.mark.parametrize(
    ("start", "superblock"),
    [
        (1024, struct.pack(">2sH36xII", b"H+", 4, 4096, 256)),
        (32, struct.pack("<4sIQ", b"NXSB", 4096, 256)),
        (1024, b"\x10\x20\xf5\xf2"),
        (1024, b"\xe2\xe1\xf5\xe0"),
    ],
    ids=["HFS+", "APFS", "F2FS", "EROFS"],
)
async def test_takes_file_systems_by_their_superblock(tmp_path: Path, start: int, superblock: bytes) -> None:
    await assert_passes(write(tmp_path / "disk", bytes(start) + superblock.ljust(MEGABYTE, b"\0")))


@pytest.mark.parametrize("kind", ["qcow2", "vmdk", "vdi", "vhdx", "vpc", "qed"])
async def test_takes_the_disk_of_a_virtual_machine(tmp_path: Path, kind: str) -> None:
    disk = tmp_path / "disk"
    run("qemu-img", "create", "-q", "-f", kind, disk, "16M")
    await assert_passes(disk)


@pytest.mark.parametrize(
    ("start", "signature"),
    [(0, b"QFI\xfb"), (0, b"KDMV"), (0, b"conectix"), (0, b"vhdxfile"), (64, b"\x7f\x10\xda\xbe")],
)
async def test_takes_the_disk_of_a_virtual_machine_by_its_signature(
    tmp_path: Path, start: int, signature: bytes
) -> None:
    await assert_passes(write(tmp_path / "disk", bytes(start) + signature.ljust(MEGABYTE, b"\0")))


async def test_takes_a_fixed_vhd_by_its_last_sector(tmp_path: Path) -> None:
    disk = write(tmp_path / "disk", bytes(MEGABYTE) + b"conectix".ljust(512, b"\0"))
    await assert_passes(disk)
    assert await found_whole("disk.img", cut(disk, MEGABYTE)) == EMPTY


async def test_takes_a_master_boot_record(tmp_path: Path) -> None:
    disk = write(tmp_path / "disk", master_boot_record((2048, 8192), (10240, 10240)).ljust(10 * MEGABYTE, b"\0"))
    await assert_passes(disk)
    await assert_truncated(cut(disk, 5 * MEGABYTE))
    await assert_truncated(cut(disk, MEGABYTE // 2))


@pytest.mark.parametrize("sector", [512, 4096])
async def test_takes_a_guid_partition_table(tmp_path: Path, sector: int) -> None:
    size = 20000 * sector
    disk = write(tmp_path / "disk", guid_partition_table(2048, 19900, sector=sector).ljust(size, b"\0"))
    await assert_passes(disk)
    await assert_truncated(cut(disk, size // 2))


async def test_takes_boot_code_without_partitions(tmp_path: Path) -> None:
    floppy = write(tmp_path / "disk", b"\xeb\x3c\x90".ljust(510, b"\x17") + b"\x55\xaa" + bytes(1440 * 1024 - 512))
    await assert_passes(floppy)


async def test_takes_a_disc_image_as_a_disk(tmp_path: Path) -> None:
    await assert_passes(iso(tmp_path))
    await assert_truncated(cut(iso(tmp_path), MEGABYTE))


@pytest.mark.parametrize("kind", FOREIGN)
async def test_refuses_another_kind_of_file(tmp_path: Path, kind: str) -> None:
    data, name = FOREIGN[kind]
    for size in (len(data), 3 * MEGABYTE):
        path = cut(write(tmp_path / "wrong", data), size)
        assert await found_first("disk.img", path) == name
        assert await found_whole("disk.img", path) == name


async def test_refuses_a_program_made_up_as_a_disk(tmp_path: Path) -> None:
    program = bytearray(portable_executable().ljust(MEGABYTE, b"\0"))
    program[446:512] = master_boot_record((1, 100))[446:]
    assert await found_first("disk.img", write(tmp_path / "wrong", bytes(program))) == "a Windows or DOS executable"
    disk = blank(tmp_path / "disk", 4 * MEGABYTE)
    run("mkfs.ext4", "-q", disk)
    assert await found_first("disk.img", patched(disk, 0, b"\x7fELF\x02\x01\x01")) == "an ELF executable"


@pytest.mark.parametrize(
    "data",
    [
        b"a,b\r\n1,2\r\n" * 1000,
        random.Random(1).randbytes(MEGABYTE),
        bytes(4086) + b"SWAPSPACE2".ljust(MEGABYTE, b"\0"),
        b"\x89PNG\r\n\x1a\n".ljust(5000, b"\x01"),
        b"hello".ljust(510, b".") + b"\x55\xaa",
        b"x",
    ],
    ids=["text", "random", "swap", "PNG", "text with a boot mark", "one byte"],
)
async def test_refuses_what_has_nothing_of_a_disk(tmp_path: Path, data: bytes) -> None:
    wrong = write(tmp_path / "wrong", data)
    assert await found_first("disk.img", wrong) == NOTHING
    assert await found_whole("disk.img", wrong) == NOTHING


async def test_refuses_a_blank_disk_when_all_of_it_is_there(tmp_path: Path) -> None:
    wrong = blank(tmp_path / "wrong", 10 * MEGABYTE)
    assert await found_first("disk.img", wrong) is None
    assert await found_whole("disk.img", wrong) == EMPTY
    for size in (1, 512, 1000):
        assert await found_first("disk.img", blank(tmp_path / "small", size)) == EMPTY


async def test_refuses_an_empty_file(tmp_path: Path) -> None:
    assert await found_whole("disk.img", write(tmp_path / "empty", b"")) == "an empty file"
    assert await found_first("disk.img", write(tmp_path / "empty", b"")) == "an empty file"


async def test_refuses_a_guid_partition_table_whose_checksum_is_wrong(tmp_path: Path) -> None:
    table = bytearray(guid_partition_table(2048, 9000)[SECTOR:].ljust(MEGABYTE, b"\0"))
    table[60] ^= 1
    assert await found_first("disk.img", write(tmp_path / "wrong", bytes(SECTOR) + bytes(table))) == NOTHING


@pytest.mark.parametrize("entry", [b"\x42\0\0\0\x83", b"\x80\0\0\0\0\x01", b"\x80\0\0\0\x83"])
async def test_refuses_a_partition_table_that_makes_no_sense(tmp_path: Path, entry: bytes) -> None:
    sector = bytes(446) + entry.ljust(64, b"\0") + b"\x55\xaa"
    assert await found_first("disk.img", write(tmp_path / "wrong", sector.ljust(MEGABYTE, b"\0"))) == NOTHING
