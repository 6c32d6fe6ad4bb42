"""What waits for one subscriber."""

import asyncio

import pytest
from tests.unit.hub.world import ANN, BOB, NOW, ROOT, upload

from longshore.hub.messages import Message, progress_message
from longshore.hub.subscription import PROGRESS_LIMIT, QUEUE_LIMIT, End, Subscription, Wanted

pytestmark = pytest.mark.anyio


def event(number: int, upload_id: str = "a", kind: str = "created") -> Message:
    return Message("{}", kind, number, upload_id)


def progress(upload_id: str, offset: int) -> Message:
    return progress_message(upload(upload_id, offset=offset), NOW, source="/files")


async def waiting(subscription: Subscription) -> list[Message]:
    """Take everything that waits."""
    taken = []
    while True:
        try:
            async with asyncio.timeout(0.01):
                taken.append(await subscription.next())
        except TimeoutError:
            return taken


async def test_events_come_in_order_and_before_progress() -> None:
    subscription = Subscription(ROOT)
    latest = progress("x", 2)
    subscription.offer_progress(progress("x", 1))
    subscription.offer(event(1))
    subscription.offer_progress(latest)
    subscription.offer(event(2))
    assert [message.id for message in await waiting(subscription)] == [1, 2, None]


async def test_of_progress_the_latest_wins() -> None:
    subscription = Subscription(ROOT)
    latest = progress("x", 2)
    subscription.offer_progress(progress("x", 1))
    subscription.offer_progress(latest)
    assert await waiting(subscription) == [latest]


async def test_progress_is_dropped_when_something_has_become_of_the_upload() -> None:
    subscription = Subscription(ROOT)
    subscription.offer_progress(progress("x", 99))
    subscription.offer(event(1, "x", "completed"))
    assert [message.id for message in await waiting(subscription)] == [1]


async def test_progress_that_waits_is_bounded_and_ends_nothing() -> None:
    subscription = Subscription(ROOT)
    for number in range(PROGRESS_LIMIT + 3):
        subscription.offer_progress(progress(f"u{number}", 1))
    left = [message.upload_id for message in await waiting(subscription)]
    assert left == [f"u{number}" for number in range(3, PROGRESS_LIMIT + 3)]
    assert subscription.end_reason is None


async def test_too_many_events_end_it() -> None:
    subscription, torn = Subscription(ROOT), asyncio.Event()
    subscription.on_end = torn.set
    for number in range(QUEUE_LIMIT):
        subscription.offer(event(number))
    assert not torn.is_set()
    subscription.offer(event(QUEUE_LIMIT))
    assert torn.is_set()
    assert subscription.end_reason is End.LAGGING
    subscription.offer(event(QUEUE_LIMIT + 1))
    assert await waiting(subscription) == []


async def test_whoever_waits_is_woken() -> None:
    subscription = Subscription(ROOT)
    taking = asyncio.create_task(subscription.next())
    await asyncio.sleep(0)
    subscription.offer(event(1))
    subscription.offer(event(2))
    async with asyncio.timeout(10):
        assert (await taking).id == 1
        assert (await subscription.next()).id == 2


async def test_the_first_reason_stays_and_is_told_once() -> None:
    subscription, told = Subscription(ROOT), []
    subscription.on_end = lambda: told.append(subscription.end_reason)
    subscription.end(End.GONE)
    subscription.end(End.STOPPING)
    assert told == [End.GONE]


async def test_ends_when_the_token_does() -> None:
    subscription, torn = Subscription(ANN), asyncio.Event()
    subscription.on_end = torn.set
    subscription.authenticate(ANN, None, 0.01)
    async with asyncio.timeout(10):
        await torn.wait()
    assert subscription.end_reason is End.UNAUTHENTICATED


async def test_goes_on_with_a_fresh_token() -> None:
    subscription = Subscription(ANN)
    subscription.authenticate(ANN, None, 0.01)
    subscription.authenticate(BOB, None, 60)
    await asyncio.sleep(0.05)
    assert (subscription.end_reason, subscription.principal) == (None, BOB)
    subscription.end(End.GONE)


@pytest.mark.parametrize(
    ("wanted", "included"),
    [
        (Wanted(), {1, 2, 3}),
        (Wanted(types=frozenset({"created"})), {1, 2}),
        (Wanted(uploads=frozenset({"a", "c"})), {1, 3}),
        (Wanted(types=frozenset({"created"}), uploads=frozenset({"a", "c"})), {1}),
        (Wanted(types=frozenset({"progress"})), set()),
    ],
)
def test_hears_what_is_wanted(wanted: Wanted, included: set[int]) -> None:
    told = [event(1, "a"), event(2, "b"), event(3, "c", "completed")]
    assert {message.id for message in told if wanted.includes(message)} == included
