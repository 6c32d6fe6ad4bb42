"""Real servers for tests: a process of `longshore serve`, and a raw connection to it."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

STARTUP_TIMEOUT = 30.0
TUS = {"Tus-Resumable": "1.0.0"}
OFFSET_STREAM = {"Content-Type": "application/offset+octet-stream"}


class Server:
    """A `longshore serve` process that can be stopped, killed and started again on the same port and data."""

    def __init__(self, data_dir: Path, *, port: int = 0, **settings: str) -> None:
        """`settings` are LONGSHORE_* variables without the prefix, in lower case; by default all may upload."""
        self.data_dir = data_dir
        self.port = port
        self.log = data_dir.parent / f"{data_dir.name}.log"
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("LONGSHORE_")},
            **{f"LONGSHORE_{name.upper()}": value for name, value in {"auth": "none", **settings}.items()},
            "LONGSHORE_DATA_DIR": str(data_dir),
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def origin(self) -> str:
        """http://host:port"""
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The creation URL."""
        return f"{self.origin}/files"

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._running.pid

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "the server is not running"
        return self._process

    def start(self) -> Self:
        """Start, and wait until it says where it listens."""
        started = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "longshore", "serve", "--port", str(self.port)],
                env=self._environment,
                cwd=self.data_dir.parent,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.port = self._await_port(started)
        return self

    def _await_port(self, started: int) -> int:
        deadline = time.monotonic() + STARTUP_TIMEOUT
        while time.monotonic() < deadline and self._running.poll() is None:
            said = self.log.read_bytes()[started:].decode()
            if found := re.search(r"listening: +http://\S+?:(\d+)/", said):
                return int(found[1])
            time.sleep(0.02)
        raise AssertionError(f"the server did not start: {self.said()}")

    def said(self) -> str:
        """Everything the server printed, over all its starts."""
        return self.log.read_text()

    def kill(self) -> None:
        """kill -9."""
        self._running.kill()
        self._running.wait()

    def signal(self, number: int = signal.SIGTERM) -> None:
        """Send a signal and go on."""
        self._running.send_signal(number)

    def wait(self, timeout: float = 30.0) -> int:
        """Wait for the process to end; return its exit status."""
        return self._running.wait(timeout)

    def stop(self) -> int:
        """Stop gracefully; return the exit status."""
        self.signal()
        return self.wait()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()


@dataclass(frozen=True)
class Answer:
    """A response as it came over the wire."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Connection:
    """A TCP connection on which a test writes what it likes."""

    def __init__(self, port: int, *, timeout: float = 15.0) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self._file = self.socket.makefile("rb")

    def send_head(self, method: str, path: str, headers: Mapping[str, str]) -> None:
        """Send a request line and header fields."""
        fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.send(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n".encode())

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.socket.sendall(data)

    def send_chunk(self, data: bytes) -> None:
        """Send one chunk of a chunked body."""
        self.send(b"%x\r\n%s\r\n" % (len(data), data))

    def read_answer(self, *, head_only: bool = False) -> Answer:
        """Read a response, 100 Continue included; `head_only` for HEAD requests."""
        status = int(self._file.readline().split()[1])
        headers: dict[str, str] = {}
        while line := self._file.readline().strip().decode("latin-1"):
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        length = 0 if head_only or status < 200 else int(headers.get("content-length", "0"))
        return Answer(status, headers, self._file.read(length))

    def request(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """One whole request with a Content-Length, and its response."""
        self.send_head(method, path, {**headers, "Content-Length": str(len(body))})
        self.send(body)
        return self.read_answer(head_only=method == "HEAD")

    def reset(self) -> None:
        """Close with a reset instead of an orderly end."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._file.close()
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


@contextmanager
def serving(data_dir: Path, **settings: str) -> Iterator[Server]:
    """A running server, killed at the end."""
    with Server(data_dir, port=0, **settings) as server:
        yield server
