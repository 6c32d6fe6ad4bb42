"""Problem documents for what no endpoint answers: unknown paths and methods, and what failed."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from longshore.protocol.errors import MethodNotAllowed, TusError, Unavailable
from longshore.protocol.reply import reply_error


class InternalError(Unavailable):
    """Something went wrong that is not the client's doing; clients try again."""

    status = 500
    code = "internal-error"
    title = "Internal server error"


class NoSuchPage(TusError):
    """The path leads nowhere."""

    status = 404
    code = "not-found"
    title = "Nothing is here"


async def answer_http_exception(_: Request, error: Exception) -> Response:
    """Answer what Starlette's router refuses with a problem document; raise anything else again."""
    if not isinstance(error, HTTPException) or error.status_code not in (404, 405):
        raise error
    headers = tuple((error.headers or {}).items())
    problem = MethodNotAllowed(headers=headers) if error.status_code == 405 else NoSuchPage(headers=headers)
    reply = reply_error(problem)
    return Response(reply.body, reply.status, dict(reply.headers))
