"""What is stored of what happened to uploads, over every database."""

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, select, update
from tests.contracts.charges import Days

from longshore.auth.principal import Role
from longshore.auth.records import User
from longshore.db.accounts import SqlAccounts
from longshore.db.database import Database
from longshore.db.events import EventLog, SqlEvents
from longshore.db.tables import deliveries
from longshore.db.uploads import SqlUploads
from longshore.events import (
    RequestInfo,
    UploadCompleted,
    UploadCreated,
    UploadEvent,
    UploadExpired,
    UploadRejected,
    UploadRenamed,
    UploadTerminated,
)
from longshore.ports.events import StoredEvent
from longshore.ports.quotas import Quotas
from longshore.protocol.errors import InsufficientStorage, QuotaExceeded
from longshore.protocol.upload import State, Upload

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 2, 3, 4, 5, 6, 789, tzinfo=UTC)
HOUR = timedelta(hours=1)
UPLOAD = Upload(id="a", created_at=NOW, owner="ann", length=100, metadata="filename d29ybGQ=", expires_at=NOW + HOUR)
COMPLETED = replace(UPLOAD, offset=100, state=State.COMPLETED, completed_at=NOW)
GONE = replace(UPLOAD, state=State.TERMINATED)
ANN = User(id="local:1", username="Ann", username_key="ann", password_hash="-", role=Role.USER, created_at=NOW)
REQUEST = RequestInfo(
    method="POST",
    uri="/files/?x=ü",
    remote_address="[::1]:5000",
    headers=(("host", "example.org"), ("tus-resumable", "1.0.0"), ("x-twice", "1"), ("x-twice", "2")),
)


@pytest.fixture
def clock() -> Days:
    return Days(NOW)


@pytest.fixture
async def uploads(database: Database, clock: Days, anyio_backend: object) -> SqlUploads:
    return SqlUploads(database, clock=clock, deliver=["completed", "rejected"])


@pytest.fixture
async def events(database: Database, anyio_backend: object) -> SqlEvents:
    return SqlEvents(database)


async def live(uploads: SqlUploads, upload: Upload = UPLOAD) -> None:
    """Create, complete and delete an upload."""
    completed = replace(upload, offset=100, state=State.COMPLETED, completed_at=NOW)
    gone = replace(completed, state=State.TERMINATED)
    await uploads.add(upload, free_space=None, events=[UploadCreated(upload, REQUEST)])
    assert await uploads.save(completed, events=[UploadCompleted(completed, REQUEST)])
    assert await uploads.bury(gone, events=[UploadTerminated(gone)])


async def waiting(database: Database) -> Sequence[Any]:
    return await database.read(lambda c: c.execute(select(deliveries).order_by(deliveries.c.event_id)).all())


async def test_a_new_database_has_none(events: SqlEvents) -> None:
    assert await events.events_after(0, 10) == []


async def test_tells_what_happened_and_on_which_request(uploads: SqlUploads, events: SqlEvents) -> None:
    await uploads.add(UPLOAD, free_space=None, events=[UploadCreated(UPLOAD, REQUEST)])
    (event,) = await events.events_after(0, 10)
    assert event == StoredEvent(
        id=event.id,
        type="created",
        upload_id="a",
        owner="ann",
        time=NOW,
        data={
            "upload": {
                "id": "a",
                "owner": "ann",
                "created_at": "2026-02-03T04:05:06.000789+00:00",
                "offset": 0,
                "length": 100,
                "metadata": "filename d29ybGQ=",
                "concat": "",
                "parts": [],
                "state": "unfinished",
                "expires_at": "2026-02-03T05:05:06.000789+00:00",
                "completed_at": None,
            },
            "request": {
                "method": "POST",
                "uri": "/files/?x=ü",
                "remote_address": "[::1]:5000",
                "headers": [["host", "example.org"], ["tus-resumable", "1.0.0"], ["x-twice", "1"], ["x-twice", "2"]],
            },
        },
    )


@pytest.mark.parametrize("owner", ["", "ann"])
async def test_one_event_for_each_change(uploads: SqlUploads, events: SqlEvents, owner: str) -> None:
    await live(uploads, replace(UPLOAD, owner=owner))
    found = await events.events_after(0, 10)
    assert [(event.type, event.owner) for event in found] == [
        ("created", owner),
        ("completed", owner),
        ("terminated", owner),
    ]
    assert [event.data["upload"]["state"] for event in found] == ["unfinished", "completed", "terminated"]


