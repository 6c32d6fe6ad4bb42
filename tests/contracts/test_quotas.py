"""What uploads take of their owners' quotas, over every database; and the quotas that are set for users and roles."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, func, select
from tests.contracts.charges import Days, check_charges

from longshore.db.database import Database
from longshore.db.quota_settings import SqlQuotas
from longshore.db.tables import reservations, totals, usage
from longshore.db.uploads import SqlUploads
from longshore.ports.quotas import Quotas, Usage, Window
from longshore.protocol.errors import InsufficientStorage, QuotaExceeded
from longshore.protocol.upload import State, Upload

pytestmark = pytest.mark.anyio

TODAY = datetime(2026, 2, 27, 23, 30, tzinfo=UTC)
DAY = timedelta(days=1)
NOTHING = Quotas()


@pytest.fixture
def days() -> Days:
    return Days(TODAY)


@pytest.fixture
async def uploads(database: Database, days: Days, anyio_backend: object) -> SqlUploads:
    return SqlUploads(database, clock=days)


def unfinished(upload_id: str, length: int | None = 100, *, owner: str = "ann", concat: str = "") -> Upload:
    return Upload(id=upload_id, created_at=TODAY, owner=owner, length=length, concat=concat)


def part(upload_id: str, length: int | None = 100, *, owner: str = "ann") -> Upload:
    return unfinished(upload_id, length, owner=owner, concat="partial")


def final(upload_id: str, *parts: str, length: int | None = None, owner: str = "ann") -> Upload:
    return replace(unfinished(upload_id, length, owner=owner, concat="final;" + " ".join(parts)), parts=parts)


def completed(upload: Upload, length: int | None = None) -> Upload:
    size = upload.length if length is None else length
    assert size is not None
    return replace(upload, length=size, offset=size, state=State.COMPLETED, completed_at=TODAY)


def tombstone(upload: Upload, state: State = State.TERMINATED) -> Upload:
    return replace(upload, state=state)


async def add(uploads: SqlUploads, *new: Upload, quotas: Quotas | None = NOTHING) -> None:
    for upload in new:
        await uploads.add(upload, free_space=None, quotas=quotas)


async def refused(uploads: SqlUploads, upload: Upload, quotas: Quotas) -> Mapping[str, Any]:
    with pytest.raises(QuotaExceeded) as refusal:
        await add(uploads, upload, quotas=quotas)
    assert await uploads.get(upload.id) is None
    assert refusal.value.detail.endswith(".")
    return refusal.value.members


async def figures(uploads: SqlUploads, owner: str = "ann") -> tuple[int, int, int, int]:
    """Give what was used and reserved today, what is stored, and how many are unfinished."""
    found = await uploads.usage(owner)
    return found.daily.used, found.daily.reserved, found.stored, found.unfinished


# usage


async def test_who_uploaded_nothing_has_used_nothing(uploads: SqlUploads) -> None:
    nothing = Usage(
        daily=Window(used=0, reserved=0, resets_at=datetime(2026, 2, 28, tzinfo=UTC)),
        monthly=Window(used=0, reserved=0, resets_at=datetime(2026, 3, 1, tzinfo=UTC)),
        stored=0,
        unfinished=0,
    )
    assert await uploads.usage("nobody") == nothing


async def test_the_year_ends(uploads: SqlUploads, days: Days) -> None:
    days.now = datetime(2026, 12, 31, 12, tzinfo=UTC)
    found = await uploads.usage("ann")
    assert found.daily.resets_at == found.monthly.resets_at == datetime(2027, 1, 1, tzinfo=UTC)


async def test_days_are_those_of_utc(uploads: SqlUploads, days: Days) -> None:
    days.now = TODAY.astimezone(tz=None).astimezone(UTC)
    await add(uploads, unfinished("a"))
    days.now = TODAY + timedelta(minutes=30)
    assert (await uploads.usage("ann")).daily.reserved == 0
    assert (await uploads.usage("ann")).monthly.reserved == 100


async def test_a_declared_length_is_reserved_then_used(uploads: SqlUploads) -> None:
    await add(uploads, unfinished("a"))
    assert await figures(uploads) == (0, 100, 100, 1)
    assert await uploads.checkpoint("a", 30, None)
    assert await uploads.save(replace(unfinished("a"), offset=60))
    assert await figures(uploads) == (0, 100, 100, 1)
    assert await uploads.save(completed(unfinished("a")))
    assert await figures(uploads) == (100, 0, 100, 0)


async def test_an_empty_upload_counts_for_nothing(uploads: SqlUploads, database: Database) -> None:
    await add(uploads, completed(unfinished("a", 0)), quotas=Quotas(daily=0, monthly=0, stored=0, size=0, unfinished=0))
    assert await figures(uploads) == (0, 0, 0, 0)
    await check_charges(database)


async def test_nobodys_uploads_are_not_counted(uploads: SqlUploads, database: Database) -> None:
    nobodys = unfinished("a", owner="")
    await add(uploads, nobodys, quotas=Quotas(daily=0, monthly=0, stored=0, size=0, unfinished=0))
    await add(uploads, unfinished("b", None, owner=""))
    assert await uploads.reserve("b", 10, quotas=Quotas(daily=0)) == 10
    assert await uploads.save(completed(nobodys))
    assert await uploads.bury(tombstone(completed(nobodys)))
    for table in (usage, reservations, totals):
        counted = select(func.count()).select_from(table)
        assert await database.read(partial(Connection.scalar, statement=counted)) == 0


async def test_without_quotas_an_owner_is_counted_all_the_same(uploads: SqlUploads) -> None:
    await add(uploads, unfinished("a"), quotas=None)
    assert await figures(uploads) == (0, 100, 100, 1)


async def test_owners_do_not_count_for_each_other(uploads: SqlUploads) -> None:
    await add(uploads, unfinished("a"), quotas=Quotas(daily=100))
    await add(uploads, unfinished("b", owner="bob"), quotas=Quotas(daily=100))
    assert await figures(uploads, "ann") == await figures(uploads, "bob") == (0, 100, 100, 1)


# Limits at creation

TOMORROW = "2026-02-28T00:00:00Z"
NEXT_MONTH = "2026-03-01T00:00:00Z"


@pytest.mark.parametrize(
    ("quotas", "members"),
    [
        (Quotas(size=99), {"quota": "size", "limit": 99, "used": 0, "resets_at": None}),
        (Quotas(daily=149), {"quota": "daily", "limit": 149, "used": 50, "resets_at": TOMORROW}),
        (Quotas(monthly=149), {"quota": "monthly", "limit": 149, "used": 50, "resets_at": NEXT_MONTH}),
        (Quotas(stored=149), {"quota": "stored", "limit": 149, "used": 50, "resets_at": None}),
        (Quotas(unfinished=1), {"quota": "unfinished", "limit": 1, "used": 1, "resets_at": None}),
    ],
)
async def test_refuses_what_is_more_than_a_quota(
    uploads: SqlUploads, quotas: Quotas, members: Mapping[str, Any]
) -> None:
    await add(uploads, unfinished("before", 50))
    assert await refused(uploads, unfinished("a"), quotas) == members
    assert await figures(uploads) == (0, 50, 50, 1)
    (limit,) = (name for name in ("size", "daily", "monthly", "stored", "unfinished") if getattr(quotas, name))
    await add(uploads, unfinished("a"), quotas=replace(quotas, **{limit: getattr(quotas, limit) + 1}))


@pytest.mark.parametrize("make", [unfinished, part])
async def test_parts_count_like_whole_uploads(uploads: SqlUploads, make: Any) -> None:
    await add(uploads, make("before"), quotas=Quotas(daily=100))
    assert (await refused(uploads, make("a", 1), Quotas(daily=100)))["quota"] == "daily"


async def test_a_new_day_and_a_new_month_have_room_again(uploads: SqlUploads, days: Days) -> None:
    quotas = Quotas(daily=100, monthly=200)
    await add(uploads, unfinished("a"), quotas=quotas)
    await refused(uploads, unfinished("b"), quotas)
    days.now += DAY
    await add(uploads, unfinished("b"), quotas=quotas)
    assert (await refused(uploads, unfinished("c"), Quotas(monthly=200)))["quota"] == "monthly"
    days.now += DAY
    assert days.now.month == 3
    await add(uploads, unfinished("c"), quotas=quotas)


async def test_what_adds_nothing_is_never_refused(uploads: SqlUploads) -> None:
    await add(uploads, unfinished("a"))
    lowered = Quotas(daily=1, monthly=1, stored=1, size=0)
    await add(uploads, unfinished("b", None), completed(unfinished("c", 0)), quotas=lowered)


async def test_tells_first_what_waiting_does_not_help_against(uploads: SqlUploads) -> None:
    everything = Quotas(daily=1, monthly=1, stored=1, size=1, unfinished=0)
    for quota in ("size", "unfinished", "stored", "daily", "monthly"):
        assert (await refused(uploads, unfinished("a"), everything))["quota"] == quota
        everything = replace(everything, **{quota: None})


async def test_an_exhausted_quota_is_told_before_a_full_store(uploads: SqlUploads) -> None:
    with pytest.raises(QuotaExceeded):
        await uploads.add(unfinished("a"), free_space=0, quotas=Quotas(daily=1))


async def test_what_is_refused_for_another_reason_takes_nothing(uploads: SqlUploads, database: Database) -> None:
    await add(uploads, unfinished("a"))
    with pytest.raises(InsufficientStorage):
        await uploads.add(unfinished("b"), free_space=0, quotas=NOTHING)
    with pytest.raises(ValueError, match="already"):
        await uploads.add(unfinished("a"), free_space=None, quotas=NOTHING)
    assert await figures(uploads) == (0, 100, 100, 1)
    await check_charges(database)


# Giving back


@pytest.mark.parametrize("state", [State.TERMINATED, State.EXPIRED])
async def test_an_unfinished_upload_gives_back_what_it_reserved(uploads: SqlUploads, days: Days, state: State) -> None:
    await add(uploads, unfinished("a"))
    days.now += DAY
    await add(uploads, unfinished("b", 7))
    assert await uploads.bury(replace(tombstone(unfinished("a"), state), offset=60))
    assert await figures(uploads) == (0, 7, 7, 1)
    assert (await uploads.usage("ann")).monthly == Window(
        used=0, reserved=7, resets_at=datetime(2026, 3, 1, tzinfo=UTC)
    )


async def test_a_completed_upload_gives_back_its_place_alone(uploads: SqlUploads) -> None:
    await add(uploads, unfinished("a"))
    assert await uploads.save(completed(unfinished("a")))
    assert await uploads.bury(tombstone(completed(unfinished("a"))))
    assert await figures(uploads) == (100, 0, 0, 0)
    assert not await uploads.bury(tombstone(completed(unfinished("a"))))
    assert await figures(uploads) == (100, 0, 0, 0)


async def test_what_comes_too_late_changes_nothing(uploads: SqlUploads) -> None:
    await add(uploads, unfinished("a"))
    assert await uploads.bury(tombstone(unfinished("a")))
    assert not await uploads.save(completed(unfinished("a")))
    assert not await uploads.bury(tombstone(unfinished("unknown")))
    assert await figures(uploads) == (0, 0, 0, 0)


# A deferred length


async def test_a_deferred_length_reserves_as_it_goes(uploads: SqlUploads, days: Days) -> None:
    await add(uploads, unfinished("a", None))
    assert await figures(uploads) == (0, 0, 0, 1)
    assert await uploads.reserve("a", 60, quotas=NOTHING) == 60
    assert await uploads.reserve("a", 50, quotas=NOTHING) == 60
    days.now += DAY
    assert await uploads.reserve("a", 100, quotas=NOTHING) == 100
    assert await figures(uploads) == (0, 40, 100, 1)
    assert (await uploads.usage("ann")).monthly.reserved == 100


async def test_what_was_reserved_too_much_is_given_back_the_newest_day_first(
    uploads: SqlUploads, days: Days, database: Database
) -> None:
    upload = unfinished("a", None)
    await add(uploads, upload)
    await uploads.reserve("a", 60, quotas=NOTHING)
    days.now += DAY
    await uploads.reserve("a", 100, quotas=NOTHING)
    assert await uploads.save(replace(upload, offset=80))
    assert await figures(uploads) == (0, 20, 80, 1)
    assert await uploads.save(completed(upload, 50))
    assert await figures(uploads) == (0, 0, 50, 0)
    assert (await uploads.usage("ann")).monthly.used == 50
    await check_charges(database)


async def test_an_upload_that_goes_gives_back_to_every_day(uploads: SqlUploads, days: Days, database: Database) -> None:
    await add(uploads, unfinished("a", None))
    await uploads.reserve("a", 60, quotas=NOTHING)
    days.now += DAY
    await uploads.reserve("a", 100, quotas=NOTHING)
    assert await uploads.bury(tombstone(unfinished("a", None)))
    assert (await uploads.usage("ann")).monthly.reserved == 0
    assert await figures(uploads) == (0, 0, 0, 0)
    await check_charges(database)


async def test_a_length_that_is_declared_later_is_reserved_before(uploads: SqlUploads, database: Database) -> None:
    await add(uploads, unfinished("a", None))
    assert await uploads.reserve("a", 100, quotas=Quotas(daily=100)) == 100
    assert await uploads.save(replace(unfinished("a", 100), offset=10))
    assert await figures(uploads) == (0, 100, 100, 1)
    assert await uploads.reserve("a", 100, quotas=Quotas(daily=0)) == 100
    await check_charges(database)


async def test_bytes_that_nobody_reserved_are_counted_when_they_are_saved(
    uploads: SqlUploads, database: Database
) -> None:
    upload = unfinished("a", None)
    await add(uploads, upload)
    assert await uploads.save(replace(upload, offset=30))
    assert await figures(uploads) == (0, 30, 30, 1)
    assert await uploads.save(replace(upload, offset=30, length=90))
    assert await figures(uploads) == (0, 90, 90, 1)
    await check_charges(database)


@pytest.mark.parametrize("quota", ["size", "daily", "monthly", "stored"])
async def test_reserves_as_much_as_a_quota_allows(uploads: SqlUploads, quota: str) -> None:
    quotas = Quotas(**{quota: 150})
    await add(uploads, unfinished("a", None))
    assert await uploads.reserve("a", 100, quotas=quotas) == 100
    assert await uploads.reserve("a", 200, quotas=quotas) == 150
    assert await uploads.reserve("a", 150, quotas=quotas) == 150
    with pytest.raises(QuotaExceeded) as refusal:
        await uploads.reserve("a", 151, quotas=quotas)
    resets = {"daily": TOMORROW, "monthly": NEXT_MONTH}.get(quota)
    assert refusal.value.members == {"quota": quota, "limit": 150, "used": 150, "resets_at": resets}
    assert await figures(uploads) == (0, 150, 150, 1)


async def test_a_quota_that_was_lowered_takes_nothing_back(uploads: SqlUploads) -> None:
    await add(uploads, unfinished("a", None))
    assert await uploads.reserve("a", 100, quotas=NOTHING) == 100
    assert await uploads.reserve("a", 100, quotas=Quotas(daily=10)) == 100
    with pytest.raises(QuotaExceeded) as refusal:
        await uploads.reserve("a", 101, quotas=Quotas(daily=10))
    assert refusal.value.members["used"] == 100


async def test_what_is_not_unfinished_is_covered(uploads: SqlUploads) -> None:
    none = Quotas(daily=0, size=0)
    await add(uploads, unfinished("a"), unfinished("b"))
    assert await uploads.save(completed(unfinished("a")))
    assert await uploads.bury(tombstone(unfinished("b")))
    assert [await uploads.reserve(upload_id, 9, quotas=none) for upload_id in ("a", "b", "unknown")] == [9, 9, 9]


# Final uploads


async def parts_of(uploads: SqlUploads, *lengths: int) -> list[str]:
    for n, length in enumerate(lengths):
        await add(uploads, part(f"p{n}", length))
        assert await uploads.save(completed(part(f"p{n}", length)))
    return [f"p{n}" for n in range(len(lengths))]


async def test_a_final_upload_takes_its_parts_place(uploads: SqlUploads, database: Database) -> None:
    parts = await parts_of(uploads, 60, 40)
    whole = final("f", *parts, length=100)
    await add(uploads, whole, quotas=Quotas(daily=100, monthly=100, stored=100, size=100))
    assert await figures(uploads) == (100, 0, 100, 1)
    assert await uploads.save(completed(whole))
    assert await figures(uploads) == (100, 0, 100, 0)
    assert await uploads.bury(tombstone(completed(part("p0", 60))))
    assert await figures(uploads) == (100, 0, 100, 0)
    assert await uploads.bury(tombstone(completed(whole)))
    assert await figures(uploads) == (100, 0, 0, 0)
    await check_charges(database)


async def test_a_final_upload_of_a_part_many_times_needs_room_for_the_rest(
    uploads: SqlUploads, database: Database
) -> None:
    (p,) = await parts_of(uploads, 60)
    whole = final("f", p, p, p, length=180)
    members = await refused(uploads, whole, Quotas(stored=179))
    assert members == {"quota": "stored", "limit": 179, "used": 60, "resets_at": None}
    await add(uploads, whole, quotas=Quotas(stored=180))
    assert await uploads.save(completed(whole))
    assert (await uploads.usage("ann")).stored == 180
    await check_charges(database)


async def test_two_final_uploads_do_not_take_the_same_place(uploads: SqlUploads, database: Database) -> None:
    (p,) = await parts_of(uploads, 60)
    quotas = Quotas(stored=120)
    await add(uploads, final("f", p, length=60), final("g", p, length=60), quotas=quotas)
    await refused(uploads, final("h", p, length=60), quotas)
    for name in ("g", "f"):
        assert await uploads.save(completed(final(name, p, length=60)))
    assert (await uploads.usage("ann")).stored == 120
    await refused(uploads, final("h", p, length=60), quotas)
    await check_charges(database)


async def test_a_final_upload_has_a_size_and_is_unfinished_too(uploads: SqlUploads) -> None:
    (p,) = await parts_of(uploads, 60)
    assert (await refused(uploads, final("f", p, length=60), Quotas(size=59)))["quota"] == "size"
    assert (await refused(uploads, final("f", p, length=60), Quotas(unfinished=0)))["quota"] == "unfinished"


async def test_a_length_that_a_final_upload_learns_later_can_be_reserved(
    uploads: SqlUploads, database: Database
) -> None:
    (p,) = await parts_of(uploads, 60)
    whole = final("f", p, p)
    await add(uploads, whole, quotas=Quotas(stored=60))
    for quotas, quota in ((Quotas(size=119), "size"), (Quotas(stored=119), "stored")):
        with pytest.raises(QuotaExceeded) as refusal:
            await uploads.reserve("f", 120, quotas=quotas)
        assert refusal.value.members["quota"] == quota
    assert await figures(uploads) == (60, 0, 60, 1)
    assert await uploads.reserve("f", 120, quotas=Quotas(stored=120, daily=0)) == 120
    assert await uploads.reserve("f", 120, quotas=Quotas(stored=120, daily=0)) == 120
    assert await figures(uploads) == (60, 0, 120, 1)
    assert await uploads.save(completed(whole, 120))
    assert await figures(uploads) == (60, 0, 120, 0)
    await check_charges(database)


async def test_an_unfinished_final_upload_gives_its_place_back(uploads: SqlUploads, database: Database) -> None:
    (p,) = await parts_of(uploads, 60)
    await add(uploads, final("f", p, p, length=120))
    assert await figures(uploads) == (60, 0, 120, 1)
    assert await uploads.bury(tombstone(final("f", p, p, length=120)))
    assert await figures(uploads) == (60, 0, 60, 0)
    await check_charges(database)


async def test_anothers_parts_stay_in_their_place(uploads: SqlUploads, database: Database) -> None:
    (p,) = await parts_of(uploads, 60)
    theirs = final("f", p, length=60, owner="root")
    await add(uploads, theirs)
    assert await uploads.save(completed(theirs))
    assert [(await uploads.usage(owner)).stored for owner in ("ann", "root")] == [60, 60]
    await check_charges(database)


async def test_a_final_upload_of_more_parts_than_fit_one_statement(uploads: SqlUploads, database: Database) -> None:
    parts = [f"p{n}" for n in range(1100)]
    await asyncio.gather(*(uploads.add(completed(part(p, 1)), free_space=None) for p in parts))
    whole = final("f", *parts, length=1100)
    await add(uploads, whole, quotas=Quotas(stored=1100))
    assert await uploads.save(completed(whole))
    assert await figures(uploads) == (1100, 0, 1100, 0)
    await check_charges(database)


# At once


@pytest.mark.parametrize("quota", ["daily", "monthly", "stored", "unfinished"])
async def test_as_many_fit_at_once_as_the_quota_allows(uploads: SqlUploads, database: Database, quota: str) -> None:
    quotas = Quotas(**{quota: 10 if quota == "unfinished" else 1000})

    async def create(n: int) -> bool:
        try:
            await uploads.add(unfinished(str(n)), free_space=10**9, quotas=quotas)
        except QuotaExceeded:
            return False
        return True

    assert sum(await asyncio.gather(*(create(n) for n in range(50)))) == 10
    assert await figures(uploads) == (0, 1000, 1000, 10)
    await check_charges(database)


async def test_reserving_at_once_does_not_overshoot(uploads: SqlUploads) -> None:
    await add(uploads, *(unfinished(str(n), None) for n in range(20)))

    async def reserve(n: int) -> int:
        try:
            return await uploads.reserve(str(n), 70, quotas=Quotas(daily=1000))
        except QuotaExceeded:
            return 0

    assert sum(await asyncio.gather(*(reserve(n) for n in range(20)))) == 1000
    assert await figures(uploads) == (0, 1000, 1000, 20)


async def test_everything_at_once_comes_out_even(uploads: SqlUploads, database: Database) -> None:
    async def live(n: int) -> None:
        owner = ("ann", "bob")[n % 2]
        one, two = part(f"{n}-one", owner=owner), part(f"{n}-two", None, owner=owner)
        whole = final(f"{n}-f", one.id, two.id, one.id, owner=owner)
        for upload in (one, two, whole):
            await uploads.add(upload, free_space=10**9, quotas=NOTHING)
        assert await uploads.reserve(two.id, 30, quotas=NOTHING) == 30
        await asyncio.gather(uploads.save(completed(one)), uploads.save(completed(two, 20)))
        await asyncio.gather(uploads.save(completed(whole, 220)), uploads.bury(tombstone(completed(one))))
        if n % 3 == 0:
            await uploads.bury(tombstone(completed(whole, 220)))

    await asyncio.gather(*(live(n) for n in range(24)))
    assert await figures(uploads, "ann") == (12 * 120, 0, 8 * 220, 0)
    await check_charges(database)


# Clearing up


async def test_forgets_usage_from_before_last_month(uploads: SqlUploads, days: Days, database: Database) -> None:
    for n, day in enumerate([date(2025, 12, 31), date(2026, 1, 1), date(2026, 1, 31), date(2026, 2, 1)]):
        days.now = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        await add(uploads, unfinished(str(n)))
    days.now = TODAY
    assert await uploads.forget_usage() == 1
    assert await uploads.forget_usage() == 0
    left = await database.read(lambda c: c.execute(select(usage.c.day).order_by(usage.c.day)).scalars().all())
    assert left == [date(2026, 1, 1), date(2026, 1, 31), date(2026, 2, 1)]
    assert await uploads.bury(tombstone(unfinished("0")))
    assert (await uploads.usage("ann")).stored == 300


# Quotas that are set


async def test_a_users_quotas_win_over_their_roles(database: Database) -> None:
    quotas = SqlQuotas(database)
    assert await quotas.of("ann", "user") == {}
    await quotas.put("role:user", "daily", 5)
    await quotas.put("role:user", "size", 7)
    await quotas.put("role:admin", "stored", 1)
    await quotas.put("user:ann", "daily", None)
    assert await quotas.of("ann", "user") == {"daily": None, "size": 7}
    assert await quotas.of("bob", "user") == {"daily": 5, "size": 7}
    assert await quotas.of("ann", "admin") == {"daily": None, "stored": 1}
    assert await quotas.all() == {
        "role:admin": {"stored": 1},
        "role:user": {"daily": 5, "size": 7},
        "user:ann": {"daily": None},
    }


async def test_quotas_are_changed_and_removed(database: Database) -> None:
    quotas = SqlQuotas(database)
    await quotas.put("user:ann", "daily", None)
    await quotas.put("user:ann", "daily", 2**63 - 1)
    assert await quotas.of("ann", "user") == {"daily": 2**63 - 1}
    assert await quotas.remove("user:ann", "daily")
    assert not await quotas.remove("user:ann", "daily")
    assert await quotas.of("ann", "user") == {}


async def test_the_quotas_of_a_holder_are_replaced_as_one(database: Database) -> None:
    quotas = SqlQuotas(database)
    await quotas.put("role:user", "size", 7)
    await quotas.replace("user:ann", {"daily": 5, "stored": None})
    assert await quotas.held_by("user:ann") == {"daily": 5, "stored": None}
    await quotas.replace("user:ann", {"monthly": 0})
    assert await quotas.held_by("user:ann") == {"monthly": 0}
    with pytest.raises(ValueError, match="weekly"):
        await quotas.replace("user:ann", {"daily": 1, "weekly": 1})
    assert await quotas.held_by("user:ann") == {"monthly": 0}
    await quotas.replace("user:ann", {})
    assert await quotas.all() == {"role:user": {"size": 7}}


@pytest.mark.parametrize(
    ("holder", "name", "allowed"),
    [("ann", "daily", 1), ("user:", "daily", 1), ("group:x", "daily", 1), ("user:ann", "weekly", 1)]
    + [("user:ann", "daily", allowed) for allowed in (-1, 2**63)],
)
async def test_refuses_quotas_that_are_none(database: Database, holder: str, name: str, allowed: int) -> None:
    with pytest.raises(ValueError, match=r"quota"):
        await SqlQuotas(database).put(holder, name, allowed)
    assert await SqlQuotas(database).all() == {}
