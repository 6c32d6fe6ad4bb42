"""Files sent by the kernel, behind the real protocol class on a real socket, on the loops of uvloop and asyncio.

No byte is lost or made up, what is short is noticed, and a client that does not read costs no thread.
"""

import asyncio
import errno
import os
import random
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.stateful.asgi import SOON, until
from tests.unit.server.loopback import Loopback, Message, Receive, Send, listening

from longshore.ports import FILE
from longshore.server import sending
from longshore.server.protocol import AsgiOnlyProtocol, UploadProtocol
from longshore.server.sending import acknowledged

pytestmark = pytest.mark.anyio

MIB = 1024 * 1024
SIZE = 12 * MIB + 345
LOOPS = {"asyncio": False, "uvloop": True}


@pytest.fixture(params=[pytest.param(use, id=name) for name, use in LOOPS.items()])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture(scope="module")
def content() -> bytes:
    return random.Random(2).randbytes(SIZE)


@pytest.fixture
def file(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "file"
    path.write_bytes(content)
    return path


class Application:
    """Answers every request with the pieces of the file that its path names, as `/<start>-<end>,<start>-<end>`."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.errors: list[BaseException] = []
        self.done = 0
        self.going = asyncio.Event()
        """Set when the file is being sent."""

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        spans = [tuple(map(int, span.split("-"))) for span in scope["path"].strip("/").split(",")]
        length = sum(end - start for start, end in spans)
        headers = [(b"content-length", str(length).encode())]
        descriptor = os.open(self.file, os.O_RDONLY)
        try:
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            self.going.set()
            for start, end in spans:
                await scope["extensions"][FILE](descriptor, start, end)
            await send({"type": "http.response.body", "body": b""})
        except BaseException as error:
            self.errors.append(error)
            raise
        finally:
            os.close(descriptor)
            self.done += 1


class Impatient(UploadProtocol):
    """Gives clients up soon."""

    send_timeout = 0.1


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@asynccontextmanager
async def serving(
    file: Path, protocol: type[UploadProtocol] = UploadProtocol
) -> AsyncIterator[tuple[Loopback, Application]]:
    """A server for the file, which leaves no descriptor open."""
    app = Application(file)
    async with listening(app, protocol) as server:
        before = descriptors()
        yield server, app
        for client in server.clients:
            await client.close()
        await until(lambda: not server.state.connections)
        await until(lambda: descriptors() <= before)


def get(path: str, *fields: str, version: str = "1.1") -> bytes:
    lines = [f"GET /{path} HTTP/{version}", "host: x", *fields, "", ""]
    return "\r\n".join(lines).encode()


def stalled_client(port: int) -> socket.socket:
    """A client whose kernel takes little, and which reads nothing."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", port))
    client.setblocking(False)
    return client


def connection_of(server: Loopback) -> Any:
    return next(iter(server.state.connections))


def waits(connection: Any) -> bool:
    """Whether a connection waits for its client to read."""
    return connection._woken is not None


def is_waiting(server: Loopback) -> Callable[[], bool]:
    """Whether the only connection waits for its client to read."""
    return lambda: bool(server.state.connections) and waits(connection_of(server))


@pytest.mark.parametrize(
    "spans",
    [
        f"0-{SIZE}",
        "0-0",
        "0-1",
        f"{SIZE - 1}-{SIZE}",
        "1000-5000000",
        f"0-10,5-{MIB},{SIZE - 100}-{SIZE},7-8",
    ],
)
async def test_exactly_the_bytes_asked_for_are_sent(file: Path, content: bytes, spans: str) -> None:
    wanted = b"".join(content[int(s) : int(e)] for s, e in (span.split("-") for span in spans.split(",")))
    async with serving(file) as (server, app):
        client = await server.connect()
        client.send(get(spans))
        status, _, body = await client.response()
        assert (status, body) == (200, wanted)
        assert app.errors == []


async def test_connection_goes_on_behind_the_file(file: Path, content: bytes) -> None:
    async with serving(file) as (server, _):
        client = await server.connect()
        for start in (0, 77, 3 * MIB):
            client.send(get(f"{start}-{SIZE}"))
            assert (await client.response())[2] == content[start:]
        assert len(server.state.connections) == 1


async def test_pipelined_requests_are_answered_in_order(file: Path, content: bytes) -> None:
    async with serving(file) as (server, _):
        client = await server.connect()
        client.send(get(f"0-{SIZE}") + get("5-10") + get(f"{MIB}-{SIZE}") + get("0-1"))
        for start, end in ((0, SIZE), (5, 10), (MIB, SIZE), (0, 1)):
            assert (await client.response())[2] == content[start:end]


