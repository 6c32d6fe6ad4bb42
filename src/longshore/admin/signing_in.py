"""Signing in to the panel: by name and password, into a cookie that nothing else sees.

The cookie holds an access token of a session of its own. So it is signed with the server's keys, ends soon, and is
checked against the account on each request, as every token is; its refresh token is thrown away.
"""

from typing import Final
from urllib.parse import parse_qsl, urlsplit

from sqladmin.authentication import AuthenticationBackend
from sqladmin.templating import Jinja2Templates
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from longshore.admin.panel import Verify
from longshore.auth.accounts import Accounts, Tokens
from longshore.auth.errors import InvalidCredentials
from longshore.auth.principal import Principal, Role
from longshore.protocol.errors import Forbidden, TusError, Unauthenticated

COOKIE: Final = "longshore_admin"

_LONGEST: Final = 16 * 1024
"""Bytes that the form may have: far more than a name and a password need."""


class SignIn(AuthenticationBackend):
    """Lets in whoever has an account with the role admin."""

    templates: Jinja2Templates
    """Those of the application that this belongs to."""

    def __init__(self, accounts: Accounts, verify: Verify) -> None:
        # Without the superclass's: its session middleware would be a second kind of cookie.
        self.middlewares = []
        self._accounts = accounts
        self._verify = verify

    async def login(self, request: Request) -> Response:
        """Answer the form: on to the panel, or the form once more with what was wrong."""
        try:
            _refuse_strange_page(request)
            tokens = await self._sign_in(request)
        except TusError as error:
            return await self._ask_again(request, error)
        response = RedirectResponse(request.url_for("admin:index"), status_code=303)
        response.set_cookie(
            COOKIE,
            tokens.access_token,
            max_age=tokens.expires_in,
            path=_cookie_path(request),
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )
        return response

    async def _sign_in(self, request: Request) -> Tokens:
        """Raises what `Accounts.sign_in` does; for anybody but an admin the same as for a wrong password."""
        username, password = await _read_form(request)
        address = request.client.host if request.client else ""
        tokens = await self._accounts.sign_in(username, password, address)
        principal = await self._verify(tokens.access_token)
        if principal.role is not Role.ADMIN:
            await self._accounts.sign_out(session=principal.session)
            raise InvalidCredentials
        return tokens

    async def _ask_again(self, request: Request, error: TusError) -> Response:
        text = error.title if error.detail == error.title else f"{error.title}. {error.detail}"
        response = await self.templates.TemplateResponse(
            request, "sqladmin/login.html", {"error": text}, status_code=error.status
        )
        for name, value in error.headers:
            if name == "Retry-After":
                response.headers[name] = value
        return response

    async def logout(self, request: Request) -> Response:
        """End the session, and forget the cookie."""
        principal = await self._principal(request)
        if principal is not None:
            await self._accounts.sign_out(session=principal.session)
        response = RedirectResponse(request.url_for("admin:login"), status_code=303)
        response.delete_cookie(COOKIE, path=_cookie_path(request), httponly=True, samesite="strict")
        return response

    async def authenticate(self, request: Request) -> bool:
        """Whether it is an admin who asks, still."""
        principal = await self._principal(request)
        return principal is not None and principal.role is Role.ADMIN

    async def get_user_id(self, request: Request) -> None:
        """Nobody asks: nothing is audited here, since nothing is done."""

    async def _principal(self, request: Request) -> Principal | None:
        """Who has signed in; None also for a token that was made for a script, and belongs to no session."""
        try:
            principal = await self._verify(request.cookies.get(COOKIE, ""))
        except Unauthenticated:
            return None
        except TusError as error:
            raise HTTPException(error.status, error.title) from None
        return principal if principal.session is not None else None


def _refuse_strange_page(request: Request) -> None:
    """Raise `Forbidden` for a form that a page of another origin has sent.

    Browsers say so in Sec-Fetch-Site, where they trust the connection, or let it be seen from Origin.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        is_ours = site in ("same-origin", "none")
    else:
        is_ours = origin is None or urlsplit(origin).netloc == request.url.netloc
    if not is_ours:
        raise Forbidden("Sign in on this page.")


async def _read_form(request: Request) -> tuple[str, str]:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > _LONGEST:
            raise InvalidCredentials
    try:
        fields = dict(parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict"))
    except ValueError:
        raise InvalidCredentials from None
    return fields.get("username", ""), fields.get("password", "")


def _cookie_path(request: Request) -> str:
    return request.url_for("admin:index").path.rstrip("/")
