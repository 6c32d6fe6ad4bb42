from pathlib import Path

import pytest
from tests.unit.hooks.formats.samples import (
    FOREIGN,
    MEGABYTE,
    blank,
    cut,
    found_first,
    found_whole,
    iso,
    master_boot_record,
    patched,
    portable_executable,
    run,
    tree,
    write,
)

pytestmark = pytest.mark.anyio

PRIMARY = 16 * 2048
NOT_ISO = "not an ISO 9660 or UDF file system"


async def assert_passes(path: Path) -> None:
    assert await found_first("disc.iso", path) is None
    assert await found_whole("disc.iso", path) is None


@pytest.mark.parametrize("options", [(), ("-V", "LONGSHORE"), ("-no-pad",), ("-iso-level", "3")])
async def test_takes_an_image_made_by_xorriso(tmp_path: Path, options: tuple[str, ...]) -> None:
    await assert_passes(iso(tmp_path, *options))


async def test_takes_an_image_that_starts_computers_from_a_stick(tmp_path: Path) -> None:
    efi = blank(tmp_path / "efi.fat", MEGABYTE)
    run("mkfs.fat", efi)
    await assert_passes(iso(tmp_path, "-append_partition", "2", "0xef", str(efi), "-appended_part_as_gpt"))
    await assert_passes(patched(iso(tmp_path), 0, master_boot_record((0, 4096), code=b"\x33\xed\xfa\x8e")))
    await assert_passes(patched(iso(tmp_path), 0, portable_executable()))


@pytest.mark.parametrize("block", [512, 2048, 4096])
async def test_takes_udf(tmp_path: Path, block: int) -> None:
    made = blank(tmp_path / "udf.iso", 20 * MEGABYTE)
    run("mkudffs", "-b", str(block), made)
    await assert_passes(made)
    assert "truncated" in (await found_whole("disc.iso", cut(made, 10 * MEGABYTE)) or "")
    assert "anchor" in (await found_whole("disc.iso", cut(made, 100_000)) or "")


async def test_takes_an_image_with_both_file_systems(tmp_path: Path) -> None:
    made = tmp_path / "bridge.iso"
    run("genisoimage", "-quiet", "-udf", "-J", "-r", "-o", made, tree(tmp_path))
    await assert_passes(made)


async def test_refuses_a_truncated_image_at_once_when_its_length_is_known(tmp_path: Path) -> None:
    made = iso(tmp_path)
    for size in (made.stat().st_size // 2, made.stat().st_size * 9 // 10):
        assert "truncated" in (await found_first("disc.iso", cut(made, size)) or "")
        assert "truncated" in (await found_whole("disc.iso", cut(made, size)) or "")


async def test_refuses_a_truncated_image_at_the_end_when_its_length_is_not_known_before(tmp_path: Path) -> None:
    half = cut(iso(tmp_path), 1_000_000)
    assert await found_first("disc.iso", half, length=None) is None
    assert "truncated" in (await found_whole("disc.iso", half) or "")


async def test_takes_an_image_that_lacks_some_padding_or_has_more(tmp_path: Path) -> None:
    made = iso(tmp_path)
    size = made.stat().st_size
    await assert_passes(cut(made, size - 2048))
    await assert_passes(cut(made, size + MEGABYTE))


@pytest.mark.parametrize("size", [0, 1, 2048, 32768, 32769, 34000])
async def test_refuses_an_image_that_ends_before_its_descriptors(tmp_path: Path, size: int) -> None:
    made = cut(iso(tmp_path), size)
    assert await found_first("disc.iso", made) is not None
    assert await found_whole("disc.iso", made) is not None


async def test_judges_by_all_the_first_bytes_only(tmp_path: Path) -> None:
    wrong = write(tmp_path / "wrong", bytes(MEGABYTE))
    assert await found_first("disc.iso", wrong, shown=40_000) is None
    assert await found_first("disc.iso", wrong) == NOT_ISO


@pytest.mark.parametrize(
    ("start", "data", "said"),
    [
        (PRIMARY + 2048, bytes(2048 * 15), "incomplete"),  # no terminator
        (PRIMARY, b"\x02", "incomplete"),  # no primary volume
        (PRIMARY + 80, b"\0\0\0\0", "damaged"),  # the two sizes differ
        (PRIMARY + 80, bytes(8), "damaged"),
        (PRIMARY + 128, b"\0\x07\x07\0", "damaged"),
        (PRIMARY + 1, b"CD002", "not an ISO"),
        (PRIMARY + 1, b"BEA01", "incomplete"),
    ],
)
async def test_refuses_descriptors_that_make_no_sense(tmp_path: Path, start: int, data: bytes, said: str) -> None:
    damaged = patched(iso(tmp_path), start, data)
    assert said in (await found_first("disc.iso", damaged) or "")
    assert said in (await found_whole("disc.iso", damaged) or "")


@pytest.mark.parametrize("kind", FOREIGN)
async def test_refuses_another_kind_of_file(tmp_path: Path, kind: str) -> None:
    data, name = FOREIGN[kind]
    for size in (len(data), 3 * MEGABYTE):
        path = cut(write(tmp_path / "wrong", data), size)
        assert await found_first("disc.iso", path) == name
        assert await found_whole("disc.iso", path) == name


@pytest.mark.parametrize("kind", sorted(FOREIGN.keys() - {"PE", "tar"}))
async def test_refuses_an_image_that_is_something_else_as_well(tmp_path: Path, kind: str) -> None:
    data, name = FOREIGN[kind]
    both = patched(iso(tmp_path), 0, data[:16384])
    assert await found_first("disc.iso", both) == f"{name} with a disc image in it"


async def test_refuses_text_and_other_images(tmp_path: Path) -> None:
    assert await found_whole("disc.iso", write(tmp_path / "text", b"a,b\r\n" * 20_000)) == NOT_ISO
    disk = blank(tmp_path / "disk", 4 * MEGABYTE)
    run("mkfs.ext4", "-q", disk)
    assert await found_first("disc.iso", disk) == NOT_ISO
