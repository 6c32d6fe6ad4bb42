import codecs
import csv
import io
import random
import tempfile
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.unit.hooks.formats.samples import (
    FIRST,
    FOREIGN,
    MEGABYTE,
    TABLE,
    Arrived,
    blank,
    cut,
    formats,
    found_first,
    found_whole,
    iso,
    patched,
    run,
    upload_named,
    write,
)

from longshore.ports.hooks import HookEvent

pytestmark = pytest.mark.anyio

HOOK = formats()
QUOTES = "text that does not parse as CSV: its quotes do not match"

ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "cp1252"]


def encoded(text: str, encoding: str) -> bytes:
    """Text as programs write it: UTF-16 has a byte order mark."""
    return (codecs.BOM_UTF16_BE if encoding == "utf-16-be" else b"") + text.encode(encoding)


async def assert_passes(path: Path) -> None:
    assert await found_first("table.csv", path) is None
    assert await found_whole("table.csv", path) is None


async def assert_found(path: Path, found: str) -> None:
    assert await found_first("table.csv", path) == found
    assert await found_whole("table.csv", path) == found


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
async def test_takes_a_table(tmp_path: Path, encoding: str, delimiter: str) -> None:
    rows = [["Name", "Größe", "Preis €"], ["Müller, “A”", "1;5", 'say "hi"'], ["two\r\nlines", "a|b", "c\td"]]
    written = io.StringIO(newline="")
    csv.writer(written, delimiter=delimiter).writerows(rows * 2000)
    await assert_passes(write(tmp_path / "table", encoded(written.getvalue(), encoding)))


@pytest.mark.parametrize(
    "text",
    [
        "one column\nof values\n",
        "no line end",
        "a,b\r1,2\r",
        "\r\n",
        ",",
        "a",
        "5\" disk,3'\n",
        'a,"b" \n',
        '"a\\"b",c\n',
        '"C:\\",c\n',
        '"","",""\n',
        "MZ,intensity\n1,2\n",
        "ID3,name\nBZh,PK\n",
        "id,html\n1,<html><body>x</body></html>\n",
        'id,data\n1,{"a":1}\n',
        'id;text\n1;see above,"below" and so on\n',
        'say "this" and "that"\n',
        "From: x,y\nSubject: z,w\n",
        "<5,low\n<10,high\n",
        "[1,2]\n",
        "# comment\na,b\n",
        "#!,x\n",
        "say 'x'\nsay 'y'\n" * 50,
        "doubly encoded \u00e2\u0080\u0099,x\n",
    ],
)
async def test_takes_tables_that_are_met(tmp_path: Path, text: str) -> None:
    await assert_passes(write(tmp_path / "table", text.encode()))


@pytest.mark.parametrize("kind", FOREIGN)
async def test_refuses_another_kind_of_file(tmp_path: Path, kind: str) -> None:
    data, name = FOREIGN[kind]
    await assert_found(write(tmp_path / "wrong", data), name)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be"])
@pytest.mark.parametrize("kind", ["HTML", "XML", "SVG", "PHP", "shell", "batch", "PDF"])
async def test_refuses_a_document_in_any_encoding(tmp_path: Path, kind: str, encoding: str) -> None:
    data, name = FOREIGN[kind]
    await assert_found(write(tmp_path / "wrong", encoded(data.decode(), encoding)), name)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"a": 1}', "a JSON document"),
        (' \n{ "a": 1}\n{"a": 2}\n', "a JSON document"),
        ("{}", "a JSON document"),
        ('["a", "b"]', "a JSON document"),
        ("[{}]", "a JSON document"),
        ("[[1,2],[3,4]]", "a JSON document"),
        ("<table2>\n<row>1,2</row>\n</table2>\n", "an XML document"),
        ("BEGIN:VCARD\r\nVERSION:3.0\r\nFN:X\r\nEND:VCARD\r\n", "a visiting card"),
        ("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nEND:VCALENDAR\r\n", "a calendar"),
        ('a,"b\n', QUOTES),
        ('"a"b,c\n', QUOTES),
        ('a,b\n"', QUOTES),
    ],
)
async def test_refuses_other_text(tmp_path: Path, text: str, found: str) -> None:
    await assert_found(write(tmp_path / "wrong", text.encode()), found)


