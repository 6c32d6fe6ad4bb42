"""A client of an ASGI application that decides on every message the application receives. No network, no server."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp

SOON = 10.0
"""Seconds within which what a test waits for has happened, on any machine."""

Fields = Mapping[str, str] | Iterable[tuple[str, str]]


async def until(condition: Callable[[], object]) -> None:
    """Let the loop run until the condition holds; for what threads and sockets do without telling anybody."""
    deadline = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < deadline, "what should happen does not happen"
        await asyncio.sleep(0.001)


@dataclass(frozen=True)
class Response:
    """What the application sent."""

    status: int
    fields: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def headers(self) -> dict[str, str]:
        return dict(self.fields)


class Exchange:
    """One request under way. The test feeds its body, ends it, or goes away."""

    def __init__(
        self,
        app: ASGIApp,
        method: str,
        path: str,
        headers: Fields = (),
        *,
        root_path: str = "",
        extensions: Mapping[str, Any] | None = None,
        patient: bool = False,
    ) -> None:
        """Send the head. A patient client stays when it has been answered before it has sent its body."""
        pairs = headers.items() if isinstance(headers, Mapping) else headers
        self.sent: list[MutableMapping[str, Any]] = []
        """What the application sent so far."""
        self.received = 0
        """How many times the application has called receive."""
        self._messages: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()
        self._gone = False
        self._patient = patient
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": root_path + path,
            "raw_path": (root_path + path).encode(),
            "root_path": root_path,
            "query_string": b"",
            "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in pairs],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 2),
            "extensions": dict(extensions or {}),
            "state": {},
        }
        self.task = asyncio.create_task(self._run(app, scope))

    async def _run(self, app: ASGIApp, scope: MutableMapping[str, Any]) -> None:
        await app(scope, self._receive, self._send)

    async def _receive(self) -> MutableMapping[str, Any]:
        self.received += 1
        if self._gone and self._messages.empty():
            return {"type": "http.disconnect"}
        return await self._messages.get()

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        self.sent.append(message)
        if message["type"] == "http.response.body" and not self._patient:
            self.disconnect()

    def feed(self, data: bytes, *, more: bool = True) -> None:
        """Give the application a piece of the body."""
        self._messages.put_nowait({"type": "http.request", "body": data, "more_body": more})

    def disconnect(self) -> None:
        """Go away, for good."""
        self._gone = True
        self._messages.put_nowait({"type": "http.disconnect"})

    @property
    def replied(self) -> bool:
        """Whether the whole response has been sent."""
        return bool(self.sent) and self.sent[-1]["type"] != "http.response.start" and not self.sent[-1].get("more_body")

    async def response(self) -> Response:
        """Wait until the application has come to its end; return what it sent."""
        await self.task
        assert self.replied, "the application returned without a whole response"
        start, *rest = self.sent
        fields = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in start["headers"])
        return Response(start["status"], fields, b"".join(message.get("body", b"") for message in rest))


async def request(
    app: ASGIApp, method: str, path: str, headers: Fields = (), body: bytes = b"", **options: Any
) -> Response:
    """One whole request; its Content-Length is the caller's business."""
    exchange = Exchange(app, method, path, headers, **options)
    exchange.feed(body, more=False)
    return await exchange.response()
