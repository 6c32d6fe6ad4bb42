"""Downloads by link: good for what it was made for, as often as it was made for, and without a word of tokens."""

import logging
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from anyio import CapacityLimiter
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import Scope
from tests.conformance.embedded import Clock

from longshore.app import build
from longshore.app.links import open_links
from longshore.auth.principal import Principal
from longshore.config import Settings
from longshore.db import migrate
from longshore.db.database import Database
from longshore.db.links import SqlLinks
from longshore.downloads.linking import CONTINUATION, MAX_TTL, Links
from longshore.http.tus import Edge, TusEndpoint
from longshore.protocol.errors import Unauthenticated
from longshore.protocol.intents import Create
from longshore.protocol.upload import State, Upload
from longshore.uploads.budget import Budget
from longshore.uploads.caller import Caller

pytestmark = pytest.mark.anyio

HOUR = timedelta(hours=1)
DATA = b"0123456789"


class World:
    """A server that lets nobody in but by a link, and one file on it."""

    def __init__(self, app: Starlette, links: Links, clock: Clock, upload: Upload) -> None:
        self.links = links
        self.clock = clock
        self.upload = upload
        self.service = app.state.service
        self.seen: list[Scope] = []
        edge = Edge(base_path="/files", public_url=None, body_idle_timeout=10)
        endpoint = TusEndpoint(
            self.service,
            app.state.capabilities,
            edge,
            identify=refuse,
            limiter=CapacityLimiter(1),
            budget=Budget(2**20),
            links=links,
        )

        async def watched(scope: Scope, receive: Any, send: Any) -> None:
            self.seen.append(scope)
            await endpoint(scope, receive, send)

        routes = Starlette(routes=[Route("/files/{upload_id}", watched_app(watched))])
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(routes), base_url="http://localhost")

    async def link(self, ttl: timedelta = HOUR, max_uses: int | None = None) -> str:
        """The URL of a new link."""
        _, query = await self.links.create(self.upload, ttl, max_uses, created_by="somebody")
        return f"/files/{self.upload.id}?{query}"

    async def uses(self) -> list[int]:
        """How often the links were used."""
        return [link.uses for link in await self.links.records.of(self.upload.id)]


def watched_app(app: Any) -> Any:
    """An ASGI application as an object, which a route calls as it is."""

    class Watched:
        async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
            await app(scope, receive, send)

    return Watched()


async def refuse(_: Scope) -> Principal:
    raise Unauthenticated


@pytest.fixture
async def world(anyio_backend: str, settings: Settings) -> AsyncIterator[World]:
    settings.data_dir.mkdir()
    clock = Clock()
    app = build(settings, emit=lambda _: None, clock=clock)
    async with app.router.lifespan_context(app), Database("sqlite://") as database:
        await database.write(migrate.upgrade_on)
        made = await app.state.service.create(Create(length=len(DATA)), None, Caller())
        await app.state.service.records.store.write(made.id, 0, memoryview(DATA), durable=False)
        upload = Upload(
            id=made.id,
            created_at=made.created_at,
            offset=len(DATA),
            length=len(DATA),
            state=State.COMPLETED,
            completed_at=clock(),
        )
        await app.state.service.records.uploads.save(upload)
        world = World(app, open_links(settings, database, clock), clock, upload)
        async with world.http:
            yield world


