"""Downloads by the programs that people use, cut short and gone on with; beside uploads, and beside removal."""

import hashlib
import http.client
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import pytest
from tests.e2e.samples import Sample
from tests.serving import OFFSET_STREAM, TUS, Connection, Server, serving

pytestmark = pytest.mark.e2e

NAME = "filename w7xiZXIgMS5iaW4="
PACKAGES = {"aria2c": "aria2", "curl": "curl", "wget": "wget"}


def program(name: str) -> str:
    """Where a program is. Where everything has to be there, its absence is a failure."""
    if found := shutil.which(name):
        return found
    reason = f"there is no {name} (Debian: {PACKAGES[name]})"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def upload(server: Server, data: bytes) -> str:
    """Upload a file in one request; return its path."""
    with Connection(server.port, timeout=60) as connection:
        fields = {**TUS, **OFFSET_STREAM, "Upload-Length": str(len(data)), "Upload-Metadata": NAME}
        answer = connection.request("POST", "/files", fields, data)
        assert answer.status == 201, answer
        return answer.headers["location"]


@pytest.fixture(scope="module", params=["socket", "asgi"])
def ways(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that has the kernel send files, and one that sends them through ASGI."""
    directory = tmp_path_factory.mktemp("server")
    settings = {} if request.param == "socket" else {"socket_bodies": "false"}
    with serving(directory / "data", **settings) as running:
        yield running
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
def path(ways: Server, medium: Sample) -> str:
    """The path of a file on that server."""
    return upload(ways, medium.read())


def run(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def curl(url: str, target: Path) -> Sequence[str | Path]:
    # Without -f, with which it takes 416 for an error also where it has the whole file already.
    return [program("curl"), "-sS", "-C", "-", "-o", target, url]


def wget(url: str, target: Path) -> Sequence[str | Path]:
    return [program("wget"), "-q", "-c", "-O", target, url]


def aria2(url: str, target: Path) -> Sequence[str | Path]:
    connections = ["-x8", "-s8", "-k1M", "--file-allocation=none"]
    quiet = ["--no-conf", "--console-log-level=warn", "--auto-file-renaming=false"]
    return [program("aria2c"), "-c", *connections, *quiet, f"--dir={target.parent}", f"--out={target.name}", url]


TOOLS = [curl, wget, aria2]
Tool = Callable[[str, Path], Sequence[str | Path]]


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_programs_go_on_where_they_stopped(
    ways: Server, path: str, medium: Sample, area: Path, tool: Tool, share: float
) -> None:
    target = area / "file"
    if share:
        target.write_bytes(medium.read()[: int(medium.size * share)])
    run(*tool(ways.origin + path, target))
    assert sha256(target) == medium.sha256


def test_a_program_that_is_killed_goes_on(ways: Server, path: str, medium: Sample, area: Path) -> None:
    target = area / "file"
    slow = subprocess.Popen([*curl(ways.origin + path, target), "--limit-rate", "20M"])
    deadline = time.monotonic() + 20
    while not (target.exists() and target.stat().st_size > 1_000_000):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    slow.kill()
    slow.wait()
    assert 1_000_000 < target.stat().st_size < medium.size
    run(*curl(ways.origin + path, target))
    assert sha256(target) == medium.sha256


def test_eight_connections_at_a_time(ways: Server, path: str, medium: Sample) -> None:
    """As aria2 has them, and all of them bigger than what a socket holds."""
    step = medium.size // 8 + 1

    def part(start: int) -> bytes:
        with Connection(ways.port) as connection:
            end = min(start + step, medium.size)
            connection.send_head("GET", path, {"Range": f"bytes={start}-{end - 1}"})
            answer = connection.read_answer()
            assert answer.status == 206
            return answer.body

    with ThreadPoolExecutor(8) as pool:
        parts = list(pool.map(part, range(0, medium.size, step)))
    assert hashlib.sha256(b"".join(parts)).hexdigest() == medium.sha256


def test_a_browser_goes_on_with_the_same_file_and_starts_again_with_another_one(
    ways: Server, path: str, medium: Sample
) -> None:
    """Browsers send Range with If-Range, and what they had of ETag and Last-Modified."""
    with closing(http.client.HTTPConnection("127.0.0.1", ways.port, timeout=30)) as connection:
        connection.request("GET", path)
        response = connection.getresponse()
        first = response.read(7_000_000)
        etag, date = response.headers["ETag"], response.headers["Last-Modified"]
    with closing(http.client.HTTPConnection("127.0.0.1", ways.port, timeout=30)) as connection:
        connection.request("GET", path, headers={"Range": "bytes=7000000-", "If-Range": etag})
        response = connection.getresponse()
        assert response.status == 206
        assert hashlib.sha256(first + response.read()).hexdigest() == medium.sha256
        connection.request("GET", path, headers={"Range": "bytes=40000000-", "If-Range": date})
        assert connection.getresponse().read() == medium.read()[40_000_000:]
        connection.request("GET", path, headers={"Range": "bytes=7000000-", "If-Range": '"another"'})
        response = connection.getresponse()
        assert response.status == 200
        assert hashlib.sha256(response.read()).hexdigest() == medium.sha256


# Beside everything else


def begin_download(server: Server, path: str) -> Connection:
    """A download of which only the head has been read; the rest stands still."""
    connection = Connection(server.port)
    connection.send_head("GET", path, {})
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += connection.socket.recv(1)
    assert head.startswith(b"HTTP/1.1 200 ")
    return connection


def read_rest(connection: Connection) -> bytes:
    """Everything until the server closes, in whatever way."""
    data = bytearray()
    with suppress(ConnectionResetError):
        while piece := connection.socket.recv(1 << 20):
            data += piece
    return bytes(data)


def test_what_is_removed_while_it_is_sent_is_sent_to_its_end(ways: Server, medium: Sample) -> None:
    path = upload(ways, medium.read())
    with begin_download(ways, path) as download:
        with Connection(ways.port) as other:
            assert other.request("DELETE", path, TUS).status == 204
            assert other.request("GET", path, {}).status == 410
        received = bytearray()
        while len(received) < medium.size:
            received += download.socket.recv(1 << 20)
    assert hashlib.sha256(received).hexdigest() == medium.sha256


def test_what_cannot_be_read_to_its_end_is_cut_and_not_made_up(ways: Server, medium: Sample) -> None:
    path = upload(ways, medium.read())
    with begin_download(ways, path) as download:
        (stored,) = (ways.data_dir / "uploads").rglob(path.rsplit("/", 1)[-1])
        os.truncate(stored, 30_000_000)
        received = read_rest(download)
    assert len(received) < medium.size
    assert medium.read().startswith(received)
    with Connection(ways.port) as other:
        assert other.request("GET", path, {}).status == 500


def test_downloads_that_stand_still_hold_nothing_up(ways: Server, path: str, small: Sample) -> None:
    stalled = [begin_download(ways, path) for _ in range(60)]
    try:
        started = time.monotonic()
        other = upload(ways, small.read())
        with Connection(ways.port) as connection:
            assert connection.request("GET", other, {}).body == small.read()
            assert connection.request("DELETE", other, TUS).status == 204
        assert time.monotonic() - started < 10
    finally:
        for connection in stalled:
            connection.close()


def test_a_stopping_server_lets_downloads_end(area: Path, medium: Sample) -> None:
    with serving(area / "data") as server:
        download = begin_download(server, upload(server, medium.read()))
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        received = bytearray()
        while len(received) < medium.size:
            received += download.socket.recv(1 << 20)
        download.close()
        stopping.join(20)
        assert not stopping.is_alive()
    assert hashlib.sha256(received).hexdigest() == medium.sha256


def test_a_download_that_stands_still_does_not_keep_the_server_from_stopping(area: Path, medium: Sample) -> None:
    with (
        serving(area / "data", grace_period="1") as server,
        begin_download(server, upload(server, medium.read())) as download,
    ):
        started = time.monotonic()
        server.stop()
        assert time.monotonic() - started < 10
        assert len(read_rest(download)) < medium.size
