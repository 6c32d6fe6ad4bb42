"""Whatever happens to uploads, in whatever order: what is counted is what a simple model says, and what they say."""

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from tests.contracts.charges import Days, check_charges

from longshore.db.database import Database
from longshore.db.uploads import SqlUploads
from longshore.ports.quotas import Quotas
from longshore.protocol.errors import QuotaExceeded
from longshore.protocol.upload import State, Upload

T = TypeVar("T")

START: Final = datetime(2026, 1, 30, 12, tzinfo=UTC)
OWNERS: Final = ("", "ann", "bob")
LENGTHS: Final = st.integers(0, 12)
LIMITS: Final = st.none() | st.integers(0, 40)
QUOTAS: Final = st.none() | st.builds(
    Quotas, daily=LIMITS, monthly=LIMITS, stored=LIMITS, size=LIMITS, unfinished=st.none() | st.integers(0, 6)
)


@dataclass
class Known:
    """An upload as the model knows it."""

    upload: Upload
    place: int = 0
    """What it takes of what its owner may store."""
    days: dict[date, int] = field(default_factory=dict)
    """What was set aside for it, and when."""

    @property
    def is_open(self) -> bool:
        return self.upload.state is State.UNFINISHED

    def charge(self, day: date, amount: int) -> None:
        self.days[day] = self.days.get(day, 0) + amount
        self.place += amount

    def give_back(self, amount: int) -> None:
        self.place -= amount
        for day in sorted(self.days, reverse=True):
            back = min(amount, self.days[day])
            self.days[day] -= back
            amount -= back


class Model:
    """What should be counted, worked out from the uploads each time."""

    def __init__(self) -> None:
        self.known: dict[str, Known] = {}

    def of(self, owner: str) -> Iterator[Known]:
        return (one for one in self.known.values() if one.upload.owner == owner)

    def taken(self, owner: str, day: date) -> dict[str, int]:
        spent = [(on, amount) for one in self.of(owner) for on, amount in one.days.items()]
        return {
            "daily": sum(amount for on, amount in spent if on == day),
            "monthly": sum(amount for on, amount in spent if (on.year, on.month) == (day.year, day.month)),
            "stored": sum(one.place for one in self.of(owner)),
            "unfinished": sum(one.is_open for one in self.of(owner)),
        }

    def reserved(self, owner: str, day: date) -> int:
        return sum(one.days.get(day, 0) for one in self.of(owner) if one.is_open)

    def freed_by(self, final: Upload) -> int:
        promised = {
            part
            for one in self.known.values()
            if one.is_open and one.upload.is_final and one.upload.id != final.id
            for part in one.upload.parts
        }
        parts = [self.known[part] for part in set(final.parts) - promised]
        return sum(part.place for part in parts if part.upload.owner == final.owner)

    def over(self, owner: str, quotas: Quotas | None, day: date, wanted: Mapping[str, int]) -> set[str]:
        """Name the quotas that so much more is too much for."""
        taken = self.taken(owner, day) | {"size": 0}
        limits = {name: None if quotas is None or not owner else getattr(quotas, name) for name in wanted}
        return {
            name
            for name, amount in wanted.items()
            if (limit := limits[name]) is not None and amount > 0 and taken[name] + amount > limit
        }


