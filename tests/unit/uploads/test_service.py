"""The service over real adapters: what requests do to each other, and what is left when one is cut short."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from tests.stateful.asgi import SOON, until
from tests.unit.uploads.world import DAY, GatedStore, Sending, Source, World, body_of, open_world

from longshore.db.uploads import SqlUploads
from longshore.events import UploadCompleted, UploadCreated, UploadEvent, UploadTerminated
from longshore.ports import StopReason
from longshore.protocol import errors
from longshore.protocol.capabilities import Limits
from longshore.protocol.checksum import Checksum
from longshore.protocol.intents import Append, BodyHead, Create
from longshore.protocol.upload import State, Upload
from longshore.stores.memory import MemoryStore, MemoryWriter
from longshore.uploads.service import Tuning

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("prompt")]

WRONG = Checksum("crc32", b"\xff\xff\xff\xff")


class Gate:
    """Lets threads through when it is open, and tells who has come to it."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self._open = threading.Event()

    def pass_through(self) -> None:
        self.reached.set()
        assert self._open.wait(SOON)

    def open(self) -> None:
        self._open.set()


class SlowStore(MemoryStore):
    """A store on a disk that stands still until the gate is opened."""

    def __init__(self, gate: Gate) -> None:
        super().__init__()
        self.gate = gate

    def extend(self, held: bytearray, data: memoryview) -> None:
        self.gate.pass_through()
        super().extend(held, data)


class SyncedStore(MemoryStore):
    """A store that counts how much was written when it was last synced."""

    def __init__(self) -> None:
        super().__init__()
        self.synced: list[int] = []

    async def append(self, upload_id: str, offset: int) -> MemoryWriter:
        await super().append(upload_id, offset)
        held, synced = self._uploads[upload_id], self.synced

        class Writer(MemoryWriter):
            def sync(self) -> None:
                synced.append(len(held))

        return Writer(self, held)


async def code_of(task: "asyncio.Task[Any]") -> str:
    """How a request was refused."""
    with pytest.raises(errors.TusError) as refusal:
        await task
    return refusal.value.code


async def stands_at(world: World, upload: Upload, content: bytes) -> None:
    """Whether record and store agree that the upload holds these bytes."""
    assert (await world.load(upload)).offset == len(content)
    assert (await world.held(upload))[: len(content)] == content


# One writer at a time


async def test_append_where_the_holder_stands_takes_over(world: World) -> None:
    upload = await world.create(10)
    old = await world.sent(upload, b"abc")
    new = world.send(upload, offset=3)
    assert await code_of(old.task) == "upload-taken-over"
    await until(lambda: world.position(upload.id) == 3)
    await stands_at(world, upload, b"abc")
    new.source.feed(b"defghij", more=False)
    assert (await new.task).state is State.COMPLETED
    await stands_at(world, upload, b"abcdefghij")


async def test_what_the_holder_received_before_it_was_taken_over_is_committed_before_it_is_told(world: World) -> None:
    upload = await world.create(10)
    old = await world.sent(upload, b"abc")
    committed: list[Upload | None] = []
    old.task.add_done_callback(lambda _: committed.append(None))
    await world.append(upload, b"defg", offset=3)
    assert await code_of(old.task) == "upload-taken-over"
    await stands_at(world, upload, b"abcdefg")


@pytest.mark.parametrize("offset", [0, 2, 4, 9])
async def test_append_elsewhere_is_refused_at_once_and_the_holder_goes_on(world: World, offset: int) -> None:
    upload = await world.create(10)
    holder = await world.sent(upload, b"abc")
    with pytest.raises(errors.OffsetConflict):
        await world.append(upload, b"x", offset=offset)
    assert holder.body.stopped is None
    holder.source.feed(b"defghij", more=False)
    assert (await holder.task).state is State.COMPLETED
    await stands_at(world, upload, b"abcdefghij")


async def test_append_that_is_too_long_for_what_is_left_does_not_disturb_the_holder(world: World) -> None:
    upload = await world.create(5)
    holder = await world.sent(upload, b"abc")
    with pytest.raises(errors.LengthExceeded):
        await world.append(upload, b"defg", offset=3)
    assert holder.body.stopped is None
    holder.source.feed(b"de", more=False)
    assert (await holder.task).state is State.COMPLETED


