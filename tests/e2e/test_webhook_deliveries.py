"""Webhooks that nothing waits for: delivered in order whatever becomes of the receiver, and of the server."""

import json
import os
import random
import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from sqlalchemy import NullPool, create_engine, text
from tests.contracts.databases import PostgresServer
from tests.e2e.accounts import command
from tests.e2e.receiver import SECRET, Call, Hold, Receiver, Reply
from tests.e2e.test_crash_safety import steady_port
from tests.e2e.wire import all_stored, begin_patch, create, head, patch, poll
from tests.serving import OFFSET_STREAM, TUS, Connection, Server, serving

pytestmark = pytest.mark.e2e

EVENTS = "post-create,post-finish,post-terminate"
GRACE_PERIOD = 10.0
KILLS = 10
UPTIME = 0.1, 1.2
"""Seconds between a start and the next kill, at least and at most."""

UPLOADERS = 4
CATCHING_UP = 60.0
"""Seconds that what is left over may take, once the server is left alone."""


def settings_for(receiver: Receiver, **settings: str) -> dict[str, str]:
    hooked = {"webhook_url": receiver.url, "webhook_secret": SECRET, "webhook_allow_private": "true"}
    return {**hooked, "webhook_events": EVENTS, **settings}


def id_of(path: str) -> str:
    return path.rpartition("/")[2]


def upload(server: Server, data: bytes = b"abc") -> str:
    """Create an upload and finish it; return its id."""
    path = create(server, len(data))
    assert patch(server, path, 0, data).status == 204
    return id_of(path)


def listed(server: Server, *options: str) -> list[dict[str, Any]]:
    """What `longshore webhook list` tells, beside the server; the oldest first."""
    lines = command(server.data_dir, "webhook", "list", "--json", *options).splitlines()
    return [json.loads(line) for line in reversed(lines)]


def test_what_a_receiver_missed_is_delivered_when_it_is_there(area: Path) -> None:
    with Receiver() as receiver, serving(area / "data", **settings_for(receiver)) as server:
        receiver.stop()
        uploads = [upload(server), upload(server)]
        failed = poll(lambda: [delivery for delivery in listed(server) if delivery["attempts"]], every=0.2)
        assert {delivery["type"] for delivery in failed} == {"created"}
        assert {delivery["state"] for delivery in failed} == {"queued"}
        assert {delivery["last_error"] for delivery in failed} == {"no answer (ConnectError)"}
        receiver.start()
        receiver.await_calls(4)
        poll(lambda: len(listed(server, "--state", "delivered")) == 4, every=0.2)

    assert [receiver.of(upload_id) for upload_id in uploads] == [["post-create", "post-finish"]] * 2


def test_one_upload_waits_for_its_receiver_and_others_go_on(area: Path) -> None:
    """The first upload's creation is answered 500 until all is said of the others."""
    others_told = Event()
    first = ""

    def answer(call: Call) -> Reply:
        return Reply() if call.upload_id != first or others_told.is_set() else Reply(500)

    with Receiver(answer) as receiver, serving(area / "data", **settings_for(receiver)) as server:
        first = id_of(create(server, 3))
        refused = receiver.await_calls(2)
        assert patch(server, f"/files/{first}", 0, b"abc").status == 204
        others = [upload(server) for _ in range(5)]
        receiver.await_calls(10, lambda call: call.upload_id in others)
        assert set(receiver.of(first)) == {"post-create"}
        others_told.set()
        receiver.await_calls(1, lambda call: call.about == ("post-finish", first))
        *attempts, finish = [call for call in receiver.calls if call.upload_id == first]

    assert [receiver.of(other) for other in others] == [["post-create", "post-finish"]] * 5
    assert len(attempts) >= 3
    assert {call.about for call in attempts} == {("post-create", first)}
    assert {call.message_id for call in attempts} == {refused[0].message_id}
    assert [call.said for call in attempts[1:]] == [attempts[0].said] * (len(attempts) - 1)
    assert finish.message_id != refused[0].message_id


def test_a_receiver_that_is_too_slow_is_told_again(area: Path) -> None:
    slow = Hold()
    answers = [slow]
    receiver = Receiver(lambda call: answers.pop()(call) if answers else Reply())
    with receiver, serving(area / "data", **settings_for(receiver, webhook_timeout="2")) as server:
        upload_id = upload(server)
        receiver.await_calls(3)
        slow.release()
        poll(lambda: len(listed(server, "--state", "delivered")) == 2, every=0.2)

    assert receiver.of(upload_id) == ["post-create", "post-create", "post-finish"]
    assert len({call.message_id for call in receiver.calls}) == 2


