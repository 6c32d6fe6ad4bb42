"""Whatever is created, appended to, terminated and expired: `GET /api/usage` says what a simple account says."""

import json
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, date, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)
from tests.stateful.asgi import Exchange, Response, request, until
from tests.stateful.model import STREAM, TUS
from tests.stateful.test_application import Incarnation, Time

from longshore.app import build
from longshore.config import Settings
from longshore.uploads import bodies, grants

PASSWORD = "correct horse battery staple"
DAILY = 3000
MONTHLY = 8000
UNFINISHED = 6

sizes = st.integers(0, 50) | st.sampled_from([500, 999, 1000, DAILY - 1, DAILY, DAILY + 1])


@dataclass(eq=False)
class Entry:
    """An upload as its owner's account has it."""

    location: str
    length: int | None
    partial: bool = False
    parts: tuple["Entry", ...] = ()
    offset: int = 0
    days: Counter[date] = field(default_factory=Counter)
    """Bytes by the day on which they were set aside."""
    charged: int = 0
    """Bytes that it counts for in what is stored."""
    state: str = "unfinished"
    claimed: bool = False
    """Whether it is part of a final upload."""

    def charge(self, amount: int, day: date) -> None:
        self.days[day] += amount
        self.charged += amount

    def settle(self) -> None:
        if self.state == "unfinished" and self.offset == self.length:
            self.state = "completed"

    def bury(self) -> None:
        if self.state == "unfinished":
            self.days.clear()
        self.state, self.charged = "gone", 0


@dataclass(frozen=True)
class Underway:
    """A PATCH whose client has sent some bytes, and stays."""

    entry: Entry
    exchange: Exchange
    first: int


