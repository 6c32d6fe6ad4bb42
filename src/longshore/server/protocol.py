"""uvicorn's httptools protocol with what uploads need on top. The only place that touches uvicorn's private parts.

uvicorn appends trailer fields to the headers of the request, puts no bound on the size of a request's head, and
throws away what it has read of a body when the client goes away before the application has asked for it.
"""

from typing import Any

from uvicorn._types import ASGI3Application, ASGIReceiveCallable, ASGIReceiveEvent, ASGISendCallable, Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

MAX_HEAD = 64 * 1024
"""Bytes of a request's head (and of its trailers): enough for a concatenation of a thousand parts."""

TRAILERS = "longshore.trailers"
"""Scope extension: a mapping of trailer fields by lower-case name, filled when the body has ended."""


class UploadProtocol(HttpToolsProtocol):
    """Keeps trailers apart, bounds the head, and hands over every byte of a body that reached the server."""

    _in_head = True
    _head_size = 0
    _trailers: dict[str, str]

    def data_received(self, data: bytes) -> None:
        """Parse what came in; close the connection when a head grows beyond its bound."""
        super().data_received(data)
        if self._in_head and not self.transport.is_closing():
            self._count_head(len(data))

    def _count_head(self, size: int) -> None:
        self._head_size += size
        if self._head_size > MAX_HEAD:
            self.transport.write(_head_too_large())
            self.transport.close()

    def on_message_begin(self) -> None:
        """Start a request."""
        super().on_message_begin()
        self._in_head = True
        self._head_size = 0
        self._trailers = {}
        scope: dict[str, Any] = self.scope  # type: ignore[assignment]
        scope["extensions"] = {TRAILERS: self._trailers}

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header field, or behind the body a trailer field."""
        if self._in_head:
            super().on_header(name, value)
        else:
            self._on_trailer(name.decode("latin-1").lower(), value.decode("latin-1"))

    def _on_trailer(self, name: str, value: str) -> None:
        self._head_size += len(name) + len(value)
        if self._head_size <= MAX_HEAD:
            self._trailers[name] = value

    def on_headers_complete(self) -> None:
        """The head is there: start the application."""
        self._in_head = False
        self._head_size = 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is there."""
        super().on_message_complete()
        self._in_head = True

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        async def app_with_rest(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
            await app(scope, _with_rest(cycle, receive), send)

        super()._start_asgi_task(cycle, app_with_rest)


def _with_rest(cycle: RequestResponseCycle, receive: ASGIReceiveCallable) -> ASGIReceiveCallable:
    """A `receive` that gives what has been read of a body before it tells that the client has gone."""

    async def receive_with_rest() -> ASGIReceiveEvent:
        message = await receive()
        if message["type"] != "http.disconnect" or not cycle.body or cycle.response_complete:
            return message
        rest, cycle.body = bytes(cycle.body), bytearray()
        return {"type": "http.request", "body": rest, "more_body": cycle.more_body}

    return receive_with_rest


def _head_too_large() -> bytes:
    body = (
        b'{"type": "urn:longshore:problem:head-too-large", "title": "Request head too large", '
        b'"status": 431, "code": "head-too-large"}'
    )
    head = (
        b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
        b"content-type: application/problem+json\r\nconnection: close\r\n"
    )
    return head + b"content-length: %d\r\n\r\n" % len(body) + body