def code(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of a refusal, which challenges nobody."""
    assert "www-authenticate" not in answer.headers
    return answer.status_code, answer.json()["code"]


async def test_link_opens_the_file_without_a_token(world: World) -> None:
    assert (await world.http.get(f"/files/{world.upload.id}")).status_code == 401
    answer = await world.http.get(await world.link())
    assert (answer.status_code, answer.content) == (200, DATA)
    assert answer.headers["referrer-policy"] == "no-referrer"


async def test_link_opens_nothing_else(world: World) -> None:
    query = (await world.link()).partition("?")[2]
    other = f"/files/{'b' * 32}"
    assert code(await world.http.get(f"{other}?{query}")) == (404, "link-invalid")
    assert code(await world.http.get(f"/files/{world.upload.id}?{query}x")) == (404, "link-invalid")


@pytest.mark.parametrize("method", ["PATCH", "DELETE", "POST"])
async def test_link_is_for_downloads_only(world: World, method: str) -> None:
    answer = await world.http.request(method, await world.link(), headers={"Tus-Resumable": "1.0.0"})
    assert answer.status_code == 401
    assert (await world.http.head(await world.link(), headers={"Tus-Resumable": "1.0.0"})).status_code == 401


async def test_link_ends_with_its_time(world: World) -> None:
    url = await world.link()
    world.clock.advance(seconds=3599)
    assert (await world.http.get(url)).status_code == 200
    world.clock.advance(seconds=1)
    assert code(await world.http.get(url)) == (410, "link-expired")


async def test_link_can_be_revoked(world: World) -> None:
    url = await world.link()
    (link,) = await world.links.records.of(world.upload.id)
    assert not await world.links.revoke("b" * 32, link.id)
    assert await world.links.revoke(world.upload.id, link.id)
    assert code(await world.http.get(url)) == (410, "link-revoked")
    assert (await world.http.head(url)).status_code == 410


async def test_link_to_a_file_that_is_gone(world: World) -> None:
    url = await world.link()
    await world.service.terminate(world.upload.id, Caller())
    assert code(await world.http.get(url)) == (410, "upload-terminated")


async def test_link_is_good_for_so_many_downloads(world: World) -> None:
    url = await world.link(max_uses=2)
    assert [(await world.http.get(url)).status_code for _ in range(2)] == [200, 200]
    assert code(await world.http.get(url)) == (410, "link-used-up")
    assert code(await world.http.get(url, headers={"Range": "bytes=0-"})) == (410, "link-used-up")
    assert await world.uses() == [2]


async def test_what_sends_no_byte_is_not_counted(world: World) -> None:
    url = await world.link(max_uses=1)
    head = await world.http.head(url)
    assert (head.status_code, head.headers["content-length"]) == (200, "10")
    assert (await world.http.get(url, headers={"If-None-Match": head.headers["etag"]})).status_code == 304
    assert (await world.http.get(url, headers={"If-Match": '"x"'})).status_code == 412
    assert (await world.http.get(url, headers={"Range": "bytes=99-"})).status_code == 416
    assert await world.uses() == [0]
    assert (await world.http.get(url)).status_code == 200


async def test_download_in_pieces_counts_once(world: World) -> None:
    url = await world.link(max_uses=1)
    pieces = [await world.http.get(url, headers={"Range": f"bytes={n}-{n + 4}"}) for n in (0, 5)]
    assert b"".join(piece.content for piece in pieces) == DATA
    assert await world.uses() == [1]


async def test_download_is_gone_on_with_for_a_while_and_not_for_ever(world: World) -> None:
    url = await world.link(ttl=2 * CONTINUATION, max_uses=1)
    assert (await world.http.get(url)).status_code == 200
    world.clock.advance(seconds=CONTINUATION.total_seconds() - 1)
    assert (await world.http.get(url, headers={"Range": "bytes=5-"})).content == DATA[5:]
    world.clock.advance(seconds=1)
    assert code(await world.http.get(url, headers={"Range": "bytes=5-"})) == (410, "link-used-up")


async def test_the_end_of_a_file_is_a_download_as_well(world: World) -> None:
    url = await world.link(ttl=2 * CONTINUATION, max_uses=1)
    assert (await world.http.get(url, headers={"Range": "bytes=1-"})).content == DATA[1:]
    assert await world.uses() == [1]


async def test_token_of_a_link_is_shown_to_no_log(world: World, caplog: pytest.LogCaptureFixture) -> None:
    url = await world.link()
    with caplog.at_level(logging.DEBUG, "longshore"):
        assert (await world.http.get(f"{url}&inline=1&x=a%20b")).status_code == 200
    assert world.seen[0]["query_string"] == b"inline=1&x=a+b"
    assert url.partition("link=")[2] not in caplog.text


@pytest.mark.parametrize("ttl", [timedelta(0), timedelta(seconds=-1), MAX_TTL + timedelta(seconds=1)])
async def test_refuses_a_time_that_cannot_be(world: World, ttl: timedelta) -> None:
    with pytest.raises(ValueError, match="good for"):
        await world.links.create(world.upload, ttl)


@pytest.mark.parametrize("max_uses", [0, -1, 2**31])
async def test_refuses_a_number_of_uses_that_cannot_be(world: World, max_uses: int) -> None:
    with pytest.raises(ValueError, match="one download"):
        await world.links.create(world.upload, HOUR, max_uses)


@pytest.mark.parametrize("keys", [[], [b"short"]])
async def test_refuses_keys_that_are_too_weak(world: World, keys: list[bytes]) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Links(SqlLinks(Database("sqlite://")), keys, world.clock)


async def test_keys_outlive_the_server(world: World, settings: Settings) -> None:
    url = await world.link()
    assert isinstance(world.links.records, SqlLinks)
    again = open_links(settings, Database("sqlite://"), world.clock)
    token = url.partition("link=")[2]
    assert (settings.data_dir / "link-keys.json").stat().st_mode & 0o077 == 0
    link = await Links(world.links.records, again._keys, world.clock).redeem(token, world.upload.id)
    assert link.upload_id == world.upload.id