class Usage(RuleBasedStateMachine):
    """Drives the application beside an account of its own."""

    uploads: Bundle[Entry] = Bundle("uploads")
    partials: Bundle[Entry] = Bundle("partials")

    admin: ClassVar[Mapping[str, str]] = {"username": "admin", "password": PASSWORD}

    def __init__(self) -> None:
        super().__init__()
        self.exits = ExitStack()
        patch = self.exits.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(bodies, "FLUSH_INTERVAL", 0.001)
        patch.setattr(grants, "STEP", 400)
        self.data_dir = Path(self.exits.enter_context(tempfile.TemporaryDirectory()))
        self.time = Time()
        self.entries: list[Entry] = []
        self.underway: Underway | None = None
        self.life: Incarnation

    @initialize()
    def start(self) -> None:
        self._start()
        body = json.dumps(self.admin).encode()
        answer = self.life.run(
            request(self.life.app, "POST", "/auth/token", {"Content-Type": "application/json"}, body)
        )
        assert answer.status == 200, answer
        self.bearer = {"Authorization": f"Bearer {json.loads(answer.body)['access_token']}"}

    def _start(self) -> None:
        options = Settings(
            data_dir=self.data_dir,
            auth="local",
            admin_password=PASSWORD,
            access_token_ttl=timedelta(days=3650),
            refresh_token_ttl=timedelta(days=3650),
            quota_daily=DAILY,
            quota_monthly=MONTHLY,
            quota_unfinished=UNFINISHED,
            sweep_interval=86400,
            checkpoint_interval=0.01,
            stall_threshold=3600,
            fsync="never",
        )
        self.life = Incarnation(build(options, clock=self.time))
        self.life.start()

    def teardown(self) -> None:
        if hasattr(self, "life"):
            self._stop()
        self.exits.close()

    def _stop(self) -> None:
        self.life.stop()
        if self.underway:
            self.life.run(self._left(self.underway.exchange))
        self.life.runner.close()

    async def _left(self, exchange: Exchange) -> Response:
        exchange.disconnect()
        return await exchange.response()

    @property
    def today(self) -> date:
        return self.time.now.astimezone(UTC).date()

    def _ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Response:
        return self.life.run(request(self.life.app, method, path, {**TUS, **self.bearer, **headers}, body))

    def _usage(self) -> dict[str, Any]:
        answer = self._ask("GET", "/api/usage", {})
        assert answer.status == 200
        found: dict[str, Any] = json.loads(answer.body)
        return found

    # What ought to be

    def _expected(self) -> dict[str, int]:
        unfinished = [entry for entry in self.entries if entry.state == "unfinished"]
        used, reserved = Counter[date](), Counter[date]()
        for entry in self.entries:
            (reserved if entry.state == "unfinished" else used).update(entry.days)
        month = [day for day in used | reserved if day.replace(day=1) == self.today.replace(day=1)]
        return {
            "daily used": used[self.today],
            "daily reserved": reserved[self.today],
            "monthly used": sum(used[day] for day in month),
            "monthly reserved": sum(reserved[day] for day in month),
            "stored": sum(entry.charged for entry in self.entries),
            "unfinished": len(unfinished),
        }

    def _found(self) -> dict[str, int]:
        usage = self._usage()
        return {
            "daily used": usage["daily"]["used"],
            "daily reserved": usage["daily"]["reserved"],
            "monthly used": usage["monthly"]["used"],
            "monthly reserved": usage["monthly"]["reserved"],
            "stored": usage["stored"]["used"],
            "unfinished": usage["unfinished"]["used"],
        }

    @invariant()
    def account_is_right(self) -> None:
        if not hasattr(self, "life"):
            return
        found, expected = self._found(), self._expected()
        if self.underway:
            # What it has set aside ahead is not to be foreseen.
            expected = {name: max(expected[name], found[name]) if _is_ahead(name) else expected[name] for name in found}
        assert found == expected
        assert found["daily used"] + found["daily reserved"] <= DAILY
        assert found["monthly used"] + found["monthly reserved"] <= MONTHLY
        assert found["unfinished"] <= UNFINISHED

    def _left_today(self) -> int:
        found = self._found()
        day = DAILY - found["daily used"] - found["daily reserved"]
        return min(day, MONTHLY - found["monthly used"] - found["monthly reserved"])

    # What happens

    @rule(target=uploads, length=sizes | st.none(), data=sizes)
    def create(self, length: int | None, data: int) -> Entry | MultipleResults[Entry]:
        return self._create(length, min(data, length) if length is not None else data, partial=False)

    @rule(target=partials, length=sizes | st.none())
    def create_part(self, length: int | None) -> Entry | MultipleResults[Entry]:
        return self._create(length, 0, partial=True)

    def _create(self, length: int | None, data: int, *, partial: bool) -> Entry | MultipleResults[Entry]:
        left, unfinished = self._left_today(), self._found()["unfinished"]
        size = {"Upload-Defer-Length": "1"} if length is None else {"Upload-Length": str(length)}
        body = {**STREAM, "Content-Length": str(data)} if data else {}
        answer = self._ask("POST", "/files", {**size, **body, **_concat(partial)}, b"d" * data)
        opens = length != 0
        wanted = data if length is None else length
        if (opens and unfinished >= UNFINISHED) or wanted > left:
            assert answer.status == 413, answer
            assert json.loads(answer.body)["code"] == "quota-exceeded"
            return multiple()
        assert answer.status == 201, answer
        entry = Entry(answer.headers["location"], length, partial, offset=data)
        entry.charge(wanted, self.today)
        entry.settle()
        self.entries.append(entry)
        return entry

    @rule(entry=uploads | partials, size=sizes, declares=st.sampled_from([None, None, 0, 7, 2000]))
    def append(self, entry: Entry, size: int, declares: int | None) -> None:
        if entry.state != "unfinished" or entry.parts or self._is_underway(entry):
            return
        if entry.length is not None:
            size, declares = min(size, entry.length - entry.offset), None
        length = None if declares is None else entry.offset + size + declares
        left = self._left_today()
        fields = {**STREAM, "Upload-Offset": str(entry.offset), "Content-Length": str(size)}
        declared = {} if length is None else {"Upload-Length": str(length)}
        answer = self._ask("PATCH", entry.location, {**fields, **declared}, b"d" * size)
        self._appended(entry, size, length, left, answer)

    def _appended(self, entry: Entry, size: int, length: int | None, left: int, answer: Response) -> None:
        wanted = 0
        if entry.length is None:
            wanted = (entry.offset + size if length is None else length) - entry.charged
        assert answer.status == (413 if wanted > left else 204), answer
        if wanted <= left:
            entry.length = entry.length if length is None else length
        elif length is None:
            # Cut, and what fits is kept.
            wanted = size = left
        else:
            wanted = size = 0
        entry.charge(wanted, self.today)
        entry.offset += size
        entry.settle()
        self._complete_finals()

    @precondition(lambda self: not self.underway)
    @rule(entry=uploads | partials, first=st.integers(1, 300))
    def begin(self, entry: Entry, first: int) -> None:
        """Open a PATCH whose body is chunked, and keep it open when some bytes have come."""
        room = self._left_today() if entry.length is None else entry.length - entry.offset
        if entry.state == "unfinished" and not entry.parts and first < room:
            self.underway = Underway(entry, self.life.run(self._begun(entry, first)), first)

    async def _begun(self, entry: Entry, first: int) -> Exchange:
        fields = {**TUS, **self.bearer, **STREAM, "Transfer-Encoding": "chunked"}
        exchange = Exchange(self.life.app, "PATCH", entry.location, {**fields, "Upload-Offset": str(entry.offset)})
        exchange.feed(b"d" * first)
        upload_id = entry.location.rpartition("/")[2]
        await until(lambda: self.life.held_position(upload_id) == entry.offset + first)
        return exchange

    @precondition(lambda self: self.underway)
    @rule(sizes=st.lists(st.integers(1, 700), min_size=1, max_size=3))
    def go_on_and_leave(self, sizes: list[int]) -> None:
        self._leave(sizes)

    def _leave(self, sizes: Sequence[int]) -> None:
        assert self.underway
        underway, self.underway = self.underway, None
        entry, size = underway.entry, underway.first + sum(sizes)
        left = self._left_today() + self._ahead(entry)

        async def leave() -> Response:
            for piece in sizes:
                underway.exchange.feed(b"d" * piece)
            return await self._left(underway.exchange)

        answer = self.life.run(leave())
        if entry.length is not None and size > entry.length - entry.offset:
            assert answer.status == 413
            # What a checkpoint has committed of a body before it turned out to be too long stays.
            self._adopt(entry)
            return
        assert answer.status == (413 if entry.length is None and size > left else 204)
        if entry.length is None:
            size = min(size, left)
            entry.charge(size, self.today)
        entry.offset += size
        entry.settle()
        self._complete_finals()

    def _ahead(self, entry: Entry) -> int:
        """What an open PATCH has set aside and will give back."""
        return self._found()["stored"] - self._expected()["stored"] if entry.length is None else 0

    def _adopt(self, entry: Entry) -> None:
        answer = self._ask("HEAD", entry.location, {})
        assert answer.status == 200
        entry.offset = int(answer.headers["upload-offset"])

    def _is_underway(self, entry: Entry) -> bool:
        return self.underway is not None and self.underway.entry is entry

    @rule(target=uploads, one=partials, two=partials)
    def concatenate(self, one: Entry, two: Entry) -> Entry | MultipleResults[Entry]:
        """Each part belongs to one final only: what shared parts come to is a matter for the unit tests."""
        if one is two or any(part.claimed or part.state == "gone" for part in (one, two)):
            return multiple()
        is_ready = one.state == two.state == "completed"
        full = self._found()["unfinished"] >= UNFINISHED
        concat = {"Upload-Concat": f"final;{one.location} {two.location}"}
        answer = self._ask("POST", "/files", concat)
        if full:
            assert answer.status == 413, answer
            return multiple()
        assert answer.status == 201, answer
        one.claimed = two.claimed = True
        final = Entry(answer.headers["location"], None, parts=(one, two))
        self.entries.append(final)
        self._complete_finals()
        assert (final.state == "completed") == is_ready
        return final

    def _complete_finals(self) -> None:
        for final in self.entries:
            if final.parts and final.state == "unfinished" and all(part.state == "completed" for part in final.parts):
                final.state = "completed"
                final.charged = sum(part.offset for part in final.parts)
                for part in final.parts:
                    part.charged = 0

    @rule(entry=uploads | partials)
    def terminate(self, entry: Entry) -> None:
        if self._is_underway(entry):
            return
        answer = self._ask("DELETE", entry.location, {})
        assert answer.status in ((404, 410) if entry.state == "gone" else (204,))
        entry.bury()

    @rule(hours=st.sampled_from([1, 13, 24, 100, 24 * 8, 24 * 31]))
    def pass_time(self, hours: int) -> None:
        """Time passes and the server is started again, which begins with a sweep."""
        if self.underway:
            self._leave([])
        self.life.stop()
        self.life.runner.close()
        self.time.now += timedelta(hours=hours)
        self._start()
        for entry in self.entries:
            if self._ask("HEAD", entry.location, {}).status in (404, 410):
                entry.bury()


def _is_ahead(name: str) -> bool:
    return name.endswith("reserved") or name == "stored"


def _concat(partial: bool) -> dict[str, str]:
    return {"Upload-Concat": "partial"} if partial else {}


pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

TestUsage = Usage.TestCase
TestUsage.settings = settings(
    max_examples=25,
    phases=(Phase.reuse, Phase.generate),
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
