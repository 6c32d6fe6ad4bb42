"""The contract of `ports.listing.Listing`, over every database."""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from longshore.auth.principal import Role
from longshore.auth.records import User
from longshore.db.accounts import SqlAccounts
from longshore.db.database import Database
from longshore.db.listing import SqlListing
from longshore.db.uploads import SqlUploads
from longshore.events import UploadCompleted, UploadCreated
from longshore.ports.listing import Entry, Happening, Kind, Listing, Position, Query, Sort
from longshore.protocol.metadata import format_metadata
from longshore.protocol.upload import State, Upload

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 2, 3, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Now:
    """A clock that stands where it is put."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Now:
    return Now()


@pytest.fixture
async def uploads(database: Database, clock: Now, anyio_backend: object) -> SqlUploads:
    return SqlUploads(database, clock=clock)


@pytest.fixture
async def listing(database: Database, clock: Now, anyio_backend: object) -> Listing:
    return SqlListing(database, clock=clock)


def upload(upload_id: str, name: str = "", *, kind: str = "", hours: float = 0, **fields: Any) -> Upload:
    """An unfinished upload of ann's, created so many hours after noon."""
    pairs = {"filename": name.encode()} if name else {}
    pairs |= {"filetype": kind.encode()} if kind else {}
    defaults: dict[str, Any] = {
        "owner": "ann",
        "length": 10,
        "metadata": format_metadata(pairs),
        "created_at": NOON + hours * HOUR,
    }
    return Upload(**defaults | {"id": upload_id} | fields)


def completed(upload: Upload, *, hours: float = 0) -> Upload:
    moment = NOON + hours * HOUR
    return replace(upload, offset=upload.length or 0, state=State.COMPLETED, completed_at=moment)


async def add(uploads: SqlUploads, *new: Upload) -> None:
    for one in new:
        await uploads.add(one, free_space=None)


async def ids(listing: Listing, **query: Any) -> str:
    """The ids that are found, in order, as one word."""
    return "".join(entry.upload.id for entry in await listing.page(Query(**query)))


# One upload


async def test_finds_an_upload_with_all_there_is_to_show(
    uploads: SqlUploads, listing: Listing, database: Database
) -> None:
    await SqlAccounts(database).add_user(
        User(id="ann", username="Ann", username_key="ann", password_hash="", role=Role.USER, created_at=NOON)
    )
    one = completed(upload("a", "C:\\photos\\Été.PNG", kind="Image/PNG"))
    await add(uploads, one)
    found = await listing.find("a")
    assert found == Entry(
        upload=one,
        name="Été.PNG",
        media_type="image/png",
        owner_name="Ann",
        updated_at=NOON,
        position=Position(NOON, "a"),
    )
    assert await listing.find("b") is None


async def test_an_owner_without_an_account_has_no_name(uploads: SqlUploads, listing: Listing) -> None:
    await add(uploads, upload("a"))
    found = await listing.find("a")
    assert found is not None
    assert (found.owner_name, found.name, found.media_type) == (None, "", "")


async def test_tells_what_happened_in_order_and_the_newest_of_it(
    uploads: SqlUploads, listing: Listing, clock: Now
) -> None:
    one = upload("a")
    await uploads.add(one, free_space=None, events=[UploadCreated(one)])
    clock.now += HOUR
    await uploads.save(completed(one), events=[UploadCompleted(completed(one))])
    await uploads.add(upload("b"), free_space=None, events=[UploadCreated(upload("b"))])
    expected = [Happening("created", NOON), Happening("completed", NOON + HOUR)]
    assert await listing.history("a", 10) == expected
    assert await listing.history("a", 1) == expected[1:]
    assert await listing.history("c", 10) == []


async def test_a_renamed_upload_is_found_under_its_new_name(uploads: SqlUploads, listing: Listing) -> None:
    await add(uploads, upload("a", "old.csv", kind="text/csv"))
    assert await uploads.rename("a", format_metadata({"name": b"New.ISO"}))
    assert (await ids(listing, name="old"), await ids(listing, name="new")) == ("", "a")
    found = await listing.find("a")
    assert found is not None
    assert (found.name, found.media_type) == ("New.ISO", "")
    assert found.upload.metadata == "name TmV3LklTTw=="


