"""Sending replies, and ending a request whose body nobody wanted without losing the reply."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace

from starlette.types import Receive, Scope, Send

from longshore.downloads.delivery import Delivery
from longshore.downloads.ranges import Span
from longshore.ports import FILE, Reader, SendFile
from longshore.ports.hooks import Answer
from longshore.protocol.reply import Fields, Reply

LINGER = 5.0
"""Seconds for which the rest of a refused body is read and thrown away.

Closing the connection while the client still sends makes its kernel drop our reply: the client would see a reset and
try again, though it has been refused for good.
"""

_SMALL = 64 * 1024
"""Bytes of a file that are read and sent along, because handing so few to the kernel takes longer."""

_HAS_NO_CONTENT_LENGTH = {204, 304}


async def respond(
    reply: Reply, scope: Scope, receive: Receive, send: Send, *, body_is_read: bool, linger: bool = True
) -> None:
    """Send a reply; close the connection, after lingering a while, if the request's body was not read to its end."""
    unread = not body_is_read and _announces_body(scope)
    headers = _encode(reply.headers)
    if reply.status not in _HAS_NO_CONTENT_LENGTH and scope["method"] != "HEAD":
        headers.append((b"content-length", str(len(reply.body)).encode()))
    if unread:
        headers.append((b"connection", b"close"))
    content = reply.body
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    if unread and linger:
        await send({"type": "http.response.body", "body": content, "more_body": True})
        await _linger(receive)
        content = b""
    await send({"type": "http.response.body", "body": content})


def with_answer(reply: Reply, answer: Answer) -> Reply:
    """The reply with what hooks want it to have beyond the protocol's own; theirs do not replace that.

    A 204 that is given a body becomes a 200, which clients take as well.
    """
    taken = {name.lower() for name, _ in reply.headers}
    added = tuple((name, value) for name, value in answer.headers if name.lower() not in taken)
    status = answer.status or reply.status
    if answer.body and status in _HAS_NO_CONTENT_LENGTH:
        status = 200
    return replace(reply, status=status, headers=(*reply.headers, *added), body=answer.body or reply.body)


async def stream(delivery: Delivery, scope: Scope, receive: Receive, send: Send) -> None:
    """Send a file, by the best way that the server offers, until its end or until the client has gone away.

    Where the file cannot be read to its end, what is raised has the server break off the response: the client, which
    knows from Content-Length how much is missing, comes back for the rest.
    """
    plan, reader = delivery.plan, delivery.reader
    with contextlib.closing(reader):
        await send({"type": "http.response.start", "status": plan.status, "headers": _encode(plan.headers)})
        for piece in plan.pieces:
            if isinstance(piece, bytes):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            else:
                await _send_span(piece, reader, scope, receive, send)
        await send({"type": "http.response.body", "body": b""})


async def _send_span(span: Span, reader: Reader, scope: Scope, receive: Receive, send: Send) -> None:
    send_file: SendFile | None = (scope.get("extensions") or {}).get(FILE)
    if send_file is not None and reader.descriptor is not None and len(span) > _SMALL:
        await send_file(reader.descriptor, span.start, span.end)
        return
    async with contextlib.aclosing(reader.read(span.start, span.end)) as pieces, _hearing(receive) as gone:
        async for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            if gone.done():
                return


@contextlib.asynccontextmanager
async def _hearing(receive: Receive) -> AsyncIterator[asyncio.Task[None]]:
    """A task that ends when the client has gone away: a server that is sent more then just drops it."""
    task = asyncio.create_task(_until_gone(receive))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _encode(headers: Fields) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]


def _announces_body(scope: Scope) -> bool:
    headers = dict(scope["headers"])
    return b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"


def expects_continue(scope: Scope) -> bool:
    """Whether the client waits for a word before it sends the body; refused before that, it will not send it."""
    return any(name == b"expect" and value.lower() == b"100-continue" for name, value in scope["headers"])


async def _linger(receive: Receive) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LINGER):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    return
