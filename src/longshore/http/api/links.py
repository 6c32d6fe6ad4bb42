"""`/api/uploads/{id}/link`: download links, for whoever cannot send a token."""

from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from longshore.downloads.linking import MAX_TTL, Links
from longshore.http.api.uploads import GONE, UPLOAD_ID, Locate
from longshore.http.api.values import WHOLE, Given, Shown
from longshore.http.authentication import Identify
from longshore.http.endpoints import answer_model, path_text, read_json
from longshore.http.operations import Answer, Content, Operation, Parameter, json_of
from longshore.http.reading import request_info
from longshore.ports.links import Link
from longshore.protocol.errors import TusError, UploadNotFound, UploadUnfinished
from longshore.uploads.caller import Caller
from longshore.uploads.management import Management
from longshore.uploads.service import UploadService

_Lifetime = Annotated[int, Field(ge=1, le=int(MAX_TTL.total_seconds())), WHOLE]
_Uses = Annotated[int, Field(ge=1, lt=2**31), WHOLE]


class LinkNotFound(TusError):
    """There is no such link to the upload, or it is somebody else's."""

    status = 404
    code = "link-not-found"
    title = "No such link"


class LinkRequest(Given):
    """What a link is to be good for."""

    ttl: _Lifetime = Field(description="Seconds.")
    max_uses: _Uses | None = Field(None, description="Downloads; null for any number.")


class LinkShown(Shown):
    """A link, without what it opens with: that is told once."""

    id: str
    created_by: str = Field(description="The subject of who made it; empty where nobody had to say who they are.")
    created_at: datetime
    expires_at: datetime
    max_uses: int | None = Field(description="How many downloads may begin; null for any number.")
    uses: int = Field(description="How many have begun.")


class NewLink(LinkShown):
    """A link that has just been made."""

    url: str = Field(description="What to open: a path from the root, or a URL. Whoever knows it can fetch the file.")


class LinkList(Shown):
    """The links to an upload."""

    links: list[LinkShown]


class LinkEndpoints:
    """The handlers; each raises `TusError`s, which become problem documents."""

    def __init__(
        self, links: Links, service: UploadService, management: Management, identify: Identify, locate: Locate
    ) -> None:
        self._links = links
        self._service = service
        self._management = management
        self._identify = identify
        self._locate = locate

    def operations(self) -> list[Operation]:
        """What they do."""
        return [
            Operation(
                method="POST",
                path="/api/uploads/{upload_id}/link",
                id="createLink",
                tag="links",
                summary="Make a download link",
                description="For whoever may download the file.",
                handler=self.create,
                parameters=(UPLOAD_ID,),
                body=Content(model=LinkRequest),
                answers={201: json_of(NewLink, "The link.")},
                errors=(UploadNotFound, *GONE, UploadUnfinished),
            ),
            Operation(
                method="GET",
                path="/api/uploads/{upload_id}/links",
                id="listLinks",
                tag="links",
                summary="List the links to an upload",
                description="All of them to its owner and to admins, their own to others.",
                handler=self.show_all,
                parameters=(UPLOAD_ID,),
                answers={200: json_of(LinkList, "The links, the newest first.")},
                errors=(UploadNotFound,),
            ),
            Operation(
                method="DELETE",
                path="/api/uploads/{upload_id}/links/{link_id}",
                id="revokeLink",
                tag="links",
                summary="Revoke a link",
                handler=self.revoke,
                parameters=(
                    UPLOAD_ID,
                    Parameter(name="link_id", where="path", description="The link's id.", required=True),
                ),
                answers={204: Answer(description="The link opens nothing any more.")},
                errors=(UploadNotFound, LinkNotFound),
            ),
        ]

    async def create(self, request: Request) -> Response:
        """Make a link."""
        caller = await self._caller(request)
        upload_id = path_text(request, "upload_id", UploadNotFound)
        given = await read_json(request, LinkRequest)
        upload = await self._service.finished(upload_id, caller)
        ttl = timedelta(seconds=given.ttl)
        link, query = await self._links.create(upload, ttl, given.max_uses, created_by=caller.owner)
        url = f"{self._locate(upload_id, request.scope)}?{query}"
        return answer_model(NewLink(**_fields(link), url=url), status=201)

    async def show_all(self, request: Request) -> Response:
        """Answer with the links that the caller may know of."""
        links = await self._known(request, await self._caller(request))
        return answer_model(LinkList(links=[LinkShown(**_fields(link)) for link in links]))

    async def revoke(self, request: Request) -> Response:
        """Make a link void."""
        link_id = path_text(request, "link_id", LinkNotFound)
        for link in await self._known(request, await self._caller(request)):
            if link.id == link_id and await self._links.revoke(link.upload_id, link_id):
                return Response(status_code=204)
        raise LinkNotFound

    async def _known(self, request: Request, caller: Caller) -> list[Link]:
        upload_id = path_text(request, "upload_id", UploadNotFound)
        sees_all = await self._management.may_read_links(upload_id, caller)
        links = await self._links.records.of(upload_id)
        return [link for link in links if sees_all or link.created_by == caller.owner]

    async def _caller(self, request: Request) -> Caller:
        return Caller(principal=await self._identify(request.scope), request=request_info(request.scope))


def _fields(link: Link) -> dict[str, object]:
    return {
        "id": link.id,
        "created_by": link.created_by,
        "created_at": link.created_at,
        "expires_at": link.expires_at,
        "max_uses": link.max_uses,
        "uses": link.uses,
    }
