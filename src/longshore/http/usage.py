"""What users have used of the quotas, and the quotas that are set for users and roles."""

from datetime import datetime

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from longshore.auth.accounts import Accounts
from longshore.auth.errors import UserNotFound
from longshore.auth.policy import Action, require
from longshore.auth.principal import Principal, Role
from longshore.auth.records import LOCAL_PREFIX
from longshore.http.api.users import USER_ID
from longshore.http.api.values import Given, Quota, Shown
from longshore.http.authentication import Identify
from longshore.http.endpoints import answer_model, path_text, read_json
from longshore.http.operations import Content, Operation, Parameter, json_of
from longshore.ports import Uploads
from longshore.ports.quotas import Quotas, QuotaSettings
from longshore.ports.quotas import Window as UsedWindow
from longshore.protocol.errors import Forbidden, TusError
from longshore.uploads.allowances import Allowances


class RoleNotFound(TusError):
    """There is no such role."""

    status = 404
    code = "role-not-found"
    title = "No such role"


class Limit(Shown):
    """A quota that nothing is counted towards."""

    limit: int | None = Field(description="Null for none.")


class Count(Limit):
    """A quota, and what is used of it."""

    used: int


class Window(Count):
    """A quota over time, in bytes."""

    used: int = Field(description="By uploads that were finished.")
    reserved: int = Field(description="Set aside for uploads that are unfinished.")
    resets_at: datetime = Field(description="When it starts anew.")


class UsageShown(Shown):
    """Each quota, and what is used of it. Days and months are UTC's."""

    daily: Window
    monthly: Window
    stored: Count = Field(description="Bytes kept at the same time.")
    size: Limit = Field(description="Bytes of one upload.")
    unfinished: Count = Field(description="Unfinished uploads at the same time.")


class QuotasGiven(Given):
    """Quotas that are set: null is no limit. One that is left out is as for the role, or as in the settings."""

    daily: Quota | None = Field(None, description="Bytes per day.")
    monthly: Quota | None = Field(None, description="Bytes per month.")
    stored: Quota | None = Field(None, description="Bytes kept at the same time.")
    size: Quota | None = Field(None, description="Bytes of one upload.")
    unfinished: Quota | None = Field(None, description="Unfinished uploads at the same time.")


_ROLE = Parameter(name="role", where="path", description="The role.", required=True, schema={"enum": list(Role)})


