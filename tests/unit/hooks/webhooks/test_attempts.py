import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from sqlalchemy import text
from standardwebhooks import Webhook
from tests.unit.hooks.webhooks.receiver import Receiver, Reply, breaks_off, receiving

from longshore.db.database import Database
from longshore.db.deliveries import SqlDeliveries
from longshore.db.uploads import SqlUploads
from longshore.events import UploadCreated
from longshore.hooks.webhooks.attempts import Attempt, Attempts, Backoff, message_id
from longshore.hooks.webhooks.sender import Sender
from longshore.ports.deliveries import Delivery, DeliveryState
from longshore.protocol.upload import Upload

pytestmark = pytest.mark.anyio

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
DELIVERED, FAILED, QUEUED = DeliveryState.DELIVERED, DeliveryState.FAILED, DeliveryState.QUEUED


@dataclass
class World:
    receiver: Receiver
    database: Database
    now: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))
    settled: int = 0
    deliveries: SqlDeliveries = field(init=False)
    attempts: Attempts = field(init=False)

    def clock(self) -> datetime:
        return self.now

    def note_settled(self) -> None:
        self.settled += 1

    async def delivery(self) -> Delivery:
        (delivery,) = await self.deliveries.list(None, 9)
        return delivery

    async def attempt(self, number: int = 0, *, left: timedelta = timedelta(days=1)) -> float | None:
        delivery = await self.delivery()
        deadline = (self.now + left).timestamp()
        return await self.attempts.make(Attempt(delivery.event_id, delivery.generation, number, deadline))


@pytest.fixture
async def world(anyio_backend: object, tmp_path: Path, migrated_sqlite: Path) -> AsyncIterator[World]:
    shutil.copy(migrated_sqlite, tmp_path / "longshore.db")
    async with Database(f"sqlite:///{tmp_path}/longshore.db") as database, receiving() as receiver:
        world = World(receiver, database)
        world.deliveries = SqlDeliveries(database, clock=world.clock)
        sender = Sender(receiver.url, clock=world.clock, secret=SECRET, allow_private=True, time_limit=5)
        world.attempts = Attempts(
            world.deliveries, sender, clock=world.clock, backoff=Backoff(), settled=world.note_settled
        )
        upload = Upload(id="a", created_at=world.now, length=4)
        uploads = SqlUploads(database, clock=world.clock, deliver=[UploadCreated.type])
        await uploads.add(upload, free_space=None, events=[UploadCreated(upload)])
        await world.deliveries.mark_queued([await world.delivery()])
        yield world
        await sender.close()


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_any_2xx_is_a_success_whatever_it_says(world: World, status: int) -> None:
    world.receiver.replies = [Reply(status, b"" if status == 204 else b"not JSON")]

    assert await world.attempt() is None

    delivery = await world.delivery()
    assert (delivery.state, delivery.attempts, delivery.last_error) == (DELIVERED, 1, "")
    assert world.settled == 1


@pytest.mark.parametrize("status", [302, 400, 404, 409, 429, 500, 503])
async def test_anything_else_is_tried_again(world: World, status: int) -> None:
    world.receiver.replies = [Reply(status)]

    wait = await world.attempt(4)

    assert wait is not None
    assert 16 <= wait <= 20
    delivery = await world.delivery()
    assert (delivery.state, delivery.attempts, delivery.last_error) == (QUEUED, 5, f"it answered {status}")
    assert world.settled == 0


async def test_no_answer_is_tried_again(world: World) -> None:
    world.receiver.replies = [breaks_off]

    assert await world.attempt() is not None
    assert (await world.delivery()).last_error.startswith("no answer")


async def test_410_is_given_up_at_once(world: World) -> None:
    world.receiver.replies = [Reply(410)]

    assert await world.attempt() is None

    delivery = await world.delivery()
    assert (delivery.state, delivery.last_error) == (FAILED, "it answered 410: it wants no more of this")
    assert world.settled == 1


