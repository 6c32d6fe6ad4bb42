"""Problem documents for what no endpoint answers: unknown paths and methods."""

from typing import ClassVar

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from longshore.protocol.errors import TusError
from longshore.protocol.reply import reply_error


class NoSuchPage(TusError):
    """The path leads nowhere."""

    status: ClassVar[int] = 404
    code: ClassVar[str] = "not-found"
    title: ClassVar[str] = "Nothing is here"


class WrongMethod(TusError):
    """The path does not know the method."""

    status: ClassVar[int] = 405
    code: ClassVar[str] = "method-not-allowed"
    title: ClassVar[str] = "Method not allowed"


async def answer_http_exception(_: Request, error: Exception) -> Response:
    """Answer what Starlette's router refuses with a problem document."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = tuple((error.headers or {}).items()) if isinstance(error, HTTPException) else ()
    problem = WrongMethod(headers=headers) if status == 405 else NoSuchPage(headers=headers)
    reply = reply_error(problem)
    return Response(reply.body, reply.status, dict(reply.headers))
