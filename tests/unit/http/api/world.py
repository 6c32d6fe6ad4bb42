"""A server with an admin, ann and bob, and what they ask of the API."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from tests.conformance.embedded import Embedded, embedded
from tests.serving import TUS

from longshore.protocol.metadata import format_metadata

PASSWORD = "correct horse battery staple"


@dataclass(frozen=True)
class Somebody:
    """A user who has signed in."""

    app: Embedded
    id: str
    name: str
    bearer: dict[str, str]

    async def ask(self, method: str, path: str, body: Any = None, **query: Any) -> httpx.Response:
        """Ask for something; the body is sent as JSON."""
        return await self.app.http.request(method, path, json=body, params=query or None, headers=self.bearer)

    async def upload(
        self, name: str = "", data: bytes = b"abc", length: int | None = None, *, more: Mapping[str, str] | None = None
    ) -> str:
        """Upload a file, or so much of it as there is, with more header fields perhaps; return its id."""
        pairs = {"filename": name.encode()} if name else {}
        fields = {**self.bearer, "Upload-Length": str(len(data) if length is None else length)}
        fields |= {"Upload-Metadata": format_metadata(pairs)} if pairs else {}
        answer = await self.app.post({**fields, **(more or {})}, data)
        assert answer.status_code == 201, answer.text
        return answer.headers["location"].rsplit("/", 1)[-1]

    async def append(self, upload_id: str, offset: int, data: bytes) -> httpx.Response:
        """Send more of a file."""
        fields = {"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
        return await self.app.http.patch(f"/files/{upload_id}", content=data, headers={**TUS, **self.bearer, **fields})

    async def listed(self, **query: Any) -> list[str]:
        """The ids in a list."""
        answer = await self.ask("GET", "/api/uploads", **query)
        assert answer.status_code == 200, answer.text
        return [upload["id"] for upload in answer.json()["uploads"]]


@dataclass(frozen=True)
class World:
    """The server and who uses it."""

    app: Embedded
    admin: Somebody
    ann: Somebody
    bob: Somebody


@asynccontextmanager
async def opened(directory: Path, **settings: Any) -> AsyncIterator[World]:
    """The server, with accounts of its own and registration open."""
    given = {"auth": "local", "admin_password": PASSWORD, "registration": "open", "access_token_ttl": "365d"}
    async with embedded(directory, **given | settings) as app:
        for name in ("ann", "bob"):
            await app.http.post("/auth/register", json={"username": name, "password": PASSWORD})
        yield World(app, *[await sign_in(app, name) for name in ("admin", "ann", "bob")])


async def sign_in(app: Embedded, name: str, password: str = PASSWORD) -> Somebody:
    """Sign in."""
    answer = await app.http.post("/auth/token", json={"username": name, "password": password})
    bearer = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    identity = (await app.http.get("/auth/me", headers=bearer)).json()
    return Somebody(app, identity["id"], name, bearer)


def outcome(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of a refusal, which is a problem document that nobody keeps."""
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    problem = answer.json()
    assert problem["status"] == answer.status_code
    return answer.status_code, problem["code"]
