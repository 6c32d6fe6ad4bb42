"""Cross-origin resource sharing for browsers: every tus header allowed and exposed, no cookies involved."""

from collections.abc import Collection, Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_METHODS = "POST, GET, HEAD, PUT, PATCH, DELETE, OPTIONS"

_REQUEST_HEADERS = (
    "Authorization",
    "Content-Type",
    "Upload-Length",
    "Upload-Offset",
    "Upload-Defer-Length",
    "Upload-Metadata",
    "Upload-Concat",
    "Upload-Checksum",
    "Tus-Resumable",
    "X-HTTP-Method-Override",
    "X-Request-ID",
    "X-Requested-With",
    "Range",
    "If-Range",
    "If-None-Match",
    "Last-Event-ID",
)

_RESPONSE_HEADERS = (
    "Location",
    "Upload-Offset",
    "Upload-Length",
    "Upload-Defer-Length",
    "Upload-Metadata",
    "Upload-Concat",
    "Upload-Expires",
    "Tus-Resumable",
    "Tus-Version",
    "Tus-Extension",
    "Tus-Max-Size",
    "Tus-Checksum-Algorithm",
    "Content-Disposition",
    "Content-Length",
    "Content-Range",
    "Accept-Ranges",
    "ETag",
    "Last-Modified",
    "Repr-Digest",
    "Retry-After",
    "WWW-Authenticate",
    "X-Request-ID",
)

_PREFLIGHT_AGE = "86400"
"""Seconds for which a browser may remember a preflight; browsers cap it themselves."""


class Cors:
    """Adds the CORS headers to every response of the application, errors included.

    Starlette's own middleware answers preflights in the application's place (OPTIONS has an answer of its own in tus)
    and gives expose headers to origins that are not allowed.
    """

    def __init__(self, app: ASGIApp, *, origins: Collection[str]) -> None:
        self._app = app
        self._any = "*" in origins
        self._origins = frozenset(origin.encode("latin-1") for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and add the headers to its response."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        added = self._headers(scope)

        async def send_with_cors(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = _joined(message.get("headers", []), added)
            await send(message)

        await self._app(scope, receive, send_with_cors)

    def _headers(self, scope: Scope) -> list[tuple[bytes, bytes]]:
        headers = dict(scope["headers"])
        origin = headers.get(b"origin")
        vary = [] if self._any else [(b"vary", b"Origin")]
        if origin is None or not (self._any or origin in self._origins):
            return vary
        allowed = [*vary, (b"access-control-allow-origin", b"*" if self._any else origin)]
        if scope["method"] == "OPTIONS" and b"access-control-request-method" in headers:
            return [*allowed, *_PREFLIGHT]
        return [*allowed, _EXPOSED]


def _joined(fields: Iterable[tuple[bytes, bytes]], added: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Both, with one Vary that says everything."""
    varying = [value for name, value in [*fields, *added] if name == b"vary"]
    if len(varying) < 2:
        return [*fields, *added]
    return [*(field for field in [*fields, *added] if field[0] != b"vary"), (b"vary", b", ".join(varying))]


_EXPOSED = (b"access-control-expose-headers", ", ".join(_RESPONSE_HEADERS).encode())
_PREFLIGHT = (
    (b"access-control-allow-methods", _METHODS.encode()),
    (b"access-control-allow-headers", ", ".join(_REQUEST_HEADERS).encode()),
    (b"access-control-max-age", _PREFLIGHT_AGE.encode()),
    _EXPOSED,
)