async def test_a_rejection_has_its_reason(uploads: SqlUploads, events: SqlEvents) -> None:
    await uploads.add(UPLOAD, free_space=None)
    rejected = UploadRejected(GONE, REQUEST, code="format-not-allowed", detail="No \x00 \ud800 executables.")
    assert await uploads.bury(GONE, events=[rejected])
    (event,) = await events.events_after(0, 10)
    assert (event.type, event.data["code"]) == ("rejected", "format-not-allowed")
    assert event.data["detail"] == "No \x00 \ud800 executables."


async def test_a_renaming_has_the_name_before(uploads: SqlUploads, events: SqlEvents) -> None:
    await uploads.add(UPLOAD, free_space=None)
    renamed = UploadRenamed(replace(UPLOAD, metadata="filename bmV3"), REQUEST, previous_name="world")
    assert await uploads.rename("a", "filename bmV3", events=[renamed])
    (event,) = await events.events_after(0, 10)
    assert (event.type, event.data["previous_name"]) == ("renamed", "world")
    assert event.data["upload"]["metadata"] == "filename bmV3"


async def test_an_owner_with_an_account_is_named(uploads: SqlUploads, events: SqlEvents, database: Database) -> None:
    await SqlAccounts(database).add_user(ANN)
    for upload in (replace(UPLOAD, owner=ANN.id), replace(UPLOAD, id="b", owner="of an issuer")):
        await uploads.add(upload, free_space=None, events=[UploadCreated(upload)])
    assert [event.owner_name for event in await events.events_after(0, 10)] == ["Ann", None]


async def test_a_final_upload_names_its_parts(uploads: SqlUploads, events: SqlEvents) -> None:
    final = replace(UPLOAD, concat="final;/q /p /q", parts=("q", "p", "q"))
    await uploads.add(final, free_space=None, events=[UploadCreated(final)])
    (event,) = await events.events_after(0, 10)
    assert event.data["upload"]["parts"] == ["q", "p", "q"]


async def test_what_did_not_happen_is_not_told(uploads: SqlUploads, events: SqlEvents, database: Database) -> None:
    created = [UploadCreated(UPLOAD), UploadCompleted(COMPLETED)]
    with pytest.raises(InsufficientStorage):
        await uploads.add(UPLOAD, free_space=0, events=created)
    with pytest.raises(QuotaExceeded):
        await uploads.add(UPLOAD, free_space=None, quotas=Quotas(daily=1), events=created)
    assert not await uploads.save(COMPLETED, events=created)
    assert not await uploads.bury(GONE, events=[UploadTerminated(GONE)])
    assert not await uploads.rename("a", "filename bmV3", events=[UploadRenamed(UPLOAD)])
    await uploads.add(UPLOAD, free_space=None)
    with pytest.raises(ValueError, match="already"):
        await uploads.add(UPLOAD, free_space=None, events=created)
    assert await events.events_after(0, 10) == []
    assert await waiting(database) == []


# Credentials


async def test_credentials_are_not_stored(uploads: SqlUploads, events: SqlEvents) -> None:
    secret = (
        "authorization proxy-authorization cookie x-auth-token x-csrf-token client-secret x-api-key apikey X-Api_Key"
    )
    request = replace(REQUEST, headers=(*((name, "hush") for name in secret.split()), ("accept", "*/*")))
    await uploads.add(UPLOAD, free_space=None, events=[UploadCreated(UPLOAD, request)])
    (event,) = await events.events_after(0, 10)
    assert event.data["request"]["headers"] == [["accept", "*/*"]]


async def test_credentials_that_are_named_are_stored(database: Database, events: SqlEvents) -> None:
    uploads = SqlUploads(database, keep_headers=["Authorization", "x-trace-token"])
    headers = (("authorization", "Bearer x"), ("cookie", "y"), ("x-trace-token", "z"))
    request = replace(REQUEST, headers=headers)
    await uploads.add(UPLOAD, free_space=None, events=[UploadCreated(UPLOAD, request)])
    (event,) = await events.events_after(0, 10)
    assert event.data["request"]["headers"] == [["authorization", "Bearer x"], ["x-trace-token", "z"]]


# Deliveries


async def test_chosen_events_wait_for_delivery(uploads: SqlUploads, events: SqlEvents, database: Database) -> None:
    await live(uploads)
    (completed,) = [event for event in await events.events_after(0, 10) if event.type == "completed"]
    (delivery,) = await waiting(database)
    assert (delivery.event_id, delivery.state, delivery.generation) == (completed.id, "waiting", 0)
    assert (delivery.attempts, delivery.last_error, delivery.updated_at) == (0, "", NOW)


