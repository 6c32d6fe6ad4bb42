"""What is sent, to the byte: chunked bodies, trailers, many requests on one connection, and heads beyond measure."""

import base64
import contextlib
import hashlib
import os

import pytest
from tests.e2e.samples import MEGABYTE
from tests.e2e.wire import (
    assert_holds_bytes,
    await_answer,
    begin_patch,
    code_of,
    create,
    head,
    offset_of,
    patch,
    request,
    stored_size,
)
from tests.serving import OFFSET_STREAM, TUS, Answer, Connection, Server

pytestmark = pytest.mark.e2e

CHECKSUM_TRAILER = {"Trailer": "Upload-Checksum"}


def chunks(data: bytes, size: int) -> bytes:
    """Data as chunks of that size, without the last one."""
    pieces = (data[start : start + size] for start in range(0, len(data), size))
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)


def patch_chunked(
    server: Server, path: str, data: bytes, *trailers: str, size: int = 4000, headers: dict[str, str] | None = None
) -> Answer:
    """PATCH at the beginning, chunked."""
    with Connection(server.port) as connection:
        begin_patch(connection, path, 0, None, headers)
        fields = "".join(f"{trailer}\r\n" for trailer in trailers)
        connection.send(chunks(data, size) + b"0\r\n" + fields.encode() + b"\r\n")
        return connection.read_answer()


def checksum(data: bytes, algorithm: str = "sha1") -> str:
    return f"{algorithm} {base64.b64encode(hashlib.new(algorithm, data).digest()).decode()}"


@pytest.mark.parametrize("size", [1, 4000, MEGABYTE])
def test_chunks_of_any_size(server: Server, size: int) -> None:
    data = os.urandom(20 * size + 1 if size < MEGABYTE else 3 * MEGABYTE)
    path = create(server, len(data))

    assert patch_chunked(server, path, data, size=size).status == 204
    assert_holds_bytes(server, path, data)


@pytest.mark.parametrize("length", [1000, 2 * MEGABYTE])
@pytest.mark.parametrize("surplus", [1, 5 * MEGABYTE])
def test_a_chunked_body_that_overruns(server: Server, length: int, surplus: int) -> None:
    data = os.urandom(length)
    path = create(server, length)

    answer = patch_chunked(server, path, data + bytes(surplus), size=300_000)

    assert (answer.status, code_of(answer)) == (413, "length-exceeded")
    assert offset_of(server, path) < length
    assert request(server, "GET", path, {}).status == 409
    assert stored_size(server, path) <= length
    offset = offset_of(server, path)
    assert patch(server, path, offset, data[offset:]).status == 204
    assert_holds_bytes(server, path, data)


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256", "sha512"])
def test_a_checksum_behind_the_body(server: Server, algorithm: str) -> None:
    data = os.urandom(10_000)
    path = create(server, len(data))

    wrong = patch_chunked(
        server, path, data, f"Upload-Checksum: {checksum(b'else', algorithm)}", headers=CHECKSUM_TRAILER
    )
    assert (wrong.status, code_of(wrong)) == (460, "checksum-mismatch")
    assert offset_of(server, path) == 0

    right = patch_chunked(server, path, data, f"upload-checksum: {checksum(data, algorithm)}", headers=CHECKSUM_TRAILER)
    assert right.status == 204
    assert_holds_bytes(server, path, data)


@pytest.mark.parametrize(
    "trailers", [(), ("Upload-Checksum: sha3 AAAA",), ("Upload-Checksum: sha1 ???",)], ids=["none", "unknown", "broken"]
)
def test_a_checksum_that_was_promised_has_to_come(server: Server, trailers: tuple[str, ...]) -> None:
    path = create(server, 100)

    assert patch_chunked(server, path, bytes(100), *trailers, headers=CHECKSUM_TRAILER).status == 400
    assert offset_of(server, path) == 0


def test_a_trailer_that_was_not_announced_is_ignored(server: Server) -> None:
    data = os.urandom(10_000)
    path = create(server, len(data))

    assert patch_chunked(server, path, data, f"Upload-Checksum: {checksum(b'else')}").status == 204
    assert_holds_bytes(server, path, data)


def test_a_trailer_is_no_header(server: Server) -> None:
    path = create(server, None)
    smuggled = ("Upload-Length: 10", "X-HTTP-Method-Override: DELETE", "Upload-Offset: 3", "Expect: 100-continue")
    announced = {"Trailer": "Upload-Checksum, Upload-Length, X-HTTP-Method-Override, Upload-Offset, Expect"}

    answer = patch_chunked(
        server, path, b"0123456789", *smuggled, f"Upload-Checksum: {checksum(b'0123456789')}", headers=announced
    )

    assert (answer.status, answer.headers["upload-offset"]) == (204, "10")
    found = head(server, path).headers
    assert (found["upload-offset"], found["upload-defer-length"]) == ("10", "1")


