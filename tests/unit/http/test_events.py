"""Both ways to subscribe, on a server that a test plays: what ends them, and what keeps them alive."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.applications import Starlette
from tests.stateful.asgi import SOON, Exchange, until
from tests.unit.hub.world import World, open_world, upload

from longshore.http.authentication import everybody
from longshore.http.events import EventsEndpoint

pytestmark = pytest.mark.anyio

STREAM = {"accept": "text/event-stream"}
Message = dict[str, Any]


@asynccontextmanager
async def subscribing(
    *, keep_alive: float = 3600, poll_interval: float = 3600
) -> AsyncIterator[tuple[World, Starlette]]:
    async with open_world(poll_interval=poll_interval) as world:
        endpoint = EventsEndpoint(world.hub, everybody, world.clock, origins=(), keep_alive=keep_alive)
        yield world, Starlette(routes=endpoint.routes())


def body_of(exchange: Exchange) -> bytes:
    return b"".join(message.get("body", b"") for message in exchange.sent)


class Socket:
    """A WebSocket as an ASGI server gives it to the application."""

    def __init__(self, app: Starlette, query: str = "", **scope: Any) -> None:
        self.sent: list[Message] = []
        self._received: asyncio.Queue[Message] = asyncio.Queue()
        self._received.put_nowait({"type": "websocket.connect"})
        self.scope: Message = {
            "type": "websocket",
            "path": "/events",
            "raw_path": b"/events",
            "root_path": "",
            "query_string": query.encode(),
            "headers": [],
            "subprotocols": [],
            **scope,
        }
        self._task = asyncio.create_task(app(self.scope, self._received.get, self._take))

    async def _take(self, message: Any) -> None:
        self.sent.append(message)

    def disconnect(self) -> None:
        self._received.put_nowait({"type": "websocket.disconnect", "code": 1001})

    async def ended(self) -> None:
        async with asyncio.timeout(SOON):
            await self._task

    @property
    def told(self) -> list[Message]:
        return [json.loads(message["text"]) for message in self.sent if message["type"] == "websocket.send"]


async def test_a_stream_with_nothing_to_say_says_so() -> None:
    async with subscribing(keep_alive=0.02) as (world, app):
        exchange = Exchange(app, "GET", "/events", STREAM, patient=True)
        await until(lambda: b":\n\n:\n\n" in body_of(exchange))
        await world.create(upload())
        await until(lambda: b"longshore.upload.created" in body_of(exchange))
        world.hub.stop()
        await until(lambda: exchange.replied)


async def test_a_stream_ends_when_the_server_stops() -> None:
    async with subscribing() as (world, app):
        exchange = Exchange(app, "GET", "/events", STREAM, patient=True)
        await until(lambda: b"position" in body_of(exchange))
        world.hub.stop()
        await until(lambda: exchange.replied)
        assert world.hub.subscribers == 0


async def test_a_stream_is_forgotten_when_the_client_goes_away() -> None:
    async with subscribing() as (world, app):
        exchange = Exchange(app, "GET", "/events", STREAM, patient=True)
        await until(lambda: b"position" in body_of(exchange))
        assert world.hub.subscribers == 1
        exchange.disconnect()
        await until(lambda: world.hub.subscribers == 0)


async def test_head_tells_what_get_would_and_ends() -> None:
    async with subscribing() as (world, app):
        exchange = Exchange(app, "HEAD", "/events", STREAM, patient=True)
        await until(lambda: exchange.replied)
        assert dict(exchange.sent[0]["headers"])[b"content-type"].startswith(b"text/event-stream")
        assert world.hub.subscribers == 0


async def test_a_websocket_is_forgotten_when_the_client_goes_away() -> None:
    async with subscribing() as (world, app):
        socket = Socket(app)
        await until(lambda: socket.told)
        assert world.hub.subscribers == 1
        socket.disconnect()
        await socket.ended()
        assert world.hub.subscribers == 0
        assert [message["type"] for message in socket.sent] == ["websocket.accept", "websocket.send"]


async def test_a_websocket_is_closed_when_the_server_stops() -> None:
    async with subscribing() as (world, app):
        socket = Socket(app)
        await until(lambda: socket.told)
        world.hub.stop()
        await socket.ended()
        assert socket.sent[-1] == {"type": "websocket.close", "code": 1012}


async def test_a_server_that_stops_lets_nobody_in() -> None:
    async with subscribing() as (world, app):
        world.hub.stop()
        socket = Socket(app, extensions={"websocket.http.response": {}})
        await socket.ended()
        assert socket.sent[0]["status"] == 503
        assert json.loads(socket.sent[1]["body"])["code"] == "shutting-down"


async def test_a_server_without_denial_responses_refuses_as_it_can() -> None:
    async with subscribing() as (_, app):
        socket = Socket(app, "after=x")
        await socket.ended()
        assert socket.sent == [{"type": "websocket.close", "code": 1008}]


async def test_while_the_database_cannot_answer_subscribers_are_told_to_come_back() -> None:
    async with subscribing() as (world, app):
        await world.create(upload())
        await world.database.close()
        socket = Socket(app, "after=0")
        await socket.ended()
        assert socket.sent[-1] == {"type": "websocket.close", "code": 1013}


async def test_a_cancelled_subscription_leaves_nothing_behind() -> None:
    async with subscribing() as (world, app):
        socket = Socket(app)
        await until(lambda: socket.told)
        socket._task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await socket.ended()
        assert world.hub.subscribers == 0
