"""Signing in from a browser: the access token goes to the script, the refresh token into a cookie that it cannot read.

A script that somebody smuggled in can then act while the page is open, but takes nothing away that lasts. The cookie is
sent along by the browser whoever asks, so that requests of other sites are refused here (OWASP, Cross-Site Request
Forgery Prevention).
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from longshore.auth.accounts import Accounts, Tokens
from longshore.auth.errors import InvalidCredentials, TooManyAttempts
from longshore.http.endpoints import answer_model, read_json
from longshore.http.operations import Answer, Content, Operation, Parameter, json_of
from longshore.ports import Clock
from longshore.protocol.errors import InvalidToken, TusError

COOKIE: Final = "longshore_session"
"""The cookie that holds the refresh token."""

GRACE: Final = timedelta(seconds=30)
"""How long a refresh that is asked for again is answered as before: time for a page to be reloaded."""

_REMEMBERED: Final = 10_000
"""Refreshes that are remembered. Overflow policy: the oldest is forgotten, and cannot be repeated."""

_LONGEST: Final = 4096


class CrossSiteRequest(TusError):
    """The request is not, or not visibly, one of a page from here."""

    status = 403
    code = "cross-site-request"
    title = "Not a request of this site"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class SignIn(_Strict):
    """Who signs in."""

    username: str = Field(max_length=_LONGEST)
    password: str = Field(max_length=_LONGEST, repr=False)


class Nothing(_Strict):
    """Nothing: an empty object, because what other sites can have sent unasked is no JSON."""


class AccessGiven(BaseModel):
    """An access token (RFC 6749, section 5.1); the refresh token is in the cookie."""

    access_token: str = Field(repr=False)
    token_type: Literal["bearer"]
    expires_in: int = Field(description="Seconds for which the access token is good.")


class BrowserSessions:
    """The endpoints under `/auth/session`; each raises `TusError`s, which become problem documents."""

    def __init__(self, accounts: Accounts, clock: Clock, *, cookie_ttl: timedelta, public_url: str | None) -> None:
        """Take the accounts, how long a session lives that is not used, and where browsers find us, if it is known."""
        self._accounts = accounts
        self._refreshes = _Refreshes(accounts, clock)
        self._cookie_ttl = cookie_ttl
        self._public_host = urlsplit(public_url).netloc if public_url else None

    def operations(self) -> list[Operation]:
        """What they do."""
        cookie = Parameter(name="Cookie", description=f"`{COOKIE}`, as an earlier answer has set it.")
        given = replace(
            json_of(AccessGiven, "The access token."),
            headers=(Parameter(name="Set-Cookie", description="The refresh token, for the browser alone."),),
        )
        return [
            Operation(
                method="POST",
                path="/auth/session",
                id="beginBrowserSession",
                tag="accounts",
                summary="Sign in from a page of this server",
                handler=self.begin,
                body=Content(model=SignIn),
                answers={200: given},
                errors=(InvalidCredentials, TooManyAttempts, CrossSiteRequest),
                access="open",
            ),
            Operation(
                method="DELETE",
                path="/auth/session",
                id="endBrowserSession",
                tag="accounts",
                summary="Sign out a page of this server",
                handler=self.end,
                parameters=(cookie,),
                answers={204: Answer(description="The session has ended, if there was one.")},
                errors=(CrossSiteRequest,),
                access="open",
            ),
            Operation(
                method="POST",
                path="/auth/session/refresh",
                id="refreshBrowserSession",
                tag="accounts",
                summary="Get a page of this server its next access token",
                handler=self.refresh,
                parameters=(cookie,),
                body=Content(model=Nothing),
                answers={200: given, 204: Answer(description="There is no session to go on with.")},
                errors=(InvalidToken, CrossSiteRequest),
                access="open",
            ),
        ]

    async def begin(self, request: Request) -> Response:
        """Sign in."""
        self._require_same_origin(request)
        given = await read_json(request, SignIn)
        address = request.client.host if request.client else ""
        return self._answer(request, await self._accounts.sign_in(given.username, given.password, address))

    async def refresh(self, request: Request) -> Response:
        """Give the next access token, and change the cookie; 204 where there is none."""
        self._require_same_origin(request)
        await read_json(request, Nothing)
        if (cookie := request.cookies.get(COOKIE)) is None:
            return Response(status_code=204)
        return self._answer(request, await self._refreshes.refresh(cookie))

    async def end(self, request: Request) -> Response:
        """Sign out; fine when nobody is signed in."""
        self._require_same_origin(request)
        await self._accounts.sign_out(refresh_token=request.cookies.get(COOKIE))
        response = Response(status_code=204)
        self._set_cookie(response, request, "", max_age=0)
        return response

    def _require_same_origin(self, request: Request) -> None:
        """Raise `CrossSiteRequest` unless the browser says that a page from here asks.

        `Sec-Fetch-Site` is the browser's own word, which it gives on HTTPS and on localhost; elsewhere `Origin` has to
        name the host that was asked. A browser sends one of them with each of these requests, and no page can set them.
        """
        site = request.headers.get("sec-fetch-site")
        if site is not None:
            if site != "same-origin":
                raise CrossSiteRequest(f"Sec-Fetch-Site: {site[:20]}.")
            return
        origin = urlsplit(request.headers.get("origin", ""))
        if not origin.netloc or origin.netloc not in (request.headers.get("host"), self._public_host):
            raise CrossSiteRequest("The Origin is not this server's. Scripts sign in at /auth/token.")

    def _answer(self, request: Request, tokens: Tokens) -> Response:
        response = answer_model(
            AccessGiven(
                access_token=tokens.access_token,
                token_type="bearer",  # noqa: S106 - a kind of token
                expires_in=tokens.expires_in,
            )
        )
        self._set_cookie(response, request, tokens.refresh_token, max_age=int(self._cookie_ttl.total_seconds()))
        return response

    def _set_cookie(self, response: Response, request: Request, value: str, *, max_age: int) -> None:
        origin = request.headers.get("origin")
        response.set_cookie(
            COOKIE,
            value,
            max_age=max_age,
            path=f"{request.scope.get('root_path', '')}/auth",
            # By what the browser says: a proxy may not tell us that it speaks TLS.
            secure=(origin or str(request.url)).startswith("https:"),
            httponly=True,
            samesite="strict",
        )


@dataclass(frozen=True, slots=True)
class _Refresh:
    since: datetime
    tokens: asyncio.Task[Tokens]


class _Refreshes:
    """Refreshes that can be repeated for a while.

    A refresh token is good once, and one that is used again ends the session. A page that is reloaded while it
    refreshes, or two of them at once, would do just that.
    """

    def __init__(self, accounts: Accounts, clock: Clock) -> None:
        self._accounts = accounts
        self._clock = clock
        self._recent: OrderedDict[bytes, _Refresh] = OrderedDict()

    async def refresh(self, refresh_token: str) -> Tokens:
        """The next tokens: the same ones for the same refresh token within `GRACE`. Raises `InvalidToken`."""
        self._forget()
        digest = sha256(refresh_token.encode(errors="surrogatepass")).digest()
        if (found := self._recent.get(digest)) is None:
            task = asyncio.create_task(self._accounts.refresh(refresh_token))
            found = self._recent[digest] = _Refresh(self._clock(), task)
        try:
            tokens = await asyncio.shield(found.tokens)
        except TusError:
            self._recent.pop(digest, None)
            raise
        elapsed = (self._clock() - found.since).total_seconds()
        return replace(tokens, expires_in=max(0, int(tokens.expires_in - elapsed)))

    def _forget(self) -> None:
        now = self._clock()
        while self._recent:
            oldest = next(iter(self._recent.values()))
            if now < oldest.since + GRACE and len(self._recent) < _REMEMBERED:
                return
            self._recent.popitem(last=False)
