"""Holding leases for the length of a block."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from longshore.ports import Holder, Lease, Locker


def nothing_to_stop() -> None:
    """Take a newcomer's request to stop for what it is to work that runs to its end: it waits."""


def leave_alone(_: Holder) -> bool:
    """Wait for whoever holds the lease."""
    return False


def take_over(_: Holder) -> bool:
    """Make whoever holds the lease stop."""
    return True


@asynccontextmanager
async def leased(
    locker: Locker,
    upload_id: str,
    *,
    timeout: float,
    stop: Callable[[], None] = nothing_to_stop,
    may_take: Callable[[Holder], bool] = leave_alone,
) -> AsyncIterator[Lease]:
    """Hold an upload's lease, standing at offset 0. Raises what `Locker.acquire` raises."""
    lease = await locker.acquire(upload_id, position=0, stop=stop, may_take=may_take, timeout=timeout)
    try:
        yield lease
    finally:
        await lease.release()
