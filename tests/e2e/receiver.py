"""A receiver of webhooks on loopback: goes away and comes back, holds calls, answers them as it is told to."""

import contextlib
import json
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition, Event, Lock, Thread
from types import TracebackType
from typing import Any, Self

from standardwebhooks import Webhook
from tests.e2e.test_crash_safety import steady_port

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PATIENCE = 30.0
"""Seconds that a test waits for a call, and a call that is held for its release, at most."""


@dataclass(frozen=True)
class Call:
    """A request that came in, its signature verified."""

    path: str
    headers: dict[str, str]
    """By lower-case name."""
    said: Any
    """The JSON document."""

    @property
    def type(self) -> str:
        return str(self.said["Type"])

    @property
    def upload(self) -> dict[str, Any]:
        """Event.Upload"""
        told: dict[str, Any] = self.said["Event"]["Upload"]
        return told

    @property
    def upload_id(self) -> str:
        return str(self.upload["ID"])

    @property
    def about(self) -> tuple[str, str]:
        """The type and the upload."""
        return self.type, self.upload_id

    @property
    def message_id(self) -> str:
        """The same at each attempt."""
        assert self.headers["webhook-id"] == self.headers["idempotency-key"]
        return self.headers["webhook-id"]


@dataclass(frozen=True)
class Reply:
    """What a call is answered with."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)


def says(**answer: Any) -> Reply:
    """A hook response as tusd knows it."""
    return Reply(body=json.dumps(answer).encode())


class Receiver:
    """Listens while it is entered; `stop` and `start` let it go away and come back at the same port."""

    def __init__(self, answer: Callable[[Call], Reply] = lambda call: Reply()) -> None:
        """`answer` runs in a thread of the call's own, and may block."""
        self.answer = answer
        self.port = steady_port()
        self.connections = 0
        self._calls: list[Call] = []
        self._heard = Condition()
        self._invalid: list[Exception] = []
        self._server: _Server | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks"

    @property
    def calls(self) -> list[Call]:
        """What has come in so far, in order."""
        with self._heard:
            return list(self._calls)

    def of(self, upload_id: str) -> list[str]:
        """The types of the calls about an upload, in order."""
        return [call.type for call in self.calls if call.upload_id == upload_id]

    def await_calls(self, count: int, wanted: Callable[[Call], bool] = lambda call: True) -> list[Call]:
        """Wait until so many calls that are wanted have come in; return all of those that are wanted."""
        with self._heard:
            self._heard.wait_for(lambda: len([*filter(wanted, self._calls)]) >= count, PATIENCE)
            found = [*filter(wanted, self._calls)]
        assert len(found) >= count, f"{count} calls were expected: {[call.about for call in self.calls]}"
        return found

    def await_type(self, hook_type: str) -> Call:
        """Wait for the first call of that type."""
        return self.await_calls(1, lambda call: call.type == hook_type)[0]

    def start(self) -> None:
        """Listen."""
        self._server = _Server(("127.0.0.1", self.port), _Handler, self)
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self) -> None:
        """Be gone: nothing listens, and open connections are cut off."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def take(self, call: Call) -> Reply:
        """Note a call and answer it."""
        with self._heard:
            self._calls.append(call)
            self._heard.notify_all()
        return self.answer(call)

    def mistrust(self, error: Exception) -> None:
        """Note a request that nobody should have sent."""
        self._invalid.append(error)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
        assert self._invalid == [], self._invalid


class Hold:
    """A way to answer that keeps calls waiting, all or those that are wanted, until it is released."""

    def __init__(self, wanted: Callable[[Call], bool] = lambda call: True, then: Reply | None = None) -> None:
        self._wanted = wanted
        self._then = then or Reply()
        self._released = Event()

    def release(self) -> None:
        self._released.set()

    def __call__(self, call: Call) -> Reply:
        if self._wanted(call):
            self._released.wait(PATIENCE)
        return self._then


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler], receiver: Receiver) -> None:
        self.receiver = receiver
        self._open: set[socket.socket] = set()
        self._lock = Lock()
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self.receiver.connections += 1
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that are gone: the server that is tested gets killed."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        size = int(self.headers["content-length"])
        body = self.rfile.read(size)
        if len(body) < size:
            return  # The sender was killed.
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            call = Call(self.path, headers, Webhook(SECRET).verify(body, headers))
        except Exception as error:
            self.server.receiver.mistrust(error)
            raise
        reply = self.server.receiver.take(call)
        self.send_response(reply.status)
        for name, value in {**reply.headers, "Content-Length": str(len(reply.body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""
