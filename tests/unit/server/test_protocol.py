"""UploadProtocol on a real socket: trailers, the bound on heads, bodies of clients that leave, and pipelining."""

import asyncio
import json
import logging
from collections.abc import Sequence
from typing import Any

import pytest
from tests.stateful.asgi import SOON, until
from tests.unit.server.loopback import Client, Loopback, Message, Receive, Send, listening, reply

from longshore.ports import TRAILERS
from longshore.server.protocol import MAX_HEAD, UploadProtocol
from longshore.server.run import protocol_class

pytestmark = pytest.mark.anyio

CHUNKED = b"PATCH / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\ntrailer: upload-checksum\r\n\r\n"
GET = b"GET /%d HTTP/1.1\r\nhost: x\r\n\r\n"


async def read_body(receive: Receive) -> tuple[bytes, bool]:
    """The body, and whether it came to its end."""
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return body, False
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return body, True


async def echo(scope: Message, receive: Receive, send: Send) -> None:
    """Tell what came: method, path, header fields before and after the body, body and trailers."""
    before = [name.decode() for name, _ in scope["headers"]]
    trailers_before = dict(scope["extensions"][TRAILERS])
    body, ended = await read_body(receive)
    after = [name.decode() for name, _ in scope["headers"]]
    told = {
        "path": scope["path"],
        "body": body.decode("latin-1"),
        "ended": ended,
        "same_headers": before == after,
        "trailers_before": trailers_before,
        "trailers": dict(scope["extensions"][TRAILERS]),
    }
    await reply(send, body=json.dumps(told).encode())


async def told(client: Client) -> dict[str, Any]:
    status, _, body = await client.response()
    assert status == 200
    answer: dict[str, Any] = json.loads(body)
    return answer


def byte_by_byte(data: bytes) -> Sequence[bytes]:
    return [data[n : n + 1] for n in range(len(data))]


async def send_all(client: Client, pieces: Sequence[bytes]) -> None:
    """Send each piece in a segment of its own, as far as the kernel lets us."""
    for piece in pieces:
        client.send(piece)
        await client.drain()
        await asyncio.sleep(0)


@pytest.mark.parametrize("split", [lambda data: [data], byte_by_byte], ids=["whole", "byte by byte"])
async def test_trailers_are_kept_apart_from_the_headers(split: Any) -> None:
    async with listening(echo) as server:
        client = await server.connect()
        trailers = b"Upload-Checksum: sha1 abc=\r\nX-More: 1\r\n\r\n"
        await send_all(client, split(CHUNKED + b"3\r\nabc\r\n2\r\nde\r\n0\r\n" + trailers))
        answer = await told(client)
    assert (answer["body"], answer["ended"], answer["same_headers"]) == ("abcde", True, True)
    assert answer["trailers"] == {"upload-checksum": "sha1 abc=", "x-more": "1"}


async def test_trailers_come_when_the_body_has_ended_and_not_before() -> None:
    async with listening(echo) as server:
        client = await server.connect()
        client.send(CHUNKED + b"3\r\nabc\r\n")
        await client.drain()
        client.send(b"0\r\nUpload-Checksum: sha1 abc=\r\n\r\n")
        answer = await told(client)
    assert answer["trailers"] == {"upload-checksum": "sha1 abc="}


async def test_trailers_of_one_request_are_not_those_of_the_next() -> None:
    async with listening(echo) as server:
        client = await server.connect()
        client.send(CHUNKED + b"0\r\nUpload-Checksum: x\r\n\r\n" + CHUNKED + b"0\r\n\r\n")
        answers = [await told(client), await told(client)]
    assert [answer["trailers"] for answer in answers] == [{"upload-checksum": "x"}, {}]


async def test_endless_trailers_are_not_kept() -> None:
    async with listening(echo) as server:
        client = await server.connect()
        client.send(CHUNKED + b"0\r\n")
        for number in range(300):
            client.send(b"x-%d: %s\r\n" % (number, b"y" * 1000))
        client.send(b"\r\n")
        status, _, body = await client.response()
    kept = json.loads(body)["trailers"] if status == 200 else {}
    assert sum(len(name) + len(value) for name, value in kept.items()) <= MAX_HEAD


async def test_head_of_64_kib_is_taken() -> None:
    head = b"GET / HTTP/1.1\r\nhost: x\r\n"
    filling = b"x-fill: %s\r\n" % (b"y" * (MAX_HEAD - len(head) - 20))
    async with listening(echo) as server:
        client = await server.connect()
        client.send(head + filling + b"\r\n")
        assert (await told(client))["ended"]


