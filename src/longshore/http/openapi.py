"""The OpenAPI 3.1 document, made of the operations and of the models that validate what they are sent."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import models_json_schema

from longshore.http.endpoints import BodyTooLarge, BodyTypeUnsupported, InvalidRequest
from longshore.http.operations import Answer, Content, Operation, Parameter
from longshore.http.problems import InternalError
from longshore.protocol.errors import InvalidToken, TusError, Unauthenticated, Unavailable

_TEMPLATE: Final = "#/components/schemas/{model}"
_SECURITY: Final[Mapping[str, Sequence[Mapping[str, Sequence[str]]]]] = {
    "token": [{"bearer": []}],
    "token-or-else": [{"bearer": []}, {}],
    "open": [],
}

_TAGS: Final = {
    "tus": "Sending files, by the tus resumable upload protocol 1.0 (https://tus.io/protocols/resumable-upload).",
    "downloads": "Fetching files.",
    "uploads": "Looking through uploads, and looking after them.",
    "links": "Download links, for whoever cannot send a token.",
    "events": "Being told what happens to uploads.",
    "accounts": "Signing in and out, and one's own account.",
    "administration": "For admins.",
    "operation": "For probes and monitoring.",
}

_ABOUT: Final = (
    "Problems are answered as `application/problem+json` (RFC 9457); `code` is their stable name. Clients may try"
    " again after 409, 423, 429 and 5xx, and after nothing else."
)


class Problem(BaseModel):
    """What went wrong (RFC 9457). Some problems say more in further members."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="`urn:longshore:problem:` and the code.")
    title: str
    status: int
    code: str = Field(description="The stable name of the problem.")
    detail: str


def document(operations: Iterable[Operation], *, version: str, authenticated: bool) -> dict[str, Any]:
    """The document; without `authenticated` nothing in it needs a token."""
    listed = list(operations)
    references, definitions = models_json_schema(
        [(model, mode) for model, mode in _models(listed)], ref_template=_TEMPLATE
    )
    writer = _Writer(dict(references), authenticated=authenticated)
    used = {operation.tag for operation in listed}
    made: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "Longshore",
            "version": version,
            "summary": "Resumable uploads",
            "description": _ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items() if name in used],
        "paths": _paths(listed, writer),
        "components": {"schemas": definitions.get("$defs", {})},
    }
    if authenticated:
        scheme = {"type": "http", "scheme": "bearer", "description": "An access token, from `/auth/token` for one."}
        made["components"]["securitySchemes"] = {"bearer": scheme}
    return made


def _paths(operations: Sequence[Operation], writer: "_Writer") -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for operation in operations:
        paths.setdefault(operation.template, {})[operation.method.lower()] = writer.operation(operation)
    return paths


def _models(operations: Sequence[Operation]) -> Iterator[tuple[type[BaseModel], Any]]:
    yield Problem, "serialization"
    for operation in operations:
        if operation.body is not None and operation.body.model is not None:
            yield operation.body.model, "validation"
        for answer in operation.answers.values():
            if answer.content is not None and answer.content.model is not None:
                yield answer.content.model, "serialization"


class _Writer:
    """Writes operations down; `references` are the schemas of the models."""

    def __init__(self, references: Mapping[Any, Mapping[str, Any]], *, authenticated: bool) -> None:
        self._references = references
        self._authenticated = authenticated

    def operation(self, operation: Operation) -> dict[str, Any]:
        access = operation.access if self._authenticated else "open"
        written: dict[str, Any] = {
            "operationId": operation.id,
            "tags": [operation.tag],
            "summary": operation.summary,
            "security": _SECURITY[access],
            "parameters": [*map(_parameter, operation.parameters), *_query_parameters(operation.query)],
            "responses": self._responses(operation, needs_token=access != "open"),
        }
        if operation.description:
            written["description"] = operation.description
        if operation.body is not None:
            content = self._content(operation.body, "validation")
            written["requestBody"] = {"required": operation.body.required, "content": content}
        return written

    def _responses(self, operation: Operation, *, needs_token: bool) -> dict[str, Any]:
        answers = {str(status): self._answer(answer) for status, answer in operation.answers.items()}
        errors: dict[int, list[type[TusError]]] = {}
        for error in _errors(operation, needs_token=needs_token):
            errors.setdefault(error.status, []).append(error)
        return answers | {str(status): self._problem(kinds, operation) for status, kinds in sorted(errors.items())}

    def _answer(self, answer: Answer) -> dict[str, Any]:
        written: dict[str, Any] = {"description": answer.description}
        if answer.headers:
            written["headers"] = {header.name: _header(header) for header in answer.headers}
        if answer.content is not None:
            written["content"] = self._content(answer.content, "serialization")
        return written

    def _problem(self, kinds: Sequence[type[TusError]], operation: Operation) -> dict[str, Any]:
        written: dict[str, Any] = {"description": "; ".join(f"`{kind.code}`: {kind.title}" for kind in kinds)}
        if operation.method != "HEAD":
            schema = self._references[Problem, "serialization"]
            written["content"] = {"application/problem+json": {"schema": schema}}
        return written

    def _content(self, content: Content, mode: str) -> dict[str, Any]:
        schema = content.schema if content.model is None else self._references[content.model, mode]
        return {media_type: {} if schema is None else {"schema": schema} for media_type in content.media_types}


def _errors(operation: Operation, *, needs_token: bool) -> list[type[TusError]]:
    """Those of the operation, and those that go without saying, each once."""
    implied: list[type[TusError]] = [Unauthenticated, InvalidToken] if needs_token else []
    if operation.body is not None and operation.body.model is not None:
        implied += [BodyTooLarge, BodyTypeUnsupported, InvalidRequest]
    if operation.query is not None:
        implied.append(InvalidRequest)
    return list(dict.fromkeys([*implied, *operation.errors, InternalError, Unavailable]))


def _parameter(parameter: Parameter) -> dict[str, Any]:
    written: dict[str, Any] = {"name": parameter.name, "in": parameter.where, "description": parameter.description}
    return written | {"required": parameter.required, "schema": parameter.schema}


def _header(parameter: Parameter) -> dict[str, Any]:
    return {"description": parameter.description, "required": parameter.required, "schema": parameter.schema}


def _query_parameters(query: type[BaseModel] | None) -> Iterator[dict[str, Any]]:
    if query is None:
        return
    schema = query.model_json_schema()
    for name, field in schema["properties"].items():
        plain = _resolved(field, schema.get("$defs", {}))
        description = plain.pop("description", "")
        plain.pop("title", None)
        written = {"name": name, "in": "query", "required": name in schema.get("required", ()), "schema": plain}
        yield written | ({"description": description} if description else {})


def _resolved(schema: Any, definitions: Mapping[str, Any]) -> Any:
    """The schema of a query's field as one piece. There is no null in a query, where a field is just left out."""
    if isinstance(schema, list):
        return [_resolved(item, definitions) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        definition = definitions[schema["$ref"].rpartition("/")[2]]
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        return _resolved({"type": definition["type"], "enum": definition["enum"]} | rest, definitions)
    if "anyOf" in schema:
        (choice,) = [item for item in schema["anyOf"] if item != {"type": "null"}]
        rest = {key: value for key, value in schema.items() if key not in ("anyOf", "default")}
        return _resolved(choice | rest, definitions)
    return {key: _resolved(value, definitions) for key, value in schema.items()}
