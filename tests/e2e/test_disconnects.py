"""Clients that vanish, stall or come twice: what reached the server is kept, and nobody disturbs a healthy transfer."""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.e2e.samples import MEGABYTE, Sample
from tests.e2e.wire import (
    Sender,
    all_stored,
    assert_holds,
    assert_holds_bytes,
    await_answer,
    begin_patch,
    code_of,
    create,
    finish,
    head,
    offset_of,
    patch,
    poll,
    request,
    stored,
    stored_size,
)
from tests.serving import OFFSET_STREAM, TUS, Connection, Server, serving
from tusclient.client import TusClient

pytestmark = [
    pytest.mark.e2e,
    # tuspy opens the file anew for each chunk and leaves closing it to the garbage collection.
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
]

STALL_THRESHOLD = 0.5
"""Seconds, the default."""

SIZES = [1, 1000, 65_536, MEGABYTE, 2_600_001]
"""Bytes that arrive before the end: fewer and more than the server takes at a time."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One that commits offsets when requests end, and not before."""
    with serving(tmp_path_factory.mktemp("server") / "data", checkpoint_interval="60") as running:
        yield running
        for file in all_stored(running):
            file.unlink()


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("size", SIZES)
def test_everything_before_an_orderly_close_is_kept(server: Server, small: Sample, framing: str, size: int) -> None:
    data = small.read()
    path = create(server, len(data))
    with Connection(server.port) as connection:
        send_some(connection, path, data, size, framing)

    poll(lambda: offset_of(server, path) == size)
    assert stored(server, path).read_bytes() == data[:size]
    TusClient(server.url).uploader(str(small.path), url=f"{server.origin}{path}").upload()
    assert_holds(server, path, small.size, small.sha256)


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("size", SIZES)
def test_everything_that_was_written_before_a_reset_is_kept(
    server: Server, small: Sample, framing: str, size: int
) -> None:
    data = small.read()
    path = create(server, len(data))
    connection = Connection(server.port)
    send_some(connection, path, data, size, framing)
    poll(lambda: stored_size(server, path) == size)
    assert offset_of(server, path) == 0
    connection.reset()

    poll(lambda: offset_of(server, path) == size)
    finish(server, path, data)
    assert_holds_bytes(server, path, data)


def send_some(connection: Connection, path: str, data: bytes, size: int, framing: str) -> None:
    """Begin to PATCH all of data, and send the first so many bytes."""
    begin_patch(connection, path, 0, len(data) if framing == "length" else None)
    if framing == "length":
        connection.send(data[:size])
    else:
        # The last chunk is cut off: it promises more than comes.
        connection.send(b"%x\r\n%s" % (len(data), data[:size]))


def test_of_a_checked_body_that_is_cut_off_nothing_is_kept(server: Server) -> None:
    data = os.urandom(MEGABYTE)
    path = create(server, len(data))
    with Connection(server.port) as connection:
        begin_patch(connection, path, 0, len(data), {"Upload-Checksum": "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0="})
        connection.send(data[:-1])
        poll(lambda: stored_size(server, path) == len(data) - 1)

    # Waits for the end of the other one, and would be answered 409 if that had been kept.
    assert patch(server, path, 0, data).status == 204
    assert_holds_bytes(server, path, data)


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("half", [True, False], ids=["half-close", "close"])
def test_an_upload_is_finished_though_its_client_did_not_wait(server: Server, framing: str, half: bool) -> None:
    data = os.urandom(MEGABYTE)
    path = create(server, len(data))
    with Connection(server.port) as connection:
        send_some(connection, path, data, len(data), framing)
        if framing == "chunked":
            connection.send(b"\r\n0\r\n\r\n")
        if half:
            connection.socket.shutdown(socket.SHUT_WR)
            poll(lambda: offset_of(server, path) == len(data))

    poll(lambda: offset_of(server, path) == len(data))
    assert_holds_bytes(server, path, data)


def test_many_that_stall_do_not_hold_up_others(server: Server, small: Sample) -> None:
    data = small.read()
    with ExitStack() as stack:
        for number in range(80):
            path = create(server, len(data))
            connection = stack.enter_context(Connection(server.port))
            send_some(connection, path, data, 100_000, "length" if number % 2 else "chunked")
        began = time.monotonic()
        path = create(server, len(data))
        assert patch(server, path, 0, data).status == 204
        assert time.monotonic() - began < 5.0
        assert_holds_bytes(server, path, data)


def test_a_creation_that_is_cut_off_leaves_nothing(server: Server) -> None:
    before = all_stored(server)
    with Connection(server.port) as connection:
        connection.send_head(
            "POST", "/files", {**TUS, **OFFSET_STREAM, "Upload-Length": "1000", "Content-Length": "1000"}
        )
        connection.send(bytes(999))
        poll(lambda: len(all_stored(server)) > len(before))

    poll(lambda: all_stored(server) == before)


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_client_that_stalls_is_sent_away(area: Path, framing: str) -> None:
    data = os.urandom(MEGABYTE)
    with serving(area / "data", body_idle_timeout="1.2", checkpoint_interval="60") as server:
        path = create(server, len(data))
        with Connection(server.port) as connection:
            begin_patch(connection, path, 0, len(data) if framing == "length" else None)
            began = time.monotonic()
            for start in range(0, 500_000, 100_000):
                if framing == "length":
                    connection.send(data[start : start + 100_000])
                else:
                    connection.send_chunk(data[start : start + 100_000])
                time.sleep(0.3)  # A pace, slow and yet faster than the timeout.
            answer = connection.read_answer()

        assert (answer.status, code_of(answer)) == (503, "body-stalled")
        assert 2.0 < time.monotonic() - began < 20.0
        assert offset_of(server, path) == 500_000
        finish(server, path, data)
        assert_holds_bytes(server, path, data)


