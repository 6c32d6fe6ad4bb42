"""uvicorn's httptools protocol with what uploads need on top. The only place that touches uvicorn's private parts.

It hands the socket of a plain connection over to whoever reads a request's body, and mends three things: uvicorn
appends trailer fields to the headers of the request, puts no bound on the size of a request's head, and throws away
what it has read of a body when the client goes away before the application has asked for it.
"""

import asyncio
import contextlib
import logging
import os
import re
import socket
from collections.abc import Callable
from typing import Any

import httptools
from anyio import CapacityLimiter
from uvicorn._types import ASGI3Application, ASGIReceiveCallable, ASGIReceiveEvent, ASGISendCallable, Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from longshore.ports import BODY, FILE, PATIENCE, TRAILERS
from longshore.server.body import SocketBody
from longshore.server.sending import FileSender, Watch

logger = logging.getLogger(__name__)

MAX_HEAD = 256 * 1024
"""Bytes of a request's head (and of its trailers) that are read at most; the application itself takes fewer."""

# Where the data ends within the value, it may become one yet.
_BEGUN = b"|".join(b"websocket"[:size] + rb"\Z" for size in range(len(b"websocket")))
_OFFER = re.compile(rb"\r\nupgrade:(?![ \t]*(?:websocket|%s))" % _BEGUN, re.IGNORECASE)
_ANY_OFFER = re.compile(rb"\r\nupgrade:", re.IGNORECASE)


