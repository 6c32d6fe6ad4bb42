"""What is taken down of every request: its id, its line in the access log, and the metrics.

One middleware, so that none of it costs a layer of its own; what is not asked for is not done. Query strings, tokens
and metadata are not looked at, and so none of them gets into a log.
"""

import itertools
import json
import logging
import re
import secrets
import time
from collections.abc import Awaitable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from urllib.parse import quote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from longshore.auth.principal import Principal
from longshore.http.authentication import Identify
from longshore.http.counting import Inflow, Inflows, counted
from longshore.metrics import OTHER, Metrics
from longshore.ports import FILE, SendFile

logger = logging.getLogger("longshore.access")

REQUEST_ID = "longshore.request_id"
"""Where a scope has the request's id."""

FIELDS = ("upload_id", "user_id", "method", "path", "status", "received", "sent", "duration", "client")
"""What a line of the access log has beside its text: bytes of the upload's body and of the answer's, seconds."""

_PRINCIPAL = "longshore.principal"

# What clients and proxies send: UUIDs, hexadecimal numbers, and the likes of them. Nothing that a log must escape.
_SANE = re.compile(rb"[A-Za-z0-9._~+/=:@-]{1,128}")

_UPLOADED = b"application/offset+octet-stream"

_METHODS = frozenset({"GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS"})

_process = secrets.token_hex(4)
_numbers = itertools.count(1)

_current: ContextVar[Scope | None] = ContextVar("longshore_request", default=None)


def context() -> Mapping[str, str]:
    """What is known of the request that is being answered here: its id, and the upload's and the user's if known.

    Also in worker threads, and in tasks that outlive the request.
    """
    scope = _current.get()
    return {} if scope is None else {"request_id": scope[REQUEST_ID], **_whose(scope)}


def _whose(scope: Scope) -> Mapping[str, str]:
    known = {}
    if upload_id := scope.get("path_params", {}).get("upload_id"):
        known["upload_id"] = upload_id
    principal: Principal | None = scope.get(_PRINCIPAL)
    if principal is not None and principal.subject:
        known["user_id"] = principal.subject
    return known


def noting(identify: Identify) -> Identify:
    """The same, with what comes of it noted for the log."""

    async def identify_and_note(scope: Scope) -> Principal:
        scope[_PRINCIPAL] = principal = await identify(scope)
        return principal

    return identify_and_note


class RequestLog:
    """Gives each request an id (X-Request-ID) that its answer and its messages have, and takes down what became of it.

    The client's own id is taken if it looks like one. Belongs outside of everything else.
    """

    def __init__(
        self, app: ASGIApp, *, access_log: bool = False, metrics: Metrics | None = None, inflows: Inflows | None = None
    ) -> None:
        """Without metrics nothing is counted; `inflows` come along with them."""
        self._app = app
        self.access_log = access_log
        self.metrics = metrics
        self.inflows = inflows

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        # Every request comes here: what needs no call of a function has none.
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id")
        scope[REQUEST_ID] = f"{_process}-{next(_numbers):x}" if given is None else _checked(given)
        token = _current.set(scope)
        exchange = None
        try:
            if scope["type"] == "http":
                exchange = _Exchange(self, scope, send)
                if b"x-http-method-override" in headers:
                    exchange.method = headers[b"x-http-method-override"].decode("latin-1").strip().upper()
                send = exchange.send
                if self.access_log or (self.inflows is not None and headers.get(b"content-type") == _UPLOADED):
                    receive = exchange.count(headers, receive)
            await self._app(scope, receive, send)
        finally:
            if exchange is None:
                self._note_websocket(scope)
            elif exchange.is_open:
                exchange.end()
            _current.reset(token)

    def _note_websocket(self, scope: Scope) -> None:
        if self.access_log:
            logger.info("WebSocket %s", _path(scope), extra=_whose(scope))


