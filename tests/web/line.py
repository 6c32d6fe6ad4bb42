"""The network between a browser and a server: it can be slow, held up in the middle of a file, and cut."""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from tests.serving import Server

PIECE = 256 * 1024
PATIENCE = 30.0
RESET = struct.pack("ii", 1, 0)
"""For SO_LINGER: closing sends a reset at once."""


class Line:
    """A TCP proxy on a port of its own, which browsers take for the server. A context: it is gone at the end."""

    def __init__(self, server: Server, *, rate: float | None = None) -> None:
        """`rate` is the bytes a second that each connection takes towards the server."""
        self._server = server
        self._rate = rate
        self._up = True
        self._hold_after: int | None = None
        self._held = False
        self._change = threading.Condition()
        self._pairs: list[_Pair] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        # Small, so that what is held up is held up here and not in between.
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, PIECE)

    @property
    def origin(self) -> str:
        """http://host:port"""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    @property
    def sent(self) -> int:
        """Bytes that have been passed on to the server, headers included."""
        with self._change:
            return sum(pair.sent for pair in self._pairs)

    def hold_after(self, count: int) -> None:
        """Pass on so many bytes of each connection and then no more, without ending it: until `release` or `cut`."""
        with self._change:
            self._hold_after = count
            self._held = False

    def wait_until_held(self) -> None:
        """Wait until a connection is held up."""
        with self._change:
            assert self._change.wait_for(lambda: self._held, PATIENCE), "nothing was held up"

    def release(self) -> None:
        """Let everything through again."""
        with self._change:
            self._hold_after = None
            self._change.notify_all()

    def cut(self) -> None:
        """End every connection, and take no more."""
        with self._change:
            self._up = False
            self._hold_after = None
            self._change.notify_all()
            pairs = list(self._pairs)
        for pair in pairs:
            pair.end()

    def mend(self) -> None:
        """Take connections again."""
        with self._change:
            self._up = True

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # Closed at the end.
            while True:
                browser, _ = self._listener.accept()
                self._connect(browser)

    def _connect(self, browser: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self._server.port))
        except OSError:
            browser.close()
            return
        pair = _Pair(browser, server)
        with self._change:
            self._pairs.append(pair)
            up = self._up
        if not up:
            pair.end()
        threading.Thread(target=self._send, args=(pair,), daemon=True).start()
        threading.Thread(target=self._receive, args=(pair,), daemon=True).start()

    def _receive(self, pair: "_Pair") -> None:
        """Pass on what the server sends."""
        with pair.until_its_end():
            while piece := pair.server.recv(PIECE):
                pair.browser.sendall(piece)
        with self._change:
            self._change.notify_all()

    def _send(self, pair: "_Pair") -> None:
        """Pass on what the browser sends."""
        with pair.until_its_end():
            while piece := pair.browser.recv(PIECE):
                if self._rate:
                    time.sleep(len(piece) / self._rate)
                self._await_turn(pair)
                pair.server.sendall(piece)
                with self._change:
                    pair.sent += len(piece)

    def _await_turn(self, pair: "_Pair") -> None:
        def goes_on() -> bool:
            return self._hold_after is None or pair.sent < self._hold_after or pair.ended

        with self._change:
            if not goes_on():
                self._held = True
                self._change.notify_all()
                self._change.wait_for(goes_on)

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # Closing alone does not wake the thread that accepts.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()


class _Pair:
    """A connection of the browser, and the one to the server that carries it on."""

    def __init__(self, browser: socket.socket, server: socket.socket) -> None:
        self.browser = browser
        self.server = server
        self.sent = 0
        self.ended = False
        self._open = 2
        self._closing = threading.Lock()

    def end(self) -> None:
        """End both."""
        self.ended = True
        for side in (self.browser, self.server):
            with contextlib.suppress(OSError):  # It may have ended by itself.
                side.shutdown(socket.SHUT_RDWR)

    @contextlib.contextmanager
    def until_its_end(self) -> Iterator[None]:
        """Whichever side ends, both do; the second thread to leave closes them."""
        try:
            with contextlib.suppress(OSError):
                yield
        finally:
            self.end()
            self._leave()

    def _leave(self) -> None:
        with self._closing:
            self._open -= 1
            if self._open:
                return
        # A browser that waits for room to go on sending would not notice that the other side has closed: only where
        # bytes have not been read does the system send a reset by itself.
        with contextlib.suppress(OSError):
            self.browser.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.browser.close()
        self.server.close()