@pytest.mark.parametrize("request_head", [get(f"0-{SIZE}", version="1.0"), get(f"0-{SIZE}", "connection: close")])
async def test_connection_that_is_to_be_closed_is_closed_behind_the_last_byte(
    file: Path, content: bytes, request_head: bytes
) -> None:
    async with serving(file) as (server, _):
        client = await server.connect()
        client.send(request_head)
        head, _, body = (await client.rest()).partition(b"\r\n\r\n")
        assert b"connection: close" in head
        assert body == content


async def test_slow_reader_is_sent_everything(file: Path, content: bytes) -> None:
    """Also if the kernel takes no more of us for longer than a client may be silent."""
    async with serving(file, Impatient) as (server, app):
        client = stalled_client(server.port)
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(client, get(f"0-{4 * MIB}"))
        received = bytearray()
        async with asyncio.timeout(60):
            while len(received.partition(b"\r\n\r\n")[2]) < 4 * MIB:
                await asyncio.sleep(0.002)
                received += await loop.sock_recv(client, 16 * 1024)
        assert received.partition(b"\r\n\r\n")[2] == content[: 4 * MIB]
        client.close()
        assert app.errors == []


async def test_file_comes_behind_what_the_transport_still_holds(file: Path, content: bytes) -> None:
    first = bytes(8 * MIB)

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        length = str(len(first) + SIZE).encode()
        descriptor = os.open(file, os.O_RDONLY)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
        await send({"type": "http.response.body", "body": first, "more_body": True})
        await scope["extensions"][FILE](descriptor, 0, SIZE)
        os.close(descriptor)
        await send({"type": "http.response.body", "body": b""})

    async with listening(app) as server:
        client = await server.connect()
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        client.send(get("x"))
        await until(lambda: connection_of(server).flow.write_paused if server.state.connections else False)
        client.writer.transport.resume_reading()  # type: ignore[attr-defined]
        assert (await client.response())[2] == first + content


async def test_clients_that_read_nothing_hold_no_thread(file: Path, content: bytes) -> None:
    async with serving(file) as (server, app):
        loop = asyncio.get_running_loop()
        stalled = [stalled_client(server.port) for _ in range(3 * sending.THREADS)]
        for client in stalled:
            await loop.sock_sendall(client, get(f"0-{SIZE}"))
        await until(lambda: len(server.state.connections) == len(stalled))
        await until(lambda: all(map(waits, list(server.state.connections))))
        lively = await server.connect()
        lively.send(get(f"0-{SIZE}"))
        assert (await lively.response())[2] == content
        for client in stalled:
            client.close()
        await until(lambda: app.done == len(stalled) + 1)
        assert app.errors == []


async def test_client_that_reads_nothing_is_given_up(file: Path) -> None:
    async with serving(file, Impatient) as (server, app):
        client = stalled_client(server.port)
        await asyncio.get_running_loop().sock_sendall(client, get(f"0-{SIZE}"))
        await until(lambda: app.done)
        await until(lambda: not server.state.connections)
        client.close()
        assert app.errors == []