def test_what_was_given_up_is_delivered_again_on_demand(area: Path) -> None:
    replies = [Reply(410)]
    receiver = Receiver(lambda call: replies.pop() if replies else Reply())
    with receiver, serving(area / "data", **settings_for(receiver)) as server:
        upload_id = upload(server)
        receiver.await_calls(2)
        created, finished = poll(lambda: settled(server, 2), every=0.2)
        assert (created["state"], created["attempts"]) == ("failed", 1)
        assert (finished["state"], finished["last_error"]) == ("delivered", "")
        assert f"event {created['id']} was not delivered and is given up, it answered 410" in server.said()

        assert command(server.data_dir, "webhook", "redeliver", str(created["id"]), str(finished["id"])) == ""
        calls = receiver.await_calls(4)
        poll(lambda: len(listed(server, "--state", "delivered")) == 2, every=0.2)

    assert receiver.of(upload_id) == ["post-create", "post-finish"] * 2
    assert [call.said for call in calls[2:]] == [call.said for call in calls[:2]]
    assert len({call.message_id for call in calls}) == 4


def settled(server: Server, count: int) -> list[dict[str, Any]]:
    """The deliveries, once so many have come to their end."""
    found = [delivery for delivery in listed(server) if delivery["state"] in ("delivered", "failed")]
    return found if len(found) == count else []


def test_a_stop_does_not_wait_for_the_receiver(area: Path) -> None:
    """More uploads than there are attempts at a time; what was under way is done again."""
    hold = Hold()
    with Receiver(hold) as receiver, serving(area / "data", **settings_for(receiver)) as server:
        uploads = [upload(server) for _ in range(40)]
        receiver.await_calls(30)
        server.signal(signal.SIGTERM)
        began = time.monotonic()
        assert server.wait() == 0
        assert time.monotonic() - began < GRACE_PERIOD / 2
        assert "Traceback" not in server.said()
        hold.release()
        server.start()
        receiver.await_calls(40, lambda call: call.type == "post-finish")

    for upload_id in uploads:
        *creations, finish = receiver.of(upload_id)
        assert set(creations) == {"post-create"}
        assert len(creations) <= 2
        assert finish == "post-finish"


def test_a_private_address_is_not_delivered_to(area: Path) -> None:
    receiver = Receiver()
    hidden = receiver.url.replace("//", "//someone:hunter2@")
    private = {"webhook_url": hidden, "webhook_allow_private": "false"}
    with receiver, serving(area / "data", **settings_for(receiver, **private)) as server:
        upload(server)
        failed = poll(lambda: [delivery for delivery in listed(server) if delivery["attempts"]], every=0.2)
        assert {delivery["last_error"] for delivery in failed} == {"its address is not public"}
        assert "http://127.0.0.1: event 1 was not delivered, its address is not public" in server.said()
        assert "hunter" not in server.said()
        assert receiver.connections == 0


@pytest.mark.postgres
def test_deliveries_on_postgres_survive_a_kill(area: Path, postgres_server: PostgresServer) -> None:
    hold = Hold()
    with postgres_server.fresh() as url, Receiver(hold) as receiver:
        command(area / "data", "db", "upgrade", database_url=url)
        with serving(area / "data", **settings_for(receiver, database_url=url)) as server:
            uploads = [upload(server) for _ in range(5)]
            receiver.await_calls(5)
            server.kill()
            hold.release()
            server.start()
            receiver.await_calls(5, lambda call: call.type == "post-finish")
            assert server.stop() == 0
        assert schemas(url) >= {"public", "dbos"}

    for upload_id in uploads:
        assert without_repetitions(receiver.of(upload_id)) == ["post-create", "post-finish"]


def schemas(url: str) -> set[str]:
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        return set(connection.scalars(text("SELECT nspname FROM pg_namespace")))


# kill -9


@pytest.mark.parametrize("receiver_holds", [True, False], ids=["the receiver holds", "the receiver is down"])
def test_what_was_committed_before_a_kill_is_delivered_after_it(area: Path, receiver_holds: bool) -> None:
    hold = Hold()
    with Receiver(hold) as receiver, serving(area / "data", **settings_for(receiver)) as server:
        if not receiver_holds:
            receiver.stop()
        uploads = [upload(server) for _ in range(5)]
        unfinished = id_of(create(server, 3))
        if receiver_holds:
            receiver.await_calls(6)
        server.kill()
        assert "post-finish" not in {call.type for call in receiver.calls}
        hold.release()
        receiver.stop()
        receiver.start()
        server.start()
        receiver.await_calls(5, lambda call: call.type == "post-finish")
        poll(lambda: len(listed(server, "--state", "delivered")) == 11, every=0.2)

    for upload_id in uploads:
        *creations, finish = receiver.of(upload_id)
        assert (set(creations), finish) == ({"post-create"}, "post-finish")
    assert set(receiver.of(unfinished)) == {"post-create"}
    assert len({call.message_id for call in receiver.calls}) == 11


