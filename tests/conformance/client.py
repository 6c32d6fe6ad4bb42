"""A tus client that adds nothing of its own, and checks nothing but what every answer must be."""

import http.client
import json
import re
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from tests.serving import OFFSET_STREAM, TUS, Answer, Connection, Server

UNKNOWN = "/files/0123456789abcdef0123456789abcdef"
"""The URL of an upload that never was."""

DEADLINE = 20.0
"""Seconds after which something that should have happened counts as not happening."""


def until(happened: Callable[[], object], *, deadline: float = DEADLINE) -> None:
    """Wait until something has happened."""
    end = time.monotonic() + deadline
    while not happened():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


class Client:
    """Talks to one server, a connection for each request."""

    def __init__(self, server: Server) -> None:
        self.server = server

    # Requests

    def request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | Iterable[bytes] | None = None,
    ) -> Answer:
        """Send a request as it is given; a body that is not bytes goes out in chunks."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=15)) as connection:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            names = [name.lower() for name, _ in response.getheaders()]
            assert len(names) == len(set(names)), f"a header field is repeated: {names}"
            answer = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, answer, response.read())

    def post(self, headers: Mapping[str, str], body: bytes | Iterable[bytes] = b"", *, path: str = "/files") -> Answer:
        """Create an upload."""
        content = OFFSET_STREAM if body else {}
        return self.request("POST", path, {**TUS, **content, **headers}, body)

    def head(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Ask for the offset."""
        return self.request("HEAD", path, {**TUS, **(headers or {})})

    def patch(
        self, path: str, offset: int, body: bytes | Iterable[bytes], headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Append."""
        return self.request(
            "PATCH", path, {**TUS, **OFFSET_STREAM, "Upload-Offset": str(offset), **(headers or {})}, body
        )

    def delete(self, path: str) -> Answer:
        """Terminate."""
        return self.request("DELETE", path, TUS)

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Download."""
        return self.request("GET", path, headers)

    def connect(self) -> Connection:
        """A connection on which a test writes what it likes."""
        return Connection(self.server.port)

    def half_patch(self, path: str, sent: bytes, *, of: int, headers: Mapping[str, str] | None = None) -> Connection:
        """Begin a PATCH at offset 0 with `of` bytes, send some of them, and see that they have reached the store."""
        connection = self.connect()
        length = {"Upload-Offset": "0", "Content-Length": str(of)}
        connection.send_head("PATCH", path, {**TUS, **OFFSET_STREAM, **length, **(headers or {})})
        connection.send(sent)
        until(lambda: self.stored(path) == len(sent))
        return connection

    # What tests begin with, and what they look at

    def new(self, length: int | None, data: bytes = b"", *, partial: bool = False, metadata: str | None = None) -> str:
        """The URL of a new upload that holds data; a length of None is deferred."""
        headers = {"Upload-Defer-Length": "1"} if length is None else {"Upload-Length": str(length)}
        headers |= {"Upload-Concat": "partial"} if partial else {}
        headers |= {} if metadata is None else {"Upload-Metadata": metadata}
        answer = self.post(headers, data)
        assert answer.status == 201, answer
        return answer.headers["location"]

    def file(self, data: bytes, *, metadata: str | None = None) -> str:
        """The URL of a completed upload."""
        return self.new(len(data), data, metadata=metadata)

    def part(self, data: bytes) -> str:
        """The URL of a completed partial upload."""
        return self.new(len(data), data, partial=True)

    def final(self, *parts: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Concatenate."""
        return self.post({"Upload-Concat": f"final;{' '.join(parts)}", **(headers or {})})

    def offset(self, path: str) -> int:
        """Upload-Offset as HEAD tells it."""
        answer = self.head(path)
        assert answer.status == 200, answer
        return int(answer.headers["upload-offset"])

    def content(self, path: str) -> bytes:
        """The bytes of a completed upload."""
        answer = self.get(path)
        assert answer.status == 200, answer
        return answer.body

    def live(self) -> set[str]:
        """The ids of all uploads that are there, removed ones left out."""
        with self.database() as connection:
            rows = connection.execute("SELECT id FROM uploads WHERE state IN ('unfinished', 'completed')")
            return {identifier for (identifier,) in rows}

    def committed(self, path: str) -> int:
        """The offset that would survive the server, read past it, so that it does not notice."""
        with self.database() as connection:
            rows = connection.execute("SELECT upload_offset FROM uploads WHERE id = ?", (path.rsplit("/", 1)[-1],))
            offset: int = rows.fetchone()[0]
            return offset

    @contextmanager
    def database(self) -> Iterator[sqlite3.Connection]:
        """The server's database, opened by its side."""
        with closing(sqlite3.connect(self.server.data_dir / "longshore.db", timeout=10)) as connection:
            yield connection

    def stored_file(self, path: str) -> Path | None:
        """The file that holds an upload's bytes."""
        found = list((self.server.data_dir / "uploads").rglob(path.rsplit("/", 1)[-1]))
        return found[0] if found else None

    def stored(self, path: str) -> int | None:
        """How many bytes of an upload lie on the disk; None when there is no file."""
        file = self.stored_file(path)
        return None if file is None else file.stat().st_size


def problem(answer: Answer) -> dict[str, Any]:
    """The problem document of a refusal, which every refusal must have (RFC 9457)."""
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = json.loads(answer.body)
    assert document["status"] == answer.status
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", document["code"])
    assert document["title"]
    return document


def refused(answer: Answer, status: int, code: str | None = None) -> None:
    """Check that a request was refused with this status, and this code."""
    assert answer.status == status, answer
    document = problem(answer)
    assert code is None or document["code"] == code


Serve = Callable[..., Client]
"""Starts a server with settings, and gives a client for it."""