async def test_two_events_of_one_change_stay_in_order(
    uploads: SqlUploads, events: SqlEvents, database: Database
) -> None:
    empty = replace(UPLOAD, length=0, state=State.COMPLETED, completed_at=NOW)
    await uploads.add(empty, free_space=None, events=[UploadCreated(empty), UploadCompleted(empty)])
    found = await events.events_after(0, 10)
    assert [event.type for event in found] == ["created", "completed"]
    assert [delivery.event_id for delivery in await waiting(database)] == [found[1].id]


# Reading and forgetting


async def test_an_event_is_there_before_any_with_a_higher_id(
    uploads: SqlUploads, events: SqlEvents, database: Database
) -> None:
    """Two transactions at once, of which the one that was first to append is the last to be done."""
    appended, go_on, log = threading.Event(), threading.Event(), EventLog()
    entries = log.entries([UploadTerminated(GONE)], NOW)

    def append_slowly(connection: Connection) -> None:
        log.append(connection, entries)
        appended.set()
        go_on.wait(30)

    slow = asyncio.create_task(database.write(append_slowly))
    await asyncio.to_thread(appended.wait, 30)
    quick = asyncio.create_task(uploads.add(UPLOAD, free_space=None, events=[UploadCreated(UPLOAD)]))
    try:
        await asyncio.wait([quick], timeout=0.5)
        if not database.is_memory:  # where readers wait for the writer
            assert await events.events_after(0, 10) == []
    finally:
        go_on.set()
    await asyncio.gather(slow, quick)
    assert [event.type for event in await events.events_after(0, 10)] == ["terminated", "created"]


async def test_tells_the_last_id(uploads: SqlUploads, events: SqlEvents) -> None:
    assert await events.last_id() == 0
    await live(uploads)
    assert await events.last_id() == (await events.events_after(0, 10))[-1].id
    await events.forget_events(NOW + HOUR, 1)
    assert await events.last_id() > 0


async def test_reads_on_from_an_event(uploads: SqlUploads, events: SqlEvents) -> None:
    for n in range(3):
        await live(uploads, replace(UPLOAD, id=str(n)))
    everything = await events.events_after(0, 100)
    assert len(everything) == 9
    assert [event.id for event in everything] == sorted({event.id for event in everything})
    assert await events.events_after(everything[3].id, 2) == everything[4:6]
    assert await events.events_after(everything[-1].id, 2) == []


async def settle_deliveries(database: Database, state: str) -> None:
    await database.write(lambda c: c.execute(update(deliveries).values(state=state)).rowcount)


@pytest.mark.parametrize("state", ["waiting", "queued"])
async def test_does_not_forget_what_has_still_to_be_delivered(
    uploads: SqlUploads, events: SqlEvents, database: Database, state: str
) -> None:
    await live(uploads)
    await settle_deliveries(database, state)
    assert await events.forget_events(NOW + HOUR, 10) == 2
    assert [event.type for event in await events.events_after(0, 10)] == ["completed"]
    assert await events.forget_events(NOW + HOUR, 10) == 0


@pytest.mark.parametrize("state", ["delivered", "failed"])
async def test_forgets_deliveries_with_their_events(
    uploads: SqlUploads, events: SqlEvents, database: Database, state: str
) -> None:
    await live(uploads)
    await settle_deliveries(database, state)
    assert await events.forget_events(NOW, 10) == 0
    assert await events.forget_events(NOW + HOUR, 10) == 3
    assert await events.events_after(0, 10) == []
    assert await waiting(database) == []


async def test_forgets_the_oldest_first_and_never_gives_an_id_again(
    uploads: SqlUploads, events: SqlEvents, clock: Days
) -> None:
    kinds: list[type[UploadEvent]] = [UploadCreated, UploadTerminated, UploadExpired]
    for n, kind in enumerate(kinds):
        clock.now = NOW + n * HOUR
        upload = replace(UPLOAD, id=str(n))
        await uploads.add(upload, free_space=None, events=[kind(upload)])
    last = (await events.events_after(0, 10))[-1].id
    assert await events.forget_events(NOW + 9 * HOUR, 2) == 2
    assert [event.type for event in await events.events_after(0, 10)] == ["expired"]
    assert await events.forget_events(NOW + 9 * HOUR, 2) == 1
    await uploads.add(UPLOAD, free_space=None, events=[UploadCreated(UPLOAD)])
    assert (await events.events_after(0, 10))[0].id > last