@pytest.mark.parametrize("state", [State.TERMINATED, State.EXPIRED])
async def test_what_is_gone_keeps_its_name(uploads: SqlUploads, listing: Listing, state: State) -> None:
    await add(uploads, upload("a", "old.csv"))
    await uploads.bury(replace(upload("a", "old.csv"), state=state))
    assert not await uploads.rename("a", format_metadata({"filename": b"new.csv"}))
    found = await listing.find("a")
    assert found is not None
    assert (found.name, found.upload.state) == ("old.csv", state)
    assert not await uploads.rename("nobody", "")


# Filters


@pytest.fixture
async def some(uploads: SqlUploads) -> None:
    """Unfinished a and completed b of ann's, completed c of bob's, parts p (ann's) and q (bob's), terminated t."""
    await add(
        uploads,
        upload("a", "Report 100%.csv", kind="text/csv", hours=1),
        completed(upload("b", "holiday_1.PNG", kind="image/png", hours=2), hours=10),
        completed(upload("c", "HOLIDAYX1.jpg", kind="image/jpeg", hours=3, owner="bob"), hours=4),
        upload("p", hours=4, concat="partial"),
        completed(upload("q", hours=5, concat="partial", owner="bob"), hours=5),
        upload("t", "gone.txt", hours=6),
        upload("u", "bob's own", hours=7, owner="bob"),
    )
    await uploads.bury(replace(upload("t", "gone.txt", hours=6), state=State.TERMINATED))


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, "ucba"),
        ({"descending": False}, "abcu"),
        ({"states": [State.UNFINISHED]}, "ua"),
        ({"states": [State.COMPLETED]}, "cb"),
        ({"states": [State.TERMINATED, State.EXPIRED]}, "t"),
        ({"states": list(State)}, "utcba"),
        ({"states": []}, ""),
        ({"kind": Kind.PARTIAL}, "qp"),
        ({"kind": Kind.ANY}, "uqpcba"),
        ({"owner": "ann"}, "ba"),
        ({"owner": "nobody"}, ""),
        ({"name": "holiday"}, "cb"),
        ({"name": "IDAY_1"}, "b"),
        ({"name": "%"}, "a"),
        ({"name": "\\"}, ""),
        ({"name": "/"}, ""),
        ({"name": "'"}, "u"),
        ({"media_type": "image/*"}, "cb"),
        ({"media_type": "IMAGE/PNG"}, "b"),
        ({"media_type": "image/p"}, ""),
        ({"media_type": "*/*"}, ""),
        ({"created_after": NOON + 2 * HOUR}, "ucb"),
        ({"created_before": NOON + 2 * HOUR}, "a"),
        ({"completed_after": NOON + 4 * HOUR}, "cb"),
        ({"completed_before": NOON + 10 * HOUR}, "c"),
        ({"owner": "ann", "name": "report", "media_type": "text/csv"}, "a"),
        ({"limit": 2}, "uc"),
        ({"sort": Sort.COMPLETED_AT}, "bc"),
        ({"viewer": "ann"}, "ba"),
        ({"viewer": "ann", "shared": True}, "cba"),
        ({"viewer": "bob", "shared": True}, "ucb"),
        ({"viewer": "ann", "shared": True, "kind": Kind.ANY}, "pcba"),
        ({"viewer": "ann", "shared": True, "states": list(State)}, "tcba"),
        ({"viewer": "bob", "shared": True, "states": [State.TERMINATED]}, ""),
        ({"viewer": "bob", "owner": "ann"}, ""),
        ({"viewer": "bob", "shared": True, "owner": "ann"}, "b"),
        ({"viewer": ""}, ""),
    ],
    ids=str,
)
@pytest.mark.usefixtures("some")
async def test_finds_what_was_asked_for(listing: Listing, query: dict[str, Any], found: str) -> None:
    assert await ids(listing, **query) == found


async def test_looks_for_letters_of_any_script_without_regard_to_capitals(
    uploads: SqlUploads, listing: Listing
) -> None:
    await add(uploads, upload("a", "ÉTÉ.png"), upload("b", "Straße.png"), upload("c", "отчёт.csv"))
    assert await ids(listing, name="été") == "a"
    assert await ids(listing, name="STRASSE") == "b"
    assert await ids(listing, name="ОТЧЁТ") == "c"


async def test_what_has_expired_is_not_listed_though_nobody_has_swept(
    uploads: SqlUploads, listing: Listing, clock: Now
) -> None:
    await add(uploads, upload("a", expires_at=NOON + HOUR), upload("b", expires_at=NOON + 2 * HOUR), upload("c"))
    clock.now += HOUR
    assert await ids(listing, descending=False) == "bc"


