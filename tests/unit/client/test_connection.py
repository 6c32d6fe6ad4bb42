"""Against a real server on loopback that answers as it is told."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from longshore.client.address import Address
from longshore.client.connection import Connection
from longshore.client.credentials import FixedToken
from longshore.client.errors import Anonymous, ClientError, Passing, Refused


@dataclass
class Script:
    """What the server answers, and what it was sent."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    seen: list[tuple[str, str, Mapping[str, str]]] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/files"


@pytest.fixture
def script() -> Iterator[Script]:
    told = Script()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.seen.append((self.command, self.path, {name.lower(): value for name, value in self.headers.items()}))
            self.send_response(told.status)
            for name, value in {"Content-Length": str(len(told.body)), **told.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(told.body)

        do_POST = do_HEAD = do_GET  # noqa: N815 - http.server names them

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        told.port = server.server_address[1]
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield told
        server.shutdown()
        thread.join()


@pytest.fixture
def connection(script: Script) -> Iterator[Connection]:
    with Connection(Address.read(script.url)) as opened:
        opened.credentials = FixedToken("secret")
        yield opened


def test_the_token_goes_to_the_server_and_nowhere_else(script: Script, connection: Connection) -> None:
    connection.request("GET", script.url)
    connection.request("GET", script.url.replace("127.0.0.1", "localhost"))

    (_, _, ours), (_, _, others) = script.seen
    assert ours["authorization"] == "Bearer secret"
    assert "authorization" not in others


def test_a_redirect_is_told_and_not_followed(script: Script, connection: Connection) -> None:
    script.status, script.headers = 301, {"Location": "https://elsewhere.org/files"}
    with pytest.raises(Refused, match=r"redirects to https://elsewhere\.org/files"):
        connection.request("GET", script.url)
    assert len(script.seen) == 1


@pytest.mark.parametrize("status", [408, 423, 429, 460, 500, 502, 503, 507])
def test_what_passes_may_be_tried_again(script: Script, connection: Connection, status: int) -> None:
    script.status, script.headers = status, {"Retry-After": "7"}
    with pytest.raises(Passing) as told:
        connection.request("POST", script.url)
    assert told.value.retry_after == 7


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 412, 413, 415])
def test_what_does_not_pass_says_why_in_one_line_without_commands_to_the_terminal(
    script: Script, connection: Connection, status: int
) -> None:
    script.status, script.body = status, json.dumps({"detail": "Not\x1b[2J here."}).encode()
    with pytest.raises(Refused) as told:
        connection.request("POST", script.url)
    assert (told.value.status, str(told.value)) == (status, r"Not\x1b[2J here")


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"detail": 5}', b"[" * 100_000])
def test_other_answers_are_told_by_their_status(script: Script, connection: Connection, body: bytes) -> None:
    script.status, script.body = 404, body
    with pytest.raises(Refused, match="the server answers 404 to POST /files"):
        connection.request("POST", script.url)


def test_a_file_that_is_not_finished_is_not_waited_for(script: Script, connection: Connection) -> None:
    script.status = 409
    with pytest.raises(Refused):
        connection.request("GET", script.url)
    with pytest.raises(Passing):
        connection.request("POST", script.url)


def test_who_gave_no_token_is_told_how(script: Script, connection: Connection) -> None:
    connection.credentials = FixedToken("")
    script.status = 401
    with pytest.raises(Anonymous, match="--user"):
        connection.request("GET", script.url)


def test_a_body_that_ends_early_passes(script: Script, connection: Connection) -> None:
    script.headers, script.body = {"Content-Length": "10"}, b"12345"
    with pytest.raises(Passing, match="lost"):
        connection.request("GET", script.url)


def test_what_is_no_json_is_not_a_server_of_ours(script: Script, connection: Connection) -> None:
    script.body = b"<html>"
    with pytest.raises(ClientError, match="does not answer as Longshore does"):
        connection.json(script.url)


@pytest.mark.parametrize("url", ["gopher://example.org/x", "http://[::1/x", "http://"])
def test_what_is_no_url_is_told(connection: Connection, url: str) -> None:
    with pytest.raises(ClientError, match=r"valid|not a URL"):
        connection.request("GET", url)