class UploadProtocol(HttpToolsProtocol):
    """Offers bodies straight from the socket, keeps trailers apart, bounds the head, and drops no byte of a body."""

    offers_bodies = True
    """Whether bodies may be read straight from the socket, and files be sent straight to it."""

    head_timeout = 60.0
    """Seconds that a client has for the head of a request, from the connection or the head's first byte on.

    uvicorn bounds the time between requests only: half a head would hold its connection for ever.
    """

    send_timeout = 60.0
    """Seconds for which a client may take nothing of what is sent to it."""

    on_refused: Callable[[str, str], None] = staticmethod(lambda status, code: None)
    """Told the status and the code of what is answered here, of which the application never hears."""

    _head_timer: asyncio.TimerHandle | None = None
    _watch: Watch | None = None
    _woken: asyncio.Future[bool] | None = None
    _in_head = False
    _in_body = False
    _head_size = 0
    _body_size = 0
    _trailers: dict[str, str]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Expect a request."""
        super().connection_made(transport)  # type: ignore[arg-type]  # uvicorn narrows the type to what it gets
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect nothing any more."""
        self._head_is_there()
        if self._watch is not None:
            self._watch.stop()
        self._wake(False)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Wait for the client to take what has been written, but not for ever."""
        super().pause_writing()
        self.watch().start()

    def resume_writing(self) -> None:
        """Go on writing."""
        self.watch().stop()
        super().resume_writing()

    def watch(self) -> Watch:
        """The eye on a client that something waits for."""
        if self._watch is None:
            target = self.transport.get_extra_info("socket")
            self._watch = Watch(self.loop, target, self.transport.abort, timeout=self.send_timeout)
        return self._watch

    async def writable(self, target: socket.socket) -> bool:
        """Wait until a duplicate of the socket takes more; False when the client has gone or takes nothing."""
        self._woken = self.loop.create_future()
        self.loop.add_writer(target.fileno(), self._wake, True)
        self.watch().start()
        try:
            return await self._woken
        finally:
            self.watch().stop()
            self.loop.remove_writer(target.fileno())
            self._woken = None

    def _set_patience(self, seconds: float) -> None:
        """A `ports.Patience`, by TCP_USER_TIMEOUT (RFC 5482), which Linux has."""
        if hasattr(socket, "TCP_USER_TIMEOUT") and not self.transport.is_closing():
            # A socket that is not TCP has no such thing, and needs none.
            with contextlib.suppress(OSError):
                target = self.transport.get_extra_info("socket")
                target.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(seconds * 1000))

    def _wake(self, writable: bool) -> None:
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(writable)

    def _await_head(self) -> None:
        self._head_is_there()
        self._head_timer = self.loop.call_later(self.head_timeout, self._give_up_on_head)

    def _give_up_on_head(self) -> None:
        # There is no cycle before the first request, though uvicorn's annotation says otherwise.
        if self.cycle is None or self.cycle.response_complete:  # type: ignore[redundant-expr]
            self.transport.close()
        else:
            self._await_head()  # It came while another request is still being answered, which must not suffer.

    def _head_is_there(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def data_received(self, data: bytes) -> None:
        """Parse what came in; close the connection when a head grows beyond its bound."""
        head_goes_on = self._in_head
        super().data_received(self._without_offer(data))
        if self._in_head and head_goes_on and not self.transport.is_closing():
            self._count_head(len(data))

    def _without_offer(self, data: bytes) -> bytes:
        """The data with the name of an Upgrade field in a request's head made another one of the same length.

        A server may ignore the offer of another protocol (RFC 9110, section 7.8), as Java's HTTP client makes it with
        its first request. The parser however, once it has seen it, takes the body for the other protocol's.
        """
        if self._in_body or b"pgrade:" not in data:
            return data
        head, end, rest = data.partition(b"\r\n\r\n")
        # Only GET opens a WebSocket. In the middle of a head nobody knows yet what it is the head of.
        offer = _OFFER if self._in_head or data.startswith(b"GET ") else _ANY_OFFER
        return offer.sub(b"\r\nignored:", head) + end + rest

    def _count_head(self, size: int) -> None:
        self._head_size += size
        if self._head_size > MAX_HEAD:
            self._refuse(b"431 Request Header Fields Too Large", b"head-too-large")

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP."""
        self._refuse(b"400 Bad Request", b"malformed-request")

    def _refuse(self, status: bytes, code: bytes) -> None:
        """Answer before there is a request to hand to the application, and close the connection."""
        if not self._is_answering():
            problem = _PROBLEM % (code, status[4:], status[:3], code)
            self.transport.write(_REFUSAL % (status, len(problem), problem))
            self.on_refused(status[:3].decode(), code.decode())
        self.transport.close()

    def _is_answering(self) -> bool:
        """Whether a response is under way, in the middle of which another one would be taken for its body."""
        cycle = self.cycle
        # There is no cycle before the first request, though uvicorn's annotation says otherwise.
        return bool(self.pipeline) or (cycle is not None and cycle.response_started and not cycle.response_complete)  # type: ignore[redundant-expr]

    def on_message_begin(self) -> None:
        """Start a request."""
        super().on_message_begin()
        self._await_head()
        self._in_head = True
        self._head_size = 0
        self._body_size = 0
        self._trailers = {}

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
        self._head_is_there()
        self._in_head = False
        self._in_body = True
        self._head_size = 0
        if self._offers_with_body():
            # In pieces, or behind another request: the offer went past us, and what follows would be read wrongly.
            self._refuse(b"400 Bad Request", b"upgrade-with-body")
            return
        scope: dict[str, Any] = self.scope  # type: ignore[assignment]
        scope["extensions"] = {TRAILERS: self._trailers, PATIENCE: self._set_patience}
        super().on_headers_complete()
        length = _content_length(self.headers)
        if length and self.offers_bodies and self.scheme == "http":
            scope["extensions"][BODY] = _Offer(self, self.cycle, length)
        if scope["method"] == "GET" and self.offers_bodies and self.scheme == "http" and hasattr(os, "sendfile"):
            scope["extensions"][FILE] = FileSender(_ResponseConnection(self, self.cycle))

    def _offers_with_body(self) -> bool:
        return self.parser.should_upgrade() and self._announces_body()

    def _announces_body(self) -> bool:
        return any(name in (b"content-length", b"transfer-encoding") for name, _ in self.headers)

    def _should_upgrade(self) -> bool:
        """Whether the request opens a WebSocket (RFC 6455, section 4.1: a GET)."""
        return self.parser.get_method() == b"GET" and not self._announces_body() and super()._should_upgrade()

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over, and leave nothing behind that waits for the garbage collector."""
        super().handle_websocket_upgrade()
        self.parser = self.scope = self.headers = None  # type: ignore[assignment]

    def on_message_complete(self) -> None:
        """The request is there."""
        self._in_body = False
        if not self.transport.is_closing():
            super().on_message_complete()

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body."""
        self._body_size += len(body)
        super().on_body(body)

    def body_size(self) -> int:
        """How many bytes of the current request's body have been parsed."""
        return self._body_size

    def skip_body(self) -> None:
        """Behave as if the current request's body had been parsed to its end, and expect a new request next.

        The parser still waits for the bytes that went past it, so a new one takes its place.
        """
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        async def app_with_rest(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
            try:
                await app(scope, _with_rest(cycle, receive), send)
            except asyncio.CancelledError:
                self._cut_off(cycle)

        super()._start_asgi_task(cycle, app_with_rest)

    def _cut_off(self, cycle: RequestResponseCycle) -> None:
        """End a request that was still being answered when the server had waited long enough for it to stop.

        uvicorn would take the cancellation, which is its own, for a failure of the application.
        """
        logger.info("a request was cut off, because the server stops")
        if not cycle.response_started:
            self._refuse(b"503 Service Unavailable", b"shutting-down")
        # Whoever was to get the rest sees that it is missing, and nobody waits for one that takes nothing.
        cycle.disconnected = True
        self.transport.close()


class AsgiOnlyProtocol(UploadProtocol):
    """The same, with all bodies coming through ASGI."""

    offers_bodies = False


class _Offer:
    """Makes the body of one request; what is given as the scope extension."""

    def __init__(self, protocol: UploadProtocol, cycle: RequestResponseCycle, length: int) -> None:
        self._connection = _CycleConnection(protocol, cycle, length)

    def __call__(self, *, idle_timeout: float, limiter: CapacityLimiter) -> SocketBody:
        return SocketBody(self._connection, idle_timeout=idle_timeout, limiter=limiter)


class _CycleConnection:
    """One request's view of its connection: a `body.Connection`."""

    def __init__(self, protocol: UploadProtocol, cycle: RequestResponseCycle, length: int) -> None:
        self._protocol = protocol
        self._cycle = cycle
        self._length = length

    def begin(self) -> tuple[bytes, int]:
        """Stop the transport reading, and take what the parser has seen of the body."""
        cycle = self._cycle
        if cycle.waiting_for_100_continue and not cycle.transport.is_closing():
            cycle.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            cycle.waiting_for_100_continue = False
        read, cycle.body = bytes(cycle.body), bytearray()
        if not cycle.more_body:
            return read, 0
        cycle.flow.pause_reading()
        return read, self._length - self._protocol.body_size()

    def socket(self) -> socket.socket:
        """A duplicate: the event loop watches the original for the transport, and would not watch it for us too."""
        return _duplicate(self._cycle.transport)

    def end(self, left: int) -> None:
        """Let the transport read on. Where something is left, nothing can follow on this connection."""
        if left:
            self._cycle.keep_alive = False
        elif self._cycle.more_body and not self._cycle.disconnected:
            self._protocol.skip_body()
        self._cycle.flow.resume_reading()


class _ResponseConnection:
    """One response's view of its connection: a `sending.Connection`."""

    def __init__(self, protocol: UploadProtocol, cycle: RequestResponseCycle) -> None:
        self._protocol = protocol
        self._cycle = cycle

    async def begin(self, size: int) -> socket.socket | None:
        """Count the bytes as sent, and have the transport empty.

        Nothing is read meanwhile: what is wrong with the next request must not be said in the middle of this body.
        """
        cycle = self._cycle
        if not cycle.response_started or size > cycle.expected_content_length:
            raise RuntimeError("there is no response with a Content-Length that has room for the file")
        cycle.expected_content_length -= size
        if not self._is_gone():
            cycle.flow.pause_reading()
            await self._flush()
        return None if self._is_gone() else _duplicate(cycle.transport)

    def _is_gone(self) -> bool:
        return self._cycle.disconnected or self._cycle.transport.is_closing()

    async def _flush(self) -> None:
        """Have the transport pause us for every byte that it holds, and wait until it holds none."""
        transport, flow = self._cycle.transport, self._cycle.flow
        transport.set_write_buffer_limits(high=0)
        try:
            await flow.drain()
        finally:
            if not self._is_gone():
                transport.set_write_buffer_limits()

    async def wait(self, target: socket.socket) -> bool:
        """Wait for the client."""
        return not self._is_gone() and await self._protocol.writable(target)

    def cut(self) -> None:
        """End the connection at once."""
        self._cycle.transport.abort()


def _duplicate(transport: asyncio.Transport) -> socket.socket:
    """The transport's socket once more, non-blocking."""
    duplicate = socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno()))
    duplicate.setblocking(False)
    return duplicate


def _content_length(headers: list[tuple[bytes, bytes]]) -> int:
    """Content-Length in bytes, which the parser has validated; 0 where there is none."""
    return next((int(value) for name, value in headers if name == b"content-length"), 0)


def _with_rest(cycle: RequestResponseCycle, receive: ASGIReceiveCallable) -> ASGIReceiveCallable:
    """A `receive` that gives what has been read of a body before it tells that the client has gone."""

    async def receive_with_rest() -> ASGIReceiveEvent:
        message = await receive()
        if message["type"] != "http.disconnect" or not cycle.body or cycle.response_complete:
            return message
        rest, cycle.body = bytes(cycle.body), bytearray()
        return {"type": "http.request", "body": rest, "more_body": cycle.more_body}

    return receive_with_rest


_PROBLEM = b'{"type": "urn:longshore:problem:%s", "title": "%s", "status": %s, "code": "%s"}'
_REFUSAL = (
    b"HTTP/1.1 %s\r\ntus-resumable: 1.0.0\r\ncontent-type: application/problem+json\r\ncache-control: no-store\r\n"
    b"connection: close\r\ncontent-length: %d\r\n\r\n%s"
)
