"""`/api/users` and `/api/invitations`: the accounts here, for admins."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime, timedelta

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from longshore.auth.accounts import Accounts
from longshore.auth.errors import InvalidPassword, InvalidUsername, LastAdmin, UsernameTaken, UserNotFound
from longshore.auth.policy import Action, require
from longshore.auth.principal import Role
from longshore.auth.records import User
from longshore.http.api.cursors import LONGEST
from longshore.http.api.upload_models import MAX_LIMIT
from longshore.http.api.values import Asked, Given, Seconds, Shown
from longshore.http.authentication import Identify
from longshore.http.endpoints import InvalidRequest, answer_model, path_text, read_json, read_query
from longshore.http.operations import Content, Operation, Parameter, json_of
from longshore.protocol.errors import Forbidden

_LONGEST = 4096
"""Characters of a field that are read at all; the rules for names and passwords are narrower."""

USER_ID = Parameter(
    name="user_id", where="path", description="The user's id: the subject of their tokens.", required=True
)


class NewUser(Given):
    """An account to make."""

    username: str = Field(max_length=_LONGEST)
    password: str = Field(max_length=_LONGEST, repr=False)
    role: Role = Role.USER


class UserChange(Given):
    """What to change about an account; what is left out, or null, stays.

    A password or disabling ends all of the user's sessions.
    """

    role: Role | None = None
    disabled: bool | None = None
    password: str | None = Field(None, max_length=_LONGEST, repr=False)


class UserShown(Shown):
    """An account."""

    id: str
    username: str
    role: Role
    disabled: bool
    created_at: datetime


class UserQuery(Asked):
    """Which piece of the list of accounts."""

    cursor: str | None = Field(None, max_length=LONGEST, description="`next` of the page before.")
    limit: int = Field(50, ge=1, le=MAX_LIMIT)


class UserPage(Shown):
    """A piece of the list of accounts, by name."""

    users: list[UserShown]
    next: str | None = Field(description="The `cursor` to go on with; null at the end of the list.")


class InvitationRequest(Given):
    """Whom to invite."""

    role: Role = Role.USER
    ttl: Seconds = Field(7 * 86400, description="Seconds for which the invitation is good.")


class Invitation(Shown):
    """Leave to register once."""

    code: str = Field(repr=False, description="To be given when registering; it is told only here.")
    role: Role
    expires_in: int = Field(description="Seconds.")


class UserEndpoints:
    """The handlers; each raises `TusError`s, which become problem documents."""

    def __init__(self, accounts: Accounts, identify: Identify) -> None:
        self._accounts = accounts
        self._identify = identify

    def operations(self) -> list[Operation]:
        """What they do."""
        return [
            Operation(
                method="GET",
                path="/api/users",
                id="listUsers",
                tag="administration",
                summary="List users",
                handler=self.show_all,
                query=UserQuery,
                answers={200: json_of(UserPage, "A page of the accounts here.")},
                errors=(Forbidden,),
            ),
            Operation(
                method="POST",
                path="/api/users",
                id="createUser",
                tag="administration",
                summary="Make an account",
                handler=self.create,
                body=Content(model=NewUser),
                answers={201: json_of(UserShown, "The account.")},
                errors=(Forbidden, InvalidUsername, InvalidPassword, UsernameTaken),
            ),
            Operation(
                method="GET",
                path="/api/users/{user_id}",
                id="readUser",
                tag="administration",
                summary="Read of an account",
                handler=self.read,
                parameters=(USER_ID,),
                answers={200: json_of(UserShown, "The account.")},
                errors=(Forbidden, UserNotFound),
            ),
            Operation(
                method="PATCH",
                path="/api/users/{user_id}",
                id="changeUser",
                tag="administration",
                summary="Change role or password, disable or enable",
                description="All of what is asked for, or nothing.",
                handler=self.change,
                parameters=(USER_ID,),
                body=Content(model=UserChange),
                answers={200: json_of(UserShown, "The account as it is now.")},
                errors=(Forbidden, UserNotFound, InvalidPassword, LastAdmin),
            ),
            Operation(
                method="POST",
                path="/api/invitations",
                id="invite",
                tag="administration",
                summary="Invite somebody to register",
                handler=self.invite,
                body=Content(model=InvitationRequest),
                answers={201: json_of(Invitation, "The invitation.")},
                errors=(Forbidden,),
            ),
        ]

    async def show_all(self, request: Request) -> Response:
        """Answer with a page of accounts."""
        await self._require_admin(request)
        asked = read_query(request, UserQuery)
        after = None if asked.cursor is None else _read_cursor(asked.cursor)
        found = await self._accounts.users(after=after, limit=asked.limit + 1)
        more, shown = len(found) > asked.limit, found[: asked.limit]
        page = UserPage(users=list(map(_shown, shown)), next=_write_cursor(shown[-1]) if more else None)
        return answer_model(page)

    async def create(self, request: Request) -> Response:
        """Make an account."""
        await self._require_admin(request)
        given = await read_json(request, NewUser)
        return answer_model(
            _shown(await self._accounts.add_user(given.username, given.password, given.role)), status=201
        )

    async def read(self, request: Request) -> Response:
        """Answer with one account."""
        await self._require_admin(request)
        return answer_model(_shown(await self._accounts.user_with_id(path_text(request, "user_id", UserNotFound))))

    async def change(self, request: Request) -> Response:
        """Change one account."""
        await self._require_admin(request)
        user_id = path_text(request, "user_id", UserNotFound)
        given = await read_json(request, UserChange)
        changed = await self._accounts.change_user(
            user_id, role=given.role, disabled=given.disabled, password=given.password
        )
        return answer_model(_shown(changed))

    async def invite(self, request: Request) -> Response:
        """Make an invitation."""
        await self._require_admin(request)
        given = await read_json(request, InvitationRequest)
        code = await self._accounts.invite(given.role, timedelta(seconds=given.ttl))
        return answer_model(Invitation(code=code, role=given.role, expires_in=given.ttl), status=201)

    async def _require_admin(self, request: Request) -> None:
        require(await self._identify(request.scope), Action.MANAGE_USERS)


def _shown(user: User) -> UserShown:
    return UserShown(
        id=user.id, username=user.username, role=user.role, disabled=user.disabled, created_at=user.created_at
    )


def _write_cursor(last: User) -> str:
    """The cursor of the place behind a user; see `http.api.cursors`, whose cursors lead through uploads."""
    return urlsafe_b64encode(json.dumps(["username", last.username_key]).encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> str:
    try:
        sort, key = json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, TypeError, RecursionError):
        sort = key = None
    if sort != "username" or not isinstance(key, str) or not key.isprintable():
        raise InvalidRequest("cursor: Not one that this server has given.")
    return key
