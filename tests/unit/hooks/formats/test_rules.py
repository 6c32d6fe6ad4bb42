import struct
import zlib
from pathlib import Path

import pytest
from tests.unit.hooks.formats.samples import FOREIGN, TABLE, formats, found_first, found_whole, write

from longshore.hooks.formats import DEFAULT_RULES, parse_rules

pytestmark = pytest.mark.anyio

PNG = b"\x89PNG\r\n\x1a\n" + b"".join(
    struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    for kind, data in (
        (b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"\0\0")),
        (b"IEND", b""),
    )
)


async def test_rule_of_a_setting_is_added_to_the_defaults(tmp_path: Path) -> None:
    hook = formats([".png", ".csv"], parse_rules(".png=image/png"))
    assert await found_first("a.png", write(tmp_path / "a", PNG), hook=hook) is None
    assert await found_whole("a.png", write(tmp_path / "a", PNG), hook=hook) is None
    assert await found_first("a.csv", write(tmp_path / "a", PNG), hook=hook) == "binary data"
    for data in (TABLE, FOREIGN["ELF"][0], FOREIGN["HTML"][0]):
        assert "of the type" in (await found_first("a.png", write(tmp_path / "b", data), hook=hook) or "")
        assert "of the type" in (await found_whole("a.png", write(tmp_path / "b", data), hook=hook) or "")
    assert await found_whole("a.png", write(tmp_path / "b", b""), hook=hook) == "an empty file"


async def test_rule_of_a_setting_takes_the_place_of_a_default(tmp_path: Path) -> None:
    hook = formats([".img"], parse_rules(" .IMG = image/png , application/gzip ; "))
    assert await found_whole("a.img", write(tmp_path / "a", PNG), hook=hook) is None
    assert await found_whole("a.img", write(tmp_path / "a", FOREIGN["gzip"][0]), hook=hook) is None
    assert await found_whole("a.img", write(tmp_path / "a", TABLE), hook=hook) == "of the type text/csv"


def test_setting_without_rules_gives_the_defaults() -> None:
    assert parse_rules("") == parse_rules(" ; ") == DEFAULT_RULES


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (".png", "is no rule"),
        (".png=", "is not a MIME type"),
        (".png=png", "is not a MIME type"),
        (".png=image/png,", "is not a MIME type"),
        (".png=image/*", "is not a MIME type"),
        ("=image/png", "is not a file name extension"),
        ("*=image/png", "is not a file name extension"),
        (".png=image/png;PNG=image/png", "two rules"),
    ],
)
def test_refuses_a_setting_that_makes_no_sense(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_rules(text)


@pytest.mark.parametrize("kind", FOREIGN)
async def test_without_a_rule_only_executables_are_refused(tmp_path: Path, kind: str) -> None:
    data, name = FOREIGN[kind]
    refused = name if "executable" in name else None
    hook = formats([".dat"])
    assert await found_first("a.dat", write(tmp_path / "a", data), hook=hook) == refused
    assert await found_whole("a.dat", write(tmp_path / "a", data), hook=hook) == refused


async def test_without_a_rule_an_empty_file_passes(tmp_path: Path) -> None:
    assert await found_whole("a.dat", write(tmp_path / "a", b""), hook=formats([".dat"])) is None


@pytest.mark.parametrize(("name", "kind"), [("a.exe", "PE"), ("a.so", "ELF"), ("a.dylib", "Mach-O")])
async def test_an_executable_passes_under_an_extension_of_its_own(tmp_path: Path, name: str, kind: str) -> None:
    hook = formats([".exe", ".so", ".dylib"])
    assert await found_whole(name, write(tmp_path / "a", FOREIGN[kind][0]), hook=hook) is None
