"""A request is answered the same in whatever pieces it arrives: as a whole, in two halves, or byte by byte."""

import contextlib
import re
import socket
import time
from collections.abc import Callable

import pytest
from tests.conformance.client import UNKNOWN, Client
from tests.serving import Answer, Connection

Raw = Callable[[Client], bytes]
"""Prepares what the request needs, and gives its bytes."""

PAUSE = 0.002
"""Seconds between two pieces, for the server to read the first one alone."""

SPLITS = 60
"""Positions at which a request is split; fewer than the positions it has, but each request has others."""


def raw(method: str, path: str, *headers: str, body: str = "") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Origin: https://app.example", "X-Request-ID: 1", *headers]
    return "\r\n".join([*lines, "", body]).encode()


def tus_raw(method: str, path: str, *headers: str, body: str = "") -> bytes:
    return raw(method, path, "Tus-Resumable: 1.0.0", *headers, body=body)


OFFSET_STREAM = "Content-Type: application/offset+octet-stream"
CHUNKED = "5\r\n67890\r\n0\r\n\r\n"
TRAILER = "2\r\n67\r\n3;ext=1\r\n890\r\n0\r\nUpload-Checksum: sha1 {}\r\n\r\n"
GOOD, BAD = "IwmRq8136Bc+2wrzkuHxESAFHik=", "2jmj7l5rSw0yVb/vlWAYkK/YBwk="

REQUESTS: dict[str, tuple[int, Raw]] = {
    "options": (200, lambda _: raw("OPTIONS", "/files")),
    "create": (201, lambda _: tus_raw("POST", "/files", "Upload-Length: 5", "Upload-Metadata: a YQ==,b")),
    "create-with-upload": (
        201,
        lambda _: tus_raw("POST", "/files", "Upload-Length: 5", OFFSET_STREAM, "Content-Length: 5", body="12345"),
    ),
    "create-nothing": (400, lambda _: tus_raw("POST", "/files")),
    "head": (200, lambda tus: tus_raw("HEAD", tus.new(10, b"12345"))),
    "head-unknown": (404, lambda _: tus_raw("HEAD", UNKNOWN)),
    "patch": (
        204,
        lambda tus: tus_raw(
            "PATCH", tus.new(10, b"12345"), "Upload-Offset: 5", OFFSET_STREAM, "Content-Length: 5", body="67890"
        ),
    ),
    "patch-empty": (204, lambda tus: tus_raw("PATCH", tus.new(10, b"12345"), "Upload-Offset: 5", OFFSET_STREAM)),
    "patch-chunked": (
        204,
        lambda tus: tus_raw(
            "PATCH",
            tus.new(10, b"12345"),
            "Upload-Offset: 5",
            OFFSET_STREAM,
            "Transfer-Encoding: chunked",
            body=CHUNKED,
        ),
    ),
    "patch-trailer": (
        204,
        lambda tus: tus_raw(
            "PATCH",
            tus.new(10, b"12345"),
            "Upload-Offset: 5",
            OFFSET_STREAM,
            "Transfer-Encoding: chunked",
            "Trailer: Upload-Checksum",
            body=TRAILER.format(GOOD),
        ),
    ),
    "patch-trailer-bad": (
        460,
        lambda tus: tus_raw(
            "PATCH",
            tus.new(10, b"12345"),
            "Upload-Offset: 5",
            OFFSET_STREAM,
            "Transfer-Encoding: chunked",
            "Trailer: Upload-Checksum",
            body=TRAILER.format(BAD),
        ),
    ),
    "patch-override": (
        204,
        lambda tus: tus_raw(
            "POST",
            tus.new(10, b"12345"),
            "X-HTTP-Method-Override: PATCH",
            "Upload-Offset: 5",
            OFFSET_STREAM,
            "Content-Length: 5",
            body="67890",
        ),
    ),
    "patch-conflict": (
        409,
        lambda tus: tus_raw(
            "PATCH", tus.new(10, b"12345"), "Upload-Offset: 4", OFFSET_STREAM, "Content-Length: 5", body="67890"
        ),
    ),
    "patch-overrun": (
        413,
        lambda tus: tus_raw(
            "PATCH", tus.new(9, b"12345"), "Upload-Offset: 5", OFFSET_STREAM, "Content-Length: 5", body="67890"
        ),
    ),
    "patch-type": (
        415,
        lambda tus: tus_raw("PATCH", tus.new(10, b"12345"), "Upload-Offset: 5", "Content-Length: 5", body="67890"),
    ),
    "patch-version": (
        412,
        lambda tus: raw(
            "PATCH", tus.new(10, b"12345"), "Upload-Offset: 5", OFFSET_STREAM, "Content-Length: 5", body="67890"
        ),
    ),
    "delete": (204, lambda tus: tus_raw("DELETE", tus.new(10, b"12345"))),
    "get": (200, lambda tus: raw("GET", tus.file(b"12345"))),
    "no-page": (404, lambda _: raw("GET", "/elsewhere")),
}


