"""Against a real server on loopback that sends one file, which is not always the one that it tells of."""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from longshore.client.address import Address
from longshore.client.connection import Connection
from longshore.client.credentials import FixedToken
from longshore.client.downloading import Downloads, Fetched
from longshore.client.errors import ClientError
from longshore.client.progress import NoBar

DATA = bytes(range(256)) * 10_000
SHA256 = hashlib.sha256(DATA)
DIGEST = f"sha-256=:{base64.b64encode(SHA256.digest()).decode()}:"


@dataclass
class Sender:
    """What is sent, and what is told of it."""

    data: bytes = DATA
    digests: Mapping[str, str] = field(default_factory=lambda: {"HEAD": DIGEST, "GET": DIGEST})
    """By method."""
    sent: list[int] = field(default_factory=list)
    """Where each answer to GET began."""
    port: int = 0


@pytest.fixture
def sender() -> Iterator[Sender]:
    told = Sender()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
            size = len(told.data)
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(size - start))
            self.send_header("ETag", '"one"')
            if start:
                self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
            if self.command in told.digests:
                self.send_header("Repr-Digest", told.digests[self.command])
            self.end_headers()
            if self.command == "GET":
                told.sent.append(start)
                self.wfile.write(told.data[start:])

        do_HEAD = do_GET  # noqa: N815 - http.server names it

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        told.port = server.server_address[1]
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield told
        server.shutdown()
        thread.join()


def fetch(sender: Sender, to: Path, *, force: bool = False) -> Fetched:
    with Connection(Address.read(f"http://127.0.0.1:{sender.port}/files")) as connection:
        connection.credentials = FixedToken("secret")
        return Downloads(connection, lambda *_: NoBar(), attempts=0).fetch("abc", to, force=force)


def begin(sender: Sender, to: Path, data: bytes) -> None:
    """Leave behind what an earlier run has fetched."""
    tag = hashlib.sha256(b'"one"').hexdigest()[:8]
    to.with_name(f"{to.name}.{tag}.part").write_bytes(data)


@pytest.mark.parametrize(
    "digests",
    [
        {"HEAD": DIGEST, "GET": DIGEST},
        {"HEAD": DIGEST},
        {"GET": DIGEST},
        {"HEAD": f"sha-512=:{'A' * 86}==:,  {DIGEST};x=1, md5=:AA==:"},
    ],
)
def test_a_file_is_verified_by_what_the_server_tells(
    sender: Sender, tmp_path: Path, digests: Mapping[str, str]
) -> None:
    sender.digests = digests
    fetched = fetch(sender, tmp_path / "file")
    assert fetched.sha256 == SHA256.hexdigest()
    assert (tmp_path / "file").read_bytes() == DATA


@pytest.mark.parametrize("digest", [None, "", "sha-256", "sha-256=:AA==:", f"sha-512=:{'A' * 86}==:", "xsha-256=:é:"])
def test_a_file_of_which_nothing_is_told_is_taken_as_it_is(sender: Sender, tmp_path: Path, digest: str | None) -> None:
    sender.digests = {} if digest is None else {"HEAD": digest, "GET": digest}
    assert fetch(sender, tmp_path / "file").sha256 is None
    assert (tmp_path / "file").read_bytes() == DATA


@pytest.mark.parametrize("digests", [{"HEAD": DIGEST}, {"GET": DIGEST}])
def test_a_damaged_file_is_not_kept(sender: Sender, tmp_path: Path, digests: Mapping[str, str]) -> None:
    sender.digests = digests
    sender.data = DATA[:-1] + b"x"
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ClientError, match="SHA-256"):
        fetch(sender, tmp_path / "file", force=True)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "mine")]


def test_what_an_earlier_run_left_is_verified_with_the_rest(sender: Sender, tmp_path: Path) -> None:
    file = tmp_path / "file"
    begin(sender, file, b"x" + DATA[1:1000])
    with pytest.raises(ClientError, match="SHA-256"):
        fetch(sender, file)
    assert list(tmp_path.iterdir()) == []

    fetched = fetch(sender, file)
    assert sender.sent == [1000, 0]
    assert (fetched.resumed_from, fetched.sha256) == (0, SHA256.hexdigest())
    assert file.read_bytes() == DATA


def test_what_is_all_here_already_is_verified(sender: Sender, tmp_path: Path) -> None:
    begin(sender, tmp_path / "file", DATA)
    begin(sender, tmp_path / "other", DATA[:-1] + b"x")
    assert fetch(sender, tmp_path / "file").sha256 == SHA256.hexdigest()
    with pytest.raises(ClientError, match="SHA-256"):
        fetch(sender, tmp_path / "other")
    assert sender.sent == []
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