class _Exchange:
    """A request, and the answer that it is given."""

    is_open = True
    """Whether there is something still to be taken down."""

    _status: int | None = None
    _is_problem = False
    _sent = 0
    _inflow: Inflow | None = None

    def __init__(self, log: RequestLog, scope: Scope, send: Send) -> None:
        self.method: str = scope["method"]
        """The one that is acted on, as `protocol.parse.effective_method` has it."""
        self._log = log
        self._scope = scope
        self._send = send
        self._began_at = time.perf_counter()

    def count(self, headers: Mapping[bytes, bytes], receive: Receive) -> Receive:
        """Have the bytes counted that come, and those that go; return what the request is to be received by."""
        if self._log.access_log:
            self._count_files()
        if headers.get(b"content-type") != _UPLOADED:
            return receive
        self._inflow = Inflow()
        if self._log.inflows is not None:
            self._log.inflows.begin(self._inflow)
        return counted(self._scope, receive, self._inflow)

    def send(self, message: Message) -> Awaitable[None]:
        """Pass a piece of the answer on. Not a coroutine of its own: every answer has two pieces at least."""
        if message["type"] == "http.response.start":
            log = self._log
            self._status = status = message["status"]
            message["headers"] = [*message.get("headers", ()), (b"x-request-id", self._scope[REQUEST_ID].encode())]
            if self._inflow is not None:
                self._end_inflow(self._inflow)
            if log.metrics is not None:
                log.metrics.duration.observe(time.perf_counter() - self._began_at, self._label)
                self._is_problem = status >= 400
            self.is_open = self._is_problem or log.access_log
        elif self.is_open and message["type"] == "http.response.body":
            self._look_at(message.get("body", b""))
        return self._send(message)

    @property
    def _label(self) -> str:
        return self.method if self.method in _METHODS else OTHER

    def _look_at(self, body: bytes) -> None:
        self._sent += len(body)
        if self._is_problem:
            self._is_problem = False
            self._count_error(_code(body))

    def _count_error(self, code: str) -> None:
        if self._log.metrics is not None:
            self._log.metrics.errors.add(str(self._status), code)

    def _end_inflow(self, inflow: Inflow) -> None:
        if self._log.inflows is not None:
            self._log.inflows.end(inflow, self.method)

    def _count_files(self) -> None:
        """Have the files counted that the kernel sends past `send`."""
        extensions = self._scope.get("extensions") or {}
        if FILE in extensions:
            send_file: SendFile = extensions[FILE]

            async def send_file_counted(descriptor: int, start: int, end: int) -> None:
                await send_file(descriptor, start, end)
                self._sent += end - start

            self._scope["extensions"] = {**extensions, FILE: send_file_counted}

    def end(self) -> None:
        """Take down what became of the request; without an answer it failed in a way that nobody foresaw."""
        if self._inflow is not None:
            self._end_inflow(self._inflow)
        if self._status is None:
            self._status = 500
            self._is_problem = True
            if self._log.metrics is not None:
                self._log.metrics.duration.observe(time.perf_counter() - self._began_at, self._label)
        if self._is_problem:
            self._count_error("")
        if self._log.access_log:
            self._write_line()

    def _write_line(self) -> None:
        path = _path(self._scope)
        fields = {
            **_whose(self._scope),
            "method": self._label,
            "path": path,
            "status": self._status,
            "received": self._inflow.received if self._inflow else 0,
            "sent": self._sent,
            "duration": round(time.perf_counter() - self._began_at, 6),
            "client": (self._scope.get("client") or ("",))[0],
        }
        logger.info("%s %s %s", self._label, path, self._status, extra=fields)


def _checked(given: bytes) -> str:
    """The client's id, or one of ours in the place of one that does not look like any."""
    return given.decode("ascii") if _SANE.fullmatch(given) else f"{_process}-{next(_numbers):x}"


def _path(scope: Scope) -> str:
    """The path as it was sent, in ASCII, without the query."""
    raw: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
    return raw.partition(b"?")[0].decode("ascii", "backslashreplace")


def _code(body: bytes) -> str:
    """The stable code in a problem document; empty where the body is something else."""
    with suppress(ValueError, TypeError, KeyError):
        code = json.loads(body)["code"]
        if isinstance(code, str):
            return code
    return ""
