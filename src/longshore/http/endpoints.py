"""Endpoints that take and give JSON: reading what was sent, and problem documents for everything that goes wrong."""

import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any, Literal, TypeVar, get_origin
from urllib.parse import parse_qsl

from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from longshore.http.problems import InternalError
from longshore.protocol.errors import TusError
from longshore.protocol.reply import Reply, reply_error

logger = logging.getLogger(__name__)

MAX_BODY = 64 * 1024
"""Bytes that such a request may have: far more than any of them needs."""

Handler = Callable[[Request], Awaitable[Response]]
Model = TypeVar("Model", bound=BaseModel)


class InvalidRequest(TusError):
    """The request's body is not what it should be; `detail` names the field."""

    status = 422
    code = "invalid-request"
    title = "Invalid request"


class BodyTooLarge(TusError):
    """The request's body is longer than any that means something here."""

    status = 413
    code = "body-too-large"
    title = "The body is too large"


class BodyTypeUnsupported(TusError):
    """The request's body is neither JSON nor, where that is taken, a form."""

    status = 415
    code = "body-type-unsupported"
    title = "The body must be JSON"


def endpoint(path: str, handler: Handler, *, method: Literal["GET", "POST"]) -> Route:
    """Where the handler is asked. What it raises becomes a problem document, and OPTIONS has an answer.

    A browser asks for leave before it sends JSON or a token from a page of another origin, and takes only an answer of
    2xx for one (Fetch, CORS-preflight fetch); its question carries no token.
    """
    return resource(path, {method: handler})


def resource(path: str, handlers: Mapping[str, Handler]) -> Route:
    """The same for a path that has several methods; one that answers GET answers HEAD."""
    allowed = (*handlers, *(("HEAD",) if "GET" in handlers else ()), "OPTIONS")
    return Route(path, _answering(handlers, allowed), methods=allowed)


def _answering(handlers: Mapping[str, Handler], allowed: Sequence[str]) -> Handler:
    async def answer(request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=204, headers={"Allow": ", ".join(allowed)})
        try:
            return await handlers["GET" if request.method == "HEAD" else request.method](request)
        except TusError as error:
            return problem(error)
        except ClientDisconnect:
            # Nobody is there to read it.
            return Response(status_code=400)
        except Exception:
            logger.exception("a request failed: %s %s", request.method, request.url.path)
            return problem(InternalError())

    return answer


def problem(error: TusError) -> Response:
    """The problem document of an error. These endpoints are no part of tus, and do not claim to be."""
    reply: Reply = reply_error(error)
    headers = {name: value for name, value in reply.headers if name != "Tus-Resumable"}
    return Response(reply.body, reply.status, headers)


def answer_json(content: Mapping[str, Any], *, status: int = 200) -> Response:
    """Answer with JSON that nobody keeps: it is of somebody's account (RFC 6749, section 5.1)."""
    return JSONResponse(content, status, {"Cache-Control": "no-store"})


def answer_model(content: BaseModel, *, status: int = 200) -> Response:
    """The same with a model, whose JSON is that of its schema; fields that were not set are left out."""
    body = content.model_dump_json(by_alias=True, exclude_unset=True).encode()
    return Response(body, status, {"Cache-Control": "no-store"}, "application/json")


def read_query(request: Request, model: type[Model]) -> Model:
    """The request's query as a model, whose lists may be given piece by piece. Raises `InvalidRequest`."""
    given: dict[str, Any] = {}
    for name, value in request.query_params.multi_items():
        if name in _lists(model):
            given.setdefault(name, []).append(value)
        elif name in given:
            raise InvalidRequest(f"{name}: given twice.")
        else:
            given[name] = value
    return _validated(partial(model.model_validate, given))


@lru_cache
def _lists(model: type[BaseModel]) -> frozenset[str]:
    fields = model.model_fields.items()
    return frozenset(field.alias or name for name, field in fields if get_origin(field.annotation) is list)


def path_text(request: Request, name: str, missing: type[TusError]) -> str:
    """A part of the path. Raises `missing` for one with a NUL: nothing has one, and PostgreSQL takes none."""
    text: str = request.path_params[name]
    if "\0" in text:
        raise missing
    return text


async def read_json(request: Request, model: type[Model]) -> Model:
    """The request's body, JSON, as a model. Raises `BodyTypeUnsupported`, `BodyTooLarge` and `InvalidRequest`."""
    if _media_type(request) != "application/json":
        raise BodyTypeUnsupported("Send Content-Type: application/json.")
    return _validate(model, await _read(request))


async def read_json_or_form(request: Request, model: type[Model]) -> Model:
    """The same, but forms (application/x-www-form-urlencoded) are taken as well."""
    if _media_type(request) != "application/x-www-form-urlencoded":
        return await read_json(request, model)
    try:
        pairs = parse_qsl((await _read(request)).decode("ascii"), keep_blank_values=True, errors="strict")
    except ValueError:
        raise InvalidRequest("The form is not valid.") from None
    if len(dict(pairs)) < len(pairs):
        raise InvalidRequest("A field of the form appears twice.")
    return _validate(model, json.dumps(dict(pairs)).encode())


async def read_json_if_any(request: Request, model: type[Model]) -> Model | None:
    """The same as `read_json`; None when there is no body."""
    headers = request.headers
    if "transfer-encoding" not in headers and headers.get("content-length", "0") == "0":
        return None
    return await read_json(request, model)


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def _read(request: Request) -> bytes:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BODY:
            raise BodyTooLarge(f"At most {MAX_BODY} bytes are taken here.", limit=MAX_BODY)
    return bytes(body)


def _validate(model: type[Model], body: bytes) -> Model:
    return _validated(partial(model.model_validate_json, body))


def _validated(validate: Callable[[], Model]) -> Model:
    try:
        return validate()
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    where = ".".join(str(step) for step in first["loc"])
    raise InvalidRequest(f"{where}: {first['msg']}." if where else f"{first['msg']}.")