async def test_checked_body_that_is_taken_over_leaves_the_offset_where_it_began(world: World) -> None:
    upload = await world.create(10)
    old = await world.sent(upload, b"abc", position=0, checksum=WRONG)
    new = await asyncio.wait_for(world.append(upload, b"0123456789", offset=0), SOON)
    assert await code_of(old.task) == "upload-taken-over"
    assert new.state is State.COMPLETED
    await stands_at(world, upload, b"0123456789")


async def test_chain_of_takeovers_keeps_every_byte(world: World) -> None:
    upload = await world.create(6)
    sendings = [await world.sent(upload, b"a")]
    for offset, byte in enumerate([b"b", b"c", b"d", b"e"], 1):
        sendings.append(world.send(upload, byte, offset=offset))
        await until(lambda: world.position(upload.id) == offset + 1)  # noqa: B023 - awaited before it moves on
    sendings[-1].source.feed(b"f", more=False)
    assert (await sendings.pop().task).state is State.COMPLETED
    assert [await code_of(sending.task) for sending in sendings] == ["upload-taken-over"] * 4
    await stands_at(world, upload, b"abcdef")


async def test_newcomer_that_cannot_have_the_lease_in_time_is_told_to_come_again() -> None:
    gate = Gate()
    tuning = Tuning(checkpoint_interval=3600, lock_timeout=0.05)
    async with open_world(store=SlowStore(gate), tuning=tuning) as world:
        upload = await world.create(10)
        holder = world.send(upload, b"abc")
        await asyncio.to_thread(gate.reached.wait, SOON)
        with pytest.raises(errors.UploadLocked):
            await world.service.terminate(upload.id, world.caller)
        gate.open()
        assert await code_of(holder.task) == "upload-taken-over"
        await stands_at(world, upload, b"abc")


async def test_delete_ends_a_running_append(world: World) -> None:
    upload = await world.create(10)
    holder = await world.sent(upload, b"abc")
    await world.service.terminate(upload.id, world.caller)
    assert await code_of(holder.task) == "upload-taken-over"
    assert (await world.load(upload)).state is State.TERMINATED
    assert await world.store.ids() == []
    assert [event.type for event in world.events] == ["created", "terminated"]


async def test_append_that_comes_while_the_upload_is_being_deleted_finds_it_gone() -> None:
    """And is not told 409 with the very offset that it named."""
    store = GatedStore()
    async with open_world(store=store) as world:
        upload = await world.create(10, data=b"abc")
        store.gate.clear()
        deleting = asyncio.create_task(world.service.terminate(upload.id, world.caller))
        await store.reached.wait()
        appending = world.send(upload, b"def", offset=3)
        store.gate.set()
        assert await code_of(appending.task) == "upload-terminated"
        await deleting


