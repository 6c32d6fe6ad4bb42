"""What can be asked of the server: the routes and the OpenAPI document both come of it."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel
from starlette.routing import Route

from longshore.http.endpoints import Handler, resource
from longshore.protocol.errors import TusError

Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
Schema = Mapping[str, Any]

TEXT: Schema = {"type": "string"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A field of a request's head, its query or its path; or a header field of an answer."""

    name: str
    description: str
    where: Literal["header", "query", "path"] = "header"
    schema: Schema = field(default_factory=lambda: TEXT)
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A body: JSON of a model, or something else."""

    model: type[BaseModel] | None = None
    schema: Schema | None = None
    media_types: tuple[str, ...] = ("application/json",)
    required: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What may be answered, other than a problem."""

    description: str
    content: Content | None = None
    headers: tuple[Parameter, ...] = ()


def json_of(model: type[BaseModel], description: str) -> Answer:
    """An answer in JSON."""
    return Answer(description=description, content=Content(model=model))


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one path."""

    method: Method
    path: str
    """As Starlette writes it."""
    id: str
    tag: str
    summary: str
    description: str = ""
    handler: Handler | None = None
    """None where the route is made elsewhere."""
    parameters: tuple[Parameter, ...] = ()
    query: type[BaseModel] | None = None
    body: Content | None = None
    answers: Mapping[int, Answer]
    errors: tuple[type[TusError], ...] = ()
    """Besides those that any operation has."""
    access: Literal["token", "token-or-else", "open"] = "token"
    """Whether it needs a token, something else may take the place of one, or it needs none."""

    @property
    def template(self) -> str:
        """The path as OpenAPI writes it."""
        return re.sub(r"\{(\w+):\w+\}", r"{\1}", self.path)


def routes(operations: Iterable[Operation]) -> list[Route]:
    """The routes of the operations that have handlers."""
    handlers: dict[str, dict[str, Handler]] = {}
    for operation in operations:
        if operation.handler is not None:
            handlers.setdefault(operation.path, {})[operation.method] = operation.handler
    return [resource(path, methods) for path, methods in handlers.items()]