async def test_refuses_a_large_xml_document_by_its_end(tmp_path: Path) -> None:
    large = write(tmp_path / "wrong", b"<rows>\n" + b"<row>1,2</row>\n" * 100_000 + b"</rows>\n")
    assert await found_first("table.csv", large) is None
    assert await found_whole("table.csv", large) == "an XML document"


@pytest.mark.parametrize("code", [*range(9), 0x0B, 0x0C, *range(0x0E, 0x20), 0x7F])
async def test_refuses_control_characters(tmp_path: Path, code: int) -> None:
    await assert_found(write(tmp_path / "wrong", TABLE + bytes([code]) + TABLE), "binary data")
    await assert_found(write(tmp_path / "wrong", (TABLE.decode() + chr(code)).encode("utf-16")), "binary data")


@pytest.mark.parametrize(
    "data",
    [
        "a,b\n".encode("utf-16-le"),
        "a,b\n".encode("utf-32"),
        b"\xef\xbb\xbfcaf\xe9,1\n",
        b"caf\xe9,\x81\n",
        b"\xff\xfea\0,\0b",
        b"\xff\xfea\0\0\xd8,\0",
        "a,é".encode()[:-1] + b"\x81\x81",
    ],
    ids=[
        "UTF-16 unmarked",
        "UTF-32",
        "marked but no UTF-8",
        "no Windows-1252",
        "half a unit",
        "half a pair",
        "neither",
    ],
)
async def test_refuses_bytes_that_are_text_in_no_encoding(tmp_path: Path, data: bytes) -> None:
    await assert_found(write(tmp_path / "wrong", data), "binary data")


@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE])
async def test_refuses_an_empty_file(tmp_path: Path, mark: bytes) -> None:
    await assert_found(write(tmp_path / "wrong", mark), "an empty file")


async def test_refuses_images(tmp_path: Path) -> None:
    await assert_found(iso(tmp_path), "binary data")
    disk = blank(tmp_path / "disk", 4 * MEGABYTE)
    run("mkfs.ext4", "-q", disk)
    await assert_found(disk, "binary data")


