"""Refusals that come early: the client can read them although it is still sending, and nothing has been written."""

import os
from collections.abc import Iterator

import pytest
from tests.e2e.samples import MEGABYTE
from tests.e2e.wire import (
    all_stored,
    assert_holds_bytes,
    await_answer,
    begin_patch,
    create,
    offset_of,
    patch,
    request,
    stored_size,
)
from tests.serving import OFFSET_STREAM, TUS, Connection, Server, serving

pytestmark = pytest.mark.e2e

LENGTH = 60 * MEGABYTE
MUCH = 50 * MEGABYTE
CONTINUE = {"Expect": "100-continue"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("server") / "data", max_size=str(LENGTH)) as running:
        yield running


@pytest.fixture(scope="module")
def much() -> bytes:
    return os.urandom(MUCH)


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize(
    ("status", "changes"),
    [
        pytest.param(409, {"Upload-Offset": "1"}, id="wrong offset"),
        pytest.param(415, {"Content-Type": "application/octet-stream"}, id="wrong type"),
        pytest.param(412, {"Tus-Resumable": "0.2.2"}, id="wrong version"),
        pytest.param(412, {"Tus-Resumable": None}, id="no version"),
        pytest.param(400, {"Upload-Offset": None}, id="no offset"),
        pytest.param(400, {"Upload-Offset": "-0"}, id="nonsense for an offset"),
        pytest.param(400, {"Upload-Checksum": "sha3 AAAA"}, id="unknown checksum algorithm"),
        pytest.param(400, {"Upload-Length": "1"}, id="another length"),
    ],
)
def test_append(server: Server, much: bytes, status: int, changes: dict[str, str | None], framing: str) -> None:
    path = create(server, LENGTH)
    fields = {**TUS, **OFFSET_STREAM, "Upload-Offset": "0", **changes}
    headers = {name: value for name, value in fields.items() if value is not None}

    assert refusal(server, "PATCH", path, headers, much, framing) == status
    assert offset_of(server, path) == 0
    assert stored_size(server, path) == 0


def refusal(server: Server, method: str, path: str, headers: dict[str, str], body: bytes, framing: str) -> int:
    """The status that a client reads which first sends all of its body."""
    with Connection(server.port) as connection:
        if framing == "length":
            return connection.request(method, path, headers, body).status
        connection.send_head(method, path, {**headers, "Transfer-Encoding": "chunked"})
        connection.send_chunk(body)
        connection.send(b"0\r\n\r\n")
        return connection.read_answer().status


@pytest.mark.parametrize("sent", [0, MEGABYTE])
def test_more_than_is_left(server: Server, much: bytes, sent: int) -> None:
    path = create(server, 2 * MEGABYTE)
    if sent:
        assert patch(server, path, 0, much[:sent]).status == 204

    answer = patch(server, path, sent, much)

    assert answer.status == 413
    assert offset_of(server, path) == stored_size(server, path) == sent
    assert patch(server, path, sent, much[sent : 2 * MEGABYTE]).status == 204
    assert_holds_bytes(server, path, much[: 2 * MEGABYTE])


def test_uploads_that_take_nothing(server: Server, much: bytes) -> None:
    part = create(server, 0, {"Upload-Concat": "partial"})
    final = request(server, "POST", "/files", {"Upload-Concat": f"final;{part}"}).headers["location"]
    gone = create(server, LENGTH)
    assert request(server, "DELETE", gone, {}).status == 204

    assert patch(server, final, 0, much).status == 403
    assert patch(server, gone, 0, much).status == 410
    assert patch(server, "/files/0123456789abcdef0123456789abcdef", 0, much).status == 404
    assert request(server, "POST", gone, {"Upload-Length": "5"}, much).status == 405
    assert patch(server, "/elsewhere", 0, much).status == 404


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize(
    ("status", "headers"),
    [
        pytest.param(413, {**OFFSET_STREAM, "Upload-Length": str(LENGTH + 1)}, id="too large"),
        pytest.param(415, {"Content-Type": "text/plain", "Upload-Length": str(MUCH)}, id="wrong type"),
        pytest.param(400, {**OFFSET_STREAM}, id="no length"),
        pytest.param(400, {**OFFSET_STREAM, "Upload-Length": str(MUCH), "Upload-Metadata": "a !"}, id="bad metadata"),
        pytest.param(412, {**OFFSET_STREAM, "Upload-Length": str(MUCH), "Tus-Resumable": "2"}, id="wrong version"),
    ],
)
def test_creation(server: Server, much: bytes, status: int, headers: dict[str, str], framing: str) -> None:
    before = all_stored(server)

    assert refusal(server, "POST", "/files", {**TUS, **headers}, much, framing) == status
    assert all_stored(server) == before


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        pytest.param(413, {**OFFSET_STREAM, "Upload-Length": str(LENGTH + 1)}, id="too large"),
        pytest.param(413, {**OFFSET_STREAM, "Upload-Length": "9"}, id="more than announced"),
        pytest.param(415, {"Content-Type": "text/plain", "Upload-Length": "10"}, id="wrong type"),
        pytest.param(412, {**OFFSET_STREAM, "Upload-Length": "10", "Tus-Resumable": "2"}, id="wrong version"),
    ],
)
def test_a_refused_creation_does_not_ask_for_the_body(server: Server, status: int, headers: dict[str, str]) -> None:
    with Connection(server.port) as connection:
        connection.send_head("POST", "/files", {**TUS, **headers, **CONTINUE, "Content-Length": "10"})

        assert connection.read_answer().status == status
        # The client may or may not send the body now; so nothing else can follow on this connection.
        assert await_answer(connection, within=3) is None


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_an_accepted_creation_asks_for_the_body(server: Server, framing: str) -> None:
    length = {"Content-Length": "10"} if framing == "length" else {"Transfer-Encoding": "chunked"}
    with Connection(server.port) as connection:
        connection.send_head("POST", "/files", {**TUS, **OFFSET_STREAM, "Upload-Length": "10", **CONTINUE, **length})
        assert connection.read_answer().status == 100
        connection.send(b"0123456789" if framing == "length" else b"a\r\n0123456789\r\n0\r\n\r\n")
        answer = connection.read_answer()

        assert (answer.status, answer.headers["upload-offset"]) == (201, "10")
        assert_holds_bytes(server, answer.headers["location"], b"0123456789")


def test_appending_asks_for_the_body_only_when_it_is_wanted(server: Server) -> None:
    path = create(server, 10)
    with Connection(server.port) as connection:
        begin_patch(connection, path, 5, 5, CONTINUE)
        assert connection.read_answer().status == 409
    with Connection(server.port) as connection:
        begin_patch(connection, path, 0, 10, CONTINUE)
        assert connection.read_answer().status == 100
        connection.send(b"0123456789")
        assert connection.read_answer().status == 204
    assert_holds_bytes(server, path, b"0123456789")
