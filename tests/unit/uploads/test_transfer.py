"""Transfer: what a checkpoint may see of a body while it is being written."""

import asyncio
import threading
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.stateful.asgi import until
from tests.unit.uploads.world import Source

from longshore.lockers.memory import MemoryLease
from longshore.ports import Writer
from longshore.protocol.append import WritePlan, plan_write
from longshore.protocol.capabilities import Limits
from longshore.protocol.checksum import Checksum
from longshore.protocol.errors import InsufficientStorage, Unavailable
from longshore.protocol.intents import BodyHead
from longshore.protocol.upload import Upload
from longshore.uploads.transfer import Transfer

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("prompt")]

CHECKED = BodyHead(checksum=Checksum("crc32", b"\0\0\0\0"))
QUICK, NEVER = 0.005, 3600.0


class Tape:
    """A `ports.Writer` that remembers what was written, and how much of it was synced."""

    def __init__(self, *, capacity: int | None = None) -> None:
        self.content = b""
        self.synced = 0
        self.capacity = capacity

    def write(self, data: memoryview) -> None:
        room = len(data) if self.capacity is None else self.capacity - len(self.content)
        self.content += data[:room]
        if room < len(data):
            raise InsufficientStorage

    def sync(self) -> None:
        self.synced = len(self.content)

    def close(self) -> None:
        """Nothing to let go of."""


def plan_for(*, length: int | None, offset: int = 0, body: BodyHead | None = None) -> WritePlan:
    upload = Upload(id="upload", created_at=datetime(2026, 5, 1, tzinfo=UTC), offset=offset, length=length)
    return plan_write(upload, body or BodyHead(), limits=Limits())


def lease_for(plan: WritePlan) -> MemoryLease:
    return MemoryLease(plan.upload.id, plan.upload.offset, lambda: None, held={}, now=lambda: 0.0)


def transfer_of(plan: WritePlan, writer: Writer, *, sync_interval: float | None = None) -> tuple[Transfer, MemoryLease]:
    lease = lease_for(plan)
    return Transfer(plan, writer, lease, sync_interval=sync_interval), lease


class Checkpoints:
    """Keeps the positions that were committed, and how much had been synced by then."""

    def __init__(self, tape: Tape, *failures: Exception) -> None:
        self.positions: list[int] = []
        self.synced: list[int] = []
        self._tape = tape
        self._failures = list(failures)

    async def __call__(self, position: int) -> None:
        if self._failures:
            raise self._failures.pop(0)
        self.synced.append(self._tape.synced)
        self.positions.append(position)


@settings(deadline=None)
@given(offset=st.integers(0, 5), sizes=st.lists(st.integers(0, 9), max_size=8), spare=st.integers(0, 3))
def test_position_follows_the_bytes_and_never_reaches_the_length(offset: int, sizes: Sequence[int], spare: int) -> None:
    length = offset + sum(sizes) + spare
    plan, tape = plan_for(length=length, offset=offset), Tape()
    transfer, lease = transfer_of(plan, tape)
    for count, size in enumerate(sizes, 1):
        transfer.sink(memoryview(bytes(size)))
        came = offset + sum(sizes[:count])
        assert lease.position in (came, length - 1)
        assert lease.position <= came
        assert lease.position < length or length == offset
    assert len(tape.content) == sum(sizes)


def test_position_of_a_deferred_upload_is_all_that_came() -> None:
    transfer, lease = transfer_of(plan_for(length=None, offset=3), Tape())
    transfer.sink(memoryview(b"abcd"))
    assert lease.position == 7


def test_checked_body_does_not_move_the_position() -> None:
    tape = Tape()
    transfer, lease = transfer_of(plan_for(length=10, offset=3, body=CHECKED), tape)
    transfer.sink(memoryview(b"abcd"))
    assert (lease.position, tape.content) == (3, b"abcd")


def test_bytes_beyond_the_room_are_counted_and_not_written() -> None:
    tape = Tape()
    transfer, lease = transfer_of(plan_for(length=5, offset=2), tape)
    transfer.sink(memoryview(b"ab"))
    transfer.sink(memoryview(b"cd"))
    transfer.sink(memoryview(b"e"))
    receipt = transfer.receipt(Source().body(), complete=True)
    assert (tape.content, receipt.received, lease.position) == (b"abc", 5, 4)


