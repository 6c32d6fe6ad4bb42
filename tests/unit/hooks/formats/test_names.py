import base64
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.hooks.formats.samples import ALLOWED, formats, upload_named

from longshore.downloads import presentation
from longshore.hooks.formats import Formats
from longshore.ports.hooks import HookEvent
from longshore.protocol.errors import FormatNotAllowed
from longshore.protocol.upload import Upload

pytestmark = pytest.mark.anyio

HOOK = formats()


async def passes(upload: Upload, hook: Formats = HOOK) -> bool:
    try:
        await hook.pre_create(HookEvent(upload=upload))
    except FormatNotAllowed:
        return False
    return True


@pytest.mark.parametrize(
    "name",
    [
        "table.csv",
        "TABLE.CSV",
        "disk.Img",
        "two words.iso",
        "v1.2.3.csv",
        "evil.exe.csv",
        "таблица.csv",
        "表.csv",
        "👩\u200d💻.csv",
        "some/folder/table.csv",
        "C:\\Users\\me\\table.csv",
        "folder.exe/table.csv",
        "2026-05-01T12:30:00.csv",
        "x" * 251 + ".csv",
    ],
)
async def test_takes_a_name_with_an_allowed_extension(name: str) -> None:
    assert await passes(upload_named(name))


@pytest.mark.parametrize(
    "name",
    [
        "",
        "table",
        "table.exe",
        "table.csv.exe",
        ".csv",
        "..csv",
        " .csv",
        "\u200d.csv",
        "csv",
        "table.",
        "table.csv.",
        "table.csv ",
        "table.csv. .",
        "table.csv\u00a0",
        "table.csv/",
        "table.csv/..",
        "table.csv\\evil.exe",
        "evil.exe\0.csv",
        "evil.csv\0.exe",
        "evil.exe\n.csv",
        "evil.exe\x7f.csv",
        "evil.exe\u2028.csv",
        "evil\u202evsc.exe",
        "evil\u202eexe.csv",
        "\u2067evil.csv",
        "table\uff0ecsv",
        "table\u3002csv",
        "table.\uff43sv",
        "table.cs\u200dv",
        "disc.i\u017fo",
        "evil.exe:table.csv",
        "table.csv:evil.exe",
        "table.csv::$DATA",
        "x" * 252 + ".csv",
        "x" * 10_000 + ".csv",
    ],
)
async def test_refuses_a_name_without_an_allowed_extension_or_with_two_readings(name: str) -> None:
    assert not await passes(upload_named(name))


async def test_refuses_a_name_that_is_no_utf8() -> None:
    assert not await passes(upload_named(b"caf\xe9.csv"))


async def test_refuses_a_letter_whose_lower_case_alone_is_ascii() -> None:
    assert await passes(upload_named("film.MKV"), formats([".mkv"]))
    assert not await passes(upload_named("film.M\u212av"), formats([".mkv"]))


async def test_name_comes_from_filename_and_else_from_name() -> None:
    def pair(key: str, value: str) -> str:
        return f"{key} {base64.b64encode(value.encode()).decode()}"

    upload = upload_named("")
    assert await passes(replace(upload, metadata=pair("name", "a.csv")))
    assert await passes(replace(upload, metadata=f"filename ,{pair('name', 'a.csv')}"))
    assert await passes(replace(upload, metadata=f"{pair('name', 'a.exe')},{pair('filename', 'a.csv')}"))
    assert not await passes(replace(upload, metadata=f"{pair('name', 'a.csv')},{pair('filename', 'a.exe')}"))
    assert not await passes(replace(upload, metadata=pair("relativePath", "a.csv")))
    assert not await passes(replace(upload, metadata=""))


async def test_extension_of_two_parts_is_one() -> None:
    hook = formats([".tar.gz"])
    assert await passes(upload_named("backup.tar.GZ"), hook)
    assert await passes(upload_named("v1.0.tar.gz"), hook)
    assert not await passes(upload_named("backup.gz"), hook)
    assert not await passes(upload_named(".tar.gz"), hook)
    assert await passes(upload_named("backup.tar.gz"), formats([".gz"]))


async def test_refusal_says_what_is_allowed() -> None:
    with pytest.raises(FormatNotAllowed) as caught:
        await HOOK.pre_create(HookEvent(upload=upload_named("setup.EXE")))
    assert (caught.value.status, caught.value.code) == (415, "format-not-allowed")
    assert caught.value.members == {"extension": ".exe", "allowed": ".csv, .img, .iso"}


@pytest.mark.parametrize("given", ["csv", ".csv", "CSV", " .Csv "])
async def test_allowed_extension_may_be_written_without_its_dot(given: str) -> None:
    assert await passes(upload_named("table.csv"), formats([given]))


@pytest.mark.parametrize("given", ["", ".", "*", ".c sv", "a/b", ".\u212av", "..csv"])
async def test_refuses_a_setting_that_is_no_extension(given: str) -> None:
    with pytest.raises(ValueError, match="is not a file name extension"):
        formats([given])


names = st.text(max_size=30) | st.text(alphabet="ac.:/\\ svCSV\0\u200d\u202e\u00a0\uff0e", max_size=12)


@settings(deadline=None)
@given(names, st.sampled_from([*ALLOWED, ".CSV", ". csv", ".csv."]))
async def test_what_passes_is_given_back_with_an_allowed_extension(stem: str, ending: str) -> None:
    upload = upload_named((stem + ending).encode("utf-8", "surrogatepass"))
    if await passes(upload):
        assert presentation.file_name(upload).lower().endswith(ALLOWED)
