"""Every database keeps webhook deliveries alike."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from longshore.db.database import Database
from longshore.db.deliveries import SqlDeliveries
from longshore.db.uploads import SqlUploads
from longshore.events import (
    RequestInfo,
    UploadCompleted,
    UploadCreated,
    UploadEvent,
    UploadRejected,
    UploadTerminated,
)
from longshore.ports.deliveries import Deliveries, Delivery, DeliveryState, Page
from longshore.protocol.upload import State, Upload

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DELIVERED, FAILED = DeliveryState.DELIVERED, DeliveryState.FAILED


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def uploads(database: Database, clock: Clock) -> SqlUploads:
    deliver = [event.type for event in (UploadCreated, UploadCompleted, UploadTerminated, UploadRejected)]
    return SqlUploads(database, clock=clock, deliver=deliver)


@pytest.fixture
def deliveries(database: Database, clock: Clock) -> SqlDeliveries:
    return SqlDeliveries(database, clock=clock)


def upload(upload_id: str) -> Upload:
    return Upload(id=upload_id, created_at=NOW, length=4)


async def create(uploads: SqlUploads, upload_id: str) -> Upload:
    made = upload(upload_id)
    await uploads.add(made, free_space=None, events=[UploadCreated(made)])
    return made


async def complete(uploads: SqlUploads, started: Upload) -> Upload:
    finished = replace(started, offset=4, state=State.COMPLETED, completed_at=NOW)
    await uploads.save(finished, events=[UploadCompleted(finished)])
    return finished


async def due(deliveries: Deliveries) -> Sequence[tuple[str, str]]:
    page = await deliveries.waiting(0, 100)
    return [(delivery.upload_id, delivery.type) for delivery in page.due]


async def take(deliveries: Deliveries) -> Sequence[Delivery]:
    taken = (await deliveries.waiting(0, 100)).due
    await deliveries.mark_queued(taken)
    return taken


async def only(deliveries: Deliveries) -> Delivery:
    (delivery,) = await deliveries.list(None, 10)
    return delivery


async def test_an_event_waits_from_the_moment_it_is_stored(uploads: SqlUploads, deliveries: Deliveries) -> None:
    await create(uploads, "a")

    (delivery,) = (await deliveries.waiting(0, 10)).due

    assert delivery == Delivery(
        event_id=delivery.event_id,
        generation=0,
        state=DeliveryState.WAITING,
        attempts=0,
        last_error="",
        updated_at=NOW,
        type="created",
        upload_id="a",
        time=NOW,
    )


@pytest.mark.parametrize(
    "event",
    [
        UploadCreated(upload("a")),
        UploadTerminated(
            replace(
                upload("a"),
                owner="u1",
                offset=3,
                length=None,
                metadata="filename YS5pc28=",
                concat="final;/files/b /files/c",
                parts=("b", "c"),
                state=State.TERMINATED,
                expires_at=NOW + timedelta(days=1),
                completed_at=NOW,
            ),
            RequestInfo(
                method="DELETE",
                uri="/files/a?x=1",
                remote_address="192.0.2.1:4711",
                headers=(("host", "example.org"), ("accept", "a"), ("accept", "b")),
            ),
        ),
        UploadRejected(upload("a"), RequestInfo(), "format-not-allowed", "It is no image."),
    ],
)
async def test_gives_the_event_back_as_it_was(uploads: SqlUploads, deliveries: Deliveries, event: UploadEvent) -> None:
    await uploads.add(upload("a"), free_space=None, events=[event])

    message = await deliveries.load((await only(deliveries)).event_id)

    assert message is not None
    assert message.event == event
    assert type(message.event) is type(event)
    assert message.delivery == await only(deliveries)


async def test_of_one_upload_only_the_earliest_open_event_is_due(uploads: SqlUploads, deliveries: Deliveries) -> None:
    await complete(uploads, await create(uploads, "a"))
    await create(uploads, "b")

    assert await due(deliveries) == [("a", "created"), ("b", "created")]

    first, _ = await take(deliveries)
    assert await due(deliveries) == []

    await deliveries.note_attempt(first.event_id, 0, 1, "it answered 500")
    assert await due(deliveries) == []

    await deliveries.settle(first.event_id, 0, DELIVERED, attempts=2)
    assert await due(deliveries) == [("a", "completed")]


async def test_the_next_event_is_due_when_one_is_given_up(uploads: SqlUploads, deliveries: Deliveries) -> None:
    await complete(uploads, await create(uploads, "a"))
    (first,) = await take(deliveries)

    await deliveries.settle(first.event_id, 0, FAILED, attempts=1, error="it answered 410")

    assert await due(deliveries) == [("a", "completed")]


async def test_looks_through_the_waiting_piece_by_piece(uploads: SqlUploads, deliveries: Deliveries) -> None:
    await complete(uploads, await create(uploads, "a"))
    await create(uploads, "b")

    pages: list[Page] = []
    after: int | None = 0
    while after is not None:
        pages.append(await deliveries.waiting(after, 2))
        after = pages[-1].last

    assert [[delivery.upload_id for delivery in page.due] for page in pages] == [["a"], ["b"]]


async def test_marking_leaves_what_has_moved_on(uploads: SqlUploads, deliveries: Deliveries) -> None:
    await create(uploads, "a")
    (seen,) = (await deliveries.waiting(0, 10)).due
    await deliveries.settle(seen.event_id, 0, DELIVERED, attempts=1)

    await deliveries.mark_queued([seen])

    assert (await only(deliveries)).state is DELIVERED


async def test_marking_nothing_is_fine(deliveries: Deliveries) -> None:
    await deliveries.mark_queued([])


async def test_lists_the_queued_in_order(uploads: SqlUploads, deliveries: Deliveries) -> None:
    for upload_id in "abc":
        await create(uploads, upload_id)
    first, *_ = await take(deliveries)
    await create(uploads, "d")

    assert [delivery.upload_id for delivery in await deliveries.queued(0, 2)] == ["a", "b"]
    assert [delivery.upload_id for delivery in await deliveries.queued(first.event_id, 9)] == ["b", "c"]


async def test_lists_the_newest_of_a_state_first(uploads: SqlUploads, deliveries: Deliveries) -> None:
    for upload_id in "abc":
        await create(uploads, upload_id)
    first, _, last = await take(deliveries)
    for delivery in (first, last):
        await deliveries.settle(delivery.event_id, 0, FAILED, attempts=1, error="no answer in time")

    failed = await deliveries.list(FAILED, 10)

    assert [(delivery.upload_id, delivery.last_error) for delivery in failed] == [
        ("c", "no answer in time"),
        ("a", "no answer in time"),
    ]
    assert [delivery.upload_id for delivery in await deliveries.list(None, 2)] == ["c", "b"]


async def test_notes_attempts_and_when(uploads: SqlUploads, deliveries: Deliveries, clock: Clock) -> None:
    await create(uploads, "a")
    (delivery,) = await take(deliveries)
    clock.now += timedelta(minutes=1)

    await deliveries.note_attempt(delivery.event_id, 0, 1, "it answered 500")
    await deliveries.note_attempt(delivery.event_id, 0, 1, "it answered 502")

    noted = await only(deliveries)
    assert (noted.state, noted.attempts, noted.last_error) == (DeliveryState.QUEUED, 1, "it answered 502")
    assert noted.updated_at == clock.now


async def test_settles_once(uploads: SqlUploads, deliveries: Deliveries) -> None:
    await create(uploads, "a")
    (delivery,) = await take(deliveries)

    assert await deliveries.settle(delivery.event_id, 0, DELIVERED, attempts=3)
    assert not await deliveries.settle(delivery.event_id, 0, FAILED, attempts=4, error="late")

    settled = await only(deliveries)
    assert (settled.state, settled.attempts, settled.last_error) == (DELIVERED, 3, "")


@pytest.mark.parametrize("state", [None, DELIVERED, FAILED])
async def test_delivers_again_whatever_the_state(
    uploads: SqlUploads, deliveries: Deliveries, clock: Clock, state: DeliveryState | None
) -> None:
    await create(uploads, "a")
    (delivery,) = await take(deliveries)
    if state is not None:
        await deliveries.settle(delivery.event_id, 0, state, attempts=3, error="it was so")
    clock.now += timedelta(days=2)

    assert await deliveries.redeliver(delivery.event_id)

    (again,) = (await deliveries.waiting(0, 10)).due
    assert (again.generation, again.attempts, again.last_error) == (1, 0, "")
    assert again.updated_at == clock.now


async def test_whoever_is_at_a_former_generation_changes_nothing(uploads: SqlUploads, deliveries: Deliveries) -> None:
    await create(uploads, "a")
    (former,) = await take(deliveries)
    await deliveries.redeliver(former.event_id)

    await deliveries.mark_queued([former])
    await deliveries.note_attempt(former.event_id, 0, 1, "late")
    assert not await deliveries.settle(former.event_id, 0, DELIVERED, attempts=1)

    again = await only(deliveries)
    assert (again.state, again.attempts, again.last_error) == (DeliveryState.WAITING, 0, "")


async def test_an_event_nobody_knows_is_not_delivered_again(deliveries: Deliveries) -> None:
    assert not await deliveries.redeliver(4711)
    assert await deliveries.load(4711) is None


async def test_restarts_what_is_stuck(uploads: SqlUploads, deliveries: Deliveries) -> None:
    await create(uploads, "a")
    await take(deliveries)

    assert await deliveries.restart(await only(deliveries))

    assert (await only(deliveries)).generation == 1
    assert await due(deliveries) == [("a", "created")]


async def test_does_not_restart_what_has_moved_on(uploads: SqlUploads, deliveries: Deliveries) -> None:
    await create(uploads, "a")
    await take(deliveries)
    seen = await only(deliveries)
    await deliveries.note_attempt(seen.event_id, 0, 1, "it answered 500")

    assert not await deliveries.restart(seen)
    noted = await only(deliveries)
    await deliveries.settle(noted.event_id, 0, DELIVERED, attempts=2)
    assert not await deliveries.restart(noted)

    assert (await only(deliveries)).generation == 0
