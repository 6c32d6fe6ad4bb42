"""What every `ports.Locker` does, over a factory, so that a further one joins by a line in `LOCKERS`.

Who waits is known without sleeping: `may_take` and `stop` are called in the very step in which the waiting begins.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import anyio
import pytest

from longshore.lockers.memory import MemoryLocker
from longshore.ports import Holder, Lease, Locker
from longshore.protocol.errors import OffsetConflict, UploadLocked

pytestmark = pytest.mark.anyio

LONG, SHORT = 20.0, 0.05
"""Seconds: more than any of these tests takes, and a wait that is meant to run out."""

LOCKERS: dict[str, Callable[[Callable[[], float]], Locker]] = {"memory": lambda now: MemoryLocker(now=now)}


class Seconds:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Seconds:
    return Seconds()


@pytest.fixture(params=LOCKERS)
def locker(request: pytest.FixtureRequest, clock: Seconds) -> Locker:
    return LOCKERS[request.param](clock)


@dataclass
class Client:
    """A request that wants an upload: it notes what it is asked, and can be awaited to have been asked."""

    locker: Locker
    position: int | None = 0
    takes: bool = True
    stops: int = 0
    judged: list[int] = field(default_factory=list)
    stopped: anyio.Event = field(default_factory=anyio.Event)
    waiting: anyio.Event = field(default_factory=anyio.Event)

    def stop(self) -> None:
        self.stops += 1
        self.stopped.set()

    def may_take(self, holder: Holder) -> bool:
        self.judged.append(holder.position)
        self.waiting.set()
        return self.takes

    async def acquire(self, upload_id: str = "upload", timeout: float = LONG) -> Lease:
        return await self.locker.acquire(
            upload_id, position=self.position, stop=self.stop, may_take=self.may_take, timeout=timeout
        )


async def wait_in_background(client: Client, timeout: float = LONG) -> "asyncio.Task[Lease]":
    """Let the client acquire; return when it waits for a holder."""
    task = asyncio.create_task(client.acquire(timeout=timeout))
    await client.waiting.wait()
    return task


async def test_free_upload_is_had_at_once_and_nobody_is_asked(locker: Locker) -> None:
    client = Client(locker)
    lease = await client.acquire(timeout=0)
    assert lease.upload_id == "upload"
    assert (client.judged, client.stops) == ([], 0)
    await lease.release()


async def test_released_upload_is_had_again(locker: Locker) -> None:
    for _ in range(3):
        lease = await Client(locker).acquire(timeout=0)
        await lease.release()


async def test_uploads_do_not_wait_for_each_other(locker: Locker) -> None:
    first, second = Client(locker), Client(locker)
    await first.acquire("one")
    await second.acquire("two", timeout=0)
    assert (first.stops, second.judged) == (0, [])


async def test_newcomer_that_may_take_stops_the_holder_and_waits_for_its_release(locker: Locker) -> None:
    holder, newcomer = Client(locker), Client(locker)
    lease = await holder.acquire()
    task = await wait_in_background(newcomer)
    await holder.stopped.wait()
    assert not task.done()
    await lease.release()
    await (await task).release()
    assert (holder.stops, newcomer.judged) == (1, [0])


async def test_newcomer_that_may_not_take_waits_and_leaves_the_holder_alone(locker: Locker) -> None:
    holder, newcomer = Client(locker), Client(locker, takes=False)
    lease = await holder.acquire()
    task = await wait_in_background(newcomer)
    await lease.release()
    await (await task).release()
    assert (holder.stops, newcomer.judged) == (0, [0])


async def test_what_may_take_raises_is_raised_and_the_holder_stays(locker: Locker) -> None:
    def refuse(held: Holder) -> bool:
        raise OffsetConflict(held.position)

    holder = Client(locker, position=7)
    lease = await holder.acquire()
    for timeout in (LONG, 0):
        with pytest.raises(OffsetConflict, match="offset 7"):
            await locker.acquire("upload", position=3, stop=holder.stop, may_take=refuse, timeout=timeout)
    assert holder.stops == 0
    with pytest.raises(UploadLocked):
        await Client(locker).acquire(timeout=0)
    await lease.release()
    await Client(locker).acquire(timeout=0)


async def test_newcomer_sees_where_the_holder_stands_and_how_long_it_was_quiet(locker: Locker, clock: Seconds) -> None:
    seen: list[tuple[int, float]] = []

    def look(held: Holder) -> bool:
        seen.append((held.position, held.quiet_for))
        return False

    async def ask() -> None:
        with pytest.raises(UploadLocked):
            await locker.acquire("upload", position=0, stop=lambda: None, may_take=look, timeout=0)

    lease = await Client(locker, position=100).acquire()
    await ask()
    clock.now += 2
    await ask()
    await anyio.to_thread.run_sync(lease.advance, 150)  # As a sink does, in a worker thread.
    await ask()
    clock.now += 0.5
    await ask()
    assert seen == [(100, 0), (100, 2), (150, 0), (150, 0.5)]


@pytest.mark.parametrize("takes", [True, False])
async def test_waiting_ends_after_the_timeout(locker: Locker, takes: bool) -> None:
    lease = await Client(locker).acquire()
    with pytest.raises(UploadLocked):
        await Client(locker, takes=takes).acquire(timeout=SHORT)
    await lease.release()
    await Client(locker).acquire(timeout=0)


async def test_newcomer_without_time_stops_nobody(locker: Locker) -> None:
    holder = Client(locker)
    await holder.acquire()
    with pytest.raises(UploadLocked):
        await Client(locker).acquire(timeout=0)
    assert holder.stops == 0


async def test_holder_is_asked_to_stop_once_however_many_come(locker: Locker) -> None:
    holder = Client(locker)
    lease = await holder.acquire()
    tasks = [await wait_in_background(Client(locker)) for _ in range(3)]
    assert holder.stops == 1
    await lease.release()
    for task in asyncio.as_completed(tasks):
        await (await task).release()
    assert holder.stops == 1


async def test_each_release_lets_one_in_and_the_others_judge_the_new_holder(locker: Locker) -> None:
    lease = await Client(locker, position=1000).acquire()
    waiting = [Client(locker, position=number, takes=False) for number in range(5)]
    tasks = {await wait_in_background(client): client for client in waiting}
    order = [1000]
    while tasks:
        await lease.release()
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        await anyio.wait_all_tasks_blocked()
        assert [task for task in tasks if task.done()] == list(done)
        (task,) = done
        lease = task.result()
        order.append(tasks.pop(task).position or 0)
        assert all(client.judged == order for client in tasks.values())
    assert sorted(order) == [0, 1, 2, 3, 4, 1000]


async def test_takeovers_chain_until_everybody_has_had_the_upload(locker: Locker) -> None:
    served = 0

    async def serve(client: Client) -> None:
        nonlocal served
        lease = await client.acquire()
        served += 1
        if served < 50:  # Somebody still comes, and takes over.
            await client.stopped.wait()
        await lease.release()

    async with anyio.create_task_group() as group:
        for _ in range(50):
            group.start_soon(serve, Client(locker))
    await Client(locker).acquire(timeout=0)


async def test_one_writer_at_a_time(locker: Locker) -> None:
    inside: list[int] = []

    async def write(number: int) -> None:
        for _ in range(20):
            lease = await Client(locker, takes=number % 2 == 0).acquire()
            inside.append(number)
            await anyio.lowlevel.checkpoint()
            assert inside == [number]
            inside.clear()
            await lease.release()

    async with anyio.create_task_group() as group:
        for number in range(10):
            group.start_soon(write, number)


async def test_release_may_be_called_twice_and_does_not_release_the_next_holder(locker: Locker) -> None:
    first = await Client(locker).acquire()
    await first.release()
    await first.release()
    await Client(locker).acquire()
    await first.release()
    with pytest.raises(UploadLocked):
        await Client(locker).acquire(timeout=0)


async def test_released_lease_may_be_advanced(locker: Locker) -> None:
    lease = await Client(locker).acquire()
    await lease.release()
    lease.advance(5)
    await Client(locker).acquire(timeout=0)


async def test_cancelled_waiter_leaves_nothing_behind(locker: Locker) -> None:
    lease = await Client(locker).acquire()
    gone, patient = Client(locker, takes=False), Client(locker, takes=False)
    first, second = await wait_in_background(gone), await wait_in_background(patient)
    first.cancel()
    await asyncio.wait([first])
    await lease.release()
    await (await second).release()
    await Client(locker).acquire(timeout=0)


async def test_waiter_that_is_cancelled_as_the_upload_comes_free_wakes_the_next(locker: Locker) -> None:
    lease = await Client(locker).acquire()
    first = await wait_in_background(Client(locker, takes=False))
    second = await wait_in_background(Client(locker, takes=False))
    await lease.release()
    first.cancel()
    await asyncio.wait([first])
    if not first.cancelled():
        await first.result().release()
    await (await second).release()
    await Client(locker).acquire(timeout=0)


async def test_holder_that_fails_to_stop_does_not_harm_the_newcomer(
    locker: Locker, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise RuntimeError("it broke")

    lease = await locker.acquire("upload", position=0, stop=fail, may_take=lambda _: True, timeout=0)
    task = await wait_in_background(Client(locker))
    assert "it broke" in caplog.text
    await lease.release()
    await (await task).release()


async def test_quiesce_returns_at_once_when_nobody_holds(locker: Locker) -> None:
    assert await locker.quiesce("upload", quiet_for=0, timeout=0) is False
    await Client(locker).acquire(timeout=0)


async def test_quiesce_leaves_a_lively_holder_alone(locker: Locker, clock: Seconds) -> None:
    holder = Client(locker)
    lease = await holder.acquire()
    clock.now += 0.4
    assert await locker.quiesce("upload", quiet_for=0.5, timeout=0) is False
    lease.advance(10)
    clock.now += 0.4
    assert await locker.quiesce("upload", quiet_for=0.5, timeout=0) is False
    assert holder.stops == 0


async def test_holder_that_works_on_what_came_in_is_not_quiet(locker: Locker, clock: Seconds) -> None:
    holder = Client(locker)
    lease = await holder.acquire()
    await anyio.to_thread.run_sync(lease.busy)
    clock.now += 100
    assert await locker.quiesce("upload", quiet_for=0.5, timeout=0) is False
    assert holder.stops == 0
    lease.advance(10)
    assert await locker.quiesce("upload", quiet_for=0.5, timeout=0) is False
    clock.now += 0.5
    with pytest.raises(UploadLocked):
        await locker.quiesce("upload", quiet_for=0.5, timeout=SHORT)
    assert holder.stops == 1


async def test_quiesce_stops_a_quiet_holder_and_waits_for_its_release(locker: Locker, clock: Seconds) -> None:
    holder = Client(locker)
    lease = await holder.acquire()
    clock.now += 0.5
    task = asyncio.create_task(locker.quiesce("upload", quiet_for=0.5, timeout=LONG))
    await holder.stopped.wait()
    assert not task.done()
    await lease.release()
    assert await task is True
    await Client(locker).acquire(timeout=0)


async def test_quiesce_ends_after_the_timeout(locker: Locker, clock: Seconds) -> None:
    holder = Client(locker)
    await holder.acquire()
    clock.now += 1
    with pytest.raises(UploadLocked):
        await locker.quiesce("upload", quiet_for=0.5, timeout=SHORT)
    assert holder.stops == 1


async def test_quiesce_waits_for_the_holder_it_found_and_not_for_the_next(locker: Locker, clock: Seconds) -> None:
    holder = Client(locker)
    lease = await holder.acquire()
    clock.now += 1
    quiesced = asyncio.create_task(locker.quiesce("upload", quiet_for=0.5, timeout=LONG))
    await holder.stopped.wait()
    newcomer = Client(locker)
    acquired = await wait_in_background(newcomer)
    await lease.release()
    assert await quiesced is True
    assert newcomer.stops == 0
    await (await acquired).release()


async def test_holder_that_has_not_been_admitted_is_not_judged(locker: Locker) -> None:
    lease = await Client(locker, position=None).acquire()
    newcomer = Client(locker)
    task = asyncio.create_task(newcomer.acquire())
    await asyncio.sleep(0)
    assert newcomer.judged == []
    lease.admit(7)
    await newcomer.waiting.wait()
    assert newcomer.judged == [7]
    await lease.release()
    await (await task).release()


async def test_holder_that_is_never_admitted_is_not_asked_to_stop(locker: Locker) -> None:
    stranger, newcomer = Client(locker, position=None), Client(locker)
    lease = await stranger.acquire()
    task = asyncio.create_task(newcomer.acquire())
    await asyncio.sleep(0)
    await lease.release()
    await (await task).release()
    assert (stranger.stops, newcomer.judged) == (0, [])


async def test_no_longer_than_the_timeout_is_waited_for_an_admission(locker: Locker) -> None:
    await Client(locker, position=None).acquire()
    for timeout in (0, SHORT):
        with pytest.raises(UploadLocked):
            await Client(locker).acquire(timeout=timeout)
