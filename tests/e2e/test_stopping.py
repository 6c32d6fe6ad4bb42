"""SIGTERM and SIGINT under load: running requests commit what arrived and end, and the server exits in time."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from tests.e2e.samples import MEGABYTE
from tests.e2e.wire import (
    Sender,
    assert_holds_bytes,
    await_answer,
    begin_patch,
    code_of,
    create,
    finish,
    offset_of,
    patch,
    poll,
    stored_size,
)
from tests.serving import Connection, Server, serving

pytestmark = pytest.mark.e2e

GRACE_PERIOD = 10.0
SENDERS = 8
PAUSED = 2_500_000
"""Bytes after which every other client sends no more, without closing."""


@contextmanager
def under_load(server: Server, data: bytes, *, stubborn: bool = False) -> Iterator[list[Sender]]:
    """Eight PATCH requests under way; those with even numbers have come to a halt."""
    with ExitStack() as stack:
        senders = [
            stack.enter_context(
                Sender(
                    server,
                    create(server, len(data)),
                    data,
                    rate=2 * MEGABYTE,
                    stop_after=PAUSED if number % 2 == 0 else None,
                    stubborn=stubborn,
                )
            )
            for number in range(SENDERS)
        ]
        for sender in senders:
            poll(lambda sender=sender: stored_size(server, sender.path) >= PAUSED)  # type: ignore[misc]
        yield senders


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: signal.Signals(number).name)
def test_what_arrived_is_committed(area: Path, number: signal.Signals) -> None:
    data = os.urandom(20 * MEGABYTE)
    with serving(area / "data", checkpoint_interval="60") as server:
        with under_load(server, data) as senders:
            server.signal(number)
            began = time.monotonic()
            answers = [sender.finished() for sender in senders]
            assert server.wait() == 0
            assert time.monotonic() - began < GRACE_PERIOD
        server.start()

        for answer in answers:
            assert answer is None or (answer.status, code_of(answer)) == (503, "shutting-down")
        for sender in senders:
            offset = offset_of(server, sender.path)
            assert PAUSED <= offset <= sender.sent
            assert offset == PAUSED or sender not in senders[::2]
            finish(server, sender.path, data)
            assert_holds_bytes(server, sender.path, data)


def test_clients_that_have_come_to_a_halt_are_told(area: Path) -> None:
    data = os.urandom(MEGABYTE)
    with serving(area / "data") as server, Connection(server.port) as fixed, Connection(server.port) as chunked:
        paths = create(server, len(data)), create(server, len(data))
        begin_patch(fixed, paths[0], 0, len(data))
        fixed.send(data[:600_000])
        begin_patch(chunked, paths[1], 0, None)
        chunked.send_chunk(data[:600_000])
        for path in paths:
            poll(lambda path=path: stored_size(server, path) == 600_000)  # type: ignore[misc]
        server.signal(signal.SIGTERM)

        for connection in (fixed, chunked):
            answer = await_answer(connection)
            assert answer is not None
            assert (answer.status, code_of(answer)) == (503, "shutting-down")
            connection.close()
        assert server.wait() == 0
        server.start()
        assert [offset_of(server, path) for path in paths] == [600_000, 600_000]


@pytest.mark.parametrize(
    "framing",
    [
        "length",
        "chunked",
    ],
)
def test_what_arrived_a_moment_before_is_committed(area: Path, framing: str) -> None:
    data = os.urandom(MEGABYTE)
    with serving(area / "data") as server, Connection(server.port) as connection:
        path = create(server, len(data))
        begin_patch(connection, path, 0, len(data) if framing == "length" else None)
        if framing == "length":
            connection.send(data[:1000])
        else:
            connection.send_chunk(data[:1000])
        poll(lambda: stored_size(server, path) == 1000)
        if framing == "length":
            connection.send(data[1000:60_000])
        else:
            connection.send_chunk(data[1000:60_000])
        server.signal(signal.SIGTERM)
        assert connection.read_answer().status == 503
        connection.close()
        assert server.wait() == 0
        server.start()

        assert offset_of(server, path) == 60_000


@pytest.mark.parametrize("grace_period", [1.0, GRACE_PERIOD])
def test_clients_that_send_on_do_not_prevent_the_exit(area: Path, grace_period: float) -> None:
    data = os.urandom(40 * MEGABYTE)
    with serving(area / "data", grace_period=str(grace_period), checkpoint_interval="60") as server:
        with under_load(server, data, stubborn=True) as senders:
            server.signal(signal.SIGTERM)
            began = time.monotonic()
            assert server.wait() == 0
            assert time.monotonic() - began < grace_period + 2.0
        server.start()

        for sender in senders:
            assert PAUSED <= offset_of(server, sender.path) <= sender.sent


def test_a_download_that_nobody_reads_does_not_prevent_the_exit(area: Path) -> None:
    data = os.urandom(20 * MEGABYTE)
    with serving(area / "data", grace_period="1") as server, Connection(server.port) as connection:
        path = create(server, len(data))
        assert patch(server, path, 0, data).status == 204
        connection.send_head("GET", path, {})
        assert connection.socket.recv(1)
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 3.0
        said = server.said()
    assert "a request was cut off, because the server stops" in said
    assert "Traceback" not in said
    assert "CancelledError" not in said


def test_idle_connections_do_not_delay_the_exit(area: Path) -> None:
    with serving(area / "data") as server, Connection(server.port), Connection(server.port) as used:
        assert used.request("OPTIONS", "/files", {}).status == 200
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 3.0
