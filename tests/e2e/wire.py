"""tus requests by hand, what they leave on the disk, and clients that send at a pace of their own."""

import contextlib
import hashlib
import http.client
import json
import select
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import urlsplit

from tests.serving import OFFSET_STREAM, TUS, Answer, Connection, Server

T = TypeVar("T")

PIECE = 32 * 1024
"""Bytes that a paced client sends at a time."""


def poll(look: Callable[[], T], *, within: float = 10.0, every: float = 0.01) -> T:
    """Look until there is something to be seen, and return it."""
    deadline = time.monotonic() + within
    while not (seen := look()):
        assert time.monotonic() < deadline, f"not seen within {within} seconds"
        time.sleep(every)
    return seen


def request(server: Server, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
    """One tus request on a connection of its own; to a path, or to that of a URL."""
    with Connection(server.port) as connection:
        return connection.request(method, urlsplit(path).path, {**TUS, **headers}, body)


def create(server: Server, length: int | None, headers: Mapping[str, str] | None = None) -> str:
    """Create an upload, of deferred length if there is none; return its path."""
    size = {"Upload-Defer-Length": "1"} if length is None else {"Upload-Length": str(length)}
    answer = request(server, "POST", "/files", {**size, **(headers or {})})
    assert answer.status == 201, answer
    return answer.headers["location"]


def head(server: Server, path: str) -> Answer:
    """HEAD, whatever the answer."""
    return request(server, "HEAD", path, {})


def offset_of(server: Server, path: str) -> int:
    """The committed offset."""
    answer = head(server, path)
    assert answer.status == 200, answer
    return int(answer.headers["upload-offset"])


def patch(server: Server, path: str, offset: int, body: bytes, headers: Mapping[str, str] | None = None) -> Answer:
    """PATCH with a Content-Length."""
    return request(server, "PATCH", path, {**OFFSET_STREAM, "Upload-Offset": str(offset), **(headers or {})}, body)


def begin_patch(
    connection: Connection, path: str, offset: int, length: int | None, headers: Mapping[str, str] | None = None
) -> None:
    """Send the head of a PATCH request; one whose body is chunked when it has no length."""
    framing = {"Transfer-Encoding": "chunked"} if length is None else {"Content-Length": str(length)}
    fields = {**TUS, **OFFSET_STREAM, "Upload-Offset": str(offset), **framing, **(headers or {})}
    connection.send_head("PATCH", urlsplit(path).path, fields)


def finish(server: Server, path: str, data: bytes, *, within: float = 10.0) -> None:
    """Go on from where the upload stands, as clients do: HEAD, PATCH, and again after a conflict."""

    def went_on() -> bool:
        offset = offset_of(server, path)
        answer = patch(server, path, offset, data[offset:])
        assert answer.status in (204, 409, 423), answer
        return answer.status == 204

    poll(went_on, within=within)


def code_of(answer: Answer) -> str:
    """The stable code of a problem."""
    return str(json.loads(answer.body)["code"])


def stored(server: Server, path: str) -> Path:
    """The file that holds an upload's bytes."""
    upload_id = urlsplit(path).path.rpartition("/")[2]
    return server.data_dir / "uploads" / upload_id[:2] / upload_id


def stored_size(server: Server, path: str) -> int:
    """Bytes of an upload that are on the disk, committed or not."""
    file = stored(server, path)
    return file.stat().st_size if file.exists() else 0


def all_stored(server: Server) -> list[Path]:
    """Every file that holds an upload's bytes."""
    return [file for file in (server.data_dir / "uploads").rglob("*") if file.is_file()]


def downloaded_hash(server: Server, path: str) -> str:
    """sha256 of what GET returns."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("GET", urlsplit(path).path)
    response = connection.getresponse()
    digest = hashlib.sha256()
    while piece := response.read(1024 * 1024):
        digest.update(piece)
    connection.close()
    assert response.status == 200, response.status
    return digest.hexdigest()


def stored_hash(server: Server, path: str) -> str:
    """sha256 of the file on the disk."""
    with stored(server, path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def assert_holds(server: Server, path: str, size: int, sha256: str) -> None:
    """The upload is finished, and HEAD, GET and the disk agree on what it holds."""
    answer = head(server, path)
    assert (answer.status, answer.headers["upload-offset"], answer.headers["upload-length"]) == (
        200,
        f"{size}",
        f"{size}",
    )
    assert stored_hash(server, path) == sha256
    assert downloaded_hash(server, path) == sha256


def assert_holds_bytes(server: Server, path: str, data: bytes) -> None:
    """The upload is finished and holds exactly this."""
    assert_holds(server, path, len(data), hashlib.sha256(data).hexdigest())


def await_answer(connection: Connection, *, within: float = 15.0) -> Answer | None:
    """The next answer; None when the connection was closed or reset instead."""
    connection.socket.settimeout(within)
    try:
        if not connection.socket.recv(1, socket.MSG_PEEK):
            return None
        return connection.read_answer()
    except ConnectionError:
        return None


class Sender:
    """A client that sends a PATCH request at a steady pace, until it is answered or cut off.

    With `stop_after` it sends so many bytes and then waits without closing; with `stubborn` it sends on although the
    answer is there. A context: it is gone at the end.
    """

    def __init__(
        self,
        server: Server,
        path: str,
        body: bytes,
        *,
        rate: float,
        stop_after: int | None = None,
        stubborn: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """`body` goes to the upload's beginning unless headers say otherwise; `rate` is bytes a second."""
        self.path = path
        self.answer: Answer | None = None
        self.sent = 0
        """Bytes given to the kernel, or about to be."""
        self._history: list[tuple[float, int]] = []
        self._body = body
        self._delay = PIECE / rate
        self._end = len(body) if stop_after is None else stop_after
        self._stubborn = stubborn
        self._leave = Event()
        self._connection = Connection(server.port)
        begin_patch(self._connection, path, 0, len(body), headers)
        self._thread = Thread(target=self._run)

    def sent_until(self, moment: float) -> int:
        """How many bytes the kernel had been given at a moment of `time.monotonic`."""
        return max((sent for at, sent in self._history if at <= moment), default=0)

    def finished(self, within: float = 30.0) -> Answer | None:
        """Wait until the request is over; return the answer, None when the connection was closed or reset instead."""
        self._thread.join(within)
        assert not self._thread.is_alive(), "the request was not answered"
        return self.answer

    def _run(self) -> None:
        with contextlib.suppress(ConnectionError):
            self._send()
        self.answer = await_answer(self._connection, within=60)
        if not self._stubborn:
            self._shut_down()

    def _send(self) -> None:
        while self.sent < self._end and not self._leave.wait(self._delay):
            if self._is_answered() and not self._stubborn:
                return
            piece = self._body[self.sent : min(self.sent + PIECE, self._end)]
            self.sent += len(piece)
            self._connection.send(piece)
            self._history.append((time.monotonic(), self.sent))

    def _is_answered(self) -> bool:
        return bool(select.select([self._connection.socket], [], [], 0)[0])

    def _shut_down(self) -> None:
        with contextlib.suppress(OSError):  # The server may have closed it already.
            self._connection.socket.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._leave.set()
        self._shut_down()
        self._thread.join()
        self._connection.close()
