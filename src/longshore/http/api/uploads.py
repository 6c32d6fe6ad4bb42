"""`/api/uploads` and `/api/cleanup`: looking through uploads, and looking after them."""

from collections.abc import Callable
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from longshore.http.api.cursors import read_cursor, write_cursor
from longshore.http.api.upload_models import (
    CleanupRequest,
    CleanupResult,
    ListQuery,
    Renaming,
    UploadDetails,
    UploadPage,
    UploadSummary,
    details,
    summary,
)
from longshore.http.authentication import Identify
from longshore.http.endpoints import answer_model, path_text, read_json, read_query
from longshore.http.operations import Answer, Content, Operation, Parameter, json_of
from longshore.http.reading import request_info
from longshore.ports.hooks import HookRefused
from longshore.ports.listing import Query
from longshore.protocol.errors import (
    Forbidden,
    FormatNotAllowed,
    MetadataTooLarge,
    UploadExpired,
    UploadLocked,
    UploadNotFound,
    UploadTerminated,
)
from longshore.uploads.caller import Caller
from longshore.uploads.cleanup import Cleanup, Found
from longshore.uploads.management import InvalidName, Management
from longshore.uploads.service import UploadService

Locate = Callable[[str, Scope], str]
"""Tells the URL of an upload to whoever sent a request."""

UPLOAD_ID = Parameter(name="upload_id", where="path", description="The upload's id.", required=True)
GONE = (UploadTerminated, UploadExpired)

_LIST = "/api/uploads"
_ONE = "/api/uploads/{upload_id}"


class UploadEndpoints:
    """The handlers; each raises `TusError`s, which become problem documents."""

    def __init__(
        self, service: UploadService, management: Management, cleanup: Cleanup, identify: Identify, locate: Locate
    ) -> None:
        self._service = service
        self._management = management
        self._cleanup = cleanup
        self._identify = identify
        self._locate = locate

    def operations(self) -> list[Operation]:
        """What they do."""
        return [
            Operation(
                method="GET",
                path=_LIST,
                id="listUploads",
                tag="uploads",
                summary="List uploads",
                description="One's own, and the completed ones of everybody where they are shared; all to admins.",
                handler=self.show_all,
                query=ListQuery,
                answers={200: json_of(UploadPage, "A page of the list.")},
            ),
            Operation(
                method="GET",
                path=_ONE,
                id="readUpload",
                tag="uploads",
                summary="Read everything about an upload",
                handler=self.read,
                parameters=(UPLOAD_ID,),
                answers={200: json_of(UploadDetails, "The upload, or what is left of it.")},
                errors=(UploadNotFound,),
            ),
            Operation(
                method="PATCH",
                path=_ONE,
                id="renameUpload",
                tag="uploads",
                summary="Rename a file",
                description="Its metadata has the new name from now on. Waits for a transfer that is under way.",
                handler=self.rename,
                parameters=(UPLOAD_ID,),
                body=Content(model=Renaming),
                answers={200: json_of(UploadSummary, "The upload with its new name.")},
                errors=(
                    *(InvalidName, MetadataTooLarge, FormatNotAllowed, HookRefused),
                    *(UploadNotFound, *GONE, UploadLocked),
                ),
            ),
            Operation(
                method="DELETE",
                path=_ONE,
                id="deleteUpload",
                tag="uploads",
                summary="Delete an upload",
                description="The same as DELETE by tus.",
                handler=self.delete,
                parameters=(UPLOAD_ID,),
                answers={204: Answer(description="It is gone.")},
                errors=(UploadNotFound, *GONE, UploadLocked, HookRefused),
            ),
            Operation(
                method="POST",
                path="/api/cleanup",
                id="cleanUp",
                tag="administration",
                summary="Remove what has expired or was abandoned",
                handler=self.clean_up,
                body=Content(model=CleanupRequest),
                answers={200: json_of(CleanupResult, "What was removed, or would be.")},
                errors=(Forbidden,),
            ),
        ]

    async def show_all(self, request: Request) -> Response:
        """Answer with a page of uploads."""
        caller = await self._caller(request)
        asked = read_query(request, ListQuery)
        found = await self._management.look_through(_query(asked, caller), caller)
        page = UploadPage(
            uploads=[summary(entry, self._locate(entry.upload.id, request.scope)) for entry in found.entries],
            next=found.next and write_cursor(found.next, asked.sort, asked.order),
        )
        return answer_model(page)

    async def read(self, request: Request) -> Response:
        """Answer with one upload."""
        caller = await self._caller(request)
        upload_id = path_text(request, "upload_id", UploadNotFound)
        found = await self._management.read(upload_id, caller)
        return answer_model(details(found, self._locate(upload_id, request.scope)))

    async def rename(self, request: Request) -> Response:
        """Rename one upload, and answer with it."""
        caller = await self._caller(request)
        upload_id = path_text(request, "upload_id", UploadNotFound)
        given = await read_json(request, Renaming)
        entry = await self._management.rename(upload_id, given.name, caller)
        return answer_model(summary(entry, self._locate(upload_id, request.scope)))

    async def delete(self, request: Request) -> Response:
        """Delete one upload."""
        caller = await self._caller(request)
        await self._service.terminate(path_text(request, "upload_id", UploadNotFound), caller)
        return Response(status_code=204)

    async def clean_up(self, request: Request) -> Response:
        """Clear away, or tell what would go."""
        caller = await self._caller(request)
        given = await read_json(request, CleanupRequest)
        after = given.abandoned_after
        found = await self._cleanup.find(None if after is None else timedelta(seconds=after), caller)
        if given.dry_run:
            uploads = [summary(entry, self._locate(entry.upload.id, request.scope)) for entry in found.entries]
            return answer_model(_result(found, dry_run=True, uploads=uploads))
        return answer_model(_result(await self._cleanup.remove(found, caller), dry_run=False, uploads=[]))

    async def _caller(self, request: Request) -> Caller:
        return Caller(principal=await self._identify(request.scope), request=request_info(request.scope))


def _query(asked: ListQuery, caller: Caller) -> Query:
    return Query(
        states=frozenset(asked.state),
        kind=asked.kind,
        owner=caller.owner if asked.owner == "me" else asked.owner,
        name=asked.name or "",
        media_type=asked.type or "",
        created_after=asked.created_after,
        created_before=asked.created_before,
        completed_after=asked.completed_after,
        completed_before=asked.completed_before,
        sort=asked.sort,
        descending=asked.order == "desc",
        after=None if asked.cursor is None else read_cursor(asked.cursor, asked.sort, asked.order),
        limit=asked.limit,
    )


def _result(found: Found, *, dry_run: bool, uploads: list[UploadSummary]) -> CleanupResult:
    return CleanupResult(
        dry_run=dry_run,
        expired=len(found.expired),
        abandoned=len(found.abandoned),
        bytes=sum(entry.upload.offset for entry in found.entries),
        more=found.more,
        uploads=uploads,
    )
