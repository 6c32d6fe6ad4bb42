"""The tus endpoint: one ASGI application for the creation URL and the upload URLs."""

import logging
from dataclasses import dataclass
from urllib.parse import quote

from anyio import CapacityLimiter
from starlette.types import Receive, Scope, Send

from longshore.downloads.delivery import Delivery
from longshore.downloads.linking import Links
from longshore.http.authentication import Identify
from longshore.http.downloads import Downloads, is_download, take_link
from longshore.http.problems import InternalError
from longshore.http.reading import (
    has_trailers,
    request_body,
    request_head,
    request_info,
    require_possible_id,
    require_small_head,
)
from longshore.http.responding import expects_continue, respond, stream, with_answer
from longshore.ports import Body, StopReason
from longshore.protocol.capabilities import Capabilities
from longshore.protocol.errors import TusError, UploadLocked, UploadUnfinished, VersionUnsupported
from longshore.protocol.intents import (
    Append,
    Concatenate,
    Create,
    Inspect,
    Options,
    RequestHead,
    Terminate,
    UploadIntent,
)
from longshore.protocol.parse import effective_method, method_not_allowed, parse_request
from longshore.protocol.reply import (
    Reply,
    reply_appended,
    reply_created,
    reply_error,
    reply_inspected,
    reply_options,
    reply_terminated,
)
from longshore.uploads.budget import Budget
from longshore.uploads.caller import Caller
from longshore.uploads.service import UploadService

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """What the endpoint needs to know of its place."""

    base_path: str
    """Path of the creation URL below the mount point, without a slash at the end."""
    public_url: str | None
    """Where clients reach the application, when they are to be told absolute URLs."""
    body_idle_timeout: float
    """Seconds without a byte after which a body counts as stalled."""

    def url(self, upload_id: str, scope: Scope) -> str:
        """The upload's URL: a path from the root, which holds behind any proxy that only adds TLS, or absolute."""
        mount = self.public_url if self.public_url is not None else quote(scope.get("root_path", ""))
        return f"{mount}{self.base_path}/{upload_id}"


class TusEndpoint:
    """Answers every request to the creation URL and to upload URLs."""

    def __init__(
        self,
        service: UploadService,
        capabilities: Capabilities,
        edge: Edge,
        *,
        identify: Identify,
        limiter: CapacityLimiter,
        budget: Budget,
        links: Links | None = None,
    ) -> None:
        self._service = service
        self._capabilities = capabilities
        self._capabilities_without_trailers = capabilities.without("checksum-trailer")
        self._edge = edge
        self._identify = identify
        self._limiter = limiter
        self._budget = budget
        self._downloads = Downloads(service, links)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        head = request_head(scope)
        body = request_body(
            scope,
            receive,
            idle_timeout=self._edge.body_idle_timeout,
            limiter=self._limiter,
            budget=self._budget,
        )
        answer = await self._guarded(head, scope, body)
        if isinstance(answer, Delivery):
            await stream(answer, scope, receive, send)
        else:
            linger = _goes_on_sending(body, scope)
            await respond(answer, scope, receive, send, body_is_read=body.complete, linger=linger)

    async def _guarded(self, head: RequestHead, scope: Scope, body: Body) -> Reply | Delivery:
        caller = None
        try:
            require_small_head(scope)
            if effective_method(head) == "OPTIONS":
                return self._options(head, scope)
            if is_download(head, scope) and (token := take_link(scope)) is not None:
                return await self._downloads.answer_link(token, head, scope)
            principal = await self._identify(scope)
            require_possible_id(head)
            caller = Caller(principal=principal, request=request_info(scope))
            return await self._answer(head, scope, body, caller)
        except TusError as error:
            if caller is not None:
                await self._tell_expiry(error, head, caller)
            return _refuse(error, head)
        except Exception:
            logger.exception("a request failed: %s on upload %r", effective_method(head)[:20], head.resource)
            return _refuse(InternalError(), head)

    async def _tell_expiry(self, error: TusError, head: RequestHead, caller: Caller) -> None:
        if effective_method(head) == "PATCH" and head.resource and not isinstance(error, VersionUnsupported):
            await self._service.tell_expiry(error, head.resource, caller)

    def _options(self, head: RequestHead, scope: Scope) -> Reply:
        """Answer OPTIONS, which needs no token: preflights carry none, and it tells nothing of anybody."""
        capabilities = self._offered(scope)
        parse_request(head, capabilities)
        return reply_options(capabilities)

    def _offered(self, scope: Scope) -> Capabilities:
        return self._capabilities if has_trailers(scope) else self._capabilities_without_trailers

    async def _answer(self, head: RequestHead, scope: Scope, body: Body, caller: Caller) -> Reply | Delivery:
        if is_download(head, scope):
            return await self._download(head, scope, caller)
        intent = parse_request(head, self._offered(scope))
        if isinstance(intent, Options):
            return reply_options(self._offered(scope))
        reply = await self._carry_out(intent, scope, body, caller)
        return with_answer(reply, caller.answer) if caller.answer else reply

    async def _carry_out(self, intent: UploadIntent, scope: Scope, body: Body, caller: Caller) -> Reply:
        match intent:
            case Create():
                upload = await self._service.create(intent, body if intent.body else None, caller)
                return reply_created(upload, self._edge.url(upload.id, scope), with_body=intent.body is not None)
            case Concatenate():
                final = await self._service.concatenate(intent, caller)
                return reply_created(final, self._edge.url(final.id, scope), with_body=False)
            case Inspect():
                return reply_inspected(await self._service.inspect(intent.resource, caller))
            case Append():
                return reply_appended(await self._service.append(intent, body, caller))
            case Terminate():
                await self._service.terminate(intent.resource, caller)
                return reply_terminated()

    async def _download(self, head: RequestHead, scope: Scope, caller: Caller) -> Reply | Delivery:
        if head.resource is None:
            raise method_not_allowed(head, self._capabilities)
        try:
            return await self._downloads.answer(head.resource, head, scope, caller)
        except UploadUnfinished:
            if scope["method"] == "HEAD" and effective_method(head) == "HEAD":
                parse_request(head, self._capabilities)  # Of what is no file yet, HEAD is tus's: raises.
            raise


def _goes_on_sending(body: Body, scope: Scope) -> bool:
    """Whether a client whose body was not read to its end may be about to send the rest.

    Not if it has just been found silent, nor if it waited to be asked for the body and never was.
    """
    return body.stopped is not StopReason.STALLED and (body.begun or not expects_continue(scope))


def _refuse(error: TusError, head: RequestHead) -> Reply:
    """Answer with an error; on HEAD without a body, and with 423 for everything that passes.

    tus-js-client forgets the upload and starts again from byte 0 after any other error status to HEAD.
    """
    if effective_method(head) != "HEAD":
        return reply_error(error)
    return reply_error(UploadLocked() if error.status >= 500 else error, with_body=False)
