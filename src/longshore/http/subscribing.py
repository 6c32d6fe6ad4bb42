"""What a request for events says: who asks, for what, and from where on."""

import json
import re
from collections.abc import Collection
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from starlette.types import Message, Scope

from longshore.hub.messages import TYPE_PREFIX, TYPES
from longshore.hub.subscription import Wanted
from longshore.protocol.errors import Forbidden, InvalidToken, TusError

SUBPROTOCOL: Final = "longshore.v1"

TOKEN_PREFIX: Final = "bearer."  # noqa: S105 - what stands before a token
"""How a browser, which cannot set header fields, gives its token: as one of the subprotocols that it offers."""

_MAX_FIELDS: Final = 1000
_POSITION: Final = re.compile(r"[0-9]{1,18}")
_EVENT_STREAM: Final = "text/event-stream"


class InvalidSubscription(TusError):
    """The query, or Last-Event-ID, is not what it should be; `detail` says what would be."""

    code = "invalid-subscription"
    title = "Invalid subscription"


class OriginNotAllowed(Forbidden):
    """A page of another web origin asks, by way of a browser that may reach us where the page may not."""

    code = "origin-not-allowed"
    title = "This web origin may not listen"


def read_wanted(scope: Scope) -> Wanted:
    """What is asked for: `type` (with or without its prefix) and `upload`, each as often as one likes.

    Raises `InvalidSubscription`.
    """
    query = _query(scope)
    types = {value.removeprefix(TYPE_PREFIX) for name, value in query if name == "type"}
    if unknown := types - TYPES:
        known = ", ".join(TYPE_PREFIX + name for name in sorted(TYPES))
        raise InvalidSubscription(f"There is no type {min(unknown)[:80]!r}; there are {known}.")
    return Wanted(frozenset(types), frozenset(value for name, value in query if name == "upload"))


def read_after(scope: Scope) -> int | None:
    """The event to go on after: Last-Event-ID, which a browser sends when it comes back, else `after`; None for none.

    Raises `InvalidSubscription`.
    """
    given = [value.decode("latin-1") for name, value in scope["headers"] if name == b"last-event-id" and value]
    given += [value for name, value in _query(scope) if name == "after"]
    if not given:
        return None
    if not _POSITION.fullmatch(given[0]):
        raise InvalidSubscription("The event to go on after is given by its id, a number.")
    return int(given[0])


def _query(scope: Scope) -> Collection[tuple[str, str]]:
    try:
        return parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    except ValueError:
        raise InvalidSubscription(f"The query has more than {_MAX_FIELDS} fields.") from None


def credentials(scope: Scope) -> Scope:
    """As much of a request as tells who asks: the Authorization header, else what the subprotocols hold."""
    fields = [(name, value) for name, value in scope["headers"] if name == b"authorization"]
    offered: Collection[str] = scope.get("subprotocols") or ()
    tokens = [name.removeprefix(TOKEN_PREFIX) for name in offered if name.startswith(TOKEN_PREFIX)]
    if fields or not tokens:
        return {"type": "http", "headers": fields}
    if len(tokens) > 1:
        raise InvalidToken("There is more than one token.")
    return showing(tokens[0])


def showing(token: str) -> Scope:
    """As much of a request as shows this token."""
    return {"type": "http", "headers": [(b"authorization", b"Bearer " + token.encode("ascii", "replace"))]}


def read_token(message: Message) -> str | None:
    """The fresh token that a subscriber sends: `{"type": "token", "token": "…"}`; None for anything else."""
    try:
        said: Any = json.loads(message.get("text") or "")
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict) or said.get("type") != "token" or not isinstance(said.get("token"), str):
        return None
    token: str = said["token"]
    return token


def accepts_stream(scope: Scope) -> bool:
    """Whether the Accept header names event streams; that it takes anything is not enough."""
    accepted = ",".join(value.decode("latin-1") for name, value in scope["headers"] if name == b"accept")
    return any(item.partition(";")[0].strip().lower() == _EVENT_STREAM for item in accepted.split(","))


def require_origin(scope: Scope, origins: Collection[str]) -> None:
    """Raise `OriginNotAllowed` when a page asks that is neither our own nor of one of these origins.

    Where no token is needed any page could listen, by way of the browser of somebody who can reach the server: to
    WebSockets the same-origin policy does not apply (RFC 6455, section 10.2). What is no browser sends no Origin.
    """
    headers = {name: value.decode("latin-1") for name, value in scope["headers"] if name in (b"origin", b"host")}
    origin = headers.get(b"origin", "").lower()
    is_own = bool(origin) and urlsplit(origin).netloc == headers.get(b"host", "").lower()
    if origin and not is_own and "*" not in origins and origin not in origins:
        raise OriginNotAllowed