@dataclass
class Run:
    """What the uploaders of a test share."""

    server: Server
    last: Event = field(default_factory=Event)
    """Set when the server is left alone; nothing new is begun."""
    finished: set[str] = field(default_factory=set)
    """Uploads whose completion was acknowledged."""
    known: set[str] = field(default_factory=set)


def keep_uploading(run: Run, moments: random.Random) -> None:
    """Create uploads; finish most of them, and remove some; whatever the server does."""
    while not run.last.is_set():
        try:
            with Connection(run.server.port) as connection:
                one_upload(run, connection, moments)
        except (OSError, IndexError):  # Nobody there, or an answer that ends before it has begun.
            pass
        run.last.wait(0.02)


def one_upload(run: Run, connection: Connection, moments: random.Random) -> None:
    with_body = moments.random() < 0.3
    fields = {**TUS, "Upload-Length": "9", **(OFFSET_STREAM if with_body else {})}
    created = connection.request("POST", "/files", fields, b"123456789" if with_body else b"")
    assert created.status == 201, created
    path = created.headers["location"]
    run.known.add(id_of(path))
    if not with_body:
        size = moments.choice([4, 9, 9])
        begin_patch(connection, path, 0, size)
        connection.send(b"123456789"[:size])
        assert connection.read_answer().status == 204
        if size < 9:
            return
    run.finished.add(id_of(path))
    if moments.random() < 0.2:
        assert connection.request("DELETE", path, TUS).status == 204


@contextmanager
def uploading(run: Run, seed: int) -> Iterator[list[Future[None]]]:
    with ThreadPoolExecutor(UPLOADERS) as threads:
        try:
            yield [
                threads.submit(keep_uploading, run, random.Random(f"{seed} {number}")) for number in range(UPLOADERS)
            ]
        finally:
            run.last.set()


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_no_event_is_lost_over_kills(area: Path) -> None:
    """At random moments, under uploads, with a receiver that is away in every third life of the server."""
    seed = int(os.environ.get("CRASH_SEED") or random.SystemRandom().randrange(2**32))
    print(f"CRASH_SEED={seed}")
    receiver = Receiver()
    with receiver, Server(area / "data", port=steady_port(), **settings_for(receiver)) as server:
        run = Run(server)
        with uploading(run, seed) as uploaders:
            behind = kill_again_and_again(run, receiver, random.Random(seed))
        for uploader in uploaders:
            uploader.result()

        states = poll(lambda: all_told(run, receiver), within=CATCHING_UP, every=0.5)
        calls = receiver.calls
        print(f"{len(states)} uploads, {len(calls)} calls, {behind} completions not told of at kills")

    assert behind
    assert {call.upload_id for call in calls} == set(states)
    for upload_id, (expected, _) in states.items():
        assert without_repetitions(receiver.of(upload_id)) in expected, upload_id
    ids = {(call.about, call.message_id) for call in calls}
    assert len(ids) == len({about for about, _ in ids})


def kill_again_and_again(run: Run, receiver: Receiver, moments: random.Random) -> int:
    """Return how many completed uploads the receiver had not been told of at the moments of the kills."""
    behind = 0
    for life in range(KILLS):
        time.sleep(moments.uniform(*UPTIME))  # The moment of the kill is what the test is about.
        run.server.kill()
        told = {call.upload_id for call in receiver.calls if call.type == "post-finish"}
        behind += len(run.finished - told)
        receiver.stop()
        if life % 3:
            receiver.start()
        run.server.start()
    receiver.stop()
    receiver.start()
    return behind


Expected = tuple[list[list[str]], bool]


def all_told(run: Run, receiver: Receiver) -> dict[str, Expected]:
    """What is to be told of each upload that there is; nothing as long as something is missing."""
    ids = run.known | {call.upload_id for call in receiver.calls} | {file.name for file in all_stored(run.server)}
    states = {upload_id: expected(run.server, upload_id) for upload_id in ids}
    told = all(without_repetitions(receiver.of(upload_id)) in wanted for upload_id, (wanted, _) in states.items())
    return states if told else {}


def expected(server: Server, upload_id: str) -> Expected:
    answer = head(server, f"/files/{upload_id}")
    if answer.status == 410:
        return [["post-create", "post-finish", "post-terminate"], ["post-create", "post-terminate"]], False
    assert answer.status == 200, answer
    finished = answer.headers["upload-offset"] == answer.headers["upload-length"]
    return [["post-create", *(["post-finish"] if finished else [])]], finished


def without_repetitions(types: list[str]) -> list[str]:
    """An event may be told twice in a row: at least once is what is promised."""
    return [hook_type for number, hook_type in enumerate(types) if types[number - 1 : number] != [hook_type]]
