"""The panel as one ASGI application, which is put together when somebody first asks for it: few ever do."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import anyio.to_thread
from anyio import Lock
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from longshore.auth.accounts import Accounts
from longshore.auth.principal import Principal

if TYPE_CHECKING:
    from longshore.admin.shell import Shell

PATH: Final = "/admin"

Verify = Callable[[str], Awaitable[Principal]]
"""Tells whose token this is. Raises `protocol.errors.InvalidToken`, and `Unavailable` while that is unknown."""

# Everything comes from here; sqladmin's pages have neither scripts nor styles in them. Its style sheets hold images.
_HEADERS: Final = (
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self';"
        b" form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
_NO_STORE: Final = (b"cache-control", b"no-store")


class Panel:
    """Answers everything below `PATH`. It only ever reads, by connections of its own that cannot write."""

    def __init__(self, database_url: str, accounts: Accounts, verify: Verify, *, public_url: str | None) -> None:
        """`public_url` is where browsers reach the application; None where they and the server agree on that."""
        self._database_url = database_url
        self._accounts = accounts
        self._verify = verify
        self._public = urlsplit(public_url) if public_url else None
        self._opening = Lock()
        self._shell: Shell | None = None

    def route(self) -> Route:
        """Where it is."""
        return Route(PATH + "{rest:path}", self, include_in_schema=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request: nothing but GET, and POST to sign in, so that nobody can be made to change anything."""
        rest = scope["path_params"]["rest"]
        app: ASGIApp = PlainTextResponse("Method Not Allowed", 405, {"Allow": "GET, HEAD"})
        if "\0" in rest or b"%00" in scope["query_string"]:
            # PostgreSQL takes none in a question.
            app = PlainTextResponse("Bad Request", 400)
        elif scope["method"] in ("GET", "HEAD") or (scope["method"], rest) == ("POST", "/login"):
            app = (await self._opened()).app
        is_static = rest.startswith("/statics/")
        await app(self._placed(scope, rest), receive, _guarded(send, is_static=is_static))

    async def _opened(self) -> "Shell":
        async with self._opening:
            if self._shell is None:
                self._shell = await anyio.to_thread.run_sync(self._open)
            return self._shell

    def _open(self) -> "Shell":
        # Here, because it takes long: sqladmin brings an object-relational mapper, forms and templates along.
        from longshore.admin.shell import open_shell

        return open_shell(self._database_url, self._accounts, self._verify, path=PATH)

    def _placed(self, scope: Scope, rest: str) -> Scope:
        """The request as the shell should see it: as if it were the outermost application, where browsers see it."""
        prefix = scope.get("root_path", "")
        placed = {name: value for name, value in scope.items() if name not in ("router", "endpoint", "path_params")}
        if self._public is not None:
            prefix = self._public.path
            headers = [(name, value) for name, value in scope["headers"] if name != b"host"]
            placed["headers"] = [*headers, (b"host", self._public.netloc.encode("latin-1"))]
            placed["scheme"] = self._public.scheme
        return {**placed, "root_path": prefix, "app_root_path": prefix, "path": f"{prefix}{PATH}{rest}"}

    async def close(self) -> None:
        """Close the connections to the database."""
        shell, self._shell = self._shell, None
        if shell is not None:
            await anyio.to_thread.run_sync(shell.close)


def _guarded(send: Send, *, is_static: bool) -> Send:
    added = _HEADERS if is_static else (*_HEADERS, _NO_STORE)

    async def send_guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *added]
        await send(message)

    return send_guarded