def test_a_dead_connection_gives_way_to_the_client_that_comes_back(server: Server, small: Sample) -> None:
    data = small.read()
    path = create(server, len(data))
    with Connection(server.port) as dead:
        send_some(dead, path, data, 2_000_000, "length")
        poll(lambda: stored_size(server, path) == 2_000_000)

        came_back = time.monotonic()
        finish(server, path, data)
        assert time.monotonic() - came_back < 2.0

        answer = await_answer(dead)
        assert answer is not None
        assert (answer.status, code_of(answer)) == (400, "upload-taken-over")
    assert_holds_bytes(server, path, data)


def test_a_patch_where_the_dead_one_stands_takes_over_at_once(server: Server, small: Sample) -> None:
    data = small.read()
    path = create(server, len(data))
    with Connection(server.port) as dead:
        send_some(dead, path, data, 2_000_000, "length")
        poll(lambda: stored_size(server, path) == 2_000_000)
        # Written, and a moment later noted as the place where the holder stands.
        poll(lambda: patch(server, path, 2_000_000, data[2_000_000:]).status == 204, within=2)
        answer = await_answer(dead)
        assert answer is not None
        assert code_of(answer) == "upload-taken-over"
    assert_holds_bytes(server, path, data)


@pytest.fixture
def body() -> bytes:
    return os.urandom(4 * MEGABYTE)


@pytest.fixture
def live(server: Server, body: bytes) -> Iterator[Sender]:
    """A healthy transfer of about a second and a half, under way."""
    path = create(server, len(body))
    with Sender(server, path, body, rate=3 * MEGABYTE) as sender:
        poll(lambda: stored_size(server, path) > 0)
        yield sender


def test_requests_that_cannot_succeed_leave_a_live_one_alone(server: Server, live: Sender, body: bytes) -> None:
    refused = 0
    while live.answer is None and live.sent < len(body):
        for offset in (17, len(body) + 1, 0):
            stale = patch(server, live.path, offset, b"stale")
            assert (stale.status, code_of(stale)) == (409, "offset-conflict")
            assert "upload-offset" in stale.headers
        wrong_type = request(server, "PATCH", live.path, {"Upload-Offset": "0", "Content-Type": "text/plain"}, b"x")
        assert wrong_type.status == 415
        assert patch(server, live.path, 0, body + b"x").status in (409, 413)
        refused += 5

    answer = live.finished()
    assert answer is not None
    assert answer.status == 204
    assert refused >= 10
    assert_holds_bytes(server, live.path, body)


def test_asking_for_the_offset_leaves_a_live_one_alone(server: Server, live: Sender, body: bytes) -> None:
    asked = 0
    while live.answer is None and live.sent < len(body):
        assert head(server, live.path).status == 200
        asked += 1
        time.sleep(0.05)  # A pace.

    answer = live.finished()
    assert answer is not None
    assert answer.status == 204
    assert asked >= 10
    assert_holds_bytes(server, live.path, body)


def test_termination_ends_a_live_one(server: Server, live: Sender) -> None:
    began = time.monotonic()
    assert request(server, "DELETE", live.path, {}).status == 204
    assert time.monotonic() - began < 2.0

    answer = live.finished()
    assert answer is None or answer.status in (400, 410)
    assert head(server, live.path).status == 410
    assert patch(server, live.path, 0, b"x").status == 410
    assert not stored(server, live.path).exists()


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize(
    "gaps",
    [
        pytest.param([0.1] * 10, id="steadily"),
        pytest.param(
            [0.2, 0.4] * 5,
            id="by fits and starts",
        ),
    ],
)
def test_a_live_one_that_trickles_is_not_taken_for_dead(server: Server, gaps: list[float], framing: str) -> None:
    data = os.urandom(len(gaps))
    path = create(server, len(data))
    longest_gap = 0.0
    with Connection(server.port) as connection:
        begin_patch(connection, path, 0, len(data) if framing == "length" else None)
        for byte, gap in zip(data, gaps, strict=True):
            connection.send(b"%c" % byte if framing == "length" else b"1\r\n%c\r\n" % byte)
            sent_at = time.monotonic()
            heads_for(server, path, gap)
            longest_gap = max(longest_gap, time.monotonic() - sent_at)
        if framing == "chunked":
            connection.send(b"0\r\n\r\n")
        # On a machine that is too busy to keep the pace, the client may have been silent for long enough.
        assert connection.read_answer().status == 204 or longest_gap > STALL_THRESHOLD
    finish(server, path, data)
    assert_holds_bytes(server, path, data)


def heads_for(server: Server, path: str, seconds: float) -> None:
    """Ask for the offset every 50 ms for a while."""
    until = time.monotonic() + seconds
    while (now := time.monotonic()) < until:
        assert head(server, path).status == 200
        time.sleep(max(0.0, min(0.05, until - now)))
