"""Checksums of completed files: all of them get theirs in the end, whatever else happens to them or to the server."""

import asyncio
import hashlib
import logging
import os
import sys
import threading
from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tests.stateful.asgi import SOON, until
from tests.unit.uploads.world import DAY, World, open_world

from longshore.db.digests import SqlDigests
from longshore.ports import Store
from longshore.ports.digests import Digests, Undigested
from longshore.protocol.errors import Unavailable
from longshore.protocol.upload import State, Upload
from longshore.stores.disk import DiskStore
from longshore.stores.memory import MemoryReader, MemoryStore
from longshore.uploads import digests as module
from longshore.uploads.digests import Digesting

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("prompt")]

NOTHING = timedelta(0)
MEBIBYTE = 1024 * 1024


class Watched(MemoryStore):
    """A store that tells what was opened, and whose reading waits at a gate while it is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[str] = []
        self.begun = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def open(self, upload_id: str, size: int) -> MemoryReader:
        self.opened.append(upload_id)
        held = self._uploads.get(upload_id, bytearray())
        if len(held) < size:
            raise EOFError(f"upload {upload_id} holds too little")
        return Gated(held, self)


class Gated(MemoryReader):
    """Reads once the gate is open."""

    def __init__(self, held: bytearray, store: Watched) -> None:
        super().__init__(held)
        self._store = store

    async def read(self, start: int, end: int) -> AsyncGenerator[bytes, None]:
        self._store.begun.set()
        await self._store.gate.wait()
        async for piece in super().read(start, end):
            yield piece


class Failing(SqlDigests):
    """Digests that cannot be stored the first time."""

    failures = 1

    async def add(self, digests: Mapping[str, str]) -> None:
        if self.failures:
            self.failures -= 1
            raise Unavailable("the database is out of reach")
        await super().add(digests)


class Counting(SqlDigests):
    """Digests that know how often they were searched."""

    searches = 0

    async def missing(
        self, completed_before: datetime, limit: int, *, after: Undigested | None = None
    ) -> Sequence[Undigested]:
        self.searches += after is None
        return await super().missing(completed_before, limit, after=after)


def digesting(world: World, digests: Digests | None = None, *, left_to_others: timedelta = NOTHING) -> Digesting:
    found = SqlDigests(world.database) if digests is None else digests
    return Digesting(world.uploads, world.store, found, world.time, left_to_others=left_to_others)


async def put(world: World, data: bytes) -> Upload:
    """A file; a second passes."""
    upload = await world.create(len(data), data=data)
    world.time.now += timedelta(seconds=1)
    return upload


async def told(world: World, upload: Upload) -> str | None:
    return (await world.load(upload)).sha256


async def await_digest(world: World, upload: Upload, data: bytes) -> None:
    """Wait until the file has a digest, which is the right one."""
    async with asyncio.timeout(SOON):
        while (digest := await told(world, upload)) is None:
            pass
    assert digest == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("size", [0, 3, MEBIBYTE, 2 * MEBIBYTE + 1])
@pytest.mark.parametrize("kind", ["memory", "disk"])
async def test_files_that_are_there_get_their_digest(tmp_path: Path, kind: str, size: int) -> None:
    store: Store = MemoryStore() if kind == "memory" else DiskStore(tmp_path)
    data = os.urandom(size)
    async with open_world(store=store) as world:
        upload = await put(world, data)
        async with digesting(world).running():
            await await_digest(world, upload, data)


async def test_a_file_that_is_completed_meanwhile_gets_its_digest_at_once(world: World) -> None:
    running = digesting(world, left_to_others=DAY)
    async with running.running():
        upload = await put(world, b"abc")
        for event in world.events:
            running.note(event)
        await await_digest(world, upload, b"abc")


async def test_a_final_upload_gets_one_and_its_parts_none(world: World) -> None:
    parts = [await world.create(3, partial=True, data=data) for data in (b"abc", b"def")]
    final = await world.concatenate(*parts)
    world.time.now += DAY / 2
    async with digesting(world).running():
        await await_digest(world, final, b"abcdef")
    assert [await told(world, part) for part in parts] == [None, None]


async def test_the_newest_come_first_and_those_that_are_completed_meanwhile_before_them() -> None:
    store = Watched()
    async with open_world(store=store) as world:
        old, new = await put(world, b"old"), await put(world, b"new")
        large = await put(world, bytes(module._BYTES_AT_ONCE))
        running = digesting(world)
        store.gate.clear()
        async with running.running():
            await store.begun.wait()
            latest = await put(world, b"latest")
            running.note(world.events[-1])
            store.gate.set()
            await await_digest(world, old, b"old")
        assert store.opened == [large.id, latest.id, new.id, old.id]


async def test_many_pages_of_files_are_gone_through(world: World) -> None:
    uploads = [await put(world, b"%d" % number) for number in range(2 * module._AT_ONCE + 1)]
    async with digesting(world).running():
        await await_digest(world, uploads[0], b"0")
    assert None not in [await told(world, upload) for upload in uploads]


async def test_completions_that_are_too_many_to_be_noted_are_found(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_NOTED", 2)
    running = digesting(world)
    async with running.running(interval=0.01):
        uploads = [await put(world, data) for data in (b"a", b"b", b"c", b"d")]
        for event in world.events:
            running.note(event)
        for upload, data in zip(uploads, (b"a", b"b", b"c", b"d"), strict=True):
            await await_digest(world, upload, data)


async def test_what_others_have_just_completed_is_left_to_them(world: World) -> None:
    old = await put(world, b"old")
    world.time.now += DAY
    young = await put(world, b"young")
    async with digesting(world, left_to_others=DAY).running(interval=0.01):
        await await_digest(world, old, b"old")
        assert await told(world, young) is None
        world.time.now += DAY
        await await_digest(world, young, b"young")


async def test_a_file_that_cannot_be_read_is_told_of_once_and_holds_nothing_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = Watched()
    async with open_world(store=store) as world:
        good, lost = await put(world, b"good"), await put(world, b"lost")
        await store.remove(lost.id)
        digests = Counting(world.database)
        async with digesting(world, digests).running(interval=0.001):
            await await_digest(world, good, b"good")
            searches = digests.searches
            await until(lambda: digests.searches > searches + 2)
        assert store.opened.count(lost.id) == 1
        assert [record.levelno for record in caplog.records] == [logging.ERROR]
        assert lost.id in caplog.text


async def test_a_file_that_is_deleted_before_its_turn_is_no_error(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    running = digesting(world)
    gone, kept = await put(world, b"gone"), await put(world, b"kept")
    for event in world.events:
        running.note(event)
    await world.service.terminate(gone.id, world.caller)
    async with running.running():
        await await_digest(world, kept, b"kept")
    assert caplog.messages == []


async def test_a_file_that_is_deleted_while_it_is_read_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    store = Watched()
    async with open_world(store=store) as world:
        gone = await put(world, b"gone")
        store.gate.clear()
        running = digesting(world)
        async with running.running():
            await store.begun.wait()
            await world.service.terminate(gone.id, world.caller)
            kept = await put(world, b"kept")
            running.note(world.events[-1])
            store.gate.set()
            await await_digest(world, kept, b"kept")
        left = await world.load(gone)
        assert (left.state, left.sha256, caplog.messages) == (State.TERMINATED, None, [])


async def test_a_database_that_is_out_of_reach_is_tried_again(world: World, caplog: pytest.LogCaptureFixture) -> None:
    upload = await put(world, b"abc")
    async with digesting(world, Failing(world.database)).running(interval=0.01):
        await await_digest(world, upload, b"abc")
    assert "tried again in 0.01 s" in caplog.text


async def test_ends_in_the_middle_of_a_file_and_goes_on_when_it_is_started_again(tmp_path: Path) -> None:
    async with open_world(store=DiskStore(tmp_path)) as world:
        upload = await put_huge(world, tmp_path)
        running = digesting(world)
        async with asyncio.timeout(SOON), running.running():
            await until(threads)
        small = await put(world, b"abc")
        async with asyncio.timeout(SOON), running.running():
            await await_digest(world, small, b"abc")
        assert await told(world, upload) is None
        assert not threads()


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priority of their own")
async def test_everybody_else_goes_first(tmp_path: Path) -> None:
    async with open_world(store=DiskStore(tmp_path)) as world:
        await put_huge(world, tmp_path)
        before = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
        async with digesting(world).running():
            await until(lambda: [os.getpriority(os.PRIO_PROCESS, number) for number in threads()] == [10])
            assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == before


def threads() -> list[int]:
    """The threads that compute digests."""
    return [thread.native_id or 0 for thread in threading.enumerate() if thread.name.startswith("longshore-digests")]


async def put_huge(world: World, directory: Path) -> Upload:
    """A file that takes more than half an hour to read."""
    size = 2**40
    now = world.time.now
    upload = Upload(id="f" * 32, created_at=now, offset=size, length=size, state=State.COMPLETED, completed_at=now)
    await world.uploads.add(upload, free_space=None)
    (directory / "ff").mkdir()
    with (directory / "ff" / upload.id).open("wb") as file:
        file.truncate(size)
    world.time.now += timedelta(seconds=1)
    return upload