def test_holder_is_busy_while_it_writes_and_not_quiet_for_that_time() -> None:
    clock = [0.0]
    plan, written, go_on = plan_for(length=None), threading.Event(), threading.Event()

    class Slow(Tape):
        def write(self, data: memoryview) -> None:
            super().write(data)
            written.set()
            assert go_on.wait(10)

    lease = MemoryLease("upload", 0, lambda: None, held={}, now=lambda: clock[0])
    transfer = Transfer(plan, Slow(), lease, sync_interval=None)
    clock[0] = 5.0
    assert lease.quiet_for == 5.0
    thread = threading.Thread(target=transfer.sink, args=[memoryview(b"abc")])
    thread.start()
    assert written.wait(10)
    clock[0] = 100.0
    assert lease.quiet_for == 0.0
    go_on.set()
    thread.join()
    assert lease.quiet_for == 0.0
    clock[0] = 103.0
    assert lease.quiet_for == 3.0


async def test_checkpoints_follow_a_trickle_and_are_not_repeated() -> None:
    before = asyncio.all_tasks()
    source, tape = Source(), Tape()
    checkpoints = Checkpoints(tape)
    transfer, _ = transfer_of(plan_for(length=None), tape)
    task = asyncio.create_task(transfer.run(source.body(), checkpoint=checkpoints, interval=QUICK))
    for position in (1, 2, 3):
        source.feed(b"x")
        await until(lambda: checkpoints.positions[-1:] == [position])  # noqa: B023 - awaited before it moves on
    source.end()
    await task
    assert checkpoints.positions == [1, 2, 3]
    assert asyncio.all_tasks() == before


async def test_no_checkpoint_says_that_the_upload_is_full() -> None:
    source, tape = Source(), Tape()
    checkpoints = Checkpoints(tape)
    transfer, _ = transfer_of(plan_for(length=3), tape)
    task = asyncio.create_task(transfer.run(source.body(), checkpoint=checkpoints, interval=QUICK))
    source.feed(b"abc")
    await until(lambda: checkpoints.positions)
    source.end()
    await task
    assert checkpoints.positions == [2]


async def test_checked_body_is_not_checkpointed() -> None:
    source, tape = Source(), Tape()
    checkpoints = Checkpoints(tape)
    transfer, _ = transfer_of(plan_for(length=None, body=CHECKED), tape)
    task = asyncio.create_task(transfer.run(source.body(), checkpoint=checkpoints, interval=QUICK))
    source.feed(b"abc")
    await until(lambda: tape.content)
    await asyncio.sleep(10 * QUICK)  # That nothing happens can only be waited for.
    source.end()
    await task
    assert checkpoints.positions == []


async def test_checkpoint_that_fails_is_tried_again_and_the_transfer_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    source, tape = Source(), Tape()
    checkpoints = Checkpoints(tape, Unavailable(), Unavailable())
    transfer, _ = transfer_of(plan_for(length=None), tape)
    task = asyncio.create_task(transfer.run(source.body(), checkpoint=checkpoints, interval=QUICK))
    source.feed(b"abc")
    await until(lambda: checkpoints.positions)
    source.end()
    await task
    assert checkpoints.positions == [3]
    assert [record.message for record in caplog.records] == ["could not checkpoint upload upload"] * 2


async def test_where_every_commit_must_last_a_checkpoint_sees_synced_bytes_only() -> None:
    source, tape = Source(), Tape()
    checkpoints = Checkpoints(tape)
    transfer, _ = transfer_of(plan_for(length=None), tape, sync_interval=0.0)
    task = asyncio.create_task(transfer.run(source.body(), checkpoint=checkpoints, interval=QUICK))
    for position in (2, 4, 6):
        source.feed(b"xy")
        await until(lambda: checkpoints.positions[-1:] == [position])  # noqa: B023 - awaited before it moves on
    source.end()
    await task
    assert all(synced >= position for synced, position in zip(checkpoints.synced, checkpoints.positions, strict=True))


async def test_bytes_that_have_not_been_synced_yet_are_not_checkpointed() -> None:
    source, tape = Source(), Tape()
    checkpoints = Checkpoints(tape)
    transfer, lease = transfer_of(plan_for(length=None), tape, sync_interval=NEVER)
    task = asyncio.create_task(transfer.run(source.body(), checkpoint=checkpoints, interval=QUICK))
    source.feed(b"abc")
    await until(lambda: lease.position == 3)
    await asyncio.sleep(10 * QUICK)  # That nothing happens can only be waited for.
    source.end()
    await task
    assert (checkpoints.positions, tape.synced) == ([], 0)


async def test_full_store_ends_the_transfer_and_its_checkpoints() -> None:
    before = asyncio.all_tasks()
    source, tape = Source(), Tape(capacity=2)
    source.feed(b"abc")
    transfer, _ = transfer_of(plan_for(length=None), tape)
    with pytest.raises(InsufficientStorage):
        await transfer.run(source.body(), checkpoint=Checkpoints(tape), interval=QUICK)
    assert asyncio.all_tasks() == before
