"""WebSockets through the protocol classes: which requests open one, and how one ends whose peer takes nothing."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from tests.stateful.asgi import SOON, until
from tests.unit.server.loopback import App, Client, Loopback, Message, Receive, Send, reply
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

from longshore.server.compatibility import socket_differences
from longshore.server.protocol import UploadProtocol
from longshore.server.run import websocket_class
from longshore.server.websocket import WebSocketProtocol

pytestmark = pytest.mark.anyio

UPGRADE = b"connection: upgrade\r\nupgrade: websocket\r\n"
KEY = b"sec-websocket-version: 13\r\nsec-websocket-key: %s\r\n" % base64.b64encode(bytes(16))
HANDSHAKE = b"GET /events HTTP/1.1\r\nhost: x\r\n" + UPGRADE + KEY + b"\r\n"
PING_EVERY = 0.1


class Impatient(WebSocketProtocol):
    closing_time = 0.5


@asynccontextmanager
async def connected(app: App) -> AsyncIterator[tuple[Loopback, Client]]:
    config = uvicorn.Config(
        app,
        http=UploadProtocol,
        ws=Impatient,
        ws_ping_interval=PING_EVERY,
        ws_ping_timeout=PING_EVERY,
        ws_per_message_deflate=False,
        log_config=None,
        lifespan="off",
    )
    config.load()
    state = ServerState()
    server = await asyncio.get_running_loop().create_server(
        lambda: UploadProtocol(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    loopback = Loopback(server.sockets[0].getsockname()[1], state)
    client = await loopback.connect()
    try:
        yield loopback, client
    finally:
        client.reset()
        for task in list(state.tasks):
            task.cancel()
        server.close()
        await server.wait_closed()


async def say_what_it_is(scope: Message, receive: Receive, send: Send) -> None:
    """Answer an HTTP request with its body; accept a WebSocket and wait for its end."""
    if scope["type"] == "http":
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        await reply(send, body=b"%s %s" % (scope["method"].encode(), body))
        return
    await receive()
    await send({"type": "websocket.accept"})
    while (await receive())["type"] != "websocket.disconnect":
        pass


async def flood(scope: Message, receive: Receive, send: Send) -> None:
    """Send more than anybody takes, and then want to close."""
    await receive()
    await send({"type": "websocket.accept"})
    sending = asyncio.create_task(send_for_ever(send))
    await asyncio.sleep(PING_EVERY / 2)
    sending.cancel()
    await send({"type": "websocket.close", "code": 1013})


async def send_for_ever(send: Send) -> None:
    while True:
        await send({"type": "websocket.send", "text": "x" * 65536})


async def test_get_opens_a_websocket() -> None:
    async with connected(say_what_it_is) as (_, client):
        client.send(HANDSHAKE)
        assert (await client.reader.readline()).startswith(b"HTTP/1.1 101 ")


async def test_get_opens_a_websocket_however_its_head_is_cut() -> None:
    for cut in range(1, len(HANDSHAKE)):
        async with connected(say_what_it_is) as (_, client):
            client.send(HANDSHAKE[:cut])
            await client.drain()
            await asyncio.sleep(0.005)
            client.send(HANDSHAKE[cut:])
            assert (await client.reader.readline()).startswith(b"HTTP/1.1 101 ")


@pytest.mark.parametrize("method", [b"PATCH", b"POST", b"DELETE"])
async def test_other_methods_keep_their_bodies(method: bytes) -> None:
    async with connected(say_what_it_is) as (_, client):
        for _ in range(2):
            client.send(b"%s / HTTP/1.1\r\nhost: x\r\n%s%scontent-length: 5\r\n\r\nhello" % (method, UPGRADE, KEY))
            assert await client.response() == (200, {"content-length": str(len(method) + 6)}, method + b" hello")


@pytest.mark.parametrize("method", [b"PATCH", b"GET"])
async def test_an_offer_in_pieces_with_a_body_is_refused_rather_than_misread(method: bytes) -> None:
    async with connected(say_what_it_is) as (_, client):
        client.send(b"%s / HTTP/1.1\r\nhost: x\r\nconn" % method)
        await client.drain()
        await asyncio.sleep(0.02)
        client.send(b"ection: upgrade\r\nupgrade: websocket\r\ncontent-length: 5\r\n\r\nhello")
        status, _, body = await client.response()
        assert (status, b"upgrade-with-body" in body) == (400, True)


async def test_a_peer_that_answers_no_ping_is_cut_off() -> None:
    async with connected(say_what_it_is) as (loopback, client):
        client.send(HANDSHAKE)
        await client.reader.readuntil(b"\r\n\r\n")
        await until(lambda: not loopback.state.connections)
        await until(lambda: not loopback.state.tasks)


async def test_one_that_takes_nothing_is_cut_off_though_there_is_more_to_send() -> None:
    async with connected(flood) as (loopback, client):
        client.send(HANDSHAKE)
        await until(lambda: loopback.state.connections and loopback.state.tasks)
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await until(lambda: not loopback.state.connections)


async def test_the_close_frame_comes_behind_what_was_to_be_sent_before() -> None:
    async with connected(flood) as (loopback, client):
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        client.send(HANDSHAKE)
        await until(lambda: loopback.state.connections and not loopback.state.tasks)
        client.writer.transport.resume_reading()  # type: ignore[attr-defined]
        data = b""
        async with asyncio.timeout(SOON):
            while not data.endswith(b"\x88\x02" + (1013).to_bytes(2, "big")):
                piece = await client.reader.read(1 << 20)
                assert piece, "the connection was cut"
                data += piece


def test_where_uvicorn_is_as_known_our_own_class_serves() -> None:
    assert websocket_class() is WebSocketProtocol


def test_where_it_is_not_uvicorns_own_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(WebSocketsSansIOProtocol, "keepalive_timeout")
    assert socket_differences() == ["WebSocketsSansIOProtocol.keepalive_timeout is missing or takes other parameters"]
    assert websocket_class() == "websockets-sansio"
