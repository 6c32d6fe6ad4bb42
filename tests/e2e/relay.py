"""A network that fails when the test wants: a TCP relay that cuts, holds or slows down after so many bytes."""

import contextlib
import socket
import time
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Literal, Self

_PIECE = 64 * 1024
_PAUSE = 0.005
_RESET = b"\x01\x00\x00\x00\x00\x00\x00\x00"


class Relay:
    """Passes connections on to a port. A context: all of them end with it."""

    def __init__(
        self, port: int, *, up: int | None = None, down: int | None = None, then: Literal["cut", "hold", "slow"] = "cut"
    ) -> None:
        """After so many bytes to the server (`up`) or from it (`down`) fail once.

        Then it resets both ends, passes no more until `released`, or is slow from there on: some 13 MB a second.
        """
        self.happened = Event()
        self.released = Event()
        self._target = port
        self._left = {"up": up, "down": down}
        self._then = then
        self._lock = Lock()
        self._sockets: list[socket.socket] = []
        self._threads: list[Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    @property
    def url(self) -> str:
        """The creation URL through the relay."""
        return f"http://127.0.0.1:{self.port}/files"

    def _start(self, target: object, *arguments: object) -> None:
        thread = Thread(target=target, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                try:
                    far = socket.create_connection(("127.0.0.1", self._target))
                except OSError:
                    near.close()
                    continue
                self._sockets += [near, far]
                self._start(self._pump, near, far, "up")
                self._start(self._pump, far, near, "down")

    def _pump(self, source: socket.socket, sink: socket.socket, direction: str) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(_PIECE):
                if self._fails(direction, len(piece)):
                    self.happened.set()
                    if self._then == "cut":
                        self._reset(source, sink)
                        return
                    if self._then == "hold":
                        self.released.wait()
                if self._then == "slow" and self.happened.is_set():
                    time.sleep(_PAUSE)
                sink.sendall(piece)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def _fails(self, direction: str, size: int) -> bool:
        with self._lock:
            left = self._left[direction]
            if left is None:
                return False
            self._left[direction] = None if size > left else left - size
            return size > left

    def _reset(self, *sockets: socket.socket) -> None:
        for each in sockets:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.released.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        for each in self._sockets:
            each.close()
