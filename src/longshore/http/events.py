"""`GET /events`: what happens to uploads, over a WebSocket (RFC 6455) or as server-sent events (HTML, section 9.2).

A WebSocket gets JSON messages: CloudEvents, and what the hub says for itself, which has no `specversion`:

- `{"type": "position", "after": "7", "current": "9"}` comes first: all events behind 7 will be told; 9 is the newest.
- `{"type": "gap", "after": "7"}`: some of the events behind 7 are not kept any more; those that are follow.
- `{"type": "token", "expires_at": "…"}` answers a fresh token, sent as `{"type": "token", "token": "…"}`: until when
  the token is good that counts now.

Close codes: 4401 when the token has expired or was revoked; 1013 when too much waits to be sent, or the database cannot
answer: come back, and go on after the last event; 1012 when the server stops; 1011 when it fails; 1008 after a message
that means nothing here.

Who may not listen is refused before the handshake, or the stream, with a problem document: 429
`too-many-subscriptions` for a user who has too many connections already, 503 `too-many-subscribers` where there is no
place for anybody.

A stream of server-sent events just ends. It has `position` and `gap` as events of those names, all others without one.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping
from functools import lru_cache, partial
from typing import Any, Final, cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.types import Receive, Scope, Send

from longshore.auth.principal import Principal
from longshore.http.authentication import Identify
from longshore.http.endpoints import endpoint, problem
from longshore.http.problems import InternalError
from longshore.http.subscribing import (
    SUBPROTOCOL,
    accepts_stream,
    credentials,
    read_after,
    read_token,
    read_wanted,
    require_origin,
    showing,
)
from longshore.hub.fanout import Hub
from longshore.hub.messages import Message, gap_message, position_message, token_message
from longshore.hub.subscription import End, Subscription
from longshore.ports import PATIENCE, Clock, Patience
from longshore.protocol.errors import InvalidToken, TusError, Unauthenticated, Unavailable

logger = logging.getLogger(__name__)

PATH: Final = "/events"

KEEP_ALIVE: Final = 15.0
"""Seconds after which a stream with nothing to say says so, before proxies take it for dead."""

PATIENCE_WITH_STREAMS: Final = 20.0
"""Seconds for which the other machine may acknowledge nothing of a stream. One that is gone without a word, as after
its network was lost, is found by that within 35 seconds: the next sign of life is 15 away at most."""

RETRY: Final = 3000
"""Milliseconds after which a stream that has ended is asked for again."""

_CODES: Final[Mapping[End, int]] = {
    End.LAGGING: 1013,
    End.UNAUTHENTICATED: 4401,
    End.MISUNDERSTOOD: 1008,
    End.STOPPING: 1012,
    End.FAILED: 1011,
}

_STREAM_HEADERS: Final = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    # nginx gathers an answer before it passes it on, unless told otherwise.
    (b"x-accel-buffering", b"no"),
)

Tell = Callable[[Message | None], Awaitable[None]]
"""Sends a message; None is a sign of life."""


class UpgradeRequired(TusError):
    """Events come over a WebSocket, or as a stream to whoever accepts one (RFC 9110, section 15.5.22)."""

    status = 426
    code = "upgrade-required"
    title = "A WebSocket or an event stream is needed"

    def __init__(self) -> None:
        headers = (("Upgrade", "websocket"), ("Connection", "Upgrade"))
        super().__init__("Open a WebSocket, or send Accept: text/event-stream.", headers=headers)


class EventsEndpoint:
    """Both ways to subscribe."""

    def __init__(
        self,
        hub: Hub,
        identify: Identify,
        clock: Clock,
        *,
        origins: Collection[str] = ("*",),
        keep_alive: float = KEEP_ALIVE,
    ) -> None:
        """Serve those whom `identify` knows. Where that is everybody, give the web `origins` whose pages may listen.

        `keep_alive` is in seconds.
        """
        self._keep_alive = keep_alive
        self._hub = hub
        self._identify = identify
        self._clock = clock
        self._origins = origins

    def routes(self) -> list[BaseRoute]:
        """Where they are."""
        return [endpoint(PATH, self.stream, method="GET"), WebSocketRoute(PATH, _WebSocketApplication(self))]

    async def subscribe(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a WebSocket, from the handshake on."""
        try:
            require_origin(scope, self._origins)
            subscription, after = await self._admit(scope)
        except TusError as error:
            await _refuse(error, scope, send)
            return
        except Exception:
            logger.exception("a subscription failed")
            await _refuse(InternalError(), scope, send)
            return
        subprotocol = SUBPROTOCOL if SUBPROTOCOL in scope["subprotocols"] else None
        try:
            await send({"type": "websocket.accept", "subprotocol": subprotocol})
            await self._serve(subscription, after, self._listen(subscription, receive), partial(_tell_socket, send))
            if subscription.end_reason and subscription.end_reason in _CODES:
                await send({"type": "websocket.close", "code": _CODES[subscription.end_reason]})
        except OSError:
            return  # The client has gone; so the server says (ASGI, "Send - send event").
        finally:
            self._hub.leave(subscription)

    async def stream(self, request: Request) -> Response:
        """Serve an event stream."""
        if not accepts_stream(request.scope):
            raise UpgradeRequired
        if request.method == "HEAD":
            return Response(headers={name.decode(): value.decode() for name, value in _STREAM_HEADERS})
        return _Stream(self, *await self._admit(request.scope))

    async def send_stream(
        self, subscription: Subscription, after: int | None, receive: Receive, send: Send, patience: Patience
    ) -> None:
        """Send an event stream, head and all."""
        try:
            patience(PATIENCE_WITH_STREAMS)
            await send({"type": "http.response.start", "status": 200, "headers": _STREAM_HEADERS})
            await _send_piece(send, b"retry: %d\n\n" % RETRY)
            tell = partial(_tell_stream, send)
            await self._serve(subscription, after, _await_disconnect(subscription, receive), tell, self._keep_alive)
            if subscription.end_reason is not End.GONE:
                await send({"type": "http.response.body", "body": b""})
        finally:
            # The connection may be used for something else after this.
            patience(0)
            self._hub.leave(subscription)

    async def _admit(self, scope: Scope) -> tuple[Subscription, int | None]:
        """Let in who may listen: their subscription, and the event to go on after. Raises `TusError`."""
        wanted, after = read_wanted(scope), read_after(scope)
        shown = credentials(scope)
        principal = await self._identify(shown)
        subscription = Subscription(principal, wanted)
        self._hub.join(subscription)
        try:
            self._authenticate(subscription, principal, shown)
        except BaseException:
            self._hub.leave(subscription)
            raise
        return subscription, after

    def _authenticate(self, subscription: Subscription, principal: Principal, shown: Scope) -> None:
        if principal.expires_at is None:
            return
        time_left = (principal.expires_at - self._clock()).total_seconds()
        if time_left <= 0:
            # It would do for a request, for a little while yet: clocks differ.
            raise InvalidToken("The token has expired.")
        subscription.authenticate(principal, partial(self._identify, shown), time_left)

    async def _serve(
        self,
        subscription: Subscription,
        after: int | None,
        listening: Coroutine[Any, Any, None],
        tell: Tell,
        idle: float | None = None,
    ) -> None:
        """Tell a subscriber everything until the end has come; `idle` is in seconds."""
        this = cast(asyncio.Task[Any], asyncio.current_task())
        subscription.on_end = this.cancel
        listener = asyncio.create_task(listening)
        try:
            await self._tell_all(subscription, after, tell, idle)
        except asyncio.CancelledError:
            if subscription.end_reason is None:
                raise
            this.uncancel()
        except Unavailable:
            _end(subscription, End.LAGGING)
        except OSError:
            _end(subscription, End.GONE)
        except Exception:
            logger.exception("a subscription failed")
            _end(subscription, End.FAILED)
        finally:
            _end(subscription, End.GONE)
            listener.cancel()

    async def _tell_all(self, subscription: Subscription, after: int | None, tell: Tell, idle: float | None) -> None:
        start = await self._hub.begin(subscription, after)
        await tell(position_message(start.after, start.current))
        if after is not None and not start.is_complete:
            await tell(gap_message(after))
        if after is not None:
            async with contextlib.aclosing(self._hub.replay(subscription, start.after)) as missed:
                async for message in missed:
                    await tell(message)
        while True:
            await tell(await _next(subscription, idle))

    async def _listen(self, subscription: Subscription, receive: Receive) -> None:
        """Take what a subscriber sends over a WebSocket, until it goes away."""
        while (message := await receive())["type"] != "websocket.disconnect":
            if (token := read_token(message)) is None:
                subscription.end(End.MISUNDERSTOOD)
            else:
                await self._renew(subscription, showing(token))
        subscription.end(End.GONE)

    async def _renew(self, subscription: Subscription, shown: Scope) -> None:
        """Go on with a fresh token, which has to be the same user's. While nobody can tell, the former one counts."""
        try:
            principal = await self._identify(shown)
            if principal.subject != subscription.principal.subject:
                raise InvalidToken("The token is somebody else's.")
            self._authenticate(subscription, principal, shown)
        except Unauthenticated:
            subscription.end(End.UNAUTHENTICATED)
        except TusError as passing:
            logger.warning("a fresh token could not be looked at: %s", passing.detail)
        except Exception:
            logger.exception("a subscription failed")
            subscription.end(End.FAILED)
        subscription.offer(token_message(subscription.principal.expires_at))


