"""A receiver of webhooks on loopback that answers as it is told to."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Request:
    line: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    status: int = 200
    body: bytes = b"{}"
    headers: tuple[tuple[str, str], ...] = ()

    def encode(self) -> bytes:
        fields = (*self.headers, ("Content-Length", str(len(self.body))))
        head = "".join(f"{name}: {value}\r\n" for name, value in fields)
        return f"HTTP/1.1 {self.status} As told\r\n{head}\r\n".encode() + self.body


Conduct = Callable[[Request, asyncio.StreamWriter], Awaitable[None]]
"""What a receiver does that answers in a way of its own."""


@dataclass
class Receiver:
    port: int = 0
    requests: list[Request] = field(default_factory=list)
    replies: list[Reply | Conduct] = field(default_factory=list)
    """What to answer, in turn; then `usual`."""
    usual: Reply | Conduct = field(default_factory=Reply)
    connections: int = 0
    _heard: asyncio.Condition = field(default_factory=asyncio.Condition)
    _serving: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks"

    async def heard(self, count: int) -> list[Request]:
        """Wait until so many requests have come in."""
        async with asyncio.timeout(30), self._heard:
            await self._heard.wait_for(lambda: len(self.requests) >= count)
        return self.requests

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection."""
        self.connections += 1
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def stop(self) -> None:
        """Close the connections that are open."""
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := (await reader.readline()).decode().strip():
                await self._answer(await _read(line, reader), writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        reply = self.replies.pop(0) if self.replies else self.usual
        self.requests.append(request)
        async with self._heard:
            self._heard.notify_all()
        if isinstance(reply, Reply):
            writer.write(reply.encode())
            await writer.drain()
        else:
            await reply(request, writer)


async def _read(line: str, reader: asyncio.StreamReader) -> Request:
    headers = {}
    while field_line := (await reader.readline()).decode("latin-1").strip():
        name, _, value = field_line.partition(":")
        headers[name.lower()] = value.strip()
    return Request(line, headers, await reader.readexactly(int(headers.get("content-length", "0"))))


@asynccontextmanager
async def receiving(receiver: Receiver | None = None) -> AsyncIterator[Receiver]:
    """Have a receiver listen, at the port that it has if it has one."""
    receiver = receiver or Receiver()
    server = await asyncio.start_server(receiver.accept, "127.0.0.1", receiver.port)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        await receiver.stop()


async def hangs(request: Request, writer: asyncio.StreamWriter) -> None:
    """Never answer."""
    await asyncio.Event().wait()


async def breaks_off(request: Request, writer: asyncio.StreamWriter) -> None:
    """Close the connection instead of answering."""
    writer.transport.abort()
