"""Clearing away what has expired or was abandoned."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.conformance.embedded import Embedded, embedded
from tests.serving import OFFSET_STREAM, TUS
from tests.unit.http.api.world import World, outcome

from longshore.events import UploadExpired
from longshore.uploads import cleanup

pytestmark = pytest.mark.anyio

HOUR = 3600


async def some(app: Embedded) -> tuple[str, str, str, str]:
    """An upload that has expired, one idle for two hours, one for less, and a completed one; their ids."""
    expired = await app.new(9, b"1")
    app.clock.advance(hours=3)
    idle, done = await app.new(9, b"12"), await app.new(3, b"123")
    app.clock.advance(hours=1)
    lively = await app.new(9, b"1234")
    app.clock.advance(hours=1)
    ids = [path.rsplit("/", 1)[-1] for path in (expired, idle, lively, done)]
    return ids[0], ids[1], ids[2], ids[3]


async def test_a_dry_run_lists_what_would_go_and_leaves_it(tmp_path: Path) -> None:
    async with embedded(tmp_path, unfinished_ttl="5h", sweep_interval=HOUR) as app:
        expired, idle, *_ = await some(app)
        answer = await app.http.post("/api/cleanup", json={"dry_run": True, "abandoned_after": 2 * HOUR})
        said = answer.json()
        assert [upload["id"] for upload in said.pop("uploads")] == [expired, idle]
        assert said == {"dry_run": True, "expired": 1, "abandoned": 1, "bytes": 3, "more": False}
        assert answer.headers["cache-control"] == "no-store"
        assert (await app.head(f"/files/{idle}")).status_code == 200
        assert app.heard(UploadExpired) == []


async def test_removes_what_it_lists(tmp_path: Path) -> None:
    async with embedded(tmp_path, unfinished_ttl="5h", sweep_interval=HOUR) as app:
        expired, idle, lively, done = await some(app)
        answer = await app.http.post("/api/cleanup", json={"abandoned_after": 2 * HOUR})
        assert answer.json() == {
            "dry_run": False, "expired": 1, "abandoned": 1, "bytes": 3, "more": False, "uploads": []
        }  # fmt: skip
        statuses = [(await app.head(f"/files/{upload}")).status_code for upload in (expired, idle, lively, done)]
        assert statuses == [410, 410, 200, 200]
        assert app.heard(UploadExpired) == [expired, idle]
        held = [path.name for path in (app.data_dir / "uploads").rglob("*") if path.is_file()]
        assert not any(name.startswith((expired, idle)) for name in held)
        again = await app.http.post("/api/cleanup", json={"abandoned_after": 2 * HOUR})
        assert (again.json()["expired"], again.json()["abandoned"], again.json()["bytes"]) == (0, 0, 0)


async def test_takes_only_what_has_expired_unless_asked(tmp_path: Path) -> None:
    async with embedded(tmp_path, unfinished_ttl="5h", sweep_interval=HOUR) as app:
        _, idle, *_ = await some(app)
        said = (await app.http.post("/api/cleanup", json={})).json()
        assert (said["expired"], said["abandoned"]) == (1, 0)
        assert (await app.head(f"/files/{idle}")).status_code == 200


async def test_does_so_much_at_a_time_and_says_that_there_is_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cleanup, "MOST", 2)
    async with embedded(tmp_path) as app:
        for _ in range(3):
            await app.new(9, b"1")
        app.clock.advance(hours=1)
        counts = list[tuple[int, bool]]()
        for _ in range(2):
            said = (await app.http.post("/api/cleanup", json={"abandoned_after": 1})).json()
            counts.append((said["abandoned"], said["more"]))
        assert counts == [(2, True), (1, False)]


async def test_leaves_what_somebody_is_busy_with(tmp_path: Path) -> None:
    async with embedded(tmp_path) as app:
        path, go_on, begun = await app.new(4), asyncio.Event(), asyncio.Event()

        async def slow() -> AsyncIterator[bytes]:
            yield b"ab"
            begun.set()
            await go_on.wait()
            yield b"cd"

        headers = {**TUS, **OFFSET_STREAM, "Upload-Offset": "0"}
        sending = asyncio.create_task(app.http.patch(path, content=slow(), headers=headers))
        await begun.wait()
        app.clock.advance(hours=1)
        said = (await app.http.post("/api/cleanup", json={"abandoned_after": 60})).json()
        assert (said["abandoned"], said["bytes"]) == (0, 0)
        go_on.set()
        assert (await sending).headers["upload-offset"] == "4"


@pytest.mark.parametrize("after", [0, -1, "x", 1.5, 10**12, True])
async def test_refuses_durations_that_are_none(tmp_path: Path, after: object) -> None:
    async with embedded(tmp_path) as app:
        answer = await app.http.post("/api/cleanup", json={"abandoned_after": after})
        assert outcome(answer) == (422, "invalid-request")


async def test_is_for_admins(world: World) -> None:
    await world.ann.upload(data=b"x", length=9)
    world.app.clock.advance(hours=1)
    body = {"abandoned_after": 1}
    assert outcome(await world.ann.ask("POST", "/api/cleanup", body)) == (403, "forbidden")
    assert outcome(await world.app.http.post("/api/cleanup", json=body)) == (401, "unauthenticated")
    assert (await world.admin.ask("POST", "/api/cleanup", body)).json()["abandoned"] == 1
