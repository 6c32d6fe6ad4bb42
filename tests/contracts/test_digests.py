"""What every `ports.digests.Digests` does."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from longshore.db.database import Database
from longshore.db.digests import SqlDigests
from longshore.db.listing import SqlListing
from longshore.db.uploads import SqlUploads
from longshore.ports.digests import Digests, Undigested
from longshore.protocol.upload import State, Upload

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 2, 3, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
LATER = NOON + 100 * HOUR
ONE, OTHER = "1" * 64, "2" * 64


@pytest.fixture
async def digests(database: Database, anyio_backend: object) -> Digests:
    return SqlDigests(database)


def file(upload_id: str, *, hours: float = 0, size: int = 3, concat: str = "") -> Upload:
    """An upload that was completed so many hours after noon."""
    return Upload(
        id=upload_id,
        created_at=NOON,
        offset=size,
        length=size,
        concat=concat,
        state=State.COMPLETED,
        completed_at=NOON + hours * HOUR,
    )


async def add(uploads: SqlUploads, *new: Upload) -> None:
    for one in new:
        await uploads.add(one, free_space=None)


async def ids(digests: Digests, before: datetime = LATER) -> str:
    """The ids of all that have none, as one word."""
    return "".join(found.upload_id for found in await digests.missing(before, 100))


async def test_finds_completed_files_the_newest_first(uploads: SqlUploads, digests: Digests) -> None:
    await add(uploads, file("b", hours=1), file("c", hours=2, size=0), file("a"))
    assert await digests.missing(LATER, 2) == [
        Undigested("c", 0, NOON + 2 * HOUR),
        Undigested("b", 3, NOON + HOUR),
    ]
    assert await ids(digests, NOON + HOUR) == "a"


async def test_goes_on_behind_a_file_whether_it_has_a_digest_by_now_or_not(
    uploads: SqlUploads, digests: Digests
) -> None:
    await add(uploads, *(file(name) for name in "abc"), file("d", hours=-1))
    after, found = None, ""
    while page := await digests.missing(LATER, 2, after=after):
        after = page[-1]
        found += "".join(one.upload_id for one in page)
        await digests.add({after.upload_id: ONE})
    assert found == "cbad"


async def test_only_whole_files_that_are_there_miss_one(uploads: SqlUploads, digests: Digests) -> None:
    unfinished = Upload(id="u", created_at=NOON, offset=1, length=3)
    await add(uploads, unfinished, file("p", concat="partial"), file("f", concat="final;/files/p"), file("g"))
    await uploads.bury(replace(file("g"), state=State.TERMINATED))
    assert await ids(digests) == "f"


async def test_a_digest_is_told_with_the_upload(uploads: SqlUploads, digests: Digests, database: Database) -> None:
    await add(uploads, file("a"), file("b"), file("c"))
    listing = SqlListing(database)
    before = await listing.find("a")
    await digests.add({"a": ONE, "b": OTHER})
    assert [upload and upload.sha256 for upload in [await uploads.get(name) for name in "abc"]] == [ONE, OTHER, None]
    found = await listing.find("a")
    assert before is not None
    assert found == replace(before, upload=replace(before.upload, sha256=ONE))
    assert await ids(digests) == "c"


async def test_what_has_gone_meanwhile_is_left_out(uploads: SqlUploads, digests: Digests) -> None:
    await add(uploads, file("a"), file("b"))
    await uploads.bury(replace(file("a"), state=State.TERMINATED))
    await digests.add({"a": ONE, "b": ONE, "nobody": ONE})
    await digests.add({})
    assert [upload and upload.sha256 for upload in [await uploads.get(name) for name in "ab"]] == [None, ONE]


async def test_a_file_that_is_renamed_keeps_its_digest(uploads: SqlUploads, digests: Digests) -> None:
    await add(uploads, file("a"))
    await digests.add({"a": ONE})
    assert await uploads.rename("a", "filename Yg==")
    found = await uploads.get("a")
    assert found is not None
    assert (found.metadata, found.sha256) == ("filename Yg==", ONE)