def connect(tus: Client) -> Connection:
    connection = tus.connect()
    connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def essence(answer: Answer) -> tuple[int, dict[str, str], bytes]:
    """An answer without what is different each time."""
    varying = {"date", "etag", "last-modified"}
    headers = {name: re.sub(r"[0-9a-f]{32}", "ID", value) for name, value in answer.headers.items()}
    # It comes once it is known.
    headers.pop("repr-digest", None)
    headers = {name: "" if name in varying else value for name, value in headers.items()}
    return answer.status, headers | {"upload-expires": str("upload-expires" in headers)}, answer.body


def answer_to(connection: Connection, request: bytes) -> tuple[int, dict[str, str], bytes]:
    return essence(connection.read_answer(head_only=request.startswith(b"HEAD")))


def whole(tus: Client, request: bytes) -> tuple[int, dict[str, str], bytes]:
    with connect(tus) as connection:
        connection.send(request)
        return answer_to(connection, request)


@pytest.mark.requirement("ls-wire")
@pytest.mark.parametrize("name", REQUESTS)
def test_in_two_pieces(tus: Client, name: str) -> None:
    """All at a time, so that one pause is enough: the first pieces, a pause, the second pieces, the answers."""
    status, prepare = REQUESTS[name]
    expected = whole(tus, prepare(tus))
    assert expected[0] == status
    length = len(prepare(tus))
    positions = sorted(
        {1 + number * (length - 2) // SPLITS for number in range(SPLITS)} | set(range(length - 20, length))
    )
    with contextlib.ExitStack() as connections:
        halves = []
        for position in positions:
            request = prepare(tus)
            connection = connections.enter_context(connect(tus))
            connection.send(request[:position])
            halves.append((connection, request, position))
        time.sleep(0.05)
        for connection, request, position in halves:
            connection.send(request[position:])
        for connection, request, position in halves:
            assert answer_to(connection, request) == expected, (position, request)


@pytest.mark.requirement("ls-wire")
@pytest.mark.parametrize("name", REQUESTS)
def test_byte_by_byte(tus: Client, name: str) -> None:
    _, prepare = REQUESTS[name]
    expected = whole(tus, prepare(tus))
    request = prepare(tus)
    with connect(tus) as connection:
        for byte in request:
            connection.send(bytes([byte]))
            time.sleep(PAUSE)
        assert answer_to(connection, request) == expected


@pytest.mark.requirement("ls-wire")
def test_several_requests_in_one_piece(tus: Client) -> None:
    names = ["options", "create", "head", "patch", "patch-chunked", "patch-trailer", "delete", "get", "options"]
    requests = [REQUESTS[name][1](tus) for name in names]
    with connect(tus) as connection:
        connection.send(b"".join(requests))
        statuses = [answer_to(connection, request)[0] for request in requests]
    assert statuses == [REQUESTS[name][0] for name in names]