def test_a_trailer_does_not_reach_the_next_request(server: Server) -> None:
    path = create(server, 20)
    with Connection(server.port) as connection:
        begin_patch(connection, path, 0, None)
        connection.send(b"a\r\n0123456789\r\n0\r\n" + f"Upload-Checksum: {checksum(b'else')}\r\n\r\n".encode())
        assert connection.read_answer().status == 204
        begin_patch(connection, path, 10, None, CHECKSUM_TRAILER)
        connection.send(b"a\r\n0123456789\r\n0\r\n\r\n")
        assert connection.read_answer().status == 400
    assert offset_of(server, path) == 10


def test_many_requests_on_one_connection(server: Server) -> None:
    data = os.urandom(3 * MEGABYTE)
    third = len(data) // 3
    with Connection(server.port) as connection:
        path = connection.request("POST", "/files", {**TUS, "Upload-Length": str(len(data))}).headers["location"]
        for offset in range(0, len(data), third):
            assert connection.request("HEAD", path, TUS).headers["upload-offset"] == str(offset)
            stale = {**TUS, **OFFSET_STREAM, "Upload-Offset": str(offset)}
            answer = connection.request("PATCH", path, stale, data[offset : offset + third])
            assert (answer.status, answer.headers["upload-offset"]) == (204, str(offset + third))
        assert connection.request("GET", path, TUS).body == data
        assert connection.request("PATCH", path, {**TUS, **OFFSET_STREAM, "Upload-Offset": "0"}).status == 409
        assert connection.request("DELETE", path, TUS).status == 204
        assert connection.request("HEAD", path, TUS).status == 410


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("size", [10, 100_000, MEGABYTE])
def test_requests_that_do_not_wait_for_answers(server: Server, size: int, framing: str) -> None:
    data = os.urandom(3 * size)
    path = create(server, len(data))
    requests = b"".join(
        written_patch(path, start, data[start : start + size], framing) for start in (0, size, 2 * size)
    )
    asked = f"HEAD {path} HTTP/1.1\r\nHost: localhost\r\nTus-Resumable: 1.0.0\r\n\r\n".encode()
    with Connection(server.port) as connection:
        connection.send(requests + asked)
        answers = [connection.read_answer() for _ in range(3)]
        last = connection.read_answer(head_only=True)

    assert [(answer.status, answer.headers["upload-offset"]) for answer in answers] == [
        (204, str(size)),
        (204, str(2 * size)),
        (204, str(3 * size)),
    ]
    assert (last.status, last.headers["upload-offset"]) == (200, str(3 * size))
    assert_holds_bytes(server, path, data)


def written_patch(path: str, offset: int, body: bytes, framing: str) -> bytes:
    """A whole PATCH request as it goes over the wire."""
    chunked = framing == "chunked"
    framed = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}"
    fields = {**TUS, **OFFSET_STREAM, "Upload-Offset": str(offset)}
    lines = [
        f"PATCH {path} HTTP/1.1",
        "Host: localhost",
        framed,
        *(f"{name}: {value}" for name, value in fields.items()),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (chunks(body, 70_000) + b"0\r\n\r\n" if chunked else body)


def test_a_request_byte_by_byte(server: Server) -> None:
    path = create(server, 12)
    written = written_patch(path, 0, b"0123456789ab", "length")
    with Connection(server.port) as connection:
        for byte in written:
            connection.send(bytes([byte]))
        assert connection.read_answer().status == 204
        assert connection.request("HEAD", path, TUS).headers["upload-offset"] == "12"
    assert_holds_bytes(server, path, b"0123456789ab")


@pytest.mark.parametrize(
    ("size", "end"),
    [
        pytest.param(70_000, b"\r\n\r\n", id="a little"),
        pytest.param(200_000, b"\r\n\r\n", id="much"),
        # Nobody waits for the end of what goes on and on.
        pytest.param(MEGABYTE, b"", id="without end"),
    ],
)
@pytest.mark.parametrize("after", [0, 200_000], ids=["first", "behind a body"])
def test_a_head_beyond_measure(server: Server, size: int, end: bytes, after: int) -> None:
    path = create(server, after)
    with Connection(server.port) as connection:
        if after:
            connection.send(written_patch(path, 0, bytes(after), "length"))
            assert connection.read_answer().status == 204
        with contextlib.suppress(ConnectionError):
            connection.send(b"OPTIONS /files HTTP/1.1\r\nHost: localhost\r\nX-Filler: " + b"x" * size + end)
        answer = await_answer(connection, within=3)
    assert answer is None or (answer.status, code_of(answer)) == (431, "head-too-large")
    assert request(server, "OPTIONS", "/files", {}).status == 200


def test_a_large_head_within_measure(server: Server) -> None:
    parts = " ".join([create(server, 0, {"Upload-Concat": "partial"})] * 1000)

    assert request(server, "POST", "/files", {"Upload-Concat": f"final;{parts}"}).status == 201


def test_what_is_no_http(server: Server) -> None:
    with Connection(server.port) as connection:
        connection.send(b"\x16\x03\x01 this is not HTTP\r\n\r\n")
        answer = await_answer(connection)
    assert answer is None or answer.status == 400
    assert request(server, "OPTIONS", "/files", {}).status == 200
