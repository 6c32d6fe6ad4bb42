"""Longshore inside the test's own process: mounted in another application, with a clock that the test turns."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.routing import Mount
from tests.serving import OFFSET_STREAM, TUS

from longshore.app import build
from longshore.config import Settings, prepare_data_dir
from longshore.events import UploadEvent


class Clock:
    """A clock that stands still until it is told otherwise."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        """The time."""
        return self.now

    def advance(self, **duration: float) -> None:
        """Let time pass; arguments as for timedelta."""
        self.now += timedelta(**duration)


@dataclass
class Embedded:
    """A mounted Longshore and what it says."""

    http: httpx.AsyncClient
    clock: Clock
    data_dir: Path
    events: list[UploadEvent] = field(default_factory=list)

    async def post(self, headers: Mapping[str, str], body: bytes = b"", *, path: str = "/files") -> httpx.Response:
        """Create an upload."""
        content = OFFSET_STREAM if body else {}
        return await self.http.post(path, headers={**TUS, **content, **headers}, content=body)

    async def new(self, length: int | None, data: bytes = b"", *, partial: bool = False) -> str:
        """The URL of a new upload that holds data."""
        headers = {"Upload-Defer-Length": "1"} if length is None else {"Upload-Length": str(length)}
        answer = await self.post(headers | ({"Upload-Concat": "partial"} if partial else {}), data)
        assert answer.status_code == 201
        return answer.headers["location"]

    async def head(self, path: str) -> httpx.Response:
        """Ask for the offset."""
        return await self.http.head(path, headers=TUS)

    async def patch(self, path: str, offset: int, body: bytes) -> httpx.Response:
        """Append."""
        headers = {**TUS, **OFFSET_STREAM, "Upload-Offset": str(offset)}
        return await self.http.patch(path, headers=headers, content=body)

    def heard(self, kind: type[UploadEvent]) -> list[str]:
        """The ids of the uploads that this was said of."""
        return [event.upload.id for event in self.events if type(event) is kind]


@asynccontextmanager
async def embedded(directory: Path, *, mount: str = "", **settings: Any) -> AsyncIterator[Embedded]:
    """Longshore mounted in a Starlette application, which is up while the context lasts; by default all may upload."""
    clock, events = Clock(), list[UploadEvent]()
    configured = Settings(data_dir=directory / "data", **{"auth": "none"} | settings)
    prepare_data_dir(configured)
    longshore = build(configured, emit=events.append, clock=clock)
    outer = Starlette(routes=[Mount(mount, longshore)])
    transport = httpx.ASGITransport(outer)
    async with (
        longshore.router.lifespan_context(longshore),
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
    ):
        yield Embedded(client, clock, configured.data_dir, events)
