"""Users of a server with accounts: signing in, requests with their tokens, and commands that run beside the server."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.wire import head, request, stored_hash
from tests.serving import Answer, Connection, Server

PASSWORD = "correct horse battery staple"
JSON = {"Content-Type": "application/json"}
COMMAND_TIMEOUT = 60.0

REALM = 'Bearer realm="longshore"'
INVALID = f'{REALM}, error="invalid_token"'


@dataclass(frozen=True)
class User:
    """Somebody who has signed in."""

    name: str
    access_token: str
    refresh_token: str = ""

    @property
    def bearer(self) -> dict[str, str]:
        """The header field that shows the token."""
        return bearer(self.access_token)


def bearer(token: str) -> dict[str, str]:
    """The header field that shows a token."""
    return {"Authorization": f"Bearer {token}"}


def ask(server: Server, path: str, headers: Mapping[str, str] | None = None, **fields: str) -> Answer:
    """One request to an endpoint of accounts: POST with JSON if there are fields, else GET."""
    with Connection(server.port) as connection:
        if fields:
            return connection.request("POST", path, {**JSON, **(headers or {})}, json.dumps(fields).encode())
        return connection.request("GET", path, headers or {})


def sign_in(server: Server, name: str = "admin", password: str = PASSWORD) -> User:
    """Sign in with name and password."""
    answer = ask(server, "/auth/token", username=name, password=password)
    assert answer.status == 200, answer
    given = read(answer)
    return User(name, given["access_token"], given["refresh_token"])


def register(server: Server, name: str) -> User:
    """Make an account, where registration is open, and sign in."""
    answer = ask(server, "/auth/register", username=name, password=PASSWORD)
    assert answer.status == 201, answer
    return sign_in(server, name)


def read(answer: Answer) -> dict[str, Any]:
    """The answer's JSON."""
    found: dict[str, Any] = json.loads(answer.body)
    return found


def assert_challenged(answer: Answer, challenge: str = REALM, *, head_only: bool = False) -> None:
    """The answer is 401 in every respect, and the headers of tus are intact."""
    assert (answer.status, answer.headers["www-authenticate"]) == (401, challenge)
    assert answer.headers["tus-resumable"] == "1.0.0"
    if head_only:
        assert answer.body == b""
    else:
        assert answer.headers["content-type"] == "application/problem+json"
        assert read(answer)["status"] == 401


def assert_delivered(server: Server, path: str, user: User, size: int, sha256: str) -> None:
    """The upload is finished and holds this; its owner is told so."""
    answer = request(server, "HEAD", path, user.bearer)
    assert (answer.status, answer.headers["upload-offset"]) == (200, str(size))
    assert stored_hash(server, path) == sha256
    assert head(server, path).status == 401


def command(data_dir: Path, *arguments: str, given: str = "", **settings: str) -> str:
    """Run a command on the data dir, beside a server or without one; `given` is its standard input."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LONGSHORE_")}
    added = {f"LONGSHORE_{name.upper()}": value for name, value in settings.items()}
    done = subprocess.run(
        [sys.executable, "-m", "longshore", *arguments],
        env={**kept, **added, "LONGSHORE_DATA_DIR": str(data_dir)},
        cwd=data_dir.parent,
        input=given,
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