async def test_what_would_come_after_the_deadline_is_given_up(world: World) -> None:
    world.receiver.usual = Reply(500)

    assert await world.attempt(9, left=timedelta(minutes=20)) is not None
    assert await world.attempt(10, left=timedelta(minutes=10)) is None

    delivery = await world.delivery()
    assert (delivery.state, delivery.attempts, delivery.last_error) == (FAILED, 11, "it answered 500")


@pytest.mark.parametrize("status", [429, 503])
async def test_waits_as_long_as_the_receiver_asks(world: World, status: int) -> None:
    date = format_datetime(world.now + timedelta(seconds=300), usegmt=True)
    world.receiver.replies = [
        Reply(status, headers=(("Retry-After", value),))
        for value in ("120", date, "86400", "9" * 30, "0", "soon", "-5")
    ]

    waits = [await world.attempt() for _ in range(7)]

    assert [wait and round(wait) for wait in waits] == [120, 300, 3600, 3600, 1, 1, 1]


async def test_asks_for_patience_count_only_where_they_mean_it(world: World) -> None:
    world.receiver.replies = [Reply(500, headers=(("Retry-After", "120"),))]

    wait = await world.attempt()

    assert wait is not None
    assert wait < 2


async def test_the_id_stays_and_the_timestamp_does_not(world: World) -> None:
    world.receiver.usual = Reply(500)
    await world.attempt(0)
    world.now += timedelta(seconds=90)
    await world.attempt(1)

    first, second = world.receiver.requests
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == message_id(await world.delivery())
    assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) == 90
    assert Webhook(SECRET).verify(first.body, dict(first.headers)) == first.json
    assert Webhook(SECRET).verify(second.body, dict(second.headers)) == first.json


@pytest.mark.parametrize("state", [DELIVERED, FAILED])
async def test_what_has_been_settled_is_not_sent_again(world: World, state: DeliveryState) -> None:
    await world.deliveries.settle((await world.delivery()).event_id, 0, state, attempts=1)

    assert await world.attempt() is None
    assert world.receiver.requests == []


async def test_an_attempt_of_a_former_generation_is_not_made(world: World) -> None:
    event_id = (await world.delivery()).event_id
    await world.deliveries.redeliver(event_id)

    assert await world.attempts.make(Attempt(event_id, 0, 3, world.now.timestamp())) is None
    assert world.receiver.requests == []


async def test_an_event_that_is_gone_is_nothing_to_do(world: World) -> None:
    assert await world.attempts.make(Attempt(4711, 0, 0, world.now.timestamp())) is None


async def test_the_day_counts_from_the_event_or_from_being_asked_again(world: World) -> None:
    day = timedelta(days=1).total_seconds()
    assert world.attempts.following(await world.delivery()).deadline == world.now.timestamp() + day

    world.now += timedelta(days=3)
    await world.deliveries.redeliver((await world.delivery()).event_id)
    assert world.attempts.following(await world.delivery()).deadline == world.now.timestamp() + day


async def test_goes_on_after_the_attempts_that_were_noted(world: World) -> None:
    world.receiver.usual = Reply(500)
    await world.attempt(0)
    await world.attempt(1)

    following = world.attempts.following(await world.delivery())

    assert following.workflow_id == f"webhook-{following.event_id}-0-2"


async def test_an_event_that_cannot_be_read_is_given_up(world: World) -> None:
    await world.database.write(lambda connection: connection.execute(text("UPDATE events SET data = '{'")))

    assert await world.attempt() is None

    delivery = await world.delivery()
    assert (delivery.state, delivery.last_error) == (FAILED, "it cannot be read")
    assert world.settled == 1


def test_waits_twice_as_long_each_time_up_to_an_hour() -> None:
    waits = [Backoff().wait(attempts, jitter=0) for attempts in range(1, 15)]

    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600, 3600]
    assert Backoff().wait(100_000, jitter=0) == 3600
    assert Backoff().wait(3, jitter=1) == 5
