"""The sweep: what has expired goes, what is in use stays, and no single upload can hold the others up."""

import asyncio
import contextlib
import logging

import pytest
from tests.stateful.asgi import SOON
from tests.unit.uploads.world import DAY, World, open_world

from longshore.db.uploads import SqlUploads
from longshore.events import UploadExpired
from longshore.protocol import errors
from longshore.protocol.capabilities import Limits
from longshore.protocol.lifetime import tombstone
from longshore.protocol.upload import State, Upload
from longshore.stores.memory import MemoryStore
from longshore.uploads.service import Tuning

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("prompt")]


def expired(world: World) -> list[str]:
    return [event.upload.id for event in world.events if isinstance(event, UploadExpired)]


async def state_of(world: World, upload: Upload) -> State:
    return (await world.load(upload)).state


class Broken(MemoryStore):
    """A store that cannot remove some uploads' bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.stuck: set[str] = set()

    async def remove(self, upload_id: str) -> None:
        if upload_id in self.stuck:
            raise OSError("input/output error")
        await super().remove(upload_id)


async def test_unfinished_upload_expires_and_its_bytes_go(world: World) -> None:
    upload, young = await world.create(10, data=b"abc"), await world.create(10, data=b"abc")
    world.time.now += 6 * DAY
    await world.append(young, b"d")
    world.time.now += 1 * DAY
    await world.sweep.once()
    assert await state_of(world, upload) is State.EXPIRED
    assert await state_of(world, young) is State.UNFINISHED
    assert list(await world.store.ids()) == [young.id]
    assert expired(world) == [upload.id]


async def test_finished_upload_stays(world: World) -> None:
    upload = await world.create(3, data=b"abc")
    world.time.now += 1000 * DAY
    await world.sweep.once()
    assert await world.held(upload) == b"abc"
    assert (await world.service.finished(upload.id, world.caller)).state is State.COMPLETED


async def test_finished_upload_expires_where_that_was_asked_for() -> None:
    async with open_world(limits=Limits(finished_ttl=3 * DAY)) as world:
        upload = await world.create(3, data=b"abc")
        world.time.now += 3 * DAY
        await world.sweep.once()
        assert await state_of(world, upload) is State.EXPIRED
        assert await world.store.ids() == []


async def test_nothing_expires_where_nothing_may() -> None:
    async with open_world(limits=Limits(unfinished_ttl=None)) as world:
        upload = await world.create(10, data=b"abc")
        world.time.now += 1000 * DAY
        await world.sweep.once()
        assert await state_of(world, upload) is State.UNFINISHED


async def test_finished_part_expires_without_a_word_about_completion(world: World) -> None:
    await world.create(3, partial=True, data=b"abc")
    world.time.now += 7 * DAY
    await world.sweep.once()
    assert [event.type for event in world.events] == ["created", "expired"]


@pytest.mark.parametrize("fate", ["terminated", "expired"])
async def test_tombstone_is_forgotten_after_as_long_again(world: World, fate: str) -> None:
    upload = await world.create(10, data=b"abc")
    if fate == "terminated":
        await world.service.terminate(upload.id, world.caller)
    else:
        world.time.now += 7 * DAY
        await world.sweep.once()
    world.time.now += 6 * DAY
    await world.sweep.once()
    with pytest.raises(errors.UploadGone):
        await world.service.inspect(upload.id, world.caller)
    world.time.now += 1 * DAY
    await world.sweep.once()
    with pytest.raises(errors.UploadNotFound):
        await world.service.inspect(upload.id, world.caller)


async def test_bytes_that_a_crash_left_behind_are_removed(world: World) -> None:
    """The tombstone was written, and then came the end."""
    upload = await world.create(10, data=b"abc")
    buried = tombstone(await world.load(upload), State.TERMINATED, world.service.records.limits, world.time.now)
    assert await world.uploads.bury(buried)
    assert await world.held(upload) == b"abc"
    await world.sweep.once()
    assert await world.store.ids() == []
    assert await world.uploads.unpurged(10) == []


async def test_tombstone_is_not_forgotten_before_its_bytes_are_gone() -> None:
    store = Broken()
    async with open_world(store=store) as world:
        upload = await world.create(10, data=b"abc")
        store.stuck.add(upload.id)
        with pytest.raises(OSError, match="input/output"):
            await world.service.terminate(upload.id, world.caller)
        world.time.now += 30 * DAY
        await sweep_in_spite_of_errors(world)
        assert await state_of(world, upload) is State.TERMINATED
        store.stuck.clear()
        await world.sweep.once()
        assert await world.uploads.get(upload.id) is None
        assert await world.store.ids() == []


async def test_upload_in_use_is_left_alone(world: World) -> None:
    upload, idle = await world.create(10), await world.create(10)
    sending = await world.sent(upload, b"abc")
    world.time.now += 8 * DAY
    async with asyncio.timeout(SOON / 2):
        await world.sweep.once()
    assert sending.body.stopped is None
    assert await state_of(world, idle) is State.EXPIRED
    sending.source.feed(b"defghij", more=False)
    assert (await sending.task).state is State.COMPLETED
    assert expired(world) == [idle.id]


async def test_activity_during_the_sweep_saves_an_upload() -> None:
    tuning = Tuning(checkpoint_interval=0.01, stall_threshold=3600, lock_timeout=SOON)
    async with open_world(tuning=tuning) as world:
        upload = await world.create(10)
        world.time.now += 6 * DAY
        sending = await world.sent(upload, b"abc")
        async with asyncio.timeout(SOON):
            while (await world.load(upload)).offset != 3:
                pass
        world.time.now += 6 * DAY
        await world.sweep.once()
        sending.source.feed(b"d", more=False)
        assert (await sending.task).offset == 4


async def test_more_uploads_than_are_read_at_a_time_expire_in_one_sweep(world: World) -> None:
    uploads = [await world.create(10) for _ in range(230)]
    world.time.now += 7 * DAY
    await world.sweep.once()
    assert sorted(expired(world)) == sorted(upload.id for upload in uploads)
    world.time.now += 7 * DAY
    await world.sweep.once()
    assert await world.uploads.get_many([upload.id for upload in uploads]) == {}


async def test_many_uploads_in_use_do_not_hide_those_that_have_expired(world: World) -> None:
    sendings = [await world.sent(await world.create(10), b"a") for _ in range(105)]
    idle = await world.create(10)
    world.time.now += 7 * DAY
    await world.sweep.once()
    assert expired(world) == [idle.id]
    for sending in sendings:
        sending.source.disconnect()
    await asyncio.gather(*(sending.task for sending in sendings))


async def sweep_in_spite_of_errors(world: World) -> None:
    """One sweep; whether it ends by telling what went wrong, or has told that before, is all one here."""
    with contextlib.suppress(OSError):
        await world.sweep.once()


@pytest.mark.parametrize("stuck", [0, 2, 4])
async def test_upload_that_cannot_be_removed_does_not_stop_the_others(stuck: int) -> None:
    store = Broken()
    async with open_world(store=store) as world:
        uploads = []
        for _ in range(5):
            uploads.append(await world.create(10, data=b"abc"))
            world.time.now += DAY / 24
        store.stuck.add(uploads[stuck].id)
        world.time.now += 8 * DAY
        await sweep_in_spite_of_errors(world)
        assert {await state_of(world, upload) for upload in uploads} == {State.EXPIRED}
        assert list(await store.ids()) == [uploads[stuck].id]
        store.stuck.clear()
        await sweep_in_spite_of_errors(world)
        assert await store.ids() == []


async def test_final_that_cannot_be_put_together_does_not_stop_the_others() -> None:
    class Rotten(MemoryStore):
        async def concatenate(self, upload_id: str, parts: object, *, durable: bool) -> int:
            raise OSError("input/output error")

    async with open_world(store=Rotten()) as world:
        part = await world.create(3, partial=True)
        await world.concatenate(part)
        await world.append(part, b"abc")
        tomb = await world.create(3)
        await world.service.terminate(tomb.id, world.caller)
        world.time.now += 6 * DAY
        await world.append(await world.create(3, partial=True), b"abc")
        world.time.now += DAY / 2
        await world.sweep.once()
        world.time.now += DAY / 2
        await world.sweep.once()
        assert await world.uploads.get(tomb.id) is None


async def test_database_that_is_away_ends_a_sweep_and_not_the_sweeping(caplog: pytest.LogCaptureFixture) -> None:
    class Away(SqlUploads):
        times = 1

        async def unpurged(self, limit: int) -> list[str]:
            if self.times:
                self.times -= 1
                raise errors.Unavailable
            return list(await super().unpurged(limit))

    def away(records: SqlUploads) -> SqlUploads:
        records.__class__ = Away
        return records

    async with open_world(wrap=away) as world:
        upload = await world.create(10)
        world.time.now += 7 * DAY
        sweeping = asyncio.create_task(world.sweep.run(0.01))
        async with asyncio.timeout(SOON):
            while await world.uploads.get(upload.id) is not None:
                world.time.now += 7 * DAY
        sweeping.cancel()
        await asyncio.wait([sweeping])
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
