"""sqladmin, reduced to looking: its routes that change something are taken out, and its engine cannot write."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sqladmin import Admin
from sqladmin.authentication import login_required
from sqlalchemy import Engine
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp

from longshore.admin.panel import Verify
from longshore.admin.signing_in import SignIn
from longshore.admin.views import views
from longshore.auth.accounts import Accounts
from longshore.db.engine import is_sqlite, open_postgres, open_sqlite, parse_url

_ROUTES: Final = frozenset({"statics", "index", "list", "details", "login", "logout"})
"""Those of sqladmin's that only show something."""

_CONNECTIONS: Final = 2
"""Connections to the database, beside those of the server itself: a slow search holds nobody up."""


@dataclass(frozen=True, slots=True)
class Shell:
    """The panel, opened."""

    app: ASGIApp
    close: Callable[[], None]


class Looking(Admin):
    """sqladmin's application, which begins with the uploads."""

    @login_required
    async def index(self, request: Request) -> Response:
        """Lead to the uploads; sqladmin's own first page is empty."""
        return RedirectResponse(request.url_for("admin:list", identity="upload"))


def open_shell(database_url: str, accounts: Accounts, verify: Verify, *, path: str) -> Shell:
    """Put the panel together. Blocks; connections are made as they are needed."""
    engine = _open_engine(database_url)
    app = Starlette()
    backend = SignIn(accounts, verify)
    # Templates of the operator's working directory would be taken before sqladmin's own.
    admin = Looking(
        app,
        engine,
        base_url=path,
        title="Longshore",
        authentication_backend=backend,
        templates_dir="/nonexistent",
    )
    backend.templates = admin.templates
    for view in views():
        admin.add_view(view)
    routes = admin.admin.router.routes
    admin.admin.router.routes = [route for route in routes if getattr(route, "name", None) in _ROUTES]
    return Shell(app, engine.dispose)


def _open_engine(database_url: str) -> Engine:
    url = parse_url(database_url)
    if is_sqlite(url):
        return open_sqlite(url, connections=_CONNECTIONS, durable=False, writes=False)
    engine = open_postgres(url, connections=_CONNECTIONS, durable=False)
    return engine.execution_options(postgresql_readonly=True)
