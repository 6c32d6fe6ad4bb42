"""`/openapi.json` and `/docs`: the OpenAPI document, and Swagger UI to read and try it, served from here alone."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from importlib import resources
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from longshore.http.endpoints import endpoint
from longshore.http.operations import Answer, Content, Operation
from longshore.http.problems import NoSuchPage

_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Longshore: API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""

_START: Final = """SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
  queryConfigEnabled: false,
});
"""

# Swagger UI sets styles, and draws with pictures from within the page; it runs no code but its own.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}

_FILES: Final = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript"}


class Documentation:
    """The endpoints; all of them are public, for what they tell is the same for everybody."""

    def __init__(self, document: Callable[[], Mapping[str, Any]], *, public_url: str | None) -> None:
        """Take what makes the document, and the URL under which clients reach the server, if it is known.

        It is made when it is first asked for: that takes as long as all the rest of the start.
        """
        self._document = document
        self._public_url = public_url
        self._written = lru_cache(maxsize=8)(self._write)

    def routes(self) -> Sequence[Route]:
        """Where they are."""
        return [
            endpoint("/openapi.json", self.show_document, method="GET"),
            endpoint("/docs", self.show_page, method="GET"),
            endpoint("/docs/{name}", self.show_file, method="GET"),
        ]

    async def show_document(self, request: Request) -> Response:
        """Answer with the document."""
        written = self._written(self._public_url or request.scope.get("root_path") or "/")
        return Response(written, media_type="application/json", headers={"Cache-Control": "no-cache"})

    async def show_page(self, _: Request) -> Response:
        """Answer with the page."""
        return Response(_PAGE, media_type="text/html", headers={**_HEADERS, "Cache-Control": "no-cache"})

    async def show_file(self, request: Request) -> Response:
        """Answer with what the page is made of. Raises `NoSuchPage`."""
        name: str = request.path_params["name"]
        headers = {**_HEADERS, "Cache-Control": "public, max-age=3600"}
        if name == "start.js":
            return Response(_START, media_type="text/javascript", headers=headers)
        if name not in _FILES:
            raise NoSuchPage
        return Response(_packaged(name), media_type=_FILES[name], headers=headers)

    def _write(self, server: str) -> bytes:
        return json.dumps({**self._document(), "servers": [{"url": server}]}).encode()


@lru_cache
def _packaged(name: str) -> bytes:
    return (resources.files("swagger_ui") / "static" / name).read_bytes()


def documentation_operations() -> list[Operation]:
    """What the endpoints do."""
    return [
        Operation(
            method="GET",
            path="/openapi.json",
            id="readDocument",
            tag="operation",
            summary="Read this document",
            answers={200: Answer(description="The document.", content=Content(schema={"type": "object"}))},
            access="open",
        ),
        Operation(
            method="GET",
            path="/docs",
            id="showDocumentation",
            tag="operation",
            summary="Read and try the API in a browser",
            answers={200: Answer(description="A page.", content=Content(media_types=("text/html",)))},
            access="open",
        ),
    ]
