"""Checksums of files: computed in spite of crashes, told with downloads, and verified by `longshore download`."""

import base64
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.samples import Sample
from tests.e2e.wire import create, patch, poll, request, stored
from tests.serving import Connection, Server, serving

pytestmark = pytest.mark.e2e

MISMATCH = "longshore: what arrived is not what the server has (its SHA-256 differs), and was removed: try again\n"


def put(server: Server, data: bytes) -> str:
    """Upload a file; return its path."""
    path = create(server, len(data), {"Upload-Metadata": "filename YS5iaW4="})
    if data:
        assert patch(server, path, 0, data).status == 204
    return path


def checksums(server: Server, path: str) -> dict[str, str]:
    answer = request(server, "GET", f"/api/uploads/{path.rpartition('/')[2]}", {})
    found: dict[str, str] = json.loads(answer.body)["checksums"]
    return found


def await_digest(server: Server, path: str, expected: str) -> None:
    """Wait until the file has a checksum, which is the right one."""
    assert poll(lambda: checksums(server, path), within=30) == {"sha256": expected}


def download(home: Path, server: Server, path: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LONGSHORE_")}
    return subprocess.run(
        [sys.executable, "-m", "longshore", "download", server.origin + path, "--url", server.url, "--json"],
        env={**kept, "HOME": str(home), "XDG_STATE_HOME": str(home / "state")},
        cwd=home,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_all_files_get_one_when_the_server_comes_back_after_a_crash(area: Path, medium: Sample) -> None:
    with serving(area / "data", checksum="none") as server:
        paths = {put(server, data): hashlib.sha256(data).hexdigest() for data in (medium.read(), b"", b"abc")}
        assert [checksums(server, path) for path in paths] == [{}] * 3
        server.kill()
    for _ in range(2):
        # It may have got to some of them before it is killed again.
        with serving(area / "data") as server:
            server.kill()
    with serving(area / "data") as server:
        for path, expected in paths.items():
            await_digest(server, path, expected)
        assert server.stop() == 0
        assert "Traceback" not in server.said()


def test_downloads_tell_it_and_tus_does_not(area: Path, small: Sample) -> None:
    with serving(area / "data") as server, Connection(server.port) as connection:
        path = put(server, small.read())
        await_digest(server, path, small.sha256)
        told = f"sha-256=:{base64.b64encode(bytes.fromhex(small.sha256)).decode()}:"
        for method, headers, status in (
            ("GET", {}, 200),
            ("HEAD", {}, 200),
            ("GET", {"Range": "bytes=5-9"}, 206),
            ("GET", {"Range": "bytes=5-9,20-29"}, 206),
        ):
            answer = connection.request(method, path, headers)
            assert (answer.status, answer.headers.get("repr-digest")) == (status, told)
        assert "repr-digest" not in request(server, "HEAD", path, {}).headers


def test_a_download_is_verified(area: Path, small: Sample) -> None:
    home = area / "home"
    home.mkdir()
    with serving(area / "data") as server:
        path = put(server, small.read())
        await_digest(server, path, small.sha256)
        done = download(home, server, path)
        shown: dict[str, Any] = json.loads(done.stdout)
        assert (done.returncode, shown["sha256"]) == (0, small.sha256)
        (home / "a.bin").unlink()

        with stored(server, path).open("r+b") as damaged:
            damaged.write(bytes([small.read()[0] ^ 1]))
        done = download(home, server, path)
        assert (done.returncode, done.stdout, done.stderr) == (2, "", MISMATCH)
        assert [file for file in home.rglob("*.bin*") if file.is_file()] == []