@pytest.mark.parametrize("at", [0, FIRST - 1, FIRST, MEGABYTE - 1, MEGABYTE, 30 * MEGABYTE - 1])
async def test_finds_a_binary_byte_at_the_start_and_at_the_end(tmp_path: Path, at: int) -> None:
    large = write(tmp_path / "table", (b"name,price\r\nfish,1.50\r\n" * (1 + 30 * MEGABYTE // 23))[: 30 * MEGABYTE])
    await assert_passes(large)
    wrong = patched(large, at, b"\0")
    assert await found_first("table.csv", wrong) == ("binary data" if at < FIRST else None)
    assert await found_whole("table.csv", wrong) == "binary data"


async def test_finds_something_binary_in_the_middle_of_a_large_table(tmp_path: Path) -> None:
    large = write(tmp_path / "table", b"name,price\r\nfish,1.50\r\n" * (30 * MEGABYTE // 23))
    assert await found_whole("table.csv", patched(large, 10 * MEGABYTE, bytes(4 * MEGABYTE))) == "binary data"


async def test_reads_a_bounded_amount_of_a_huge_file(tmp_path: Path) -> None:
    huge = write(tmp_path / "huge", b"a,b\r\n" * (2 * MEGABYTE // 5))
    with huge.open("r+b") as file:
        for step in range(1, 1025):
            file.seek(step * 4 * MEGABYTE)
            file.write(b"x")
    content = Arrived(huge, huge.stat().st_size)
    event = HookEvent(upload=upload_named("table.csv", length=content.size), content=content)
    with pytest.raises(Exception, match="binary data"):
        await HOOK.pre_finish(event)
    assert content.was_read <= 3 * MEGABYTE


async def test_quotes_may_be_open_where_the_first_bytes_end(tmp_path: Path) -> None:
    inside = b'"' + b"a,\r\n" * MEGABYTE + b'"\r\n'
    await assert_passes(write(tmp_path / "table", inside))
    assert await found_first("table.csv", write(tmp_path / "wrong", inside[:-3])) is None


async def test_length_may_be_unknown_at_first(tmp_path: Path) -> None:
    assert await found_first("table.csv", write(tmp_path / "table", TABLE), length=None) is None
    assert await found_first("table.csv", write(tmp_path / "wrong", TABLE + b"\0"), length=None) == "binary data"
    # Nothing can be said yet of quotes that may still be closed.
    assert await found_first("table.csv", write(tmp_path / "open", b'a,"b'), length=None) is None


@pytest.mark.parametrize("encoding", ENCODINGS)
async def test_windows_may_cut_characters_apart(tmp_path: Path, encoding: str) -> None:
    letters = "aé€" if encoding == "cp1252" else "aé€😀"
    for shift in range(4):
        text = "x" * shift + (letters + ",") * 400_000
        await assert_passes(write(tmp_path / "table", encoded(text, encoding)))


cells = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]) | st.sampled_from("\r\n\t\",;|'é€😀"))


@settings(max_examples=300, deadline=None)
@given(
    rows=st.lists(st.lists(cells, min_size=1), min_size=1),
    delimiter=st.sampled_from(",;\t|"),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    encoding=st.sampled_from(ENCODINGS),
    share=st.floats(0, 1),
)
async def test_whatever_the_csv_module_writes_passes_wherever_it_is_cut(
    rows: list[list[str]], delimiter: str, quoting: Literal[0, 1], encoding: str, share: float
) -> None:
    written = io.StringIO(newline="")
    csv.writer(written, delimiter=delimiter, quoting=quoting).writerows(rows)
    text = written.getvalue()
    # These begin as documents of another kind do, and are refused for it.
    assume(not text.lstrip().startswith(("{", "[", "<", "#!", "%!", "%PDF-", "@")))
    try:
        data = encoded(text, encoding)
    except UnicodeEncodeError:
        data = encoded(text, "utf-8")
    with tempfile.TemporaryDirectory() as directory:
        path = write(Path(directory, "table"), data)
        assert await found_first("table.csv", path, shown=int(len(data) * share), hook=HOOK) is None
        assert await found_whole("table.csv", path, hook=HOOK) is None


@settings(deadline=None)
@given(st.binary(max_size=2000), st.binary(max_size=2000))
async def test_bytes_with_a_zero_never_pass(before: bytes, after: bytes) -> None:
    assume(before[:2] not in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    with tempfile.TemporaryDirectory() as directory:
        path = write(Path(directory, "wrong"), before + b"\0" + after)
        assert await found_first("table.csv", path, hook=HOOK) is not None
        assert await found_whole("table.csv", path, hook=HOOK) is not None


async def test_random_bytes_never_pass(tmp_path: Path) -> None:
    for seed in range(200):
        data = random.Random(seed).randbytes(1000)
        assert await found_first("table.csv", write(tmp_path / "wrong", data), hook=HOOK) is not None
        for mark in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF8):
            assert await found_first("table.csv", write(tmp_path / "wrong", mark + data), hook=HOOK) is not None


async def test_a_truncated_table_is_one_unless_it_ends_within_quotes(tmp_path: Path) -> None:
    path = write(tmp_path / "table", b'a,"b c"\r\n' * 10)
    await assert_passes(cut(path, 81))
    assert await found_whole("table.csv", cut(path, 85)) == QUOTES
