"""`GET /api/usage`: what the user has used of the quotas."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from longshore.auth.policy import Action, require
from longshore.http.authentication import Identify
from longshore.http.endpoints import answer_json, endpoint
from longshore.ports import Uploads
from longshore.ports.quotas import Quotas, Window
from longshore.uploads.allowances import Allowances


class UsageEndpoint:
    """Tells users what they have used, and how much they may."""

    def __init__(self, uploads: Uploads, allowances: Allowances, identify: Identify) -> None:
        self._uploads = uploads
        self._allowances = allowances
        self._identify = identify

    def route(self) -> Route:
        """Where it is."""
        return endpoint("/api/usage", self.read, method="GET")

    async def read(self, request: Request) -> Response:
        """Answer with each quota: its limit (null for none), and what is used; all sizes in bytes."""
        principal = await self._identify(request.scope)
        require(principal, Action.READ_USAGE, principal.subject)
        quotas = await self._allowances.of(principal) or Quotas()
        usage = await self._uploads.usage(principal.subject)
        return answer_json(
            {
                "daily": _window(quotas.daily, usage.daily),
                "monthly": _window(quotas.monthly, usage.monthly),
                "stored": {"limit": quotas.stored, "used": usage.stored},
                "size": {"limit": quotas.size},
                "unfinished": {"limit": quotas.unfinished, "used": usage.unfinished},
            }
        )


def _window(limit: int | None, window: Window) -> dict[str, Any]:
    return {
        "limit": limit,
        "used": window.used,
        "reserved": window.reserved,
        "resets_at": window.resets_at.isoformat().replace("+00:00", "Z"),
    }
