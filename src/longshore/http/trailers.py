"""Trailer fields: ASGI has no place for them, so the server's protocol class leaves them in the scope."""

from collections.abc import Mapping

from starlette.types import Scope

EXTENSION = "longshore.trailers"


def trailers_of(scope: Scope) -> Mapping[str, str] | None:
    """The request's trailer fields by lower-case name, filled when its body has ended; None where nobody keeps them."""
    trailers: Mapping[str, str] | None = (scope.get("extensions") or {}).get(EXTENSION)
    return trailers
