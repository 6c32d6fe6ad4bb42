"""A request whose body nobody wanted: the reply goes out first, and the body is drained so that it arrives."""

import asyncio
import time

import pytest
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send
from tests.stateful.asgi import Exchange, Response, request, until
from tests.stateful.model import STREAM, TUS

from longshore.http import responding
from longshore.http.responding import respond
from longshore.protocol.reply import Reply

pytestmark = pytest.mark.anyio

REFUSAL = Reply(413, (("X-Kept", "1"),), b"too large")


def refusing(*, body_is_read: bool, linger: bool) -> object:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await respond(REFUSAL, scope, receive, send, body_is_read=body_is_read, linger=linger)

    return app


def begin(headers: dict[str, str], *, body_is_read: bool = False, linger: bool = True) -> Exchange:
    app = refusing(body_is_read=body_is_read, linger=linger)
    return Exchange(app, "PATCH", "/", headers, patient=True)  # type: ignore[arg-type]


async def turns(count: int = 50) -> None:
    """Let the loop run."""
    for _ in range(count):
        await asyncio.sleep(0)


def is_flushed(exchange: Exchange) -> bool:
    """Whether the client has all of the reply's bytes."""
    return b"".join(message.get("body", b"") for message in exchange.sent) == REFUSAL.body


@pytest.mark.parametrize("headers", [{"Content-Length": "1000000"}, {"Transfer-Encoding": "chunked"}])
async def test_reply_is_flushed_before_the_rest_of_the_body_is_drained(headers: dict[str, str]) -> None:
    exchange = begin(headers)
    await turns()
    assert is_flushed(exchange)
    assert not exchange.replied
    for _ in range(20):
        exchange.feed(bytes(65536))
    await turns()
    assert exchange.received == 21
    assert not exchange.task.done()
    exchange.feed(b"", more=False)
    answer = await exchange.response()
    assert (answer.status, answer.body) == (413, b"too large")
    assert answer.headers == {"x-kept": "1", "content-length": "9", "connection": "close"}


async def test_client_that_leaves_ends_the_draining() -> None:
    exchange = begin({"Content-Length": "1000000"})
    exchange.feed(bytes(65536))
    exchange.disconnect()
    assert (await exchange.response()).status == 413


async def test_draining_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(responding, "LINGER", 0.05)
    began = time.monotonic()
    exchange = begin({"Content-Length": "1000000"})
    assert (await exchange.response()).status == 413
    assert time.monotonic() - began < 5


async def test_draining_is_bounded_also_for_a_client_that_never_stops_sending(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(responding, "LINGER", 0.05)
    exchange = begin({"Transfer-Encoding": "chunked"})

    async def pour() -> None:
        while True:
            exchange.feed(bytes(65536))
            await asyncio.sleep(0)

    pouring = asyncio.create_task(pour())
    try:
        async with asyncio.timeout(5):
            assert (await exchange.response()).status == 413
    finally:
        pouring.cancel()


async def test_client_that_sends_no_more_is_not_waited_for() -> None:
    exchange = begin({"Content-Length": "1000000"}, linger=False)
    answer = await exchange.response()
    assert (answer.status, answer.headers["connection"]) == (413, "close")
    assert exchange.received == 0


@pytest.mark.parametrize("headers", [{}, {"Content-Length": "0"}])
async def test_connection_goes_on_where_there_was_no_body(headers: dict[str, str]) -> None:
    exchange = begin(headers)
    assert "connection" not in (await exchange.response()).headers
    assert exchange.received == 0


async def test_connection_goes_on_where_the_body_was_read() -> None:
    exchange = begin({"Content-Length": "5"}, body_is_read=True)
    assert "connection" not in (await exchange.response()).headers
    assert exchange.received == 0


# In the application


def appending(location: str, **fields: str) -> tuple[str, str, dict[str, str]]:
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    return "PATCH", location, TUS | STREAM | {"Upload-Offset": "0"} | named


async def create(app: Starlette, length: int) -> str:
    answer = await request(app, "POST", "/files", TUS | {"Upload-Length": str(length)})
    return answer.headers["location"]


async def test_refusal_before_the_body_is_not_preceded_by_reading(app: Starlette) -> None:
    """The server sends 100 Continue when it is first asked for the body: never, for a request that is refused."""
    exchange = Exchange(
        app, *appending(await create(app, 10), Content_Length="11", Expect="100-continue"), patient=True
    )
    assert (await exchange.response()).status == 413
    assert exchange.received == 0


async def test_creation_that_is_refused_does_not_ask_for_its_body(app: Starlette) -> None:
    fields = TUS | STREAM | {"Upload-Length": "3", "Content-Length": "4", "Expect": "100-continue"}
    exchange = Exchange(app, "POST", "/files", fields, patient=True)
    assert (await exchange.response()).status == 413
    assert exchange.received == 0


@pytest.mark.parametrize("expect", [{}, {"Expect": "100-continue"}])
async def test_refusal_in_the_middle_of_a_body_is_flushed_and_the_rest_drained(
    app: Starlette, expect: dict[str, str]
) -> None:
    """Once the body has been asked for, a client that waited for a word sends like any other."""
    exchange = Exchange(app, *appending(await create(app, 3), Transfer_Encoding="chunked", **expect), patient=True)
    exchange.feed(b"abcde")
    await until(lambda: exchange.sent and exchange.sent[-1]["type"] == "http.response.body")
    assert not exchange.replied, "the connection would be closed while the client still sends"
    exchange.feed(b"fghi", more=False)
    answer = await exchange.response()
    assert (answer.status, answer.headers["connection"]) == (413, "close")


async def test_head_has_neither_body_nor_content_length(app: Starlette) -> None:
    answer: Response = await request(app, "HEAD", await create(app, 3), TUS)
    assert (answer.status, answer.body) == (200, b"")
    assert "content-length" not in answer.headers


async def test_no_content_has_no_content_length(app: Starlette) -> None:
    location = await create(app, 3)
    answer = await request(app, *appending(location, Content_Length="3"), b"abc")
    assert (answer.status, answer.headers.get("content-length")) == (204, None)
