"""The OpenAPI document: it is valid, it has every route, and the server does what it says."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from openapi_spec_validator import OpenAPIV31SpecValidator
from schemathesis import GenerationMode
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import positive_data_acceptance
from starlette.routing import Route
from tests.e2e.accounts import PASSWORD, command
from tests.serving import Server, serving
from tests.stateful.asgi import request

from longshore.app import build
from longshore.config import Settings

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

EXAMPLES = 15
"""Requests for each operation, of those that keep to the document and of those that do not."""

REFUSALS = ["400", "401", "403", "404", "405", "409", "412", "413", "415", "422", "429", "431", "460"]
"""Statuses for what does not keep to the document."""

FURTHER_RULES = {
    "listUploads",
    "listUsers",
    "renameUpload",
    "createUser",
    "changeUser",
    "register",
    "signIn",
    "createUpload",
    "appendToUpload",
}
"""Operations that refuse some of what a schema cannot describe: names, passwords, cursors, how lengths go together."""

STREAM = {"Accept": "text/event-stream"}


@schemathesis.serializer("application/offset+octet-stream")
def bytes_of(_: schemathesis.SerializationContext, value: Any) -> bytes:
    """A body of tus as it is sent."""
    return value if isinstance(value, bytes) else str(value).encode()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("openapi") / "data"
    with serving(directory, auth="local", admin_password=PASSWORD, registration="open", metrics="admin") as server:
        yield server


@pytest.fixture(scope="module")
def document(server: Server) -> dict[str, Any]:
    answer = httpx.get(f"{server.origin}/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    found: dict[str, Any] = answer.json()
    return found


def test_is_valid(document: dict[str, Any]) -> None:
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


@pytest.mark.parametrize("auth", ["local", "none"])
@pytest.mark.anyio
async def test_has_every_route(tmp_path: Path, auth: str) -> None:
    app = build(Settings(data_dir=tmp_path, auth=auth, metrics="admin"))
    described = json.loads((await request(app, "GET", "/openapi.json")).body)["paths"]
    for route in app.routes:
        if isinstance(route, Route) and not route.path.startswith(("/admin", "/docs/")) and route.path != "/files/":
            assert re.sub(r":\w+", "", route.path) in described, route.path


def test_names_every_operation_once(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert sorted(set(names)) == sorted(names)


def test_asks_for_a_token_where_one_is_needed(server: Server, document: dict[str, Any]) -> None:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            answer = httpx.request(method, server.origin + re.sub(r"\{\w+\}", "x", path), headers=STREAM)
            if operation["security"] == [{"bearer": []}]:
                assert (answer.status_code, "401" in operation["responses"]) == (401, True), (method, path)
            elif not operation["security"]:
                # Signing in may be refused, with whatever is sent for that.
                assert "401" not in operation["responses"] or path.startswith("/auth/"), path
                assert answer.status_code != 401 or "401" in operation["responses"], path


def test_keeps_what_it_says(server: Server, document: dict[str, Any]) -> None:
    token = command(server.data_dir, "token", "issue", "--user", "admin", "--ttl", "1h")
    asked, failures = 0, list[str]()
    for operation in operations_of(document):
        for mode in GenerationMode:
            try:
                asked += ask_at_random(operation, mode, server.origin, token)
            except Unsatisfiable:
                assert mode is GenerationMode.NEGATIVE  # There is no wrong way to ask for it.
            except FailureGroup as group:
                failures += [f"{operation.label} ({mode.value}): {failure}" for failure in group.exceptions]
    assert failures == []
    assert asked > EXAMPLES * len(document["paths"])
    assert "Traceback" not in server.said()


def operations_of(document: dict[str, Any]) -> Iterator[schemathesis.APIOperation[Any, Any, Any, Any]]:
    config = schemathesis.Config.from_dict({"checks": {"negative_data_rejection": {"expected-statuses": REFUSALS}}})
    for found in schemathesis.openapi.from_dict(document, config=config).get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        if operation.path not in ("/events", "/docs"):
            yield operation


def ask_at_random(operation: Any, mode: GenerationMode, origin: str, token: str) -> int:
    """Ask for an operation in many ways; return in how many."""
    headers = {"Authorization": f"Bearer {token}"}
    further_rules = operation.definition.raw["operationId"] in FURTHER_RULES
    asked = 0

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate],
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: schemathesis.Case[Any]) -> None:
        nonlocal asked
        asked += 1
        answer = case.call(base_url=origin, headers=headers)
        if answer.status_code == 400 and b'"code": "malformed-request"' in answer.content:
            return  # What is no HTTP, or has too long a head, never gets to the application.
        case.validate_response(
            answer,
            headers=headers,
            transport_kwargs={"base_url": origin, "headers": headers},
            excluded_checks=[positive_data_acceptance] if further_rules else [],
        )

    ask()
    return asked
