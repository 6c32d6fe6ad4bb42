"""An application behind the protocol class on a real socket, and raw connections to it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from tests.stateful.asgi import SOON, until
from uvicorn.server import ServerState

from longshore.server.protocol import UploadProtocol

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


async def reply(send: Send, status: int = 200, body: bytes = b"", **fields: str) -> None:
    headers = [(name.encode(), value.encode()) for name, value in fields.items()]
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@dataclass
class Loopback:
    """Where the application listens, and the protocol objects of its connections."""

    port: int
    state: ServerState
    clients: list["Client"] = field(default_factory=list)

    async def connect(self) -> "Client":
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        self.clients.append(client)
        return client


@dataclass
class Client:
    """A connection on which a test writes what it likes."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def drain(self) -> None:
        await self.writer.drain()

    async def response(self) -> tuple[int, dict[str, str], bytes]:
        """The next response, which has to have a Content-Length."""
        async with asyncio.timeout(SOON):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:-2])}
            body = await self.reader.readexactly(int(headers.get("content-length", "0")))
            return int(head[0].split()[1]), headers, body

    async def rest(self) -> bytes:
        """Everything until the server closes."""
        async with asyncio.timeout(SOON):
            return await self.reader.read()

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):  # The server was quicker.
            await self.writer.wait_closed()

    def reset(self) -> None:
        self.writer.transport.abort()


@asynccontextmanager
async def listening(app: App, protocol_class: type[UploadProtocol] = UploadProtocol) -> AsyncIterator[Loopback]:
    """Serve the application on a free port until the end of the block."""
    config = uvicorn.Config(app, http=UploadProtocol, log_config=None, lifespan="off")
    config.load()
    state = ServerState()
    server = await asyncio.get_running_loop().create_server(
        lambda: protocol_class(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    loopback = Loopback(server.sockets[0].getsockname()[1], state)
    try:
        yield loopback
    finally:
        for client in loopback.clients:
            await client.close()
        if state.tasks:
            await asyncio.wait(list(state.tasks), timeout=SOON)
        for connection in list(state.connections):
            connection.shutdown()
        server.close()
        await server.wait_closed()
        await until(lambda: not state.connections)
