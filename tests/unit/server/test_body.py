"""SocketBody behind the real protocol class on a real socket, on the loops of uvloop and asyncio.

No byte is lost or made up, whatever the client does, and the connection goes on behind the body.
"""

import array
import asyncio
import contextlib
import fcntl
import os
import random
import socket
import struct
import termios
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio import CapacityLimiter
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.stateful.asgi import SOON, until
from tests.unit.server.loopback import Client, Loopback, Message, Receive, Send, listening, reply

from longshore.app import build
from longshore.config import Settings, prepare_data_dir
from longshore.ports import BODY, StopReason
from longshore.server.body import BUFFER_SIZE, BURST_SIZE, LOW_WATER, SMALL, SocketBody
from longshore.uploads.bodies import FLUSH_INTERVAL, AsgiBody
from longshore.uploads.budget import Budget

pytestmark = pytest.mark.anyio

KIB = 1024
MIB = 1024 * KIB
CONTENT = random.Random(1).randbytes(6 * MIB)

LOOPS = {"asyncio": False, "uvloop": True}


@pytest.fixture(params=[pytest.param(use, id=name) for name, use in LOOPS.items()])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return "asyncio", {"use_uvloop": request.param}


class Sink:
    """Takes pieces in a worker thread. It can be made to wait there, and to fail."""

    def __init__(self) -> None:
        self.content = bytearray()
        self.pieces = 0
        self.entered = 0
        self.gate = threading.Event()
        self.gate.set()
        self.error: Exception | None = None

    def __call__(self, data: memoryview) -> None:
        if not data:
            return  # The body only wants its memory back.
        self.entered += 1
        assert self.gate.wait(SOON)
        if self.error:
            raise self.error
        self.content += data
        self.pieces += 1


@dataclass
class Taken:
    """One request as the application took it."""

    path: str
    body: SocketBody | None = None
    sink: Sink = field(default_factory=Sink)
    passed: int | None = None
    """What `feed` returned."""
    error: Exception | None = None
    """What `feed` raised."""
    whole: bytes | None = None
    """What `take_whole` returned."""

    @property
    def content(self) -> bytes:
        return bytes(self.sink.content)

    @property
    def socket_body(self) -> SocketBody:
        assert self.body is not None
        return self.body


class Application:
    """Takes bodies from the socket and answers with how many bytes it took."""

    def __init__(
        self,
        *,
        limit: int | None = None,
        idle_timeout: float = 60.0,
        threads: int = 4,
        wanted: bool = True,
        try_whole: bool = False,
        make_sink: Callable[[], Sink] = Sink,
        stop_before: StopReason | None = None,
        keeps: bool = False,
    ) -> None:
        self.requests: list[Taken] = []
        self.limiter = CapacityLimiter(threads)
        self.go = asyncio.Event()
        """Bodies are not touched before this."""
        self.go.set()
        self.heard: list[str] = []
        self._limit = limit
        self._idle_timeout = idle_timeout
        self._wanted = wanted
        self._try_whole = try_whole
        self._make_sink = make_sink
        self._stop_before = stop_before
        self._keeps = keeps

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        taken = Taken(scope["path"], sink=self._make_sink())
        offer = scope["extensions"].get(BODY)
        if offer is not None:
            taken.body = offer(idle_timeout=self._idle_timeout, limiter=self.limiter)
        self.requests.append(taken)
        await self.go.wait()
        if taken.body is not None and self._wanted:
            await self._take(taken, taken.body)
        await reply(send, 500 if taken.error else 200, str(taken.passed).encode())

    async def _take(self, taken: Taken, body: SocketBody) -> None:
        if self._stop_before:
            body.stop(self._stop_before)
        if self._try_whole and (whole := body.take_whole()) is not None:
            taken.whole, taken.passed = bytes(whole), len(whole)
            return
        try:
            taken.passed = await body.feed(
                taken.sink,
                limit=self._limit,
                heard=lambda: self.heard.append(taken.path),
                keeps=self._keeps,
            )
        except OSError as error:
            taken.error = error

    async def taken(self, number: int = 0) -> Taken:
        """The request of that number, once it is there."""
        await until(lambda: len(self.requests) > number)
        return self.requests[number]


