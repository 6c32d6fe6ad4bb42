"""Downloads: plain HTTP for a completed upload, with a token or with a link."""

from urllib.parse import parse_qsl, urlencode

from starlette.types import Scope

from longshore.auth.principal import EVERYBODY
from longshore.downloads.delivery import Delivery, open_delivery, plan_download
from longshore.downloads.linking import PARAMETER, Links
from longshore.downloads.links import LinkInvalid
from longshore.http.reading import request_info
from longshore.ports.links import Link
from longshore.protocol.intents import RequestHead
from longshore.protocol.parse import effective_method
from longshore.protocol.reply import Reply
from longshore.uploads.caller import Caller
from longshore.uploads.service import UploadService


class Downloads:
    """Gives completed uploads back, to who may have them or has a link to them. Takes no lock."""

    def __init__(self, service: UploadService, links: Links | None) -> None:
        self._service = service
        self._links = links

    async def answer(
        self, resource: str, head: RequestHead, scope: Scope, caller: Caller, link: Link | None = None
    ) -> Reply | Delivery:
        """The file, or a piece of it; to HEAD, and where the client has it already, the header fields alone.

        `?inline=1` shows what is harmless in the browser. Raises `UploadNotFound`, `UploadGone`, `UploadUnfinished`,
        `PreconditionFailed`, `RangeNotSatisfiable`, and `LinkUsedUp`.
        """
        upload = await self._service.finished(resource, caller)
        is_head = scope["method"] == "HEAD"
        plan = plan_download(upload, head.headers, ranges=not is_head, inline=_wants_inline(scope))
        if is_head or plan.status == 304:
            return Reply(plan.status, plan.headers)
        if link is not None and self._links is not None:
            await self._links.use(link, begins=plan.begins)
        return await open_delivery(plan, upload, self._service.records.store)

    async def answer_link(self, token: str, head: RequestHead, scope: Scope) -> Reply | Delivery:
        """Answer whoever has a link, which takes the place of a token; not a word of tokens where it is no good.

        Besides what `answer` raises, raises `LinkInvalid`, `LinkExpired` and `LinkGone`.
        """
        if self._links is None or head.resource is None:
            raise LinkInvalid
        link = await self._links.redeem(token, head.resource)
        caller = Caller(principal=EVERYBODY, request=request_info(scope))
        return await self.answer(head.resource, head, scope, caller, link)


def is_download(head: RequestHead, scope: Scope) -> bool:
    """Whether this is plain HTTP for a file: GET, or HEAD of something without a version of tus.

    A HEAD that is one by X-HTTP-Method-Override only is tus's: its answer would have to have the file as its body.
    """
    method = effective_method(head)
    is_head = method == scope["method"] == "HEAD" and "tus-resumable" not in head.headers
    return method == "GET" or (is_head and head.resource is not None)


def take_link(scope: Scope) -> str | None:
    """Take the token of a link out of the query, if there is one: the access log, and hooks, are shown the rest."""
    query = _query(scope)
    token = dict(query).get(PARAMETER)
    if token is not None:
        scope["query_string"] = urlencode([pair for pair in query if pair[0] != PARAMETER]).encode("ascii")
    return token


def _wants_inline(scope: Scope) -> bool:
    return dict(_query(scope)).get("inline") == "1"


def _query(scope: Scope) -> list[tuple[str, str]]:
    query: bytes = scope.get("query_string") or b""
    return parse_qsl(query.decode("latin-1"), keep_blank_values=True)
