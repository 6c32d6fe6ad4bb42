"""Thousands of subscribers to events in one thread: raw sockets, because a library would be what is measured."""

import base64
import os
import selectors
import socket
import threading
import time
from types import TracebackType
from typing import Self

HANDSHAKE = (
    b"GET /events%s HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n"
)
PATIENCE = 60.0
PING = b"\x89\x04"
"""The head of a ping as uvicorn sends it, with four bytes; all other messages are ASCII."""


class Listeners:
    """So many WebSockets that wait for events, and note when the last of them has heard of an upload."""

    def __init__(self, port: int, count: int, *, query: bytes = b"") -> None:
        self._port = port
        self._count = count
        self._query = query
        self._selector = selectors.DefaultSelector()
        self._sockets: list[socket.socket] = []
        self._wanted = b""
        self._heard: set[int] = set()
        self._changed = threading.Condition()
        self._closed = False
        self._last = 0.0

    def __enter__(self) -> Self:
        for _ in range(self._count):
            self._sockets.append(self._connect())
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        return self

    def _connect(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self._port), timeout=PATIENCE)
        connection.sendall(HANDSHAKE % (self._query, base64.b64encode(os.urandom(16))))
        answer = b""
        while b'"position"' not in answer:
            piece = connection.recv(4096)
            if not piece:
                raise ConnectionError(f"a subscriber was refused: {answer[:200]!r}")
            answer += piece
        connection.setblocking(False)
        self._selector.register(connection, selectors.EVENT_READ)
        return connection

    def expect(self, wanted: bytes) -> None:
        """Begin to wait for a message that holds these bytes."""
        with self._changed:
            self._wanted = wanted
            self._heard.clear()

    def await_all(self, timeout: float = PATIENCE) -> float:
        """Wait until everybody has heard; return when that was (time.monotonic). Raises `TimeoutError`."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._heard) == self._count, timeout):
                raise TimeoutError(f"{self._count - len(self._heard)} of {self._count} subscribers heard nothing")
            return self._last

    def _listen(self) -> None:
        while not self._closed:
            for key, _ in self._selector.select(timeout=0.2):
                self._receive(key.fileobj)  # type: ignore[arg-type]

    def _receive(self, connection: socket.socket) -> None:
        data = connection.recv(65536)
        if not data:
            self._selector.unregister(connection)
            return
        start = data.find(PING)
        if start >= 0:  # which the server is to have back, masked with zeros
            connection.send(b"\x8a\x84\0\0\0\0" + data[start + 2 : start + 6])
        if self._wanted and self._wanted in data:
            with self._changed:
                self._heard.add(connection.fileno())
                self._last = time.monotonic()
                if len(self._heard) == self._count:
                    self._changed.notify_all()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closed = True
        self._thread.join()
        for connection in self._sockets:
            connection.close()