@dataclass
class Peer(Client):
    """A client whose socket can be used past the loop."""

    socket: socket.socket

    def send_now(self, data: bytes) -> int:
        """Hand to the kernel what it takes at once."""
        try:
            return self.socket.send(data)
        except BlockingIOError:
            return 0

    async def send_segment(self, data: bytes) -> None:
        """Hand all of it to the kernel, in one go where it takes so much."""
        sent = 0
        while sent < len(data):
            sent += self.send_now(data[sent:])
            await asyncio.sleep(0)

    def reset(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


async def connect(server: Loopback) -> Peer:
    raw = socket.socket()
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", server.port))
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client = Peer(*await asyncio.open_connection(sock=raw), raw)
    server.clients.append(client)
    return client


@asynccontextmanager
async def connected(app: Any) -> AsyncIterator[tuple[Loopback, Peer]]:
    async with asyncio.timeout(4 * SOON), listening(app) as server:
        yield server, await connect(server)


def head(length: int, path: str = "/", *fields: bytes, version: bytes = b"1.1") -> bytes:
    lines = [b"PATCH %s HTTP/%s" % (path.encode(), version), b"host: x", b"content-length: %d" % length, *fields]
    return b"\r\n".join([*lines, b"", b""])


async def assert_goes_on(app: Application, client: Client) -> None:
    """The next request on the connection is taken, on the way through the socket."""
    number = len(app.requests)
    client.send(head(3, "/next"))
    taken = await app.taken(number)
    client.send(b"end")
    assert (await client.response())[2] == b"3"
    assert (taken.path, taken.content or taken.whole) == ("/next", b"end")


async def assert_lives(app: Application, server: Loopback) -> None:
    """A new connection is served."""
    await assert_goes_on(app, await connect(server))


def server_socket(server: Loopback) -> Any:
    """The server's end of the only connection."""
    return parser_of(server).transport.get_extra_info("socket")


def parser_of(server: Loopback) -> Any:
    """The protocol object of the only connection."""
    return next(iter(server.state.connections))


def kernel_holds(server: Loopback) -> int:
    """Bytes that have come to the server and that nobody has read."""
    count = array.array("i", [0])
    fcntl.ioctl(server_socket(server).fileno(), termios.FIONREAD, count)
    return count[0]


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def resident() -> int:
    """Bytes of memory in use."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


# Bodies that come to their end


async def test_without_a_body_none_is_offered() -> None:
    app = Application()
    async with connected(app) as (_, client):
        client.send(head(0) + b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        client.send(b"PUT / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n")
        for _ in range(3):
            assert (await client.response())[2] == b"None"
    assert [taken.body for taken in app.requests] == [None] * 3


@pytest.mark.parametrize("size", [1, SMALL, LOW_WATER, BUFFER_SIZE - 1, BUFFER_SIZE, BUFFER_SIZE + 1, len(CONTENT)])
@pytest.mark.parametrize("together", [True, False], ids=["with the head", "after the head"])
async def test_body_of_any_size(size: int, together: bool) -> None:
    app = Application()
    content = CONTENT[:size]
    async with connected(app) as (_, client):
        client.send(head(size) + content if together else head(size))
        taken = await app.taken()
        if not together:
            client.send(content)
        assert (await client.response())[2] == str(size).encode()
        assert taken.content == content
        assert (taken.socket_body.complete, taken.socket_body.stopped) == (True, None)
        await assert_goes_on(app, client)


async def test_body_that_was_read_before_it_was_asked_for() -> None:
    app = Application()
    app.go.clear()
    async with connected(app) as (server, client):
        client.send(head(3 * SMALL) + CONTENT[:1000])
        await app.taken()
        client.send(CONTENT[1000 : 3 * SMALL])
        await until(lambda: len(parser_of(server).cycle.body) > SMALL)
        app.go.set()
        await client.response()
        assert app.requests[0].content == CONTENT[: 3 * SMALL]
        await assert_goes_on(app, client)


async def test_bodies_on_one_connection() -> None:
    app = Application()
    sizes = [1, 70_000, 3, SMALL, 300_000, 0, BUFFER_SIZE, 12_345] * 8
    async with connected(app) as (_, client):
        for number, size in enumerate(sizes):
            client.send(head(size, f"/{number}"))
            if number % 2:
                await app.taken(number)
            client.send(CONTENT[number : number + size])
            assert (await client.response())[2] == (str(size).encode() if size else b"None")
    assert [taken.path for taken in app.requests] == [f"/{number}" for number in range(len(sizes))]
    contents = [CONTENT[number : number + size] for number, size in enumerate(sizes)]
    assert [taken.content for taken in app.requests] == contents


@pytest.mark.parametrize("first", [1, SMALL, 70_000, 150_000, LOW_WATER, BUFFER_SIZE, 3 * MIB])
async def test_next_request_in_the_same_segment(first: int) -> None:
    app = Application()
    async with connected(app) as (_, client):
        get = b"GET /3 HTTP/1.1\r\nhost: x\r\n\r\n"
        client.send(head(first, "/1") + CONTENT[:first] + head(300_000, "/2") + CONTENT[:300_000] + get)
        bodies = [(await client.response())[2] for _ in range(3)]
        assert bodies == [str(first).encode(), b"300000", b"None"]
        await assert_goes_on(app, client)
    assert [taken.path for taken in app.requests] == ["/1", "/2", "/3", "/next"]
    assert [taken.content for taken in app.requests[:2]] == [CONTENT[:first], CONTENT[:300_000]]


async def test_many_pipelined_requests() -> None:
    app = Application()
    sizes = [random.Random(2).choice([1, 10, 5000, 65_537, 200_000]) for _ in range(60)]
    async with connected(app) as (_, client):
        client.send(b"".join(head(size, f"/{n}") + CONTENT[n : n + size] for n, size in enumerate(sizes)))
        answers = [(await client.response())[2] for _ in sizes]
    assert answers == [str(size).encode() for size in sizes]
    assert [taken.content for taken in app.requests] == [CONTENT[n : n + size] for n, size in enumerate(sizes)]


@pytest.mark.parametrize(
    ("version", "fields"), [(b"1.0", []), (b"1.1", [b"connection: close"])], ids=["HTTP/1.0", "connection: close"]
)
async def test_connection_that_ends_with_the_request(version: bytes, fields: list[bytes]) -> None:
    app = Application()
    async with connected(app) as (_, client):
        client.send(head(MIB, "/", *fields, version=version))
        taken = await app.taken()
        client.send(CONTENT[:MIB])
        answer = await client.rest()
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert answer.endswith(b"\r\n\r\n1048576")
        assert taken.content == CONTENT[:MIB]


async def test_request_that_offers_an_upgrade() -> None:
    """As Java's HTTP client does with each first request; the offer is not taken up."""
    app = Application()
    async with connected(app) as (_, client):
        client.send(head(MIB, "/", b"connection: upgrade", b"upgrade: h2c"))
        taken = await app.taken()
        client.send(CONTENT[:MIB])
        await client.response()
        assert taken.content == CONTENT[:MIB]
        await assert_goes_on(app, client)


async def test_request_that_offers_an_upgrade_in_pieces_is_refused_rather_than_misread() -> None:
    app = Application()
    async with connected(app) as (server, client):
        whole = head(MIB, "/", b"connection: upgrade", b"upgrade: h2c")
        cut = whole.index(b"upgrade: h2c") + 4
        client.send(whole[:cut])
        await until(lambda: parser_of(server)._in_head)
        client.send(whole[cut:])
        status, _, body = await client.response()
        assert (status, b"upgrade-with-body" in body) == (400, True)


@pytest.mark.parametrize("use_uvloop", [pytest.param(use, id=name) for name, use in LOOPS.items()])
@settings(deadline=None, max_examples=15)
@given(
    segments=st.lists(
        st.integers(1, 200_000) | st.integers(1, 20) | st.integers(65_530, 65_540), min_size=1, max_size=12
    ),
    waits=st.lists(st.booleans(), min_size=12, max_size=12),
    limit=st.none() | st.integers(0, 300_000),
)
def test_any_chunking_comes_through(
    use_uvloop: bool, segments: list[int], waits: list[bool], limit: int | None
) -> None:
    content = CONTENT[: sum(segments)]
    expected = content if limit is None else content[:limit]

    async def exchange() -> Taken:
        app = Application(limit=limit)
        async with connected(app) as (_, client):
            with contextlib.suppress(OSError):  # The server may close as soon as it has what it wants.
                await send_in_segments(client, app, head(len(content)), content, segments, waits)
            taken = await app.taken()
            await until(lambda: taken.passed is not None)
            if taken.socket_body.complete:
                assert (await client.response())[2] == str(len(content)).encode()
                await assert_goes_on(app, client)
        return taken

    taken = anyio.run(exchange, backend_options={"use_uvloop": use_uvloop})
    assert (taken.content, taken.passed) == (expected, len(expected))
    assert taken.socket_body.complete == (expected == content)


async def send_in_segments(
    client: Peer, app: Application, before: bytes, content: bytes, segments: Sequence[int], waits: Sequence[bool]
) -> None:
    """Send the head with the first piece of the body, and the others each by itself, some only after those before."""
    sent = 0
    for size, wait in zip(segments, waits, strict=False):
        piece = (b"" if sent else before) + content[sent : sent + size]
        await client.send_segment(piece)
        sent += size
        if wait:
            taken = await app.taken()
            await until(lambda: len(taken.content) == sent or taken.passed is not None)  # noqa: B023 - awaited at once


# Expect: 100-continue


async def test_client_is_told_to_go_on_once_the_body_is_asked_for() -> None:
    app = Application()
    app.go.clear()
    async with connected(app) as (_, client):
        client.send(head(MIB, "/", b"expect: 100-continue"))
        taken = await app.taken()
        app.go.set()
        async with asyncio.timeout(SOON):
            assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(CONTENT[:MIB])
        assert (await client.response())[:1] == (200,)
        assert taken.content == CONTENT[:MIB]
        await assert_goes_on(app, client)


async def test_client_is_told_to_go_on_also_when_the_body_is_to_be_taken_whole() -> None:
    app = Application(try_whole=True)
    async with connected(app) as (_, client):
        client.send(head(5, "/", b"expect: 100-continue"))
        async with asyncio.timeout(SOON):
            assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(b"hello")
        assert (await client.response())[2] == b"5"
        assert (app.requests[0].whole, app.requests[0].content) == (None, b"hello")


async def test_client_whose_body_is_not_wanted_is_not_told_to_go_on() -> None:
    app = Application(wanted=False)
    async with connected(app) as (_, client):
        client.send(head(5, "/", b"expect: 100-continue"))
        assert (await client.response())[0] == 200
        assert not app.requests[0].socket_body.begun


# Taken whole


@pytest.mark.parametrize("size", [1, 4096, SMALL])
async def test_small_body_that_came_with_its_head_is_taken_whole(size: int) -> None:
    app = Application(try_whole=True)
    async with connected(app) as (_, client):
        client.send_now(head(size) + CONTENT[:size])
        taken = await app.taken()
        assert (await client.response())[2] == str(size).encode()
        assert (taken.whole or taken.content) == CONTENT[:size]
        assert taken.socket_body.complete
        # A head and so few bytes are one segment; more may come as two.
        assert taken.whole is not None or size == SMALL
        await assert_goes_on(app, client)


@pytest.mark.parametrize(("size", "together"), [(5000, 4999), (5000, 0), (SMALL + 1, SMALL + 1), (MIB, 100_000)])
async def test_body_that_is_not_whole_or_not_small_is_fed(size: int, together: int) -> None:
    app = Application(try_whole=True)
    app.go.clear()
    async with connected(app) as (server, client):
        client.send_now(head(size) + CONTENT[:together])
        taken = await app.taken()
        await until(lambda: len(parser_of(server).cycle.body) > min(together, SMALL) - 1)
        app.go.set()
        await until(lambda: taken.socket_body.begun)
        client.send(CONTENT[together:size])
        assert (await client.response())[2] == str(size).encode()
        assert (taken.whole, taken.content) == (None, CONTENT[:size])
        await assert_goes_on(app, client)


# Clients that leave


@pytest.mark.parametrize("size", [0, 1, 1000, SMALL, LOW_WATER + 1, 3 * MIB])
@pytest.mark.parametrize("together", [True, False], ids=["with the head", "after the head"])
async def test_half_closed_connection_keeps_what_came(size: int, together: bool) -> None:
    app = Application()
    async with connected(app) as (server, client):
        client.send(head(4 * MIB) + (CONTENT[:size] if together else b""))
        taken = await app.taken()
        if not together:
            client.send(CONTENT[:size])
        client.writer.write_eof()
        await until(lambda: taken.passed is not None)
        assert (taken.passed, taken.content) == (size, CONTENT[:size])
        assert (taken.socket_body.stopped, taken.socket_body.complete) == (StopReason.DISCONNECTED, False)
        await until(lambda: not server.state.connections)
        await assert_lives(app, server)


@pytest.mark.parametrize("size", [0, 1000, 3 * MIB])
async def test_reset_connection_keeps_what_was_passed_on(size: int) -> None:
    app = Application()
    async with connected(app) as (server, client):
        client.send(head(4 * MIB))
        taken = await app.taken()
        client.send(CONTENT[:size])
        await until(lambda: len(taken.content) == size)
        client.reset()
        await until(lambda: taken.passed is not None)
        assert (taken.passed, taken.content) == (size, CONTENT[:size])
        assert (taken.socket_body.stopped, taken.socket_body.complete) == (StopReason.DISCONNECTED, False)
        await until(lambda: not server.state.connections)
        await assert_lives(app, server)


@pytest.mark.parametrize("leave", ["half-close", "reset"])
async def test_client_that_left_before_its_body_was_asked_for(leave: str) -> None:
    """Another connection must not be taken for it, though it may have its file descriptor's number by then."""
    app = Application()
    app.go.clear()
    async with connected(app) as (server, client):
        client.send(head(MIB) + CONTENT[:1000])
        taken = await app.taken()
        if leave == "reset":
            await until(lambda: len(parser_of(server).cycle.body) == 1000)
            client.reset()
        else:
            client.writer.write_eof()
        await until(lambda: not server.state.connections)
        others = [await connect(server) for _ in range(4)]
        for other in others:
            other.send(b"PATCH /other HTTP/1.1\r\n")
        app.go.set()
        await until(lambda: taken.passed is not None)
        assert (taken.passed, taken.content) == (1000, CONTENT[:1000])
        assert taken.socket_body.stopped is StopReason.DISCONNECTED
        for other in others:
            other.send(b"host: x\r\ncontent-length: 3\r\n\r\nabc")
            assert (await other.response())[2] == b"3"


async def test_silent_client_is_stalled_and_keeps_what_came() -> None:
    app = Application(idle_timeout=0.1)
    async with connected(app) as (server, client):
        client.send(head(MIB))
        taken = await app.taken()
        client.send(CONTENT[:1000])
        assert (await client.rest()).endswith(b"\r\n\r\n1000")
        assert taken.content == CONTENT[:1000]
        assert (taken.socket_body.stopped, taken.socket_body.complete) == (StopReason.STALLED, False)
        await until(lambda: not server.state.connections)


async def test_slow_sink_is_not_a_stalled_client() -> None:
    sink = Sink()
    sink.gate.clear()
    app = Application(idle_timeout=0.05, make_sink=lambda: sink)
    async with connected(app) as (_, client):
        client.send(head(3 * MIB) + CONTENT[: 3 * MIB])
        await until(lambda: sink.entered)
        await asyncio.sleep(0.2)  # The point is that more than the idle timeout goes by.
        sink.gate.set()
        assert (await client.response())[2] == str(3 * MIB).encode()
        assert (bytes(sink.content), app.requests[0].socket_body.stopped) == (CONTENT[: 3 * MIB], None)


# Bodies that are stopped


@pytest.mark.parametrize("reason", [StopReason.TAKEN_OVER, StopReason.SHUTTING_DOWN])
@pytest.mark.parametrize("late", [0, 1, 60_000])
async def test_stopped_body_keeps_what_waits_in_the_kernel(reason: StopReason, late: int) -> None:
    app = Application()
    async with connected(app) as (server, client):
        client.send(head(MIB))
        taken = await app.taken()
        client.send(CONTENT[:1000])
        await until(lambda: len(taken.content) == 1000)
        client.send_now(CONTENT[1000 : 1000 + late])
        # The loop stands still from here until the body is stopped.
        deadline = time.monotonic() + SOON
        while kernel_holds(server) + len(taken.sink.content) < 1000 + late:
            assert time.monotonic() < deadline
        taken.socket_body.stop(reason)
        began = time.monotonic()
        assert (await client.rest()).endswith(f"\r\n\r\n{1000 + late}".encode())
        assert time.monotonic() - began < SOON / 2
        assert taken.content == CONTENT[: 1000 + late]
        assert (taken.socket_body.stopped, taken.socket_body.complete) == (reason, False)


async def test_first_reason_stays() -> None:
    app = Application()
    async with connected(app) as (_, client):
        client.send(head(MIB))
        body = (await app.taken()).socket_body
        body.stop(StopReason.TAKEN_OVER)
        body.stop(StopReason.SHUTTING_DOWN)
        client.writer.write_eof()
        await until(lambda: app.requests[0].passed is not None)
        assert body.stopped is StopReason.TAKEN_OVER


async def test_complete_body_cannot_be_stopped() -> None:
    sink = Sink()
    sink.gate.clear()
    app = Application(make_sink=lambda: sink)
    async with connected(app) as (_, client):
        client.send(head(1000))
        taken = await app.taken()
        client.send(CONTENT[:1000])
        await until(lambda: sink.entered)
        taken.socket_body.stop(StopReason.TAKEN_OVER)
        sink.gate.set()
        assert (await client.response())[2] == b"1000"
        assert (taken.socket_body.complete, taken.socket_body.stopped) == (True, None)


async def test_body_that_was_stopped_before_it_was_fed_keeps_what_is_there() -> None:
    app = Application(stop_before=StopReason.SHUTTING_DOWN)
    app.go.clear()
    async with connected(app) as (server, client):
        client.send(head(MIB) + CONTENT[: 2 * SMALL])
        taken = await app.taken()
        await until(lambda: kernel_holds(server) + len(parser_of(server).cycle.body) == 2 * SMALL)
        app.go.set()
        assert (await client.rest()).endswith(f"\r\n\r\n{2 * SMALL}".encode())
        assert taken.content == CONTENT[: 2 * SMALL]
        assert taken.socket_body.stopped is StopReason.SHUTTING_DOWN


async def test_asgi_body_that_was_stopped_before_it_was_fed_keeps_what_is_there() -> None:
    """Else clients that take over from each other at once never come to pass on a byte."""
    go, sink, passed = asyncio.Event(), Sink(), list[int]()

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await go.wait()
        body = AsgiBody(receive, idle_timeout=60.0, limiter=CapacityLimiter(1), budget=Budget(MIB))
        body.stop(StopReason.TAKEN_OVER)
        passed.append(await body.feed(sink, limit=None))
        await reply(send, body=b"stopped", connection="close")

    async with connected(app) as (server, client):
        client.send(head(MIB) + CONTENT[:1000])
        await until(lambda: server.state.connections and parser_of(server).cycle)
        await until(lambda: len(parser_of(server).cycle.body) == 1000)
        go.set()
        assert (await client.rest()).endswith(b"stopped")
    assert passed == [1000]
    assert sink.content == CONTENT[:1000]


async def test_client_that_sends_on_cannot_keep_a_stopped_body_going() -> None:
    app = Application()
    async with connected(app) as (_, client):
        client.send(head(1000 * MIB))
        taken = await app.taken()
        flood = asyncio.create_task(send_without_end(client))
        await until(lambda: len(taken.sink.content) > 2 * MIB)
        taken.socket_body.stop(StopReason.TAKEN_OVER)
        await until(lambda: taken.passed is not None)
        flood.cancel()
        await asyncio.wait([flood])
        assert taken.passed is not None
        assert taken.passed == len(taken.content) < 900 * MIB
        assert taken.content == (CONTENT * (taken.passed // len(CONTENT) + 1))[: taken.passed]


async def send_without_end(client: Peer) -> None:
    while True:
        client.send(CONTENT)
        await client.drain()


# Limits and failures


@pytest.mark.parametrize("together", [True, False], ids=["with the head", "after the head"])
@pytest.mark.parametrize("limit", [0, 1, 40_000, 70_000, 299_999])
async def test_no_more_than_the_limit_is_passed_on(limit: int, together: bool) -> None:
    app = Application(limit=limit)
    async with connected(app) as (server, client):
        client.send(head(300_000) + (CONTENT[:300_000] if together else b""))
        taken = await app.taken()
        if not together:
            client.send(CONTENT[:300_000])
        # What is left unread may make the kernel reset the connection, and the answer get lost.
        await until(lambda: taken.passed is not None)
        assert (taken.passed, taken.content) == (limit, CONTENT[:limit])
        assert (taken.socket_body.stopped, taken.socket_body.complete) == (None, False)
        await until(lambda: not server.state.connections)


async def test_limit_of_the_whole_body_is_no_limit() -> None:
    app = Application(limit=300_000)
    async with connected(app) as (_, client):
        client.send(head(300_000) + CONTENT[:300_000])
        await client.response()
        assert app.requests[0].socket_body.complete
        await assert_goes_on(app, client)


@pytest.mark.parametrize("together", [True, False], ids=["with the head", "after the head"])
async def test_what_the_sink_raises_is_raised_and_the_connection_closed(together: bool) -> None:
    sinks = [Sink(), Sink()]
    sinks[1].error = OSError("no room")
    app = Application(make_sink=sinks.pop)
    async with connected(app) as (server, client):
        before = open_files()
        client.send(head(MIB) + (CONTENT[:1000] if together else b""))
        taken = await app.taken()
        if not together:
            client.send(CONTENT[:1000])
        assert (await client.rest()).startswith(b"HTTP/1.1 500 ")
        assert (taken.content, taken.passed) == (b"", None)
        assert not taken.socket_body.complete
        assert app.limiter.borrowed_tokens == 0
        await until(lambda: not server.state.connections)
        assert open_files() < before
        await assert_lives(app, server)


async def test_cancelled_feed_lets_go_of_the_socket() -> None:
    tasks: list[asyncio.Task[int]] = []
    sink = Sink()

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        body: SocketBody = scope["extensions"][BODY](idle_timeout=60.0, limiter=CapacityLimiter(1))
        tasks.append(asyncio.create_task(body.feed(sink, limit=None)))
        await asyncio.wait(tasks)
        await reply(send, body=b"cancelled")

    async with connected(app) as (_, client):
        before = open_files()
        client.send(head(MIB))
        client.send(CONTENT[:1000])
        await until(lambda: len(sink.content) == 1000)
        tasks[0].cancel()
        assert (await client.rest()).endswith(b"cancelled")
        assert tasks[0].cancelled()
        assert open_files() < before


# Slow clients, slow sinks, and many of them


async def test_client_cannot_send_more_than_the_buffers_hold() -> None:
    sink = Sink()
    sink.gate.clear()
    app = Application(make_sink=lambda: sink)
    total = 64 * MIB
    async with connected(app) as (_, client):
        client.send_now(head(total))
        await app.taken()
        sent = await send_until_stuck(client, CONTENT[: 4 * MIB], total)
        assert sent <= kernel_buffers() + BUFFER_SIZE + SMALL
        sink.gate.set()
        while sent < total:
            sent += client.send_now(CONTENT[sent % (4 * MIB) : 4 * MIB][: total - sent])
            await asyncio.sleep(0)
        assert (await client.response())[2] == str(total).encode()
        assert sink.content == CONTENT[: 4 * MIB] * 16


async def send_until_stuck(client: Peer, block: bytes, total: int) -> int:
    """Send for as long as anything is taken within a while; return how much it was."""
    sent, moved_at = 0, time.monotonic()
    while sent < total and time.monotonic() - moved_at < 0.3:
        count = client.send_now(block[sent % len(block) :])
        sent += count
        moved_at = time.monotonic() if count else moved_at
        await asyncio.sleep(0 if count else 0.005)
    return sent


def kernel_buffers() -> int:
    """Bytes that the kernel holds at most on both sides of a connection."""
    return sum(int(Path(f"/proc/sys/net/ipv4/{name}").read_text().split()[2]) for name in ("tcp_rmem", "tcp_wmem"))


async def test_each_byte_of_a_trickle_is_passed_on_in_time() -> None:
    app = Application()
    async with connected(app) as (_, client):
        client.send(head(10))
        taken = await app.taken()
        for count in range(1, 10):
            client.send_now(CONTENT[count - 1 : count])
            sent_at = time.monotonic()
            await until(lambda: len(taken.content) == count)  # noqa: B023 - awaited before count moves on
            assert time.monotonic() - sent_at < FLUSH_INTERVAL + 1.5
        client.send_now(CONTENT[9:10])
        assert (await client.response())[2] == b"10"
        assert taken.content == CONTENT[:10]


async def test_trickle_is_passed_on_while_the_client_goes_on() -> None:
    """Fewer bytes than are worth a thread, and never a pause that is long enough to be noticed."""
    app = Application()
    async with connected(app) as (_, client):
        client.send(head(MIB))
        taken = await app.taken()
        sent, deadline = 0, time.monotonic() + SOON
        while taken.sink.pieces < 5:
            assert time.monotonic() < deadline
            sent += client.send_now(CONTENT[sent : sent + 10])
            await asyncio.sleep(0.005)
        assert sent < LOW_WATER
        assert taken.content == CONTENT[: len(taken.content)]


async def test_byte_after_a_pause_is_heard_before_it_is_passed_on() -> None:
    """Else a client that trickles would be taken for dead while its bytes wait for company."""
    order: list[str] = []

    class Noting(Sink):
        def __call__(self, data: memoryview) -> None:
            super().__call__(data)
            if data:
                order.append(f"passed {len(self.content)}")

    app = Application(make_sink=Noting)
    app.heard = order
    async with connected(app) as (_, client):
        client.send(head(10))
        taken = await app.taken()
        for count in (1, 2, 3):
            await asyncio.sleep(3 * FLUSH_INTERVAL)  # The pause.
            client.send_now(b"x")
            await until(lambda: len(taken.content) == count)  # noqa: B023 - awaited before count moves on
        client.send_now(b"x" * 7)
        await client.response()
    assert order[:6] == ["/", "passed 1", "/", "passed 2", "/", "passed 3"]


async def test_stalled_bodies_hold_neither_buffers_nor_threads() -> None:
    count, size, at_first = 200, 400_000, 300_000

    class Counting(Sink):
        def __call__(self, data: memoryview) -> None:
            self.entered += len(data)

    app = Application(threads=2, make_sink=Counting)
    async with connected(app) as (server, healthy):
        clients = [await connect(server) for _ in range(count)]
        before = resident()
        for client in clients:
            client.send(head(size, "/stalled"))
            await client.send_segment(CONTENT[:at_first])
        await until(lambda: sum(taken.sink.entered for taken in app.requests) == count * at_first)
        await until(lambda: app.limiter.borrowed_tokens == 0)
        assert resident() - before < count * 100 * KIB + 2 * BUFFER_SIZE

        healthy.send(head(len(CONTENT), "/healthy") + CONTENT)
        assert (await healthy.response())[2] == str(len(CONTENT)).encode()
        assert {taken.passed for taken in app.requests if taken.path == "/stalled"} == {None}

        for client in clients:
            client.send(CONTENT[at_first:size])
        assert {(await client.response())[2] for client in clients} == {str(size).encode()}


async def test_client_that_never_pauses_leaves_others_their_turn() -> None:
    class Counting(Sink):
        def __call__(self, data: memoryview) -> None:
            self.entered += len(data)

    app = Application(threads=1, make_sink=Counting)
    async with connected(app) as (server, greedy):
        greedy.send(head(1000 * BURST_SIZE, "/greedy"))
        taken = await app.taken()
        flood = asyncio.create_task(send_without_end(greedy))
        await until(lambda: taken.sink.entered > MIB)
        modest = await connect(server)
        modest.send(head(MIB, "/modest"))
        modest.send(CONTENT[:MIB])
        assert (await modest.response())[2] == str(MIB).encode()
        assert taken.passed is None
        flood.cancel()
        await asyncio.wait([flood])
        greedy.reset()
        await until(lambda: taken.passed is not None)


async def test_piece_is_left_alone_until_the_next_one_where_that_is_wanted() -> None:
    """Also when two bodies use the memory of one thread in turn."""

    class Lazy(Sink):
        last = memoryview(b"")

        def __call__(self, data: memoryview) -> None:
            self.content += self.last
            self.last = data

    app = Application(threads=1, make_sink=Lazy, keeps=True)
    async with connected(app) as (server, first):
        second = await connect(server)
        clients = [(first, CONTENT), (second, CONTENT[::-1])]
        for client, _ in clients:
            client.send(head(len(CONTENT)))
        for start in range(0, len(CONTENT), 300_001):
            for client, content in clients:
                await client.send_segment(content[start : start + 300_001])
        for client, _ in clients:
            assert (await client.response())[2] == str(len(CONTENT)).encode()
    assert {taken.content for taken in app.requests} == {content for _, content in clients}


# The connection behind the body


async def test_socket_is_left_as_it_was_found() -> None:
    app = Application()
    async with connected(app) as (server, client):
        client.send(head(0))
        await client.response()
        before = open_files()
        for size in (1000, 300_000, MIB):
            client.send(head(size))
            await app.taken(len(app.requests))
            client.send(CONTENT[:size])
            await client.response()
            assert open_files() == before
            assert server_socket(server).getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT) == 1
            # A single byte of the next head is noticed.
            client.send_now(b"P")
            await until(lambda: parser_of(server)._in_head)
            client.send(head(1)[1:] + b"x")
            await client.response()


async def test_application_does_not_call_receive(tmp_path: Path) -> None:
    """Neither for a body that comes along with its head nor for one that does not."""
    settings = Settings(data_dir=tmp_path, auth="none")
    prepare_data_dir(settings)
    longshore = build(settings)
    calls = 0

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        async def counting_receive() -> Message:
            nonlocal calls
            calls += 1
            return await receive()

        await longshore(scope, counting_receive, send)  # type: ignore[arg-type]

    tus = (b"tus-resumable: 1.0.0", b"content-type: application/offset+octet-stream")
    async with longshore.router.lifespan_context(longshore), connected(app) as (_, client):
        client.send(head(5, "/files", *tus, b"upload-length: %d" % (MIB + 5)).replace(b"PATCH", b"POST") + CONTENT[:5])
        status, headers, _ = await client.response()
        assert (status, headers["upload-offset"]) == (201, "5")
        client.send(head(MIB, headers["location"], *tus, b"upload-offset: 5"))
        client.send(CONTENT[5 : MIB + 5])
        status, headers, _ = await client.response()
        assert (status, headers["upload-offset"]) == (204, str(MIB + 5))
    assert calls == 0