class _WebSocketApplication:
    """The endpoint as Starlette takes it for an ASGI application rather than for a function of a session."""

    def __init__(self, endpoint: EventsEndpoint) -> None:
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        await self._endpoint.subscribe(scope, receive, send)


class _Stream(Response):
    """The response that is an event stream."""

    def __init__(self, endpoint: EventsEndpoint, subscription: Subscription, after: int | None) -> None:
        super().__init__()
        self._endpoint = endpoint
        self._subscription = subscription
        self._after = after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        patience: Patience = (scope.get("extensions") or {}).get(PATIENCE, _endless)
        await self._endpoint.send_stream(self._subscription, self._after, receive, send, patience)


def _end(subscription: Subscription, reason: End) -> None:
    """End it from within the task that would be torn away."""
    subscription.on_end = lambda: None
    subscription.end(reason)


async def _next(subscription: Subscription, idle: float | None) -> Message | None:
    if idle is None:
        return await subscription.next()
    try:
        async with asyncio.timeout(idle):
            return await subscription.next()
    except TimeoutError:
        return None


# WebSocket


async def _tell_socket(send: Send, message: Message | None) -> None:
    if message is not None:
        await send({"type": "websocket.send", "text": message.text})


async def _refuse(error: TusError, scope: Scope, send: Send) -> None:
    """Answer the handshake with a problem document, where the server can; else with its 403."""
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close", "code": 1008})
        return
    answer = problem(error)
    await send({"type": "websocket.http.response.start", "status": answer.status_code, "headers": answer.raw_headers})
    await send({"type": "websocket.http.response.body", "body": answer.body})


# Server-sent events


@lru_cache(maxsize=256)
def _as_event(message: Message) -> bytes:
    """A message as it stands in a stream; what the hub says for itself has a name, so that it is not taken for more."""
    name = "" if message.upload_id else f"event: {message.type}\n"
    number = "" if message.id is None else f"id: {message.id}\n"
    return f"{name}{number}data: {message.text}\n\n".encode()


async def _tell_stream(send: Send, message: Message | None) -> None:
    await _send_piece(send, b":\n\n" if message is None else _as_event(message))


async def _send_piece(send: Send, piece: bytes) -> None:
    await send({"type": "http.response.body", "body": piece, "more_body": True})


def _endless(_: float) -> None:
    """A `ports.Patience` on servers other than ours: the operating system's own, which may be a quarter of an hour."""


async def _await_disconnect(subscription: Subscription, receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    subscription.end(End.GONE)