class Accounts(RuleBasedStateMachine):
    """Uploads live and die; after every step the accounts are compared with the model's."""

    migrated: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        path = shutil.copy(self.migrated, Path(self.folder.name) / "longshore.db")
        self.runner = asyncio.Runner()
        self.clock = Days(START)
        self.database = Database(f"sqlite:///{path}", durable=False)
        self.run(self.database.start())
        self.uploads = SqlUploads(self.database, clock=self.clock)
        self.model = Model()

    def run(self, what: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(what)

    def teardown(self) -> None:
        self.run(self.database.close())
        self.runner.close()
        self.folder.cleanup()

    @property
    def today(self) -> date:
        return self.clock.now.date()

    def pick(self, data: st.DataObject, wanted: Callable[[Known], bool]) -> Known:
        return self.model.known[
            data.draw(st.sampled_from([name for name, one in self.model.known.items() if wanted(one)]))
        ]

    def any(self, wanted: Callable[[Known], bool]) -> bool:
        return any(wanted(one) for one in self.model.known.values())

    # Creating

    def create(self, upload: Upload, quotas: Quotas | None, wanted: Mapping[str, int]) -> bool:
        if over := self.model.over(upload.owner, quotas, self.today, wanted):
            with pytest.raises(QuotaExceeded) as refusal:
                self.run(self.uploads.add(upload, free_space=1000, quotas=quotas))
            assert refusal.value.members["quota"] in over
            return False
        self.run(self.uploads.add(upload, free_space=1000, quotas=quotas))
        self.model.known[upload.id] = Known(upload)
        return True

    @rule(
        owner=st.sampled_from(OWNERS),
        length=st.none() | LENGTHS,
        concat=st.sampled_from(["", "partial"]),
        quotas=QUOTAS,
    )
    def create_upload(self, owner: str, length: int | None, concat: str, quotas: Quotas | None) -> None:
        upload = Upload(id=f"u{len(self.model.known)}", created_at=START, owner=owner, length=length, concat=concat)
        if length == 0:
            upload = replace(upload, state=State.COMPLETED, completed_at=START)
        amount = length or 0
        wanted = {"size": amount, "unfinished": int(length != 0)} | dict.fromkeys(
            ["stored", "daily", "monthly"], amount
        )
        if self.create(upload, quotas, wanted) and owner:
            self.model.known[upload.id].charge(self.today, amount)

    @precondition(lambda self: self.any(is_part))
    @rule(data=st.data(), owner=st.sampled_from(OWNERS), quotas=QUOTAS)
    def create_final(self, data: st.DataObject, owner: str, quotas: Quotas | None) -> None:
        names = [name for name, one in self.model.known.items() if is_part(one)]
        parts = tuple(data.draw(st.lists(st.sampled_from(names), min_size=1, max_size=3)))
        upload = Upload(
            id=f"u{len(self.model.known)}",
            created_at=START,
            owner=owner,
            concat="final;" + " ".join(parts),
            parts=parts,
            length=self.length_of(parts),
        )
        place = max(0, (upload.length or 0) - self.model.freed_by(upload)) if owner else 0
        if self.create(upload, quotas, {"size": upload.length or 0, "unfinished": 1, "stored": place}):
            self.model.known[upload.id].place = place

    def length_of(self, parts: tuple[str, ...]) -> int | None:
        lengths = [self.model.known[part].upload.length for part in parts]
        return None if None in lengths else sum(length for length in lengths if length is not None)

    # Going on

    @precondition(lambda self: self.any(is_deferred))
    @rule(data=st.data(), wanted=st.integers(0, 20), quotas=QUOTAS)
    def reserve(self, data: st.DataObject, wanted: int, quotas: Quotas | None) -> None:
        one = self.pick(data, is_deferred)
        quotas = quotas or Quotas()
        more = wanted - one.place
        if not one.upload.owner:
            assert self.run(self.uploads.reserve(one.upload.id, wanted, quotas=quotas)) == wanted
            return
        taken = self.model.taken(one.upload.owner, self.today) | {"size": one.place}
        limits = {name: getattr(quotas, name) for name in ("size", "stored", "daily", "monthly")}
        left = min((limit - taken[name] for name, limit in limits.items() if limit is not None), default=more)
        if more > 0 and left <= 0:
            with pytest.raises(QuotaExceeded):
                self.run(self.uploads.reserve(one.upload.id, wanted, quotas=quotas))
            return
        granted = max(0, min(more, left))
        assert self.run(self.uploads.reserve(one.upload.id, wanted, quotas=quotas)) == one.place + granted
        one.charge(self.today, granted)

    @precondition(lambda self: self.any(is_receiving))
    @rule(data=st.data())
    def checkpoint(self, data: st.DataObject) -> None:
        one = self.pick(data, is_receiving)
        offset = self.draw_offset(data, one)
        assert self.run(self.uploads.checkpoint(one.upload.id, offset, None))
        one.upload = replace(one.upload, offset=offset)

    @precondition(lambda self: self.any(is_receiving))
    @rule(data=st.data())
    def save(self, data: st.DataObject) -> None:
        one = self.pick(data, is_receiving)
        self.settle(one, replace(one.upload, offset=self.draw_offset(data, one)))

    def draw_offset(self, data: st.DataObject, one: Known) -> int:
        most = one.upload.offset + 5 if one.upload.length is None else one.upload.length
        return data.draw(st.integers(one.upload.offset, most))

    @precondition(lambda self: self.any(is_deferred))
    @rule(data=st.data(), beyond=st.integers(0, 12))
    def declare_length(self, data: st.DataObject, beyond: int) -> None:
        one = self.pick(data, is_deferred)
        self.settle(one, replace(one.upload, length=one.upload.offset + beyond))

    @precondition(lambda self: self.any(is_receiving))
    @rule(data=st.data(), beyond=st.integers(0, 4))
    def complete(self, data: st.DataObject, beyond: int) -> None:
        one = self.pick(data, is_receiving)
        length = one.upload.offset + beyond if one.upload.length is None else one.upload.length
        self.settle(one, replace(one.upload, length=length, offset=length, state=State.COMPLETED, completed_at=START))

    def settle(self, one: Known, upload: Upload) -> None:
        assert self.run(self.uploads.save(upload))
        one.upload = upload
        due = upload.offset if upload.length is None else upload.length
        if upload.owner and due > one.place:
            one.charge(self.today, due - one.place)
        elif upload.owner:
            one.give_back(one.place - due)

    @precondition(lambda self: self.any(self.is_ready))
    @rule(data=st.data())
    def assemble(self, data: st.DataObject) -> None:
        one = self.pick(data, self.is_ready)
        length = self.length_of(one.upload.parts)
        assert length is not None
        one.upload = replace(one.upload, length=length, offset=length, state=State.COMPLETED, completed_at=START)
        assert self.run(self.uploads.save(one.upload))
        if one.upload.owner:
            one.place = length
            for part in one.upload.parts:
                if self.model.known[part].upload.owner == one.upload.owner:
                    self.model.known[part].place = 0

    def is_ready(self, one: Known) -> bool:
        parts = [self.model.known[part].upload.state for part in one.upload.parts]
        return one.is_open and one.upload.is_final and set(parts) == {State.COMPLETED}

    # Going

    @precondition(lambda self: self.any(is_live))
    @rule(data=st.data(), state=st.sampled_from([State.TERMINATED, State.EXPIRED]))
    def bury(self, data: st.DataObject, state: State) -> None:
        one = self.pick(data, is_live)
        if one.is_open:
            one.days.clear()
        one.place = 0
        one.upload = replace(one.upload, state=state)
        assert self.run(self.uploads.bury(one.upload))

    @precondition(lambda self: self.any(is_gone))
    @rule(data=st.data())
    def come_too_late(self, data: st.DataObject) -> None:
        one = self.pick(data, is_gone)
        assert not self.run(self.uploads.save(replace(one.upload, state=State.COMPLETED)))
        assert not self.run(self.uploads.bury(one.upload))
        assert self.run(self.uploads.reserve(one.upload.id, 9, quotas=Quotas(daily=0))) == 9

    @rule(days=st.integers(1, 3))
    def time_passes(self, days: int) -> None:
        self.clock.now += timedelta(days=days)

    @rule()
    def forget_usage(self) -> None:
        self.run(self.uploads.forget_usage())

    # What must be true at all times

    @invariant()
    def accounts_are_the_models(self) -> None:
        for owner in OWNERS[1:]:
            found = self.run(self.uploads.usage(owner))
            taken = self.model.taken(owner, self.today)
            assert found.daily.used + found.daily.reserved == taken["daily"]
            assert found.monthly.used + found.monthly.reserved == taken["monthly"]
            assert found.daily.reserved == self.model.reserved(owner, self.today)
            assert (found.stored, found.unfinished) == (taken["stored"], taken["unfinished"])

    @invariant()
    def accounts_are_the_uploads(self) -> None:
        self.run(check_charges(self.database))


def is_part(one: Known) -> bool:
    return one.upload.is_partial and not one.upload.is_gone


def is_receiving(one: Known) -> bool:
    return one.is_open and not one.upload.is_final


def is_deferred(one: Known) -> bool:
    return is_receiving(one) and one.upload.length is None


def is_live(one: Known) -> bool:
    return not one.upload.is_gone


def is_gone(one: Known) -> bool:
    return one.upload.is_gone


def test_accounts_come_out_even_whatever_happens(migrated_sqlite: Path) -> None:
    class Machine(Accounts):
        migrated = migrated_sqlite

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=30, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
        ),
    )
