"""The clients: large bodies by sendfile from a cached file, small requests by a program in C. Neither is in the way."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Barrier
from urllib.parse import urlsplit

from tests.bench.measure import MIB
from tests.bench.servers import Running
from tests.serving import OFFSET_STREAM, TUS, Answer, Connection

TIMEOUT = 600.0
"""Seconds after which a server that does not read, or does not answer, has failed."""

SENDFILE_MOST = 1024 * MIB
"""Bytes for one call: the kernel takes no more than 2 GiB less a page."""


class LoadError(Exception):
    """A server did not do what it was asked to."""


class Source:
    """A file of random bytes, in the page cache, from which bodies of any size are sent, over and over if need be."""

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self.size = size
        block = os.urandom(min(size, 16 * MIB))
        with path.open("wb") as file:
            for _ in range(size // len(block)):
                file.write(block)
        os.sync()

    def warm(self) -> None:
        """Read it once."""
        with self.path.open("rb", buffering=0) as file:
            while file.read(MIB):
                pass

    def send(self, connection: Connection, size: int, *, start: int = 0) -> None:
        """Send so many bytes, beginning at `start`."""
        connection.socket.settimeout(None)  # with a timeout the socket would not block, and sendfile need a poll
        with self.path.open("rb") as file:
            sent = 0
            while sent < size:
                position = (start + sent) % self.size
                count = min(size - sent, self.size - position, SENDFILE_MOST)
                sent += os.sendfile(connection.socket.fileno(), file.fileno(), position, count)


class Client(Connection):
    """A connection that also reads chunked answers, which some servers send."""

    def read_answer(self, *, head_only: bool = False) -> Answer:
        answer = super().read_answer(head_only=head_only)
        if head_only or answer.headers.get("transfer-encoding", "").lower() != "chunked":
            return answer
        body = b""
        while size := int(self._file.readline(), 16):
            body += self._file.read(size + 2)[:size]
        self._file.readline()
        return Answer(answer.status, answer.headers, body)


def connect(server: Running) -> Connection:
    """A connection to the server."""
    return Client(server.port, timeout=TIMEOUT)


def create(server: Running, connection: Connection, length: int) -> str:
    """Create an upload; return its path. Raises `LoadError`."""
    fields = {**TUS, "Upload-Length": str(length), **server.kind.creation_fields}
    answer = connection.request("POST", server.kind.creation_path, fields)
    expect(answer, 201)
    return urlsplit(answer.headers["location"]).path


def send_patch_head(connection: Connection, path: str, offset: int, size: int, **fields: str) -> None:
    """Begin to append."""
    own = {name.replace("_", "-"): value for name, value in fields.items()}
    head = {**TUS, **OFFSET_STREAM, "Upload-Offset": str(offset), "Content-Length": str(size), **own}
    connection.send_head("PATCH", path, head)


def expect(answer: Answer, status: int) -> None:
    """Raise `LoadError` unless the answer has the status."""
    if answer.status != status:
        raise LoadError(f"{answer.status} where {status} was expected: {answer.body[:200]!r}")


def upload_in_parallel(server: Running, source: Source, *, uploads: int, size: int) -> float:
    """Send as many uploads of one size at once, a PATCH each; return the seconds from the first byte to the last 204.

    A thread each, which sits in sendfile and leaves the interpreter alone.
    """
    connections = [connect(server) for _ in range(uploads)]
    try:
        paths = [create(server, connection, size) for connection in connections]
        barrier = Barrier(uploads)

        def upload(connection: Connection, path: str) -> tuple[float, float]:
            barrier.wait()
            started = time.monotonic()
            send_patch_head(connection, path, 0, size)
            source.send(connection, size)
            expect(connection.read_answer(), 204)
            return started, time.monotonic()

        with ThreadPoolExecutor(uploads) as pool:
            times = list(pool.map(upload, connections, paths))
        return max(end for _, end in times) - min(start for start, _ in times)
    finally:
        for connection in connections:
            connection.close()


def download(connection: Connection, path: str, buffer: memoryview) -> int:
    """Have a file sent, to be forgotten; return how many bytes it was. Raises `LoadError`."""
    connection.socket.settimeout(None)  # with a timeout the socket would not block, and recv need a poll
    connection.send_head("GET", path, {})
    head = b""
    while b"\r\n\r\n" not in head:
        if not (piece := connection.socket.recv(65536)):
            raise LoadError("the server has gone away")
        head += piece
    head, _, body = head.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").lower().split("\r\n")
    if lines[0].split()[1] != "200":
        raise LoadError(f"{lines[0]} where 200 was expected")
    length = next(int(line.partition(":")[2]) for line in lines if line.startswith("content-length:"))
    received = len(body)
    while received < length and (count := connection.socket.recv_into(buffer)):
        received += count
    return received


@dataclass(frozen=True)
class Hammered:
    """What came of many small requests."""

    rounds: int
    errors: int
    seconds: float
    median: float
    """Seconds of one round."""
    p99: float
    cpu: float
    """Seconds that the load generator itself took: near `seconds`, it was in the way."""
    first_error: str
    statuses: dict[str, int]


@dataclass(frozen=True)
class Step:
    """A request as it goes over the wire, and the status of its answer."""

    request: bytes
    status: int


class Hammer:
    """The program in hammer.c, compiled into a directory. Raises `LoadError` where that is not possible."""

    def __init__(self, directory: Path) -> None:
        compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
        if compiler is None:
            raise LoadError("small requests need a C compiler (on Debian: apt-get install gcc libc6-dev)")
        self._directory = directory
        self._program = directory / "hammer"
        source = Path(__file__).with_name("hammer.c")
        subprocess.run([compiler, "-O2", "-o", str(self._program), str(source)], check=True)

    def run(self, port: int, steps: Sequence[Step], *, connections: int, seconds: float) -> Hammered:
        """Send the steps, one after the other and over and over, on each connection. Raises `LoadError`."""
        arguments = [str(self._program), str(port), str(connections), str(seconds)]
        for number, step in enumerate(steps):
            file = self._directory / f"request-{number}"
            file.write_bytes(step.request)
            arguments += [str(file), str(step.status)]
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=seconds + TIMEOUT, check=False)
        if done.returncode:
            raise LoadError(done.stderr.strip())
        return Hammered(**json.loads(done.stdout))
