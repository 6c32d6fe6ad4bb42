"""/healthz and /readyz."""

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from tests.conformance.embedded import Embedded, embedded

from longshore.app import build
from longshore.config import Settings
from longshore.http.health import Check, Health

pytestmark = pytest.mark.anyio

CHECKS = ["accepting", "database", "migrations", "store", "disk"]


class Ticks:
    """A monotonic clock that stands still until it is told otherwise."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def server(anyio_backend: str, tmp_path: Path) -> AsyncIterator[Embedded]:
    async with embedded(tmp_path, auth="local", admin_password="correct horse battery staple") as server:
        yield server


def client(health: Health) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(Starlette(routes=health.routes()))
    return httpx.AsyncClient(transport=transport, base_url="http://localhost")


async def readiness(http: httpx.AsyncClient) -> tuple[int, Any]:
    answer = await http.get("/readyz")
    assert answer.headers["cache-control"] == "no-store"
    return answer.status_code, answer.json()


async def assert_fails(server: Embedded, *names: str) -> None:
    status, found = await readiness(server.http)
    assert (status, found["status"]) == (503, "unready")
    assert found["checks"] == {name: "failed" if name in names else "ok" for name in CHECKS}


async def test_the_process_answers_whoever_asks(server: Embedded) -> None:
    answer = await server.http.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert (await server.http.head("/healthz")).status_code == 200


async def test_a_server_that_can_do_its_work_is_ready_whoever_asks(server: Embedded) -> None:
    status, found = await readiness(server.http)
    assert (status, found) == (200, {"status": "ready", "checks": dict.fromkeys(CHECKS, "ok")})


async def test_looking_leaves_nothing_behind(server: Embedded) -> None:
    assert (await readiness(server.http))[0] == 200
    assert [path for path in (server.data_dir / "uploads").rglob("*") if path.is_file()] == []
    with sqlite3.connect(server.data_dir / "longshore.db") as database:
        assert database.execute("SELECT count(*) FROM usage").fetchone() == (0,)
    database.close()


@pytest.mark.parametrize(
    ("change", "name"),
    [("UPDATE alembic_version SET version_num = '0001'", "migrations"), ("DROP TABLE usage", "database")],
)
async def test_a_database_that_is_not_as_it_should_be(server: Embedded, change: str, name: str) -> None:
    with sqlite3.connect(server.data_dir / "longshore.db") as database:
        database.execute(change)
    database.close()
    await assert_fails(server, name)


async def test_a_database_that_a_newer_version_has_migrated_is_fine(server: Embedded) -> None:
    with sqlite3.connect(server.data_dir / "longshore.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    assert (await readiness(server.http))[0] == 200


async def test_a_store_that_cannot_be_written_to(server: Embedded, caplog: pytest.LogCaptureFixture) -> None:
    uploads = server.data_dir / "uploads"
    uploads.rmdir()
    uploads.touch()
    with caplog.at_level(logging.WARNING):
        await assert_fails(server, "store")
    assert "not ready: store: " in caplog.text
    assert str(server.data_dir) not in (await server.http.get("/readyz")).text


async def test_a_disk_below_its_floor(tmp_path: Path) -> None:
    async with embedded(tmp_path, disk_reserve=2**62) as server:
        await assert_fails(server, "store", "disk")


async def test_a_server_that_stops_takes_nothing_more(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", auth="none")
    settings.data_dir.mkdir()
    app = build(settings)
    http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")
    async with app.router.lifespan_context(app), http:
        app.state.service.work.stop()
        status, found = await readiness(http)
    assert (status, found["checks"]["accepting"]) == (503, "failed")


async def failing() -> None:
    raise OSError("/srv/secret/path cannot be written to")


async def passing() -> None:
    pass


async def test_tells_which_part_is_at_fault_and_only_the_log_says_why(caplog: pytest.LogCaptureFixture) -> None:
    checks: Mapping[str, Check] = {"good": passing, "bad": failing}
    ticks = Ticks()
    with caplog.at_level(logging.WARNING):
        async with client(Health(checks, monotonic=ticks)) as http:
            for _ in range(3):
                assert await readiness(http) == (503, {"status": "unready", "checks": {"good": "ok", "bad": "failed"}})
                ticks.now += 1
    assert caplog.messages == ["not ready: bad: /srv/secret/path cannot be written to"]


async def test_what_was_found_is_good_for_a_second() -> None:
    looks = 0

    async def count() -> None:
        nonlocal looks
        looks += 1

    ticks = Ticks()
    async with client(Health({"count": count}, monotonic=ticks)) as http:
        for _ in range(3):
            assert (await readiness(http))[0] == 200
        await asyncio.gather(*[readiness(http) for _ in range(10)])
        assert looks == 1
        ticks.now += 1
        await asyncio.gather(*[readiness(http) for _ in range(10)])
        assert looks == 2


async def test_a_check_that_hangs_has_failed_and_is_not_begun_beside_itself(caplog: pytest.LogCaptureFixture) -> None:
    begun = 0
    released = asyncio.Event()

    async def hang() -> None:
        nonlocal begun
        begun += 1
        await released.wait()

    ticks = Ticks()
    health = Health({"hang": hang}, time_limit=0.01, monotonic=ticks)
    with caplog.at_level(logging.INFO):
        async with client(health) as http:
            for _ in range(3):
                assert (await readiness(http))[0] == 503
                ticks.now += 1
            assert begun == 1
            released.set()
            assert (await readiness(http))[0] == 200
    await health.close()
    assert [record.message for record in caplog.records if record.name == "longshore.http.health"] == [
        "not ready: hang: no answer within 0.01 s",
        "ready again: hang",
    ]


async def test_closing_breaks_off_what_hangs() -> None:
    ended = False

    async def hang() -> None:
        nonlocal ended
        try:
            await asyncio.Event().wait()
        finally:
            ended = True

    health = Health({"hang": hang}, time_limit=0.01)
    async with client(health) as http:
        assert (await readiness(http))[0] == 503
    assert not ended
    await health.close()
    assert ended
