"""Finding out who asks: bearer tokens (RFC 6750), in the Authorization header alone."""

import re
from collections.abc import Awaitable, Callable

from starlette.types import Scope

from longshore.auth.authenticator import Authenticator
from longshore.auth.principal import EVERYBODY, Principal
from longshore.protocol.errors import InvalidToken, Unauthenticated

Identify = Callable[[Scope], Awaitable[Principal]]
"""Tells who is behind a request. Raises `Unauthenticated`, and `Unavailable` where that cannot be told just now."""

# Never in the query (RFC 6750, section 2.3, discourages it), where logs and the history of browsers would have it.
_BEARER = re.compile(rb"bearer +([A-Za-z0-9\-._~+/]+=*)", re.IGNORECASE)


async def everybody(_: Scope) -> Principal:
    """Let everybody in."""
    return EVERYBODY


def by_bearer_token(authenticator: Authenticator) -> Identify:
    """Let in who has a token."""

    async def identify(scope: Scope) -> Principal:
        return await authenticator.authenticate(_bearer_token(scope))

    return identify


def _bearer_token(scope: Scope) -> str:
    fields = [value for name, value in scope["headers"] if name == b"authorization"]
    if not fields:
        raise Unauthenticated("Send a token: Authorization: Bearer …")
    match = _BEARER.fullmatch(fields[0].strip())
    if len(fields) > 1 or match is None:
        raise InvalidToken("The Authorization header is not one bearer token.")
    return match[1].decode("ascii")
