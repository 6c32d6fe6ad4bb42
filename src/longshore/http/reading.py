"""Reading requests: the head as the protocol takes it, and the body by the best way that the server offers."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from anyio import CapacityLimiter
from starlette.types import Receive, Scope

from longshore.events import RequestInfo
from longshore.ports import BODY, TRAILERS, Body
from longshore.protocol.errors import TusError, UploadNotFound
from longshore.protocol.intents import RequestHead
from longshore.uploads.bodies import AsgiBody
from longshore.uploads.budget import Budget

MAX_HEADERS = 64 * 1024
"""Bytes of header fields that a request may have: enough for a concatenation of a thousand parts."""


class HeadTooLarge(TusError):
    """The header fields of a request are more than is taken (RFC 6585, section 5)."""

    status = 431
    code = "head-too-large"
    title = "Request header fields too large"


def require_small_head(scope: Scope) -> None:
    """Raise `HeadTooLarge` when the request has more than `MAX_HEADERS` bytes of header fields."""
    if sum(len(name) + len(value) for name, value in scope["headers"]) > MAX_HEADERS:
        raise HeadTooLarge(f"At most {MAX_HEADERS} bytes of header fields are taken.", limit=MAX_HEADERS)


def request_head(scope: Scope) -> RequestHead:
    """The request as the protocol reads it."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return RequestHead(method=scope["method"], headers=headers, resource=scope.get("path_params", {}).get("upload_id"))


def require_possible_id(head: RequestHead) -> None:
    """Raise `UploadNotFound` for an id with a NUL: no upload has one, and PostgreSQL takes none in a question."""
    if "\0" in (head.resource or ""):
        raise UploadNotFound


def request_info(scope: Scope) -> RequestInfo:
    """The request as hooks and events are told of it."""
    client = scope.get("client")
    raw_path = scope.get("raw_path") or quote(scope["path"]).encode()
    query = scope.get("query_string") or b""
    return RequestInfo(
        method=scope["method"],
        uri=(raw_path + (b"?" + query if query else b"")).decode("latin-1"),
        remote_address=_address(client) if client else "",
        headers=tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]),
    )


def _address(client: tuple[str, int]) -> str:
    host, port = client
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def has_trailers(scope: Scope) -> bool:
    """Whether the server delivers trailer fields."""
    return TRAILERS in (scope.get("extensions") or {})


def request_body(
    scope: Scope, receive: Receive, *, idle_timeout: float, limiter: CapacityLimiter, budget: Budget
) -> Body:
    """The request's body.

    `idle_timeout` is in seconds without a byte, `limiter` bounds the threads that pass bodies on, and `budget` the
    memory of those that come through ASGI.
    """
    extensions: Mapping[str, Any] = scope.get("extensions") or {}
    if BODY in extensions:
        body: Body = extensions[BODY](idle_timeout=idle_timeout, limiter=limiter)
        return body
    return AsgiBody(
        receive, idle_timeout=idle_timeout, limiter=limiter, budget=budget, trailers=extensions.get(TRAILERS)
    )
