"""GET /api/usage: what is used of quotas, and how much may be."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.embedded import Embedded, embedded
from tests.serving import TUS

pytestmark = pytest.mark.anyio

PASSWORD = "correct horse battery staple"


@pytest.fixture
async def app(anyio_backend: str, tmp_path: Path) -> AsyncIterator[Embedded]:
    async with embedded(
        tmp_path, auth="local", admin_password=PASSWORD, registration="open", quota_daily=1000, quota_unfinished=3
    ) as app:
        await app.http.post("/auth/register", json={"username": "ann", "password": PASSWORD})
        yield app


async def bearer(app: Embedded, name: str) -> dict[str, str]:
    answer = await app.http.post("/auth/token", json={"username": name, "password": PASSWORD})
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


async def usage(app: Embedded, headers: dict[str, str]) -> Any:
    answer = await app.http.get("/api/usage", headers=headers)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    return answer.json()


async def test_nothing_is_used_at_first(app: Embedded) -> None:
    assert await usage(app, await bearer(app, "ann")) == {
        "daily": {"limit": 1000, "used": 0, "reserved": 0, "resets_at": "2026-01-02T00:00:00Z"},
        "monthly": {"limit": 100 * 1000**3, "used": 0, "reserved": 0, "resets_at": "2026-02-01T00:00:00Z"},
        "stored": {"limit": None, "used": 0},
        "size": {"limit": None},
        "unfinished": {"limit": 3, "used": 0},
    }


async def test_an_upload_is_reserved_and_then_used(app: Embedded) -> None:
    ann = await bearer(app, "ann")
    created = await app.post({**ann, "Upload-Length": "400"}, b"x" * 100)
    half = await usage(app, ann)
    assert half["daily"]["used"] + half["daily"]["reserved"] == 400
    assert half["unfinished"]["used"] == 1
    await app.http.patch(
        created.headers["location"],
        content=b"x" * 300,
        headers={**TUS, **ann, "Upload-Offset": "100", "Content-Type": "application/offset+octet-stream"},
    )
    done = await usage(app, ann)
    assert (done["daily"]["used"], done["daily"]["reserved"]) == (400, 0)
    assert (done["stored"]["used"], done["unfinished"]["used"]) == (400, 0)


async def test_tells_of_the_bearer_alone(app: Embedded) -> None:
    await app.post({**await bearer(app, "ann"), "Upload-Length": "400"})
    assert (await usage(app, await bearer(app, "admin")))["unfinished"]["used"] == 0


async def test_refuses_who_shows_no_token(app: Embedded) -> None:
    answer = await app.http.get("/api/usage")
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert answer.headers["www-authenticate"] == 'Bearer realm="longshore"'


async def test_is_not_there_where_nobody_has_quotas(tmp_path: Path) -> None:
    async with embedded(tmp_path / "none") as app:
        assert (await app.http.get("/api/usage")).status_code == 404
