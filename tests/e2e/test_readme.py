"""The examples in the README work when they are pasted."""

import os
import re
import shutil
import socket
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.e2e import tus_js
from tests.e2e.accounts import PASSWORD, assert_delivered, command, read, sign_in
from tests.e2e.samples import Sample
from tests.e2e.wire import code_of, patch, request
from tests.serving import OFFSET_STREAM, TUS, Answer, Connection, Server, serving

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


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server as `make run` starts it, but for a password that is known."""
    directory = tmp_path_factory.mktemp("server")
    with serving(directory / "data", auth="local", admin_password=PASSWORD) as running:
        yield running
    shutil.rmtree(directory)


def run(server: Server, directory: Path, *program: object, **environment: str) -> str:
    """Run an example; return the last word it says."""
    said = subprocess.run(
        [*map(str, program)],
        cwd=directory,
        env=os.environ | environment,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert said.stderr == ""
    return said.stdout.split()[-1]


def test_python(server: Server, area: Path, medium: Sample) -> None:
    script = paste_client("upload.py", area, server)
    token = command(server.data_dir, "token", "issue", "--user", "admin", "--ttl", "12h")

    url = run(server, area, sys.executable, script, medium.path, TOKEN=token)

    assert_delivered(server, url, sign_in(server), medium.size, medium.sha256)


@pytest.mark.parametrize("ttl", ["15m", "30s"])
def test_javascript(area: Path, medium: Sample, ttl: str) -> None:
    with serving(area / "data", auth="local", admin_password=PASSWORD, access_token_ttl=ttl) as server:
        script = paste_client("upload.mjs", area, server)
        (area / "node_modules").symlink_to(tus_js.JS / "node_modules")

        url = run(server, area, "node", script, medium.path, NAME="admin", PASSWORD=PASSWORD)

        assert_delivered(server, url, sign_in(server), medium.size, medium.sha256)


def test_javascript_says_what_is_wrong_with_the_password(server: Server, area: Path, small: Sample) -> None:
    script = paste_client("upload.mjs", area, server)
    (area / "node_modules").symlink_to(tus_js.JS / "node_modules")

    with pytest.raises(subprocess.CalledProcessError) as failed:
        run(server, area, "node", script, small.path, NAME="admin", PASSWORD="wrong password")

    assert "User name or password is wrong" in failed.value.stderr


def test_hooks(area: Path) -> None:
    paste("hooks.py", area)
    with serving(area / "data", auth="local", admin_password=PASSWORD, hooks="hooks.NoDrafts") as server:
        admin = sign_in(server)

        def new(name: bytes) -> Answer:
            metadata = {"Upload-Metadata": f"filename {b64encode(name).decode()}", "Upload-Length": "5"}
            return request(server, "POST", "/files", {**admin.bearer, **metadata})

        draft = new(b"draft.iso")
        assert (draft.status, code_of(draft)) == (422, "no-drafts")
        path = new(b"final.iso").headers["location"]
        program = patch(server, path, 0, b"MZ\x90\0\x03", admin.bearer)
        assert (program.status, read(program)["detail"]) == (403, "Programs are not taken here.")
        assert request(server, "HEAD", path, admin.bearer).status == 410
        good = new(b"final.iso").headers["location"]
        assert patch(server, good, 0, b"hello", admin.bearer).status == 204
        shown = request(server, "HEAD", good, admin.bearer).headers["upload-metadata"]
        assert f"reviewed {b64encode(b'no').decode()}" in shown.split(",")


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