# Pages


def many(count: int) -> Sequence[Upload]:
    """Uploads among which much is alike: a few moments, names and lengths, in no order."""
    chosen = random.Random(1)
    return [
        completed(
            upload(
                f"{chosen.getrandbits(64):016x}",
                chosen.choice(["", "a", "B", "b", "Z", "é", "_"]),
                hours=chosen.randrange(3),
                length=chosen.choice([0, 1, 2**40]),
            ),
            hours=chosen.randrange(3),
        )
        for _ in range(count)
    ] + [upload(f"{number:016x}", length=None) for number in range(5)]


async def pages(listing: Listing, query: Query) -> list[Sequence[Entry]]:
    """Every page of a list."""
    found = [await listing.page(query)]
    while found[-1]:
        found.append(await listing.page(replace(query, after=found[-1][-1].position)))
    return found


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("sort", Sort)
async def test_pages_have_every_upload_once_and_in_order(
    uploads: SqlUploads, listing: Listing, sort: Sort, descending: bool
) -> None:
    added = many(60)
    await add(uploads, *added)
    listed = [
        entry for page in await pages(listing, Query(sort=sort, descending=descending, limit=7)) for entry in page
    ]
    due = {one.id for one in added if sort is not Sort.COMPLETED_AT or one.completed_at}
    assert sorted(entry.upload.id for entry in listed) == sorted(due)
    keys = [(entry.position.key, entry.upload.id) for entry in listed]
    assert keys == sorted(keys, reverse=descending)


@pytest.mark.parametrize("sort", [Sort.CREATED_AT, Sort.NAME, Sort.SIZE])
async def test_uploads_that_come_and_go_meanwhile_shift_nobody(
    uploads: SqlUploads, listing: Listing, sort: Sort
) -> None:
    added = many(30)
    await add(uploads, *added)
    query, seen = Query(sort=sort, limit=4), list[str]()
    comes, goes = iter(range(1000)), iter(sorted(added, key=lambda one: one.id))
    while page := await listing.page(query):
        seen += [entry.upload.id for entry in page]
        # One that is new in front and behind, and one less: the very one that the next page is behind, at times.
        await add(uploads, upload(f"new {next(comes)}", "0", hours=9), upload(f"new {next(comes)}", "zz", hours=-9))
        await uploads.bury(replace(next(goes), state=State.TERMINATED))
        query = replace(query, after=page[-1].position)
    listed = [upload_id for upload_id in seen if not upload_id.startswith("new")]
    assert len(set(seen)) == len(seen)
    gone = {one.id for one in added} - set(listed)
    # Nobody is missing but who went before they were come to.
    removed = [one.id for one in sorted(added, key=lambda one: one.id)][: len(seen)]
    assert gone <= set(removed)


# What there is to clear away


async def test_finds_what_is_idle_for_longest_first(uploads: SqlUploads, listing: Listing, clock: Now) -> None:
    for upload_id in "abcd":
        await add(uploads, upload(upload_id))
        clock.now += HOUR
    await uploads.save(completed(upload("c")))
    await uploads.checkpoint("a", 5, None)
    found = [entry.upload.id for entry in await listing.idle(clock.now - HOUR, 10)]
    assert found == ["b", "d"]
    assert [entry.upload.id for entry in await listing.idle(clock.now, 10)] == ["b", "d", "a"]
    assert [entry.upload.id for entry in await listing.idle(clock.now, 1)] == ["b"]
    assert await listing.idle(NOON - HOUR, 10) == []


async def test_finds_what_is_overdue_and_not_what_is_gone(uploads: SqlUploads, listing: Listing) -> None:
    due = {"a": 3, "b": 1, "c": 2, "d": 9}
    await add(uploads, *(upload(upload_id, expires_at=NOON + hours * HOUR) for upload_id, hours in due.items()))
    await add(uploads, completed(upload("e", expires_at=NOON)), upload("f"))
    await uploads.bury(replace(upload("c", expires_at=NOON), state=State.EXPIRED))
    assert [entry.upload.id for entry in await listing.overdue(NOON + 3 * HOUR, 10)] == ["e", "b", "a"]
    assert [entry.upload.id for entry in await listing.overdue(NOON + 3 * HOUR, 2)] == ["e", "b"]