async def test_two_deletes_at_once(world: World) -> None:
    upload = await world.create(10)
    outcomes = await asyncio.gather(
        *(world.service.terminate(upload.id, world.caller) for _ in range(2)), return_exceptions=True
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["NoneType", "UploadTerminated"]
    assert sum(isinstance(event, UploadTerminated) for event in world.events) == 1


# HEAD


async def test_head_makes_a_quiet_holder_commit() -> None:
    seconds = [0.0]
    tuning = Tuning(checkpoint_interval=3600, stall_threshold=0.5, lock_timeout=SOON)
    async with open_world(tuning=tuning, now=lambda: seconds[0]) as world:
        upload = await world.create(10)
        holder = await world.sent(upload, b"abc")
        seconds[0] += 0.5
        assert (await world.service.inspect(upload.id, world.caller)).offset == 3
        assert await code_of(holder.task) == "upload-taken-over"


async def test_head_leaves_a_lively_holder_alone() -> None:
    seconds = [0.0]
    tuning = Tuning(checkpoint_interval=3600, stall_threshold=0.5, lock_timeout=SOON)
    async with open_world(tuning=tuning, now=lambda: seconds[0]) as world:
        upload = await world.create(10)
        holder = await world.sent(upload, b"abc")
        seconds[0] += 0.49
        assert (await world.service.inspect(upload.id, world.caller)).offset == 0
        assert holder.body.stopped is None
        holder.source.feed(b"defghij", more=False)
        assert (await holder.task).state is State.COMPLETED


async def test_head_leaves_a_holder_alone_whose_disk_is_slow() -> None:
    seconds, gate = [0.0], Gate()
    tuning = Tuning(checkpoint_interval=3600, stall_threshold=0.5, lock_timeout=SOON)
    async with open_world(store=SlowStore(gate), tuning=tuning, now=lambda: seconds[0]) as world:
        upload = await world.create(10)
        holder = world.send(upload, b"abc")
        await asyncio.to_thread(gate.reached.wait, SOON)
        seconds[0] += 60
        assert (await world.service.inspect(upload.id, world.caller)).offset == 0
        assert holder.body.stopped is None
        gate.open()
        holder.source.feed(b"defghij", more=False)
        assert (await holder.task).state is State.COMPLETED


async def test_head_does_not_wait_for_anybody_who_assembles_or_deletes(world: World) -> None:
    final = await world.concatenate(await world.create(3, partial=True))
    lease = await world.locker.acquire(final.id, position=0, stop=lambda: None, may_take=lambda _: False, timeout=0)
    assert (await world.service.inspect(final.id, world.caller)).state is State.UNFINISHED
    await lease.release()


# Cut short


async def test_cancelled_request_commits_what_arrived(world: World) -> None:
    upload = await world.create(10)
    sending = await world.sent(upload, b"abc")
    sending.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending.task
    await until(lambda: world.position(upload.id) is None)
    await stands_at(world, upload, b"abc")


async def test_cancelled_request_commits_also_what_a_slow_disk_is_writing() -> None:
    gate = Gate()
    async with open_world(store=SlowStore(gate)) as world:
        upload = await world.create(10)
        sending = world.send(upload, b"abc")
        await asyncio.to_thread(gate.reached.wait, SOON)
        for _ in range(2):  # Once by uvicorn, once by whoever loses patience.
            sending.task.cancel()
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await sending.task
        gate.open()
        await world.service.work.drain()
        await stands_at(world, upload, b"abc")


async def test_stopping_commits_what_arrived_and_says_that_the_server_goes_down(world: World) -> None:
    uploads = [await world.create(10) for _ in range(3)]
    sendings = [await world.sent(upload, b"abc") for upload in uploads]
    world.service.work.stop()
    assert [await code_of(sending.task) for sending in sendings] == ["shutting-down"] * 3
    for upload in uploads:
        await stands_at(world, upload, b"abc")


async def test_stopped_service_takes_no_new_work_but_tells_the_offset(world: World) -> None:
    upload = await world.create(10, data=b"abc")
    world.service.work.stop()
    with pytest.raises(errors.ShuttingDown):
        await world.append(upload, b"def")
    with pytest.raises(errors.ShuttingDown):
        await world.create(10)
    with pytest.raises(errors.ShuttingDown):
        await world.service.terminate(upload.id, world.caller)
    assert (await world.service.inspect(upload.id, world.caller)).offset == 3


async def test_drain_waits_for_what_is_being_committed() -> None:
    gate = Gate()
    async with open_world(store=SlowStore(gate)) as world:
        upload = await world.create(10)
        sending = world.send(upload, b"abc")
        await asyncio.to_thread(gate.reached.wait, SOON)
        draining = asyncio.create_task(world.service.work.drain())
        await until(lambda: sending.body.stopped)
        assert not draining.done()
        gate.open()
        await draining
        assert await code_of(sending.task) == "shutting-down"
        await stands_at(world, upload, b"abc")


async def test_client_that_goes_away_leaves_what_it_sent(world: World) -> None:
    upload = await world.create(10)
    sending = world.send(upload, b"abc", b"de")
    sending.source.disconnect()
    assert (await sending.task).offset == 5
    await stands_at(world, upload, b"abcde")


async def test_client_that_stalls_leaves_what_it_sent(world: World) -> None:
    upload = await world.create(10)
    sending = world.send(upload, b"abc", idle_timeout=0.02)
    assert await code_of(sending.task) == "body-stalled"
    await stands_at(world, upload, b"abc")


async def test_checked_body_that_is_cut_short_leaves_nothing(world: World) -> None:
    upload = await world.create(10)
    sending = world.send(upload, b"abc", checksum=WRONG)
    sending.source.disconnect()
    assert (await sending.task).offset == 0
    assert (await world.append(upload, b"0123456789")).state is State.COMPLETED
    await stands_at(world, upload, b"0123456789")


async def test_garbage_of_a_mismatch_is_overwritten(world: World) -> None:
    upload = await world.create(10)
    sending = world.send(upload, checksum=WRONG)
    sending.source.feed(b"garbage", more=False)
    assert await code_of(sending.task) == "checksum-mismatch"
    assert (await world.load(upload)).offset == 0
    await world.append(upload, b"01234")
    assert await world.held(upload) == b"01234"


@pytest.mark.parametrize("length", [3, 10])
async def test_empty_body_has_a_checksum_too(world: World, length: int) -> None:
    upload = await world.create(length, data=b"abc")
    assert await code_of(world.send(upload, offset=3, length=0, checksum=WRONG).task) == "checksum-mismatch"


async def test_chunked_body_that_overruns_does_not_complete_the_upload(world: World) -> None:
    upload = await world.create(3)
    sending = world.send(upload)
    sending.source.feed(b"abcd", more=False)
    assert await code_of(sending.task) == "length-exceeded"
    assert (await world.load(upload)).state is State.UNFINISHED
    assert (await world.append(upload, b"xyz")).state is State.COMPLETED
    assert await world.held(upload) == b"xyz"


async def test_bytes_that_the_store_lost_are_asked_for_again(world: World) -> None:
    """After a power failure the store may hold less than was committed."""
    upload = await world.create(10, data=b"abcdef")
    (await world.store.append(upload.id, 2)).close()
    assert (await world.service.inspect(upload.id, world.caller)).offset == 2
    with pytest.raises(errors.OffsetConflict):
        await world.append(upload, b"gh")
    await world.append(upload, b"CDEFGHIJ", offset=2)
    await stands_at(world, upload, b"abCDEFGHIJ")


async def test_bytes_beyond_the_committed_offset_are_garbage(world: World) -> None:
    upload = await world.create(6, data=b"abc")
    writer = await world.store.append(upload.id, 3)
    writer.write(memoryview(b"???????"))
    writer.close()
    assert (await world.service.inspect(upload.id, world.caller)).offset == 3
    assert (await world.append(upload, b"def")).state is State.COMPLETED
    assert await world.held(upload) == b"abcdef"


# Checkpoints


async def test_offset_is_checkpointed_while_bytes_arrive() -> None:
    tuning = Tuning(checkpoint_interval=0.01, stall_threshold=3600, lock_timeout=SOON)
    async with open_world(tuning=tuning) as world:
        upload = await world.create(3)
        world.time.now += DAY
        sending = await world.sent(upload, b"abc", position=2)
        await until_offset(world, upload, 2)
        assert (await world.load(upload)).expires_at == world.time.now + 7 * DAY
        sending.source.end()
        assert (await sending.task).state is State.COMPLETED


async def test_append_to_an_upload_that_was_buried_meanwhile_ends_by_itself() -> None:
    """As when another process removed it: the next checkpoint finds out."""
    tuning = Tuning(checkpoint_interval=0.01, stall_threshold=3600, lock_timeout=SOON)
    async with open_world(tuning=tuning) as world:
        upload = await world.create(10)
        sending = await world.sent(upload, b"abc")
        await until_offset(world, upload, 3)
        await world.service.records.remove(await world.load(upload), State.TERMINATED)
        sending.source.feed(b"def")
        assert await code_of(sending.task) == "upload-terminated"
        assert (await world.load(upload)).state is State.TERMINATED
        assert world.completed == []


async def until_offset(world: World, upload: Upload, offset: int) -> None:
    async def is_there() -> bool:
        return (await world.load(upload)).offset == offset

    async with asyncio.timeout(SOON):
        while not await is_there():
            pass


@pytest.mark.parametrize(("fsync", "synced"), [("finish", [6]), ("always", [3, 6]), ("never", [])])
async def test_bytes_are_made_to_last_before_they_are_acknowledged(fsync: Any, synced: list[int]) -> None:
    store = SyncedStore()
    async with open_world(store=store, tuning=Tuning(fsync=fsync, checkpoint_interval=3600)) as world:
        upload = await world.append(await world.create(6), b"abc")
        assert (await world.append(upload, b"def")).state is State.COMPLETED
    assert store.synced == synced


# Creating with a body


async def create_with(world: World, *, length: int | None = 10, checksum: Checksum | None = None) -> Sending:
    source = Source()
    body = source.body(idle_timeout=0.5)
    intent = Create(length=length, body=BodyHead(checksum=checksum))
    return Sending(source, body, asyncio.create_task(world.service.create(intent, body, world.caller)))


async def nothing_is_left(world: World) -> None:
    assert await world.store.ids() == []
    assert [type(event) for event in world.events] == [UploadCreated, UploadTerminated]


async def test_creation_with_all_of_its_bytes_is_told_of_in_order(world: World) -> None:
    sending = await create_with(world)
    sending.source.feed(b"0123456789", more=False)
    upload = await sending.task
    assert upload.state is State.COMPLETED
    assert [type(event) for event in world.events] == [UploadCreated, UploadCompleted]


async def test_creation_whose_body_is_cut_short_leaves_nothing_behind(world: World) -> None:
    sending = await create_with(world)
    sending.source.feed(b"abc")
    sending.source.disconnect()
    upload = await sending.task
    assert (await world.load(upload)).state is State.TERMINATED
    await nothing_is_left(world)


async def test_creation_with_a_wrong_checksum_leaves_nothing_behind(world: World) -> None:
    sending = await create_with(world, checksum=WRONG)
    sending.source.feed(b"abc", more=False)
    assert await code_of(sending.task) == "checksum-mismatch"
    await nothing_is_left(world)


async def test_creation_whose_body_overruns_leaves_nothing_behind(world: World) -> None:
    sending = await create_with(world, length=2)
    sending.source.feed(b"abc", more=False)
    assert await code_of(sending.task) == "length-exceeded"
    await nothing_is_left(world)


@pytest.mark.parametrize("reason", [StopReason.SHUTTING_DOWN, StopReason.STALLED])
async def test_creation_whose_body_is_stopped_while_the_client_is_there_keeps_what_came(
    world: World, reason: StopReason
) -> None:
    """The client is told the URL, so it can go on."""
    sending = await create_with(world)
    sending.source.feed(b"abc")
    await until(lambda: world.position(f"{0:032x}") == 3)
    if reason is StopReason.SHUTTING_DOWN:
        world.service.work.stop()
    upload = await sending.task
    assert sending.body.stopped is reason
    await stands_at(world, upload, b"abc")


async def test_creation_that_the_store_has_no_room_for_leaves_nothing_behind() -> None:
    async with open_world(store=MemoryStore(capacity=5)) as world:
        sending = await create_with(world, length=None)
        sending.source.feed(b"0123456789", more=False)
        assert await code_of(sending.task) == "insufficient-storage"
        await nothing_is_left(world)


async def test_cancelled_creation_with_a_body_is_seen_through(world: World) -> None:
    sending = await create_with(world)
    sending.source.feed(b"abc")
    await until(lambda: world.position(f"{0:032x}") == 3)
    sending.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending.task
    await world.service.work.drain()
    upload = await world.uploads.get(f"{0:032x}")
    assert upload is not None
    assert upload.offset in (0, 3)
    assert upload.is_gone or upload.offset == 3


# A full store


async def test_full_store_keeps_what_fitted_and_the_upload_goes_on_later() -> None:
    store = MemoryStore(capacity=10)
    async with open_world(store=store) as world:
        upload, other = await world.create(None), await world.create(None)
        await world.append(other, b"1234")
        sending = world.send(upload)
        sending.source.feed(b"abcdefgh", more=False)
        assert await code_of(sending.task) == "insufficient-storage"
        received = (await world.service.inspect(upload.id, world.caller)).offset
        await stands_at(world, upload, b"abcdefgh"[:received])
        await world.service.terminate(other.id, world.caller)
        rest = await world.append(upload, b"abcdefgh"[received:], offset=received)
        assert rest.offset == 8
        assert await world.held(upload) == b"abcdefgh"


async def test_full_store_keeps_the_pieces_that_were_whole() -> None:
    async with open_world(store=MemoryStore(capacity=5)) as world:
        upload = await world.create(None)
        sending = await world.sent(upload, b"abc")
        sending.source.feed(b"defg", more=False)
        assert await code_of(sending.task) == "insufficient-storage"
        assert (await world.service.inspect(upload.id, world.caller)).offset >= 3
        assert world.completed == []


async def test_creation_counts_what_others_still_have_to_receive() -> None:
    async with open_world(store=MemoryStore(capacity=10)) as world:
        upload = await world.create(6)
        with pytest.raises(errors.InsufficientStorage):
            await world.create(5)
        await world.create(4)
        await world.service.terminate(upload.id, world.caller)
        await world.create(6)


# Completion


async def test_completion_is_told_once_however_many_empty_appends_come(world: World) -> None:
    upload = await world.create(3, data=b"ab")
    await world.append(upload, b"c")
    await asyncio.gather(*(world.append(upload, b"", offset=3) for _ in range(10)))
    assert world.completed == [upload.id]


async def test_completion_by_concurrent_declarations_of_the_length_is_told_once(world: World) -> None:
    upload = await world.create(None, data=b"abc")

    async def declare() -> Upload:
        intent = Append(resource=upload.id, offset=3, length=3, body=BodyHead(length=0))
        return await world.service.append(intent, body_of(b""), world.caller)

    assert {result.state for result in await asyncio.gather(*(declare() for _ in range(10)))} == {State.COMPLETED}
    assert world.completed == [upload.id]


async def test_empty_upload_is_complete_at_once(world: World) -> None:
    upload = await world.create(0)
    assert world.completed == [upload.id]
    assert (await world.service.finished(upload.id, world.caller)).offset == 0


async def test_partial_upload_is_never_told_to_be_complete(world: World) -> None:
    await world.create(3, partial=True, data=b"abc")
    await world.create(0, partial=True)
    assert world.completed == []


async def test_append_that_fails_to_be_saved_is_not_told_to_be_complete() -> None:
    class Failing(SqlUploads):
        fails = False

        async def save(self, upload: Upload, *, events: Sequence[UploadEvent] = ()) -> bool:
            if self.fails:
                raise errors.Unavailable
            return await super().save(upload, events=events)

    def failing(records: SqlUploads) -> SqlUploads:
        records.__class__ = Failing
        return records

    async with open_world(wrap=failing) as world:
        upload = await world.create(3)
        assert isinstance(world.uploads, Failing)
        world.uploads.fails = True
        with pytest.raises(errors.Unavailable):
            await world.append(upload, b"abc")
        assert world.completed == []
        world.uploads.fails = False
        assert (await world.service.inspect(upload.id, world.caller)).offset == 0
        assert (await world.append(upload, b"abc")).state is State.COMPLETED
        assert world.completed == [upload.id]


# Lifetime


@pytest.mark.parametrize(
    "ask",
    [
        lambda world, upload: world.service.inspect(upload.id, world.caller),
        lambda world, upload: world.append(upload, b"x"),
        lambda world, upload: world.service.terminate(upload.id, world.caller),
        lambda world, upload: world.service.finished(upload.id, world.caller),
    ],
    ids=["inspect", "append", "terminate", "finished"],
)
async def test_expired_upload_is_gone_before_it_is_swept(world: World, ask: Callable[[World, Upload], Any]) -> None:
    upload = await world.create(10, data=b"abc")
    world.time.now += 7 * DAY
    with pytest.raises(errors.UploadExpired):
        await ask(world, upload)


async def test_activity_moves_the_expiry(world: World) -> None:
    upload = await world.create(10)
    for byte in b"abcdefghi":
        world.time.now += 6 * DAY
        upload = await world.append(upload, bytes([byte]))
    assert upload.expires_at == world.time.now + 7 * DAY


async def test_finished_upload_expires_only_where_that_was_asked_for() -> None:
    for ttl in (None, 3 * DAY):
        async with open_world(limits=Limits(finished_ttl=ttl)) as world:
            upload = await world.create(3, data=b"abc")
            loaded = await world.load(upload)
            assert loaded.expires_at == (None if ttl is None else world.time.now + ttl)
