"""The command line in the test's own process, and the application on the same data dir, which shows what came of it."""

import asyncio
import io
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from longshore.app import build
from longshore.cli import main
from longshore.config import Settings

PASSWORD = "correct horse battery"
OTHER_PASSWORD = "staple, and some more"


@dataclass(frozen=True)
class Outcome:
    """What a command did."""

    status: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """What a command that went well printed, without the newline."""
        assert self.status == 0, self.err
        assert self.err == ""
        return self.out.removesuffix("\n")

    @property
    def complaint(self) -> str:
        """The one line of a command that went wrong."""
        assert self.status == 2
        assert self.out == ""
        assert self.err.startswith("longshore: ")
        assert self.err.count("\n") == 1
        return self.err.removeprefix("longshore: ").removesuffix("\n")


class Terminal:
    """Runs commands on a data dir of its own, which has a database without users."""

    def __init__(
        self, data_dir: Path, database: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        data_dir.mkdir()
        shutil.copy(database, data_dir / "longshore.db")
        monkeypatch.setenv("LONGSHORE_DATA_DIR", str(data_dir))
        self.data_dir = data_dir
        self._capsys = capsys
        self._monkeypatch = monkeypatch

    def run(self, command: str, *arguments: str, stdin: str | bytes = "") -> Outcome:
        """Run `longshore` with the words of the command, and arguments that may hold spaces."""
        given = stdin.encode() if isinstance(stdin, str) else stdin
        self._monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given), encoding="utf-8"))
        self._capsys.readouterr()
        status = main([*command.split(), *arguments])
        output = self._capsys.readouterr()
        return Outcome(status, output.out, output.err)

    def add(self, name: str, *, role: str = "user", password: str = PASSWORD) -> None:
        """Make an account."""
        assert self.run(f"user add {name} --role {role}", stdin=f"{password}\n").status == 0

    def token(self, name: str) -> str:
        """A new token for a user."""
        return self.run(f"token issue --user {name}").text

    def ask(
        self, method: str, path: str, *, token: str = "", headers: Mapping[str, str] | None = None, json: object = None
    ) -> httpx.Response:
        """Send a request to an application that has been started on the data dir just now."""
        bearer = {"Authorization": f"Bearer {token}"} if token else {}
        return asyncio.run(self._ask(method, path, headers={**(headers or {}), **bearer}, json=json))

    async def _ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        app = build(Settings())
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://longshore.test")
        async with app.router.lifespan_context(app), client:
            return await client.request(method, path, **request)

    def signs_in(self, name: str, password: str) -> bool:
        """Whether the user signs in with the password."""
        answer = self.ask("POST", "/auth/token", json={"username": name, "password": password})
        assert answer.status_code in (200, 401)
        return answer.status_code == 200

    def me(self, token: str) -> dict[str, str] | None:
        """What the application says whose token this is; None when it is not, or no longer, good."""
        answer = self.ask("GET", "/auth/me", token=token)
        assert answer.status_code in (200, 401)
        return answer.json() if answer.status_code == 200 else None