async def test_client_that_reads_nothing_is_given_up_without_the_kernels_help_too() -> None:
    """The response is one that came through ASGI, and waits in the transport."""

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"16000000")]})
        await send({"type": "http.response.body", "body": bytes(16_000_000), "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async with listening(app, Impatient) as server:
        client = stalled_client(server.port)
        await asyncio.get_running_loop().sock_sendall(client, get("x"))
        await until(lambda: server.state.connections)
        await until(lambda: not server.state.connections)
        client.close()


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_client_that_goes_away_ends_the_sending(file: Path, how: str) -> None:
    async with serving(file) as (server, app):
        client = await server.connect()
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        client.send(get(f"0-{SIZE}," * 50 + "0-1"))
        await until(is_waiting(server))
        if how == "reset":
            client.reset()
        else:
            await client.close()
        await until(lambda: app.done)
        assert app.errors == []


async def test_file_that_is_shorter_breaks_the_response_off(file: Path, content: bytes) -> None:
    async with serving(file) as (server, app):
        client = await server.connect()
        client.send(get(f"0-{SIZE + 1}") + get("0-5"))
        body = (await client.rest()).partition(b"\r\n\r\n")[2]
        assert body == content
        assert [type(error) for error in app.errors] == [EOFError]


async def test_file_that_is_removed_is_sent_to_its_end(file: Path, content: bytes) -> None:
    async with serving(file) as (server, _):
        client = await server.connect()
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        client.send(get(f"0-{SIZE}"))
        await until(is_waiting(server))
        file.unlink()
        client.writer.transport.resume_reading()  # type: ignore[attr-defined]
        assert (await client.response())[2] == content


async def test_task_that_is_cancelled_closes_what_it_had_open(file: Path) -> None:
    async with serving(file) as (server, app):
        client = stalled_client(server.port)
        await asyncio.get_running_loop().sock_sendall(client, get(f"0-{SIZE}"))
        await until(is_waiting(server))
        for task in list(server.state.tasks):
            task.cancel()
        await until(lambda: app.done)
        await until(lambda: not server.state.connections)
        client.close()
        assert [type(error) for error in app.errors] == [asyncio.CancelledError]


async def test_nothing_is_closed_under_a_thread_that_is_left_behind(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The numbers could be another client's, and another file's, by then."""
    entered, go = threading.Event(), threading.Event()
    sendfile, used = os.sendfile, list[tuple[int, int]]()

    def held(target: int, source: int, offset: int, count: int) -> int:
        entered.set()
        assert go.wait(SOON)
        used.append((os.fstat(target).st_ino, os.fstat(source).st_ino))
        return sendfile(target, source, offset, count)

    async with serving(file) as (server, app):
        monkeypatch.setattr(os, "sendfile", held)
        client = await server.connect()
        client.send(get(f"0-{SIZE}"))
        await asyncio.to_thread(entered.wait, SOON)
        for task in list(server.state.tasks):
            task.cancel()
        await until(lambda: app.done)
        others = [os.open("/dev/null", os.O_RDONLY) for _ in range(20)]
        go.set()
        await until(lambda: used)
        for other in others:
            os.close(other)
        assert used[0][1] == file.stat().st_ino


@pytest.mark.parametrize("number", sorted(sending.REFUSALS))
async def test_file_system_that_the_kernel_cannot_send_from(
    file: Path, content: bytes, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: int) -> int:
        raise OSError(number, os.strerror(number))

    async with serving(file) as (server, _):
        monkeypatch.setattr(os, "sendfile", refuse)
        client = await server.connect()
        client.send(get(f"3-{SIZE}"))
        assert (await client.response())[2] == content[3:]


async def test_file_that_cannot_be_read_breaks_the_response_off(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: int) -> int:
        raise OSError(errno.EIO, "the disk is broken")

    async with serving(file) as (server, app):
        monkeypatch.setattr(os, "sendfile", fail)
        client = await server.connect()
        client.send(get("0-100000"))
        assert (await client.rest()).endswith(b"\r\n\r\n")
        assert [getattr(error, "errno", None) for error in app.errors] == [errno.EIO]


async def test_what_is_wrong_with_the_next_request_is_not_said_in_the_middle_of_the_file(
    file: Path, content: bytes
) -> None:
    async with serving(file) as (server, _):
        client = await server.connect()
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        client.send(get(f"0-{SIZE}"))
        await until(is_waiting(server))
        client.send(b"this is no HTTP\r\n\r\n")
        client.writer.transport.resume_reading()  # type: ignore[attr-defined]
        assert (await client.response())[2] == content
        assert (await client.rest()).startswith(b"HTTP/1.1 400 ")


async def test_nor_in_the_middle_of_a_response_that_comes_through_asgi() -> None:
    go = asyncio.Event()

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"10")]})
        await send({"type": "http.response.body", "body": b"12345", "more_body": True})
        await go.wait()
        await send({"type": "http.response.body", "body": b"67890"})

    async with listening(app) as server:
        client = await server.connect()
        client.send(get("x"))
        async with asyncio.timeout(SOON):
            await client.reader.readuntil(b"12345")
        client.send(b"this is no HTTP\r\n\r\n")
        rest = await client.rest()
        go.set()
        assert rest == b""


async def test_more_than_was_announced_is_an_error(file: Path) -> None:
    errors: list[str] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        descriptor = os.open(file, os.O_RDONLY)
        try:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"10")]})
            await scope["extensions"][FILE](descriptor, 0, 11)
        except RuntimeError as error:
            errors.append(str(error))
            raise
        finally:
            os.close(descriptor)

    async with listening(app) as server:
        client = await server.connect()
        client.send(get("x"))
        assert (await client.rest()).endswith(b"\r\n\r\n")
    assert len(errors) == 1


@pytest.mark.parametrize(
    ("request_head", "protocol", "offered"),
    [
        (get("x"), UploadProtocol, True),
        (get("x"), AsgiOnlyProtocol, False),
        (b"HEAD / HTTP/1.1\r\nhost: x\r\n\r\n", UploadProtocol, False),
    ],
)
async def test_where_files_can_be_sent(request_head: bytes, protocol: type[UploadProtocol], offered: bool) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        offers.append(FILE in scope["extensions"])
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    offers: list[bool] = []
    async with listening(app, protocol) as server:
        client = await server.connect()
        client.send(request_head)
        await client.response()
    assert offers == [offered]


async def test_what_the_other_side_has_taken_is_known(anyio_backend: object) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        one = socket.create_connection(listener.getsockname())
        other, _ = listener.accept()
        with one, other:
            before = acknowledged(one)
            one.sendall(bytes(1000))
            other.recv(1000, socket.MSG_WAITALL)
            assert before is not None
            await until(lambda: acknowledged(one) == before + 1000)


async def test_of_what_is_no_tcp_nothing_is_known(anyio_backend: object) -> None:
    one, other = socket.socketpair()
    with one, other:
        assert acknowledged(one) is None
