"""The contract of `ports.Uploads`, over every database."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from longshore.db.uploads import SqlUploads
from longshore.ports import Uploads
from longshore.protocol.errors import InsufficientStorage
from longshore.protocol.upload import State, Upload

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 2, 3, 4, 5, 6, 789, tzinfo=UTC)
SECOND = timedelta(seconds=1)
GIB = 1024**3


def conforms(uploads: SqlUploads) -> Uploads:
    return uploads


def unfinished(
    upload_id: str, *, offset: int = 0, length: int | None = 100, expires_at: datetime | None = None
) -> Upload:
    return Upload(id=upload_id, created_at=NOW, offset=offset, length=length, expires_at=expires_at)


def completed(upload_id: str, *, expires_at: datetime | None = None) -> Upload:
    upload = unfinished(upload_id, offset=100, expires_at=expires_at)
    return replace(upload, state=State.COMPLETED, completed_at=NOW)


def part(upload_id: str, state: State = State.UNFINISHED) -> Upload:
    return replace(unfinished(upload_id), concat="partial", state=state)


def final(upload_id: str, *parts: str, length: int | None = None, state: State = State.UNFINISHED) -> Upload:
    concat = "final;" + " ".join(f"/files/{part_id}" for part_id in parts)
    return replace(unfinished(upload_id, length=length), concat=concat, parts=parts, state=state)


def tombstone(upload: Upload, *, forget_at: datetime | None = NOW, state: State = State.TERMINATED) -> Upload:
    return replace(upload, state=state, expires_at=forget_at)


async def add(uploads: Uploads, *new: Upload) -> None:
    for upload in new:
        await uploads.add(upload, free_space=None)


def ids(found: Sequence[Upload]) -> list[str]:
    return [upload.id for upload in found]


# add, get, get_many


@pytest.mark.parametrize(
    "upload",
    [
        unfinished("a"),
        unfinished("a", length=None),
        unfinished("a", length=0),
        unfinished("a", length=2**63 - 1, offset=2**62),
        completed("a", expires_at=NOW + SECOND),
        replace(unfinished("a"), metadata="filename d29ybGQ=,is_confidential", concat="partial"),
        final("a", "p2", "p1", "p2"),
        tombstone(unfinished("a")),
        tombstone(unfinished("a"), state=State.EXPIRED, forget_at=None),
    ],
)
async def test_gives_back_what_was_added(uploads: Uploads, upload: Upload) -> None:
    await add(uploads, upload)
    assert await uploads.get("a") == upload
    assert await uploads.get_many(["a"]) == {"a": upload}


async def test_gives_times_back_in_utc(uploads: Uploads) -> None:
    elsewhere = timezone(timedelta(hours=5, minutes=30))
    await add(uploads, replace(unfinished("a", expires_at=NOW.astimezone(elsewhere)), completed_at=NOW))
    found = await uploads.get("a")
    assert found is not None
    assert [found.created_at, found.expires_at, found.completed_at] == [NOW, NOW, NOW]
    assert all(time is not None and time.tzinfo is UTC for time in (found.created_at, found.expires_at))


async def test_knows_nothing_of_an_unknown_id(uploads: Uploads) -> None:
    assert await uploads.get("nobody") is None
    assert await uploads.get_many(["nobody"]) == {}
    assert await uploads.get_many([]) == {}


async def test_get_many_finds_some_of_many(uploads: Uploads) -> None:
    everyone = [final("f", "p1", "p0"), *(part(f"p{n}") for n in range(3))]
    await add(uploads, *everyone)
    wanted = [*(f"x{n}" for n in range(1500)), *ids(everyone)]
    assert await uploads.get_many(wanted) == {upload.id: upload for upload in everyone}


async def test_refuses_an_id_that_is_taken(uploads: Uploads) -> None:
    await add(uploads, final("a", "p"))
    with pytest.raises(ValueError, match="already"):
        await add(uploads, final("a", "q"))
    assert await uploads.get("a") == final("a", "p")


@pytest.mark.parametrize("offset", [101, -1])
async def test_refuses_an_offset_outside_the_length(uploads: Uploads, offset: int) -> None:
    with pytest.raises(Exception, match=r"(?i)check"):
        await add(uploads, unfinished("a", offset=offset))
    assert await uploads.get("a") is None


# add with free_space


async def test_adds_what_just_fits(uploads: Uploads) -> None:
    await uploads.add(unfinished("a", length=100), free_space=100)
    assert await uploads.get("a") is not None


async def test_refuses_what_does_not_fit(uploads: Uploads) -> None:
    with pytest.raises(InsufficientStorage):
        await uploads.add(unfinished("a", length=101), free_space=100)
    assert await uploads.get("a") is None


async def test_counts_what_unfinished_uploads_still_have_to_receive(uploads: Uploads) -> None:
    await add(
        uploads,
        unfinished("forty", offset=60, length=100),
        unfinished("unknown", offset=7, length=None),
        completed("completed"),
        tombstone(unfinished("gone")),
        part("hundred"),
        final("five", "hundred", length=5),
        final("unknown-final", "hundred"),
    )
    with pytest.raises(InsufficientStorage):
        await uploads.add(unfinished("a", length=1), free_space=145)
    await uploads.add(unfinished("a", length=1), free_space=146)


async def test_an_unknown_length_needs_room_for_the_others_only(uploads: Uploads) -> None:
    await add(uploads, unfinished("a", length=100))
    with pytest.raises(InsufficientStorage):
        await uploads.add(unfinished("b", length=None), free_space=99)
    await uploads.add(unfinished("b", length=None), free_space=100)


async def test_counts_a_length_that_became_known(uploads: Uploads) -> None:
    await uploads.add(unfinished("a", length=None), free_space=1000)
    assert await uploads.save(unfinished("a", length=900))
    with pytest.raises(InsufficientStorage):
        await uploads.add(unfinished("b", length=101), free_space=1000)
    await uploads.add(unfinished("b", length=100), free_space=1000)


async def test_room_comes_back(uploads: Uploads) -> None:
    for n, release in enumerate(
        [
            uploads.checkpoint("0", 100, None),
            uploads.save(completed("1")),
            uploads.bury(tombstone(unfinished("2"))),
        ]
    ):
        await uploads.add(unfinished(str(n), length=100), free_space=100)
        with pytest.raises(InsufficientStorage):
            await uploads.add(unfinished("more", length=1), free_space=100)
        assert await release
    await uploads.add(unfinished("all", length=100), free_space=100)


async def test_counts_lengths_beyond_what_a_bigint_holds(uploads: Uploads) -> None:
    huge = 2**62
    await add(uploads, unfinished("a", length=huge))
    with pytest.raises(InsufficientStorage):
        await uploads.add(unfinished("b", length=2**63 - 1), free_space=huge)


async def test_only_as_many_fit_at_once_as_there_is_room_for(uploads: Uploads) -> None:
    async def create(n: int) -> bool:
        try:
            await uploads.add(unfinished(str(n), length=GIB), free_space=10 * GIB)
        except InsufficientStorage:
            return False
        return True

    assert sum(await asyncio.gather(*(create(n) for n in range(40)))) == 10
    assert len(await uploads.known([str(n) for n in range(40)])) == 10


# checkpoint


async def test_checkpoint_moves_offset_and_expiry(uploads: Uploads) -> None:
    await add(uploads, unfinished("a"))
    assert await uploads.checkpoint("a", 30, NOW + SECOND)
    assert await uploads.get("a") == unfinished("a", offset=30, expires_at=NOW + SECOND)
    assert await uploads.checkpoint("a", 40, None)
    assert await uploads.get("a") == unfinished("a", offset=40)


async def test_checkpoint_never_moves_backwards(uploads: Uploads) -> None:
    await add(uploads, unfinished("a", offset=30))
    assert await uploads.checkpoint("a", 20, NOW)
    assert await uploads.get("a") == unfinished("a", offset=30, expires_at=NOW)


async def test_checkpoint_stays_within_the_length(uploads: Uploads) -> None:
    await add(uploads, unfinished("a", length=50), unfinished("b", length=None))
    assert await uploads.checkpoint("a", 51, None)
    assert await uploads.checkpoint("b", 2**40, None)
    assert await uploads.get("a") == unfinished("a", offset=50, length=50)
    assert await uploads.get("b") == unfinished("b", offset=2**40, length=None)


@pytest.mark.parametrize("upload", [completed("a"), tombstone(unfinished("a"))])
async def test_checkpoint_leaves_the_finished_alone(uploads: Uploads, upload: Upload) -> None:
    await add(uploads, upload)
    assert not await uploads.checkpoint("a", 70, NOW + SECOND)
    assert await uploads.get("a") == upload


async def test_checkpoint_of_an_unknown_id(uploads: Uploads) -> None:
    assert not await uploads.checkpoint("nobody", 1, None)


# save


async def test_save_replaces_offset_length_state_and_times(uploads: Uploads) -> None:
    await add(uploads, unfinished("a", offset=70, length=None))
    smaller = unfinished("a", offset=50, length=60, expires_at=NOW)
    assert await uploads.save(smaller)
    assert await uploads.get("a") == smaller
    done = replace(smaller, offset=60, state=State.COMPLETED, completed_at=NOW, expires_at=None)
    assert await uploads.save(done)
    assert await uploads.get("a") == done


async def test_save_keeps_what_never_changes(uploads: Uploads) -> None:
    await add(uploads, final("f", "p", "q"))
    done = replace(final("f", "p", "q"), offset=9, length=9, state=State.COMPLETED, completed_at=NOW)
    assert await uploads.save(replace(done, parts=(), metadata="x"))
    assert await uploads.get("f") == done


@pytest.mark.parametrize("upload", [completed("a"), tombstone(unfinished("a"))])
async def test_save_only_while_unfinished(uploads: Uploads, upload: Upload) -> None:
    await add(uploads, upload)
    assert not await uploads.save(replace(completed("a"), completed_at=NOW + SECOND))
    assert await uploads.get("a") == upload


async def test_save_of_an_unknown_id(uploads: Uploads) -> None:
    assert not await uploads.save(completed("nobody"))
    assert await uploads.get("nobody") is None


async def test_of_many_completions_one_wins(uploads: Uploads) -> None:
    await add(uploads, unfinished("a"))
    attempts = [replace(completed("a"), completed_at=NOW + n * SECOND) for n in range(30)]
    won = await asyncio.gather(*(uploads.save(attempt) for attempt in attempts))
    assert won.count(True) == 1
    assert await uploads.get("a") == attempts[won.index(True)]


# bury, purged, unpurged, forget


@pytest.mark.parametrize("upload", [unfinished("a", offset=3), completed("a"), final("a", "p")])
@pytest.mark.parametrize("state", [State.TERMINATED, State.EXPIRED])
async def test_bury_turns_a_live_upload_into_the_tombstone(uploads: Uploads, upload: Upload, state: State) -> None:
    await add(uploads, upload)
    given = replace(tombstone(upload, state=state), metadata="")
    assert await uploads.bury(given)
    assert await uploads.get("a") == given
    assert await uploads.unpurged(10) == ["a"]


async def test_bury_happens_once(uploads: Uploads) -> None:
    await add(uploads, unfinished("a"))
    won = await asyncio.gather(*(uploads.bury(tombstone(unfinished("a"))) for _ in range(10)))
    assert won.count(True) == 1
    assert not await uploads.bury(tombstone(unfinished("a"), state=State.EXPIRED, forget_at=None))
    assert await uploads.get("a") == tombstone(unfinished("a"))


async def test_bury_of_an_unknown_id(uploads: Uploads) -> None:
    assert not await uploads.bury(tombstone(unfinished("nobody")))


async def test_bury_takes_tombstones_only(uploads: Uploads) -> None:
    await add(uploads, unfinished("a"))
    with pytest.raises(ValueError, match="tombstone"):
        await uploads.bury(completed("a"))


async def test_a_completion_and_a_burial_do_not_both_win(uploads: Uploads) -> None:
    await add(uploads, unfinished("a"))
    assert await uploads.bury(tombstone(unfinished("a")))
    assert not await uploads.save(completed("a"))


async def test_unpurged_lists_tombstones_until_they_are_purged(uploads: Uploads) -> None:
    await add(uploads, unfinished("live"), completed("done"), *(unfinished(f"g{n}") for n in range(3)))
    for n in range(3):
        await uploads.bury(tombstone(unfinished(f"g{n}")))
    assert sorted(await uploads.unpurged(10)) == ["g0", "g1", "g2"]
    assert len(await uploads.unpurged(2)) == 2
    await uploads.purged("g1")
    assert sorted(await uploads.unpurged(10)) == ["g0", "g2"]


async def test_only_tombstones_are_purged(uploads: Uploads) -> None:
    await add(uploads, unfinished("a"))
    await uploads.purged("a")
    await uploads.purged("nobody")
    await uploads.bury(tombstone(unfinished("a")))
    assert await uploads.unpurged(10) == ["a"]


async def test_forgets_purged_tombstones_whose_time_has_passed(uploads: Uploads) -> None:
    await add(uploads, *(unfinished(name) for name in ("due", "unpurged", "later", "never", "live")))
    for name, forget_at in (("due", NOW), ("unpurged", NOW), ("later", NOW + SECOND), ("never", None)):
        await uploads.bury(tombstone(unfinished(name), forget_at=forget_at))
    for name in ("due", "later", "never"):
        await uploads.purged(name)
    await uploads.checkpoint("live", 1, NOW - SECOND)
    assert await uploads.forget(NOW, 10) == 1
    assert await uploads.forget(NOW, 10) == 0
    assert sorted(await uploads.get_many(["due", "unpurged", "later", "never", "live"])) == [
        "later",
        "live",
        "never",
        "unpurged",
    ]


async def test_forgets_no_more_tombstones_than_asked_for(uploads: Uploads) -> None:
    await add(uploads, *(unfinished(name) for name in "abc"))
    for name in "abc":
        await uploads.bury(tombstone(unfinished(name)))
        await uploads.purged(name)
    assert [await uploads.forget(NOW, 2) for _ in range(3)] == [2, 1, 0]


async def test_a_final_upload_outlives_the_memory_of_its_parts(uploads: Uploads) -> None:
    await add(uploads, part("p"), final("f", "p", "p"))
    await uploads.bury(tombstone(part("p")))
    await uploads.purged("p")
    assert await uploads.forget(NOW, 10) == 1
    assert await uploads.get("f") == final("f", "p", "p")


async def test_a_final_upload_is_forgotten_with_its_list_of_parts(uploads: Uploads) -> None:
    await add(uploads, part("p"), final("f", "p"))
    await uploads.bury(tombstone(final("f", "p")))
    await uploads.purged("f")
    assert await uploads.forget(NOW, 10) == 1
    await add(uploads, final("f", "p"))
    assert await uploads.get("f") == final("f", "p")


# finals


async def test_finals_of_are_the_unfinished_ones_that_wait_for_the_part(uploads: Uploads) -> None:
    await add(
        uploads,
        *(part(name) for name in ("p", "q")),
        final("both", "p", "q"),
        final("twice", "p", "p"),
        final("other", "q"),
        final("done", "p", state=State.COMPLETED),
        tombstone(final("gone", "p")),
    )
    found = sorted(await uploads.finals_of("p"), key=lambda upload: upload.id)
    assert found == [final("both", "p", "q"), final("twice", "p", "p")]
    assert await uploads.finals_of("both") == []


async def test_unfinished_finals_have_all_their_parts(uploads: Uploads) -> None:
    await add(
        uploads,
        *(part(name, State.COMPLETED) for name in ("p", "q")),
        part("open"),
        tombstone(part("gone")),
        final("whole", "p", "q", "p"),
        final("waits", "p", "open"),
        final("lost", "p", "gone"),
        final("forgotten", "nobody", "p"),
        final("done", "p", state=State.COMPLETED),
        tombstone(final("buried", "p")),
        unfinished("regular"),
    )
    assert await uploads.unfinished_finals(10) == [final("whole", "p", "q", "p")]


async def test_unfinished_finals_are_limited_and_the_oldest_first(uploads: Uploads) -> None:
    await add(uploads, part("p", State.COMPLETED))
    for n in (2, 0, 1):
        await add(uploads, replace(final(f"f{n}", "p"), created_at=NOW + n * SECOND))
    assert ids(await uploads.unfinished_finals(2)) == ["f0", "f1"]


async def test_extends_the_finals_that_wait(uploads: Uploads) -> None:
    done = final("done", "p", state=State.COMPLETED)
    await add(uploads, part("p"), final("f", "p", "p"), done, final("other", "q"))
    await uploads.extend_finals_of("p", NOW)
    found = await uploads.get_many(["p", "f", "done", "other"])
    assert {name: upload.expires_at for name, upload in found.items()} == {
        "p": None,
        "f": NOW,
        "done": None,
        "other": None,
    }
    await uploads.extend_finals_of("p", None)
    assert await uploads.get("f") == final("f", "p", "p")


# expired, known


async def test_expired_are_live_and_due_the_oldest_first(uploads: Uploads) -> None:
    await add(
        uploads,
        unfinished("second", expires_at=NOW),
        completed("first", expires_at=NOW - timedelta(microseconds=1)),
        unfinished("later", expires_at=NOW + timedelta(microseconds=1)),
        unfinished("never"),
        tombstone(unfinished("gone"), forget_at=NOW - SECOND),
    )
    assert ids(await uploads.expired(NOW, 10)) == ["first", "second"]
    assert ids(await uploads.expired(NOW, 1)) == ["first"]
    assert ids(await uploads.expired(NOW.astimezone(timezone(timedelta(hours=-8))), 10)) == ["first", "second"]


async def test_knows_what_is_not_a_tombstone(uploads: Uploads) -> None:
    await add(uploads, unfinished("a"), completed("b"), tombstone(unfinished("gone")))
    assert set(await uploads.known(["a", "b", "gone", "nobody", *(str(n) for n in range(1500))])) == {"a", "b"}
    assert not await uploads.known([])
