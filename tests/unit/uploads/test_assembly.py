"""Final uploads: put together once, whoever finishes the last part, and again after whatever went wrong."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace

import pytest
from tests.stateful.asgi import SOON, until
from tests.unit.uploads.world import DAY, GatedStore, World, body_of, open_world

from longshore.db.uploads import SqlUploads
from longshore.events import UploadEvent
from longshore.protocol import errors
from longshore.protocol.intents import Append, BodyHead
from longshore.protocol.upload import State, Upload
from longshore.stores.memory import MemoryStore
from longshore.uploads.service import Tuning

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("prompt")]


async def part(world: World, data: bytes, *, length: int | None = None) -> Upload:
    """A partial upload that holds data; finished unless it is given a greater length."""
    return await world.create(len(data) if length is None else length, partial=True, data=data)


async def is_complete(world: World, final: Upload, content: bytes) -> bool:
    loaded = await world.load(final)
    whole = loaded.state is State.COMPLETED and loaded.offset == loaded.length == len(content)
    return whole and await world.held(final) == content and world.completed == [final.id]


async def test_finished_parts_are_put_together_at_once_in_the_order_given(world: World) -> None:
    one, two = await part(world, b"one"), await part(world, b"two")
    final = await world.concatenate(two, one, two)
    assert final.state is State.COMPLETED
    assert await is_complete(world, final, b"twoonetwo")


@pytest.mark.parametrize("last", [0, 1, 2])
async def test_last_part_completes_the_final(world: World, last: int) -> None:
    contents = [b"abc", b"def", b"gh"]
    parts = [await part(world, content[:1], length=len(content)) for content in contents]
    final = await world.concatenate(*parts)
    assert (final.state, final.length) == (State.UNFINISHED, 8)
    for number in sorted(range(3), key=lambda number: number == last):
        assert world.completed == []
        await world.append(parts[number], contents[number][1:], offset=1)
    assert await is_complete(world, final, b"abcdefgh")


async def test_last_length_declared_completes_the_final(world: World) -> None:
    one = await world.create(None, partial=True, data=b"abc")
    final = await world.concatenate(one, await part(world, b"def"))
    assert final.length is None
    await world.service.append(
        Append(resource=one.id, offset=3, length=3, body=BodyHead(length=0)), body_of(b""), world.caller
    )
    assert await is_complete(world, final, b"abcdef")


async def test_two_parts_that_finish_at_the_same_time_complete_the_final_once(world: World) -> None:
    for _ in range(5):
        world.events.clear()
        one, two = await part(world, b"a", length=3), await part(world, b"d", length=3)
        final = await world.concatenate(one, two)
        await asyncio.gather(world.append(one, b"bc"), world.append(two, b"ef"))
        assert await is_complete(world, final, b"abcdef")


async def test_finals_that_share_parts_do_not_wait_for_each_other_for_ever(world: World) -> None:
    one, two = await part(world, b"a", length=2), await part(world, b"c", length=2)
    finals = [await world.concatenate(one, two), await world.concatenate(two, one)]
    async with asyncio.timeout(SOON):
        await asyncio.gather(world.append(one, b"b"), world.append(two, b"d"))
    assert [await world.held(final) for final in finals] == [b"abcd", b"cdab"]
    assert sorted(world.completed) == sorted(final.id for final in finals)


async def test_part_that_is_finished_does_not_wait_for_the_parts_still_under_way(world: World) -> None:
    """Parts come in parallel: the answer to the first one cannot wait until the last one is there."""
    one, two = await part(world, b"a", length=2), await part(world, b"c", length=100)
    final = await world.concatenate(one, two)
    sending = await world.sent(two, b"defg")
    async with asyncio.timeout(SOON / 4):
        finished = await world.append(one, b"b")
    assert finished.state is State.COMPLETED
    assert sending.body.stopped is None
    sending.source.feed(b"h" * 95, more=False)
    assert (await sending.task).state is State.COMPLETED
    assert await is_complete(world, final, b"abcdefg" + b"h" * 95)


async def test_part_that_is_finished_does_not_keep_the_others_from_going_on(world: World) -> None:
    """As when each part comes in several requests, and one of them is under way."""
    idle, busy, last = [await part(world, b"a", length=3) for _ in range(3)]
    await world.concatenate(idle, busy, last)
    sending = await world.sent(busy, b"b")
    finishing = asyncio.create_task(world.append(last, b"bc"))
    await until(lambda: finishing.done() or world.position(idle.id) is not None)
    async with asyncio.timeout(SOON / 4):
        assert (await world.append(idle, b"b")).offset == 2
    sending.source.disconnect()
    await asyncio.gather(finishing, sending.task)


async def test_empty_append_at_the_end_of_a_part_that_is_being_copied_is_fine() -> None:
    """It is not told 409 with the very offset that it named."""
    store = GatedStore()
    async with open_world(store=store) as world:
        one = await part(world, b"abc")
        store.gate.clear()
        concatenating = asyncio.create_task(world.concatenate(one))
        await store.reached.wait()
        appending = asyncio.create_task(world.append(one, b""))
        for _ in range(10):
            await asyncio.sleep(0)
        store.gate.set()
        assert (await appending).offset == 3
        assert (await concatenating).state is State.COMPLETED


async def test_part_cannot_be_deleted_while_it_is_copied() -> None:
    store = GatedStore()
    async with open_world(store=store) as world:
        one = await part(world, b"abc")
        store.gate.clear()
        concatenating = asyncio.create_task(world.concatenate(one))
        await store.reached.wait()
        deleting = asyncio.create_task(world.service.terminate(one.id, world.caller))
        store.gate.set()
        final = await concatenating
        await deleting
        assert await is_complete(world, final, b"abc")


async def test_final_whose_part_was_deleted_stays_unfinished(world: World) -> None:
    one, two = await part(world, b"abc"), await part(world, b"d", length=3)
    final = await world.concatenate(one, two)
    await world.service.terminate(one.id, world.caller)
    await world.append(two, b"ef")
    await world.sweep.once()
    assert (await world.load(final)).state is State.UNFINISHED
    assert world.completed == []


async def test_final_goes_on_living_when_its_parts_are_gone(world: World) -> None:
    one, two = await part(world, b"abc"), await part(world, b"def")
    final = await world.concatenate(one, two)
    await world.service.terminate(one.id, world.caller)
    world.time.now += 8 * DAY
    await world.sweep.once()
    assert (await world.load(two)).state is State.EXPIRED
    assert await is_complete(world, final, b"abcdef")


async def test_final_is_kept_alive_by_its_parts(world: World) -> None:
    one, two = await part(world, b"a", length=9), await part(world, b"bcd")
    final = await world.concatenate(one, two)
    world.time.now += 6 * DAY
    await world.append(one, b"x")
    assert (await world.load(final)).expires_at == world.time.now + 7 * DAY


async def test_empty_append_to_a_finished_part_does_not_shorten_the_final_s_life(world: World) -> None:
    """A client that looks once more at a part that it finished long ago is a sign of life, if anything."""
    one, two = await part(world, b"abc"), await part(world, b"d", length=9)
    world.time.now += 3 * DAY
    final = await world.concatenate(one, two)
    before = (await world.load(final)).expires_at
    await world.append(one, b"")
    after = (await world.load(final)).expires_at
    assert before is not None
    assert after is not None
    assert after >= before


async def test_final_that_there_is_no_room_for_is_refused_and_leaves_nothing() -> None:
    async with open_world(store=MemoryStore(capacity=5)) as world:
        one = await part(world, b"abc")
        with pytest.raises(errors.InsufficientStorage):
            await world.concatenate(one)
        assert list(await world.store.ids()) == [one.id]
        assert world.completed == []


async def test_final_that_there_was_no_room_for_in_the_end_is_put_together_by_the_sweep(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Crowded(MemoryStore):
        is_full = True

        async def concatenate(self, upload_id: str, parts: Sequence[tuple[str, int]], *, durable: bool) -> int:
            if self.is_full:
                raise errors.InsufficientStorage
            return await super().concatenate(upload_id, parts, durable=durable)

    store = Crowded()
    async with open_world(store=store) as world:
        one = await part(world, b"a", length=3)
        final = await world.concatenate(one)
        assert (await world.append(one, b"bc")).state is State.COMPLETED
        await world.sweep.once()
        assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
        assert (await world.load(final)).state is State.UNFINISHED
        store.is_full = False
        await world.sweep.once()
        await world.sweep.once()
        assert await is_complete(world, final, b"abc")


async def test_sweep_finishes_what_a_crash_has_cut_short(world: World) -> None:
    """The record is there and half of the bytes are: as after a kill in the middle of the copy."""
    one, two = await part(world, b"abc"), await part(world, b"d", length=3)
    final = await world.concatenate(one, two)
    writer = await world.store.append(two.id, 1)
    writer.write(memoryview(b"ef"))
    writer.close()
    done = await world.load(two)
    await world.uploads.save(_completed(done, world))
    half = await world.store.append(final.id, 0)
    half.write(memoryview(b"ab??????????"))
    half.close()
    await world.sweep.once()
    assert await is_complete(world, final, b"abcdef")


def _completed(upload: Upload, world: World) -> Upload:
    return replace(upload, offset=3, state=State.COMPLETED, completed_at=world.time.now)


async def test_final_whose_record_could_not_be_saved_is_finished_by_the_sweep() -> None:
    class Forgetful(SqlUploads):
        fails = False

        async def save(self, upload: Upload, *, events: Sequence[UploadEvent] = ()) -> bool:
            if self.fails and upload.is_final:
                raise errors.Unavailable
            return await super().save(upload, events=events)

    def forgetful(records: SqlUploads) -> SqlUploads:
        records.__class__ = Forgetful
        return records

    async with open_world(wrap=forgetful, tuning=Tuning(lock_timeout=SOON)) as world:
        one = await part(world, b"abc")
        assert isinstance(world.uploads, Forgetful)
        world.uploads.fails = True
        with pytest.raises(errors.Unavailable):
            await world.concatenate(one)
        assert world.completed == []
        world.uploads.fails = False
        await world.sweep.once()
        assert len(world.completed) == 1
