"""What a server says: request ids, the access log, and that no secret gets into either."""

import base64
import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.accounts import PASSWORD, User, sign_in
from tests.serving import OFFSET_STREAM, TUS, Answer, Connection, Server, serving

pytestmark = pytest.mark.e2e

NAME = "confidential-takeover-plan.iso"
METADATA = {"Upload-Metadata": f"filename {base64.b64encode(NAME.encode()).decode()}"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = {"auth": "local", "admin_password": PASSWORD, "log_format": "json", "access_log": "true"}
    with serving(tmp_path_factory.mktemp("logging") / "data", metrics="open", **settings) as server:
        yield server


@pytest.fixture(scope="module")
def user(server: Server) -> User:
    return sign_in(server)


def ask(server: Server, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Answer:
    with Connection(server.port) as connection:
        return connection.request(method, path, headers or {}, body)


def lines(server: Server) -> Sequence[Mapping[str, Any]]:
    return [json.loads(line) for line in server.said().splitlines() if line.startswith("{")]


def line_of(server: Server, answer: Answer) -> Mapping[str, Any]:
    """The line of the access log about the request that was answered so; it is written just after the answer."""
    wanted = ("longshore.access", answer.headers["x-request-id"])
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        found = [line for line in lines(server) if (line["logger"], line.get("request_id")) == wanted]
        if found:
            assert len(found) == 1
            return found[0]
    raise AssertionError(f"the access log has no line of {wanted[1]}")


def test_everything_but_the_banner_is_json(server: Server) -> None:
    ask(server, "GET", "/healthz")
    banner, _, rest = server.said().partition("  auth: ")
    assert banner.startswith("Longshore is ready\n  listening:")
    # The banner's last line is there where there is a page to open.
    assert all(line.startswith("{") for line in rest.splitlines()[1:] if line != f"Open {server.origin}/")


def test_an_upload_and_its_download_in_the_access_log(server: Server, user: User) -> None:
    size = 3_000_000
    created = ask(server, "POST", "/files", {**TUS, **user.bearer, **METADATA, "Upload-Length": str(size)})
    path = created.headers["location"]
    headers = {**TUS, **OFFSET_STREAM, **user.bearer, "Upload-Offset": "0", "X-Request-ID": "client-7"}
    patched = ask(server, "PATCH", path, headers, bytes(size))
    fetched = ask(server, "GET", path, user.bearer)
    assert (patched.status, patched.headers["x-request-id"], len(fetched.body)) == (204, "client-7", size)
    line = line_of(server, patched)
    upload_id = path.rpartition("/")[2]
    expected = {
        "event": f"PATCH {path} 204",
        "method": "PATCH",
        "path": path,
        "status": 204,
        "received": size,
        "sent": 0,
        "upload_id": upload_id,
        "client": "127.0.0.1",
    }
    assert expected.items() <= line.items()
    assert re.fullmatch("local:[0-9a-f]{32}", line["user_id"])
    assert 0 < line["duration"] < 30
    assert line_of(server, fetched)["sent"] == size
    (completed,) = [line for line in lines(server) if line["event"].startswith(f"upload completed: {upload_id}")]
    assert (completed["request_id"], completed["upload_id"]) == ("client-7", upload_id)


def test_bytes_that_come_straight_from_the_socket_are_counted(server: Server, user: User) -> None:
    def received() -> float:
        text = ask(server, "GET", "/metrics").body.decode()
        return float(re.findall(r"^longshore_bytes_received_total (\S+)$", text, re.MULTILINE)[0])

    before = received()
    created = ask(server, "POST", "/files", {**TUS, **user.bearer, "Upload-Length": "9000000"})
    headers = {**TUS, **OFFSET_STREAM, **user.bearer, "Upload-Offset": "0", "Content-Length": "9000000"}
    with Connection(server.port) as connection:
        connection.send_head("PATCH", created.headers["location"], headers)
        connection.send(bytes(4_000_000))
        while received() < before + 4_000_000:
            pass
        assert received() == before + 4_000_000
        connection.send(bytes(5_000_000))
        assert connection.read_answer().status == 204
    assert received() == before + 9_000_000


@pytest.mark.parametrize("given", ["two words", "a" * 129, 'quote"d', "naïve", "\x1b[2J", ""])
def test_an_id_that_is_not_sane_is_replaced(server: Server, given: str) -> None:
    with Connection(server.port) as connection:
        connection.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Request-ID: %s\r\n\r\n" % given.encode("latin-1"))
        answer = connection.read_answer()
    if answer.status == 200:
        assert re.fullmatch("[0-9a-f]{8}-[0-9a-f]+", answer.headers["x-request-id"])
    else:
        # The server's parser refuses control characters before there is a request.
        assert (answer.status, given) == (400, "\x1b[2J")


def test_every_request_has_an_id_of_its_own_which_pages_may_read(server: Server) -> None:
    answers = [ask(server, "GET", path, {"Origin": "https://a.example"}) for path in ("/healthz", "/nowhere", "/files")]
    assert [answer.status for answer in answers] == [200, 404, 401]
    assert len({answer.headers["x-request-id"] for answer in answers}) == 3
    for answer in answers:
        assert "X-Request-ID" in answer.headers["access-control-expose-headers"].split(", ")


def test_no_query_no_token_and_no_metadata_in_the_log(server: Server, user: User) -> None:
    answer = ask(server, "POST", "/files?access_token=in-the-query", {**TUS, **user.bearer, **METADATA})
    assert answer.status == 400
    assert line_of(server, answer)["path"] == "/files"
    ask(server, "GET", "/healthz", {"Authorization": "Bearer in-the-header", "Cookie": "longshore_admin=in-the-cookie"})
    said = server.said()
    for secret in ("in-the-query", "in-the-header", "in-the-cookie", user.access_token, PASSWORD, NAME):
        assert secret not in said
    assert METADATA["Upload-Metadata"].partition(" ")[2] not in said


def test_no_secret_of_a_websocket_in_the_log_even_at_debug(tmp_path: Path) -> None:
    handshake = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Protocol": "longshore, in-the-protocol",
        "Authorization": "Bearer in-the-header",
    }
    with serving(tmp_path / "data", log_level="debug", access_log="true", auth="local") as server:
        with Connection(server.port) as connection:
            connection.send_head("GET", "/events?access_token=in-the-query", handshake)
            assert connection.read_answer().status in (101, 401, 403)
        server.stop()
        said = server.said()
    assert "WebSocket /events [longshore.access]" in said
    for secret in ("in-the-query", "in-the-header", "in-the-protocol"):
        assert secret not in said


def test_lines_for_people_and_no_access_log_by_default(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server:
        created = ask(server, "POST", "/files", {**TUS, "Upload-Length": "0"})
        ask(server, "GET", "/nowhere")
        server.stop()
        said = server.said()
    upload_id = created.headers["location"].rpartition("/")[2]
    request_id = created.headers["x-request-id"]
    assert f"[INFO     ] upload completed: {upload_id}, 0 bytes [longshore.app] request_id={request_id}" in said
    assert "nowhere" not in said


def test_who_asks_for_an_access_log_gets_it_whatever_the_level(tmp_path: Path) -> None:
    with serving(tmp_path / "data", access_log="true", log_level="error") as server:
        ask(server, "GET", "/nowhere")
        server.stop()
        assert "GET /nowhere 404 [longshore.access]" in server.said()
