"""Sending replies, and ending a request whose body nobody wanted without losing the reply."""

import asyncio
import contextlib
from dataclasses import replace

from starlette.types import Receive, Scope, Send

from longshore.downloads.delivery import Delivery
from longshore.ports.hooks import Answer
from longshore.protocol.reply import Fields, Reply

LINGER = 5.0
"""Seconds for which the rest of a refused body is read and thrown away.

Closing the connection while the client still sends makes its kernel drop our reply: the client would see a reset and
try again, though it has been refused for good.
"""

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


async def stream(delivery: Delivery, send: Send) -> None:
    """Send a file."""
    async with contextlib.aclosing(delivery.rest) as rest:
        await send({"type": "http.response.start", "status": 200, "headers": _encode(delivery.headers)})
        await send({"type": "http.response.body", "body": delivery.first, "more_body": True})
        async for piece in rest:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


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
