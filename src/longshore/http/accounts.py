"""Signing in and out, and one's own account: the endpoints under /auth."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from longshore.auth.accounts import Accounts, Tokens
from longshore.auth.errors import (
    InvalidCredentials,
    InvalidPassword,
    InvalidUsername,
    InvitationInvalid,
    RegistrationOff,
    TooManyAttempts,
    UsernameTaken,
    UserNotFound,
    WrongPassword,
)
from longshore.auth.policy import Action, require
from longshore.auth.principal import Role
from longshore.http.authentication import Identify
from longshore.http.endpoints import (
    InvalidRequest,
    answer_model,
    read_json,
    read_json_if_any,
    read_json_or_form,
)
from longshore.http.operations import Answer, Content, Operation, json_of
from longshore.protocol.errors import InvalidToken

_LONGEST = 4096
"""Characters of a field that are read at all; the rules for names and passwords are narrower."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Registration(_Strict):
    """What it takes to make oneself an account."""

    username: str = Field(max_length=_LONGEST)
    password: str = Field(max_length=_LONGEST, repr=False)
    invitation: str | None = Field(None, max_length=_LONGEST, repr=False)
    """The code of an invitation, where one is needed."""


class TokenRequest(BaseModel):
    """A request for tokens, as OAuth 2 has it (RFC 6749, sections 4.3.2 and 6); what else clients send is ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    grant_type: Literal["password", "refresh_token"] = "password"
    username: str | None = Field(None, max_length=_LONGEST)
    password: str | None = Field(None, max_length=_LONGEST, repr=False)
    refresh_token: str | None = Field(None, max_length=_LONGEST, repr=False)


class Refresh(_Strict):
    """A refresh token."""

    refresh_token: str = Field(max_length=_LONGEST, repr=False)


class SignOut(_Strict):
    """Whose session ends; without a refresh token that of the access token."""

    refresh_token: str | None = Field(None, max_length=_LONGEST, repr=False)


class PasswordChange(_Strict):
    """A new password, and the old one to show that it is the user who asks."""

    current_password: str = Field(max_length=_LONGEST, repr=False)
    new_password: str = Field(max_length=_LONGEST, repr=False)


class Identity(BaseModel):
    """Who somebody is."""

    id: str = Field(description="The subject of their tokens.")
    username: str
    role: Role


class TokensGiven(BaseModel):
    """What a sign-in gives (RFC 6749, section 5.1)."""

    access_token: str = Field(repr=False)
    token_type: Literal["bearer"]
    expires_in: int = Field(description="Seconds for which the access token is good.")
    refresh_token: str = Field(repr=False)


class IdentityEndpoint:
    """Tells who a token is for, whoever has issued it."""

    def __init__(self, identify: Identify) -> None:
        self._identify = identify

    def operations(self) -> list[Operation]:
        """What it does."""
        return [
            Operation(
                method="GET",
                path="/auth/me",
                id="readIdentity",
                tag="accounts",
                summary="Read who the token is for",
                handler=self.read,
                answers={200: json_of(Identity, "The user.")},
            )
        ]

    async def read(self, request: Request) -> Response:
        """Tell who the token is for."""
        principal = await self._identify(request.scope)
        require(principal, Action.READ_ACCOUNT, principal.subject)
        return answer_model(Identity(id=principal.subject, username=principal.name, role=principal.role))


class AccountEndpoints:
    """The handlers; each raises `TusError`s, which become problem documents."""

    def __init__(self, accounts: Accounts, identify: Identify) -> None:
        self._accounts = accounts
        self._identify = identify

    def operations(self) -> list[Operation]:
        """What they do."""
        tokens = json_of(TokensGiven, "The tokens.")
        return [
            Operation(
                method="POST",
                path="/auth/register",
                id="register",
                tag="accounts",
                summary="Make oneself an account",
                handler=self.register,
                body=Content(model=Registration),
                answers={201: json_of(Identity, "The account.")},
                errors=(RegistrationOff, InvitationInvalid, InvalidUsername, InvalidPassword, UsernameTaken),
                access="open",
            ),
            Operation(
                method="POST",
                path="/auth/token",
                id="signIn",
                tag="accounts",
                summary="Sign in with name and password, or go on with a refresh token",
                handler=self.token,
                body=Content(model=TokenRequest, media_types=("application/json", "application/x-www-form-urlencoded")),
                answers={200: tokens},
                errors=(InvalidCredentials, InvalidToken, TooManyAttempts),
                access="open",
            ),
            Operation(
                method="POST",
                path="/auth/refresh",
                id="refresh",
                tag="accounts",
                summary="Take a refresh token for new tokens",
                handler=self.refresh,
                body=Content(model=Refresh),
                answers={200: tokens},
                errors=(InvalidToken,),
                access="open",
            ),
            Operation(
                method="POST",
                path="/auth/logout",
                id="signOut",
                tag="accounts",
                summary="End a session",
                description="That of the refresh token, which needs no access token; else that of the access token.",
                handler=self.logout,
                body=Content(model=SignOut, required=False),
                answers={204: Answer(description="The session has ended.")},
                access="token-or-else",
            ),
            Operation(
                method="POST",
                path="/auth/password",
                id="changePassword",
                tag="accounts",
                summary="Change one's own password",
                handler=self.change_password,
                body=Content(model=PasswordChange),
                answers={204: Answer(description="It is changed; every access token so far is void.")},
                errors=(WrongPassword, InvalidPassword, UserNotFound, TooManyAttempts),
            ),
        ]

    async def register(self, request: Request) -> Response:
        """Make an account: 201 with what it is."""
        given = await read_json(request, Registration)
        user = await self._accounts.register(given.username, given.password, given.invitation)
        return answer_model(Identity(id=user.id, username=user.username, role=user.role), status=201)

    async def token(self, request: Request) -> Response:
        """Sign in with name and password, or go on with a refresh token."""
        given = await read_json_or_form(request, TokenRequest)
        if given.grant_type == "refresh_token":
            if given.refresh_token is None:
                raise InvalidRequest("refresh_token: Field required.")
            return _answer_tokens(await self._accounts.refresh(given.refresh_token))
        if given.username is None or given.password is None:
            raise InvalidRequest("username and password: Fields required.")
        return _answer_tokens(await self._accounts.sign_in(given.username, given.password, _address(request)))

    async def refresh(self, request: Request) -> Response:
        """Take a refresh token for new tokens; it is good once."""
        given = await read_json(request, Refresh)
        return _answer_tokens(await self._accounts.refresh(given.refresh_token))

    async def logout(self, request: Request) -> Response:
        """End a session: that of the refresh token given, else that of the access token."""
        given = await read_json_if_any(request, SignOut)
        if given and given.refresh_token is not None:
            await self._accounts.sign_out(refresh_token=given.refresh_token)
        else:
            principal = await self._identify(request.scope)
            await self._accounts.sign_out(session=principal.session)
        return Response(status_code=204)

    async def change_password(self, request: Request) -> Response:
        """Change one's own password. Every access token is void then; this session goes on with its refresh token."""
        principal = await self._identify(request.scope)
        require(principal, Action.CHANGE_PASSWORD, principal.subject)
        given = await read_json(request, PasswordChange)
        await self._accounts.change_password(
            principal.subject,
            given.current_password,
            given.new_password,
            session=principal.session,
            address=_address(request),
        )
        return Response(status_code=204)


def _answer_tokens(tokens: Tokens) -> Response:
    given = TokensGiven(
        access_token=tokens.access_token,
        token_type="bearer",  # noqa: S106 - a kind of token
        expires_in=tokens.expires_in,
        refresh_token=tokens.refresh_token,
    )
    return answer_model(given)


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