async def begin_head(server: Loopback) -> Client:
    """Send the first line of a head, and wait until it has been parsed."""
    client = await server.connect()
    client.send(b"GET / HTTP/1.1\r\nhost: x\r\n")
    await until(lambda: any(getattr(connection, "_in_head", False) for connection in server.state.connections))
    return client


async def refused(client: Client) -> bool:
    """Whether the request was refused for its head, without waiting for the end of it."""
    status, headers, body = await client.response()
    return (status, headers["connection"], json.loads(body)["status"]) == (431, "close", 431)


async def uncalled(scope: Message, receive: Receive, send: Send) -> None:
    raise AssertionError("the application was called")


async def test_large_field_is_refused_before_the_head_has_ended() -> None:
    async with listening(uncalled) as server:
        client = await begin_head(server)
        client.send(b"x-fill: " + b"y" * MAX_HEAD)
        assert await refused(client)


async def test_many_small_fields_are_too_large_together() -> None:
    async with listening(uncalled) as server:
        client = await begin_head(server)
        for number in range(MAX_HEAD // 1000 + 1):
            client.send(b"x-%d: %s\r\n" % (number, b"y" * 1000))
        assert await refused(client)


@pytest.mark.parametrize("end", [b"", b"\r\n\r\n"], ids=["unfinished", "whole"])
async def test_large_head_is_refused_also_when_it_comes_at_once(end: bytes) -> None:
    async with listening(uncalled) as server:
        client = await server.connect()
        client.send(b"GET / HTTP/1.1\r\nhost: x\r\nx-fill: " + b"y" * (2 * MAX_HEAD) + end)
        assert await refused(client)


async def test_body_may_be_larger_than_a_head() -> None:
    async with listening(echo) as server:
        client = await server.connect()
        size = 5 * MAX_HEAD
        client.send(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % size + b"z" * size)
        assert len((await told(client))["body"]) == size


async def test_heads_on_one_connection_are_counted_each_for_itself() -> None:
    request = b"GET / HTTP/1.1\r\nhost: x\r\nx-fill: %s\r\n\r\n" % (b"y" * 40_000)
    async with listening(echo) as server:
        client = await server.connect()
        for _ in range(4):
            client.send(request)
            assert (await told(client))["ended"]


@pytest.mark.parametrize("leave", ["close", "reset"])
@pytest.mark.parametrize(
    "head",
    [b"PATCH / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n", CHUNKED],
    ids=["content-length", "chunked"],
)
async def test_bytes_that_came_before_the_client_left_are_delivered(leave: str, head: bytes) -> None:
    """Also when the application asks for them only after the client has gone."""
    began, left, done = asyncio.Event(), asyncio.Event(), asyncio.Event()
    came: list[tuple[bytes, bool]] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        began.set()
        await left.wait()
        came.append(await read_body(receive))
        done.set()

    async with listening(app) as server, asyncio.timeout(SOON):
        client = await server.connect()
        data = b"abcdefghij"
        client.send(head + (b"a\r\n%s\r\n" % data if head is CHUNKED else data))
        await client.drain()
        await began.wait()
        connection: Any = next(iter(server.state.connections))
        await until(lambda: len(connection.cycle.body) == len(data))
        if leave == "close":
            await client.close()
        else:
            client.reset()
        await until(lambda: not server.state.connections)
        left.set()
        await done.wait()
    assert came == [(data, False)]


async def test_client_that_left_without_a_byte_is_a_disconnect() -> None:
    came: list[tuple[bytes, bool]] = []
    done = asyncio.Event()

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        came.append(await read_body(receive))
        done.set()

    async with listening(app) as server, asyncio.timeout(SOON):
        client = await server.connect()
        client.send(b"PATCH / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n")
        await client.drain()
        await client.close()
        await done.wait()
    assert came == [(b"", False)]


async def test_after_the_reply_receive_tells_that_it_is_over() -> None:
    last: list[str] = []
    done = asyncio.Event()

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await read_body(receive)
        await reply(send)
        last.append((await receive())["type"])
        done.set()

    async with listening(app) as server, asyncio.timeout(SOON):
        client = await server.connect()
        client.send(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc")
        await client.response()
        await done.wait()
    assert last == ["http.disconnect"]


@pytest.mark.parametrize("split", [lambda data: [data], byte_by_byte], ids=["whole", "byte by byte"])
async def test_pipelined_requests_are_answered_in_order(split: Any) -> None:
    requests = [
        GET % 1,
        b"POST /2 HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhello",
        CHUNKED.replace(b" / ", b" /3 ") + b"3\r\nabc\r\n0\r\nUpload-Checksum: x\r\n\r\n",
        GET % 4,
    ]
    async with listening(echo) as server:
        client = await server.connect()
        await send_all(client, split(b"".join(requests)))
        answers = [await told(client) for _ in requests]
    assert [answer["path"] for answer in answers] == ["/1", "/2", "/3", "/4"]
    assert [answer["body"] for answer in answers] == ["", "hello", "abc", ""]
    assert [answer["trailers"] for answer in answers] == [{}, {}, {"upload-checksum": "x"}, {}]


async def test_expect_is_answered_when_the_body_is_asked_for() -> None:
    go_on = asyncio.Event()

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await go_on.wait()
        body, _ = await read_body(receive)
        await reply(send, body=body)

    async with listening(app) as server, asyncio.timeout(SOON):
        client = await server.connect()
        client.send(b"PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\nexpect: 100-continue\r\n\r\n")
        await client.drain()
        go_on.set()
        assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(b"abc")
        assert (await client.response())[2] == b"abc"


async def test_request_that_is_refused_gets_no_100_continue() -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await reply(send, 413, b"no", connection="close")

    async with listening(app) as server:
        client = await server.connect()
        client.send(b"PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\nexpect: 100-continue\r\n\r\n")
        assert (await client.rest()).startswith(b"HTTP/1.1 413 ")


async def test_what_is_no_http_is_refused() -> None:
    async with listening(echo) as server:
        client = await server.connect()
        client.send(b"HELLO\r\n\r\n")
        assert (await client.rest()).startswith(b"HTTP/1.1 400 ")


class Hasty(UploadProtocol):
    """Gives clients a moment for their heads."""

    head_timeout = 0.2


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nx: "])
async def test_client_that_does_not_come_out_with_a_request_is_let_go(sent: bytes) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await reply(send)

    async with listening(app, Hasty) as server:
        client = await server.connect()
        client.send(sent)
        assert await client.rest() == b""


async def test_half_a_head_behind_a_request_is_not_waited_for_either() -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await reply(send)

    async with listening(app, Hasty) as server:
        client = await server.connect()
        client.send(b"GET / HTTP/1.1\r\nhost: x\r\n\r\nGET / HT")
        assert (await client.response())[0] == 200
        assert await client.rest() == b""


async def test_request_may_take_longer_than_its_head() -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await asyncio.sleep(3 * Hasty.head_timeout)
        await reply(send)

    async with listening(app, Hasty) as server:
        client = await server.connect()
        client.send(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        assert (await client.response())[0] == 200


# What the application never hears of


@pytest.mark.parametrize(
    ("sent", "refusal"),
    [
        (b"HELLO\r\n\r\n", ("400", "malformed-request")),
        (b"GET / HTTP/1.1\r\nhost: x\r\nx: %s\r\n\r\n" % (b"y" * 2 * MAX_HEAD), ("431", "head-too-large")),
        (GET % 1, None),
    ],
)
async def test_a_refusal_of_the_protocol_class_is_told(sent: bytes, refusal: tuple[str, str] | None) -> None:
    told_of: list[tuple[str, str]] = []
    counting: Any = protocol_class(socket_bodies=True, on_refused=lambda *refused: told_of.append(refused))
    async with listening(echo, counting) as server:
        client = await server.connect()
        client.send(sent)
        status, _, body = await client.response()
    if refusal:
        assert (str(status), json.loads(body)["code"]) == refusal
    assert told_of == [refusal] * (refusal is not None)


async def cancelled(server: Loopback) -> None:
    """Do as uvicorn does at the end of the grace period."""
    (task,) = server.state.tasks
    task.cancel()
    await until(lambda: not server.state.tasks)


async def test_an_answer_that_the_end_of_the_server_cuts_off_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    async def endless(scope: Message, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"10")]})
        await send({"type": "http.response.body", "body": b"abc", "more_body": True})
        await asyncio.Event().wait()

    caplog.set_level(logging.INFO)
    async with listening(endless) as server:
        client = await server.connect()
        client.send(GET % 1)
        await client.reader.readuntil(b"abc")
        await cancelled(server)
        assert await client.rest() == b""
    assert all(record.levelno == logging.INFO and not record.exc_info for record in caplog.records)
    assert caplog.messages[-1] == "a request was cut off, because the server stops"


async def test_who_has_no_answer_yet_when_the_server_ends_is_told_to_come_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    began = asyncio.Event()

    async def thinking(scope: Message, receive: Receive, send: Send) -> None:
        began.set()
        await asyncio.Event().wait()

    caplog.set_level(logging.INFO)
    async with listening(thinking) as server:
        client = await server.connect()
        client.send(GET % 1)
        await began.wait()
        await cancelled(server)
        status, headers, body = await client.response()
    assert (status, headers["connection"], json.loads(body)["code"]) == (503, "close", "shutting-down")
    assert [record.levelname for record in caplog.records] == ["INFO"]
