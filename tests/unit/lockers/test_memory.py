"""What is the memory locker's own: it keeps nothing, and waiting costs no turn of the loop."""

import asyncio
import gc
import time
import weakref

import anyio
import pytest

from longshore.lockers.memory import MemoryLocker
from longshore.ports import Holder, Lease
from longshore.protocol.errors import UploadLocked

pytestmark = pytest.mark.anyio


def wait_for(holder: Holder) -> bool:
    """Leave the holder alone."""
    return False


def ignore() -> None:
    """Do not stop."""


async def acquire(locker: MemoryLocker, upload_id: str = "upload", timeout: float = 20) -> Lease:
    return await locker.acquire(upload_id, position=0, stop=ignore, may_take=wait_for, timeout=timeout)


async def test_nothing_is_kept_of_uploads_that_nobody_holds() -> None:
    locker = MemoryLocker()
    leases = [await acquire(locker, str(number)) for number in range(100)]
    with pytest.raises(UploadLocked):
        await acquire(locker, "7", timeout=0)
    waiter = asyncio.create_task(acquire(locker, "8"))
    await anyio.wait_all_tasks_blocked()
    waiter.cancel()
    await asyncio.wait([waiter])
    remembered = [weakref.ref(lease) for lease in leases]
    for lease in leases:
        await lease.release()
    del lease, leases, waiter
    gc.collect()
    assert [reference() for reference in remembered] == [None] * 100
    assert vars(locker)["_held"] == {}


async def test_first_come_first_served() -> None:
    locker = MemoryLocker()
    order: list[int] = []

    async def take(number: int) -> None:
        lease = await acquire(locker)
        order.append(number)
        await lease.release()

    lease = await acquire(locker)
    async with asyncio.TaskGroup() as group:
        for number in range(20):
            group.create_task(take(number))
        await anyio.wait_all_tasks_blocked()
        await lease.release()
    assert order == list(range(20))


async def test_waiting_does_not_poll() -> None:
    locker = MemoryLocker()
    lease = await acquire(locker)
    waiters = [asyncio.create_task(acquire(locker, timeout=0.2)) for _ in range(10)]
    before = time.process_time()
    await asyncio.wait(waiters)
    assert time.process_time() - before < 0.1
    assert all(isinstance(waiter.exception(), UploadLocked) for waiter in waiters)
    await lease.release()


async def test_release_in_the_turn_in_which_the_time_is_up_still_counts() -> None:
    loop, locker = asyncio.get_running_loop(), MemoryLocker()
    lease = await acquire(locker)
    waiter = asyncio.create_task(acquire(locker, timeout=0.1))
    await anyio.wait_all_tasks_blocked()

    def release() -> None:
        with pytest.raises(StopIteration):
            lease.release().__await__().__next__()

    # Both timers are due before the loop looks again; it runs them in their order, and the waiter after both.
    late = loop.time() + 0.15
    loop.call_at(late, release)
    while loop.time() < late + 0.01:
        pass
    await (await waiter).release()


async def test_time_is_monotonic_unless_told_otherwise() -> None:
    locker = MemoryLocker()
    lease = await acquire(locker)
    await locker.quiesce("upload", quiet_for=1000, timeout=0)
    with pytest.raises(UploadLocked):
        await locker.quiesce("upload", quiet_for=0, timeout=0)
    await lease.release()
