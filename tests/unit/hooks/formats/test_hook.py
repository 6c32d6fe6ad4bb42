from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.hooks.formats.samples import FOREIGN, TABLE, Arrived, formats, upload_named, write

from longshore.hooks.chain import Chain
from longshore.ports.hooks import HookEvent
from longshore.protocol.errors import FormatNotAllowed
from longshore.protocol.upload import Upload

pytestmark = pytest.mark.anyio

ELF = FOREIGN["ELF"][0]


def event_of(upload: Upload, path: Path) -> HookEvent:
    return HookEvent(upload=upload, content=Arrived(path, path.stat().st_size))


async def test_everything_passes_where_no_extension_is_asked_for(tmp_path: Path) -> None:
    hook, event = formats([]), event_of(upload_named("setup\0.exe"), write(tmp_path / "a", ELF))
    assert await hook.pre_create(event) is None
    await hook.inspect(event)
    await hook.pre_finish(event)


async def test_partial_uploads_pass_and_the_final_is_looked_at(tmp_path: Path) -> None:
    hook, path = formats(), write(tmp_path / "a", ELF)
    partial = event_of(replace(upload_named(""), metadata="", concat="partial"), path)
    assert await hook.pre_create(partial) is None
    await hook.inspect(partial)
    await hook.pre_finish(partial)
    final = replace(upload_named("table.csv", length=len(ELF)), concat="final;/files/a /files/b")
    await hook.pre_create(HookEvent(upload=final))
    with pytest.raises(FormatNotAllowed):
        await hook.pre_finish(event_of(final, path))
    with pytest.raises(FormatNotAllowed):
        await hook.pre_create(HookEvent(upload=replace(final, metadata="")))


async def test_refusal_of_content_says_what_was_found(tmp_path: Path) -> None:
    event = event_of(upload_named("table.csv", length=len(ELF)), write(tmp_path / "a", ELF))
    for ask in (formats().inspect, formats().pre_finish):
        with pytest.raises(FormatNotAllowed) as caught:
            await ask(event)
        assert (caught.value.status, caught.value.code) == (415, "format-not-allowed")
        assert caught.value.detail == "The content does not pass as .csv: it is an ELF executable."
        assert caught.value.members == {
            "extension": ".csv",
            "allowed": ".csv, .img, .iso",
            "found": "an ELF executable",
        }


async def test_name_is_looked_at_again_with_the_content(tmp_path: Path) -> None:
    event = event_of(upload_named("table.exe", length=len(TABLE)), write(tmp_path / "a", TABLE))
    with pytest.raises(FormatNotAllowed, match="extension"):
        await formats().inspect(event)
    with pytest.raises(FormatNotAllowed, match="extension"):
        await formats().pre_finish(event)


async def test_works_in_a_chain_of_hooks(tmp_path: Path) -> None:
    chain = Chain([formats()], timeout=10, inspect_size=65536)
    assert chain.inspect_size == 65536
    await chain.ask("pre_finish", event_of(upload_named("a.csv", length=len(TABLE)), write(tmp_path / "a", TABLE)))
    with pytest.raises(FormatNotAllowed):
        await chain.ask("inspect", event_of(upload_named("a.csv", length=len(ELF)), write(tmp_path / "b", ELF)))
