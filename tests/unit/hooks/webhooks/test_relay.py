import asyncio
import logging
import shutil
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import anyio.to_thread
import pytest
from tests.unit.hooks.webhooks.receiver import Receiver, Reply, Request, breaks_off, hangs, receiving

from longshore.db.database import Database
from longshore.db.deliveries import SqlDeliveries
from longshore.db.jobs import prepare_jobs_file
from longshore.db.uploads import SqlUploads
from longshore.events import UploadCompleted, UploadCreated
from longshore.hooks.webhooks.attempts import Attempt, Backoff
from longshore.hooks.webhooks.relay import Relay
from longshore.hooks.webhooks.sender import Sender
from longshore.hooks.webhooks.workflows import Workflows
from longshore.ports.deliveries import Delivery, DeliveryState
from longshore.protocol.upload import State, Upload

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DELIVERED, FAILED = DeliveryState.DELIVERED, DeliveryState.FAILED
QUICK = Backoff(first=0.01, longest=0.05, total=60)


def clock() -> datetime:
    return datetime.now(UTC)


@pytest.fixture(scope="session")
def made_jobs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a database of DBOS's that is migrated already, to be copied."""
    path = tmp_path_factory.mktemp("jobs") / "jobs.db"
    loop = asyncio.new_event_loop()

    async def nothing(_: object) -> None:
        raise AssertionError

    workflows = Workflows(prepare_jobs_file(path), loop=loop, carry_out=nothing, executor_id="longshore", poll=0.05)
    workflows.start()
    workflows.stop()
    loop.close()
    return path


@dataclass
class World:
    uploads: SqlUploads
    deliveries: SqlDeliveries
    receiver: Receiver
    jobs_url: str
    senders: list[Sender] = field(default_factory=list)

    def relay(self, backoff: Backoff = QUICK, *, time_limit: float = 5, url: str | None = None) -> Relay:
        sender = Sender(url or self.receiver.url, clock=clock, allow_private=True, time_limit=time_limit)
        self.senders.append(sender)
        return Relay(
            self.deliveries, sender, jobs_url=self.jobs_url, clock=clock, backoff=backoff, poll=0.05, jobs_poll=0.05
        )

    async def create(self, upload_id: str) -> Upload:
        upload = Upload(id=upload_id, created_at=NOW, length=4)
        await self.uploads.add(upload, free_space=None, events=[UploadCreated(upload)])
        return upload

    async def complete(self, upload: Upload) -> None:
        finished = replace(upload, offset=4, state=State.COMPLETED, completed_at=NOW)
        await self.uploads.save(finished, events=[UploadCompleted(finished)])

    async def settled(self, count: int = 1) -> list[Delivery]:
        """Wait until all of so many deliveries have come to their end; the first event first."""
        async with asyncio.timeout(30):
            while True:
                known = await self.deliveries.list(None, 1000)
                if len(known) == count and all(delivery.state in (DELIVERED, FAILED) for delivery in known):
                    return list(reversed(known))
                await asyncio.sleep(0.02)


@asynccontextmanager
async def running(relay: Relay) -> AsyncIterator[Relay]:
    await relay.start()
    try:
        yield relay
    finally:
        await relay.close()


@pytest.fixture
async def world(anyio_backend: object, tmp_path: Path, migrated_sqlite: Path, made_jobs: Path) -> AsyncIterator[World]:
    shutil.copy(migrated_sqlite, tmp_path / "longshore.db")
    shutil.copy(made_jobs, tmp_path / "jobs.db")
    async with Database(f"sqlite:///{tmp_path}/longshore.db") as database, receiving() as receiver:
        uploads = SqlUploads(database, deliver=[UploadCreated.type, UploadCompleted.type])
        world = World(uploads, SqlDeliveries(database), receiver, prepare_jobs_file(tmp_path / "jobs.db"))
        yield world
        for sender in world.senders:
            await sender.close()


def types(requests: list[Request]) -> list[str]:
    return [request.json["Type"] for request in requests]


async def test_delivers_what_has_waited_since_before_the_start(world: World) -> None:
    await world.create("a")

    async with running(world.relay()):
        (delivery,) = await world.settled()

    (request,) = world.receiver.requests
    assert request.json["Type"] == "post-create"
    assert request.json["Event"]["Upload"]["ID"] == "a"
    assert (delivery.state, delivery.attempts, delivery.last_error) == (DELIVERED, 1, "")


async def test_delivers_at_once_when_woken(world: World) -> None:
    relay = world.relay()
    async with running(relay):
        await world.create("a")
        relay.wake()
        await world.settled()

    assert types(world.receiver.requests) == ["post-create"]