class UsageEndpoints:
    """The handlers; each raises `TusError`s, which become problem documents. `accounts` is None without any here."""

    def __init__(
        self,
        uploads: Uploads,
        allowances: Allowances,
        settings: QuotaSettings,
        accounts: Accounts | None,
        identify: Identify,
    ) -> None:
        self._uploads = uploads
        self._allowances = allowances
        self._settings = settings
        self._accounts = accounts
        self._identify = identify

    def operations(self) -> list[Operation]:
        """What they do."""
        quotas = json_of(QuotasGiven, "The quotas that are set here.")
        return [
            Operation(
                method="GET",
                path="/api/usage",
                id="readUsage",
                tag="uploads",
                summary="Read what one has used of the quotas",
                handler=self.read,
                answers={200: json_of(UsageShown, "Each quota, and what is used of it.")},
            ),
            Operation(
                method="GET",
                path="/api/users/{user_id:path}/usage",
                id="readUsageOfUser",
                tag="administration",
                summary="Read what a user has used of the quotas",
                handler=self.read_of_user,
                parameters=(USER_ID,),
                answers={200: json_of(UsageShown, "Each quota, and what is used of it.")},
                errors=(Forbidden, UserNotFound),
            ),
            Operation(
                method="GET",
                path="/api/users/{user_id:path}/quotas",
                id="readQuotasOfUser",
                tag="administration",
                summary="Read the quotas that are set for a user",
                handler=self.read_user_quotas,
                parameters=(USER_ID,),
                answers={200: quotas},
                errors=(Forbidden, UserNotFound),
            ),
            Operation(
                method="PUT",
                path="/api/users/{user_id:path}/quotas",
                id="setQuotasOfUser",
                tag="administration",
                summary="Set the quotas of a user",
                handler=self.set_user_quotas,
                parameters=(USER_ID,),
                body=Content(model=QuotasGiven),
                answers={200: quotas},
                errors=(Forbidden, UserNotFound),
            ),
            Operation(
                method="GET",
                path="/api/roles/{role}/quotas",
                id="readQuotasOfRole",
                tag="administration",
                summary="Read the quotas that are set for a role",
                handler=self.read_role_quotas,
                parameters=(_ROLE,),
                answers={200: quotas},
                errors=(Forbidden, RoleNotFound),
            ),
            Operation(
                method="PUT",
                path="/api/roles/{role}/quotas",
                id="setQuotasOfRole",
                tag="administration",
                summary="Set the quotas of a role",
                handler=self.set_role_quotas,
                parameters=(_ROLE,),
                body=Content(model=QuotasGiven),
                answers={200: quotas},
                errors=(Forbidden, RoleNotFound),
            ),
        ]

    async def read(self, request: Request) -> Response:
        """Answer with each quota of the user who asks: its limit (null for none), and what is used."""
        principal = await self._identify(request.scope)
        require(principal, Action.READ_USAGE, principal.subject)
        return await self._answer_usage(principal)

    async def read_of_user(self, request: Request) -> Response:
        """Answer with those of another user."""
        return await self._answer_usage(await self._user(request))

    async def read_user_quotas(self, request: Request) -> Response:
        """Answer with the quotas that are set for a user."""
        user = await self._user(request)
        return await self._answer_quotas(f"user:{user.subject}")

    async def set_user_quotas(self, request: Request) -> Response:
        """Set the quotas of a user."""
        user = await self._user(request)
        return await self._set_quotas(request, f"user:{user.subject}")

    async def read_role_quotas(self, request: Request) -> Response:
        """Answer with the quotas that are set for a role."""
        return await self._answer_quotas(await self._role(request))

    async def set_role_quotas(self, request: Request) -> Response:
        """Set the quotas of a role."""
        return await self._set_quotas(request, await self._role(request))

    async def _user(self, request: Request) -> Principal:
        """The user in the path: one with an account here, or a subject of the external issuer, who may be anybody."""
        require(await self._identify(request.scope), Action.MANAGE_USERS)
        user_id = path_text(request, "user_id", UserNotFound)
        if not user_id:
            raise UserNotFound
        if not user_id.startswith(LOCAL_PREFIX):
            return Principal(user_id, Role.USER, user_id)
        if self._accounts is None:
            raise UserNotFound
        user = await self._accounts.user_with_id(user_id)
        return Principal(user.id, user.role, user.username)

    async def _role(self, request: Request) -> str:
        require(await self._identify(request.scope), Action.MANAGE_USERS)
        role = request.path_params["role"]
        if role not in list(Role):
            raise RoleNotFound
        return f"role:{role}"

    async def _set_quotas(self, request: Request, holder: str) -> Response:
        given = await read_json(request, QuotasGiven)
        await self._settings.replace(holder, given.model_dump(exclude_unset=True))
        return await self._answer_quotas(holder)

    async def _answer_quotas(self, holder: str) -> Response:
        return answer_model(QuotasGiven(**await self._settings.held_by(holder)))

    async def _answer_usage(self, principal: Principal) -> Response:
        quotas = await self._allowances.of(principal) or Quotas()
        usage = await self._uploads.usage(principal.subject)
        shown = UsageShown(
            daily=_window(quotas.daily, usage.daily),
            monthly=_window(quotas.monthly, usage.monthly),
            stored=Count(limit=quotas.stored, used=usage.stored),
            size=Limit(limit=quotas.size),
            unfinished=Count(limit=quotas.unfinished, used=usage.unfinished),
        )
        return answer_model(shown)


def _window(limit: int | None, window: UsedWindow) -> Window:
    return Window(limit=limit, used=window.used, reserved=window.reserved, resets_at=window.resets_at)
