"""How fast an upload arrives, from what the hook is told."""

from datetime import UTC, datetime

import pytest

from longshore.ports.hooks import HookEvent
from longshore.protocol.upload import Upload
from longshore.uploads import speed
from longshore.uploads.speed import Speeds

pytestmark = pytest.mark.anyio


class Seconds:
    """A clock that counts seconds as it is told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def tell(speeds: Speeds, upload_id: str, offset: int) -> None:
    await speeds.post_receive(HookEvent(upload=Upload(id=upload_id, created_at=datetime.now(UTC), offset=offset)))


async def test_is_what_came_between_the_last_two_commits() -> None:
    clock = Seconds()
    speeds = Speeds(clock)
    await tell(speeds, "a", 1000)
    assert speeds.of("a") is None
    clock.now += 2
    await tell(speeds, "a", 5000)
    assert speeds.of("a") == 2000.0
    clock.now += 0.5
    await tell(speeds, "a", 5000)
    assert speeds.of("a") == 0.0
    assert speeds.of("b") is None


async def test_is_unknown_once_nothing_is_told_for_a_while() -> None:
    clock = Seconds()
    speeds = Speeds(clock)
    for offset in (0, 1000):
        await tell(speeds, "a", offset)
        clock.now += 1
    clock.now += 4
    assert speeds.of("a") == 1000.0
    clock.now += 0.1
    assert speeds.of("a") is None
    # It goes on: what came before the pause says nothing of how fast that is.
    await tell(speeds, "a", 2000)
    assert speeds.of("a") is None


async def test_is_unknown_when_an_upload_has_gone_back() -> None:
    clock = Seconds()
    speeds = Speeds(clock)
    for offset in (1000, 500):
        await tell(speeds, "a", offset)
        clock.now += 1
    assert speeds.of("a") is None


async def test_forgets_the_one_that_moved_longest_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "_REMEMBERED", 2)
    clock = Seconds()
    speeds = Speeds(clock)
    for upload_id in ("a", "b", "a", "c", "a", "b"):
        await tell(speeds, upload_id, round(clock.now))
        clock.now += 1
    assert [speeds.of(upload_id) for upload_id in "abc"] == [1.0, None, None]