async def test_tries_again_until_the_receiver_takes_it(world: World) -> None:
    world.receiver.replies = [Reply(500), breaks_off]
    await world.create("a")

    async with running(world.relay()):
        (delivery,) = await world.settled()

    assert (delivery.state, delivery.attempts) == (DELIVERED, 3)
    assert len({request.headers["idempotency-key"] for request in world.receiver.requests}) == 1
    assert len({request.body for request in world.receiver.requests}) == 1


async def test_delivers_the_events_of_one_upload_in_order(world: World) -> None:
    world.receiver.replies = [Reply(503)]
    await world.complete(await world.create("a"))

    async with running(world.relay()):
        await world.settled(2)

    assert types(world.receiver.requests) == ["post-create", "post-create", "post-finish"]


async def test_gives_up_in_the_end_and_goes_on_with_the_next(world: World) -> None:
    async def refuses_creations(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(Reply(500 if request.json["Type"] == "post-create" else 200).encode())

    world.receiver.usual = refuses_creations
    await world.complete(await world.create("a"))

    async with running(world.relay(Backoff(first=0.01, total=0))):
        created, completed = await world.settled(2)

    assert (created.state, created.attempts, created.last_error) == (FAILED, 1, "it answered 500")
    assert completed.state is DELIVERED
    assert types(world.receiver.requests) == ["post-create", "post-finish"]


async def test_an_upload_whose_deliveries_hang_holds_no_other_up(world: World) -> None:
    async def hangs_for_some(request: Request, writer: asyncio.StreamWriter) -> None:
        if request.json["Event"]["Upload"]["ID"].startswith("dead"):
            await hangs(request, writer)
        writer.write(Reply().encode())

    world.receiver.usual = hangs_for_some
    for number in range(10):
        await world.create(f"dead{number}")
    relay = world.relay(time_limit=30)
    async with running(relay):
        await world.receiver.heard(10)
        await world.create("alive")
        relay.wake()
        await world.receiver.heard(11)
        assert world.receiver.requests[-1].json["Event"]["Upload"]["ID"] == "alive"


async def test_stops_within_a_second_and_delivers_after_the_next_start(world: World) -> None:
    world.receiver.replies = [hangs]
    await world.create("a")
    relay = world.relay(time_limit=30)
    async with running(relay):
        await world.receiver.heard(1)
        began = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - began < 1

    async with running(world.relay()):
        (delivery,) = await world.settled()

    assert delivery.state is DELIVERED
    assert len({request.headers["idempotency-key"] for request in world.receiver.requests}) == 1


async def test_goes_on_with_retries_after_the_next_start(world: World) -> None:
    world.receiver.replies = [Reply(500)]
    await world.create("a")
    async with running(world.relay(Backoff(first=0.5))):
        await world.receiver.heard(1)
        async with asyncio.timeout(10):
            while True:
                if (await world.deliveries.list(None, 1))[0].attempts:
                    break
                await asyncio.sleep(0.01)

    async with running(world.relay()):
        (delivery,) = await world.settled()

    assert delivery.state is DELIVERED
    assert len(world.receiver.requests) == 2


async def test_delivers_what_was_queued_when_the_jobs_file_was_lost(
    world: World, tmp_path: Path, made_jobs: Path
) -> None:
    world.receiver.replies = [hangs]
    await world.create("a")
    async with running(world.relay(time_limit=30)):
        await world.receiver.heard(1)
    for leftover in tmp_path.glob("jobs.db*"):
        leftover.unlink()
    shutil.copy(made_jobs, tmp_path / "jobs.db")

    async with running(world.relay()):
        (delivery,) = await world.settled()

    assert delivery.state is DELIVERED


async def test_starts_anew_what_died_with_its_workflow(world: World, tmp_path: Path) -> None:
    world.receiver.replies = [hangs]
    await world.create("a")
    async with running(world.relay(time_limit=30)):
        await world.receiver.heard(1)
    with closing(sqlite3.connect(tmp_path / "jobs.db")) as jobs:
        jobs.execute("UPDATE workflow_status SET status = 'ERROR'")
        jobs.commit()

    async with running(world.relay()):
        (delivery,) = await world.settled()

    assert (delivery.state, delivery.generation) == (DELIVERED, 1)


async def test_delivers_again_what_is_asked_for_again(world: World) -> None:
    await world.create("a")
    async with running(world.relay()):
        (delivery,) = await world.settled()
        await world.deliveries.redeliver(delivery.event_id)
        await world.receiver.heard(2)
        (again,) = await world.settled()

    assert (again.state, again.generation) == (DELIVERED, 1)
    first, second = world.receiver.requests
    assert first.body == second.body
    assert first.headers["idempotency-key"] != second.headers["idempotency-key"]


async def test_delivers_again_at_once_what_waits_for_its_next_attempt(world: World) -> None:
    world.receiver.replies = [Reply(500)]
    await world.create("a")
    async with running(world.relay(Backoff(first=3600))):
        await world.receiver.heard(1)
        (delivery,) = await world.deliveries.list(None, 1)
        await world.deliveries.redeliver(delivery.event_id)
        (again,) = await world.settled()

    assert (again.state, again.generation, again.attempts) == (DELIVERED, 1, 1)


async def test_many_are_delivered_once_each(world: World) -> None:
    for number in range(40):
        await world.create(str(number))

    async with running(world.relay()):
        await world.settled(40)

    told = [request.json["Event"]["Upload"]["ID"] for request in world.receiver.requests]
    assert sorted(told, key=int) == [str(number) for number in range(40)]


async def test_says_nothing_while_all_is_well_and_warns_of_what_was_given_up(
    world: World, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.INFO)
    world.receiver.replies = [Reply(410)]
    await world.create("a")
    url = f"http://user:passw0rd@127.0.0.1:{world.receiver.port}/hooks/s3cret?token=t0ken"
    async with running(world.relay(url=url)):
        await world.settled()

    assert "was not delivered and is given up, it answered 410" in caplog.text
    assert [record.levelname for record in caplog.records if record.name.startswith("dbos")] == []
    for secret in ("passw0rd", "s3cret", "t0ken"):
        assert secret not in caplog.text
    assert capfd.readouterr() == ("", "")


async def test_leaves_no_thread_behind(world: World) -> None:
    before = {thread.name for thread in threading.enumerate()}
    async with running(world.relay()):
        pass

    left = {thread.name for thread in threading.enumerate()} - before
    assert not [name for name in left if not name.startswith(("AnyIO", "asyncio"))]


async def test_a_second_relay_in_the_process_is_refused_and_the_first_goes_on(world: World) -> None:
    async with running(world.relay()):
        second = world.relay()
        with pytest.raises(RuntimeError, match="in use in this process"):
            await second.start()
        await second.close()

        await world.create("a")
        await world.settled()


async def test_closing_what_was_never_started_is_fine(world: World) -> None:
    await world.relay().close()


async def test_forgets_attempts_that_are_long_over(world: World) -> None:
    attempted = []

    async def carry_out(attempt: Attempt) -> None:
        attempted.append(attempt)

    one = Attempt(1, 0, 0, 0.0)
    workflows = Workflows(
        world.jobs_url, loop=asyncio.get_running_loop(), carry_out=carry_out, executor_id="longshore", poll=0.05
    )

    def known() -> tuple[set[str], set[str]]:
        under_way, over = workflows.known([one])
        return set(under_way), set(over)

    await anyio.to_thread.run_sync(workflows.start)
    try:
        await anyio.to_thread.run_sync(workflows.add, [one, one])
        async with asyncio.timeout(10):
            while True:
                if await anyio.to_thread.run_sync(known) == (set(), {one.workflow_id}):
                    break
                await asyncio.sleep(0.02)
        await anyio.to_thread.run_sync(workflows.forget, NOW)
        assert await anyio.to_thread.run_sync(known) == (set(), {one.workflow_id})

        await anyio.to_thread.run_sync(workflows.forget, datetime.now(UTC))
        assert await anyio.to_thread.run_sync(known) == (set(), set())
        assert attempted == [one]
    finally:
        await anyio.to_thread.run_sync(workflows.stop)


@pytest.mark.postgres
async def test_keeps_everything_in_postgresql_where_that_is_the_database(postgres_url: str) -> None:
    async with Database(postgres_url) as database, receiving() as receiver:
        uploads = SqlUploads(database, deliver=[UploadCreated.type, UploadCompleted.type])
        world = World(uploads, SqlDeliveries(database), receiver, postgres_url)
        receiver.replies = [Reply(500), hangs]
        await world.complete(await world.create("a"))
        async with running(world.relay(time_limit=30)):
            await receiver.heard(2)
        async with running(world.relay()):
            created, completed = await world.settled(2)
        for sender in world.senders:
            await sender.close()

    assert (created.state, completed.state) == (DELIVERED, DELIVERED)
    assert types(receiver.requests) == ["post-create", "post-create", "post-create", "post-finish"]
