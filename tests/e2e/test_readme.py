"""The examples in the README work when they are pasted."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.e2e import tus_js
from tests.e2e.samples import Sample
from tests.e2e.wire import assert_holds
from tests.serving import OFFSET_STREAM, TUS, Connection, Server

pytestmark = pytest.mark.e2e

README = Path(__file__).parents[2] / "README.md"
ORIGIN = "http://127.0.0.1:8000"


def paste(name: str, directory: Path) -> Path:
    """Write the README's example whose first line names that file to it."""
    (text,) = re.findall(
        rf"^```\w+\n((?:#|//) {re.escape(name)}\n.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL
    )
    file = directory / name
    file.write_text(text)
    return file


def paste_client(name: str, directory: Path, server: Server) -> Path:
    """The same, with the test's server for the one on port 8000."""
    file = paste(name, directory)
    text = file.read_text()
    assert ORIGIN in text
    file.write_text(text.replace(ORIGIN, server.origin))
    return file


def test_python(server: Server, area: Path, medium: Sample) -> None:
    script = paste_client("upload.py", area, server)

    said = subprocess.run([sys.executable, script, medium.path], cwd=area, check=True, capture_output=True, text=True)

    assert_holds(server, said.stdout.split()[-1], medium.size, medium.sha256)
    assert said.stderr == ""


def test_javascript(server: Server, area: Path, medium: Sample) -> None:
    script = paste_client("upload.mjs", area, server)
    (area / "node_modules").symlink_to(tus_js.JS / "node_modules")

    said = subprocess.run(["node", script, medium.path], cwd=area, check=True, capture_output=True, text=True)

    assert_holds(server, said.stdout.split()[-1], medium.size, medium.sha256)
    assert said.stderr == ""


@contextmanager
def uvicorn(target: str, directory: Path) -> Iterator[int]:
    """The application on a plain uvicorn, where all may upload; gives its port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        descriptor = listener.fileno()
        command = [sys.executable, "-m", "uvicorn", target, "--fd", str(descriptor)]
        server = subprocess.Popen(
            command, cwd=directory, env=os.environ | {"LONGSHORE_AUTH": "none"}, pass_fds=[descriptor]
        )
        try:
            yield listener.getsockname()[1]
        finally:
            server.terminate()
            server.wait(30)


def test_mounting(area: Path) -> None:
    paste("application.py", area)
    with uvicorn("application:app", area) as port, Connection(port, timeout=60) as connection:
        created = connection.request("POST", "/uploads/files", {**TUS, "Upload-Length": "5"})
        location = created.headers["location"]
        assert location.startswith("/uploads/files/")
        patched = connection.request("PATCH", location, {**TUS, **OFFSET_STREAM, "Upload-Offset": "0"}, b"hello")
        assert patched.status == 204
        assert connection.request("GET", location, {}).body == b"hello"
        options = connection.request("OPTIONS", "/uploads/files", {})
        assert "checksum-trailer" not in options.headers["tus-extension"].split(",")
