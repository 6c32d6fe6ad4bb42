"""What endpoints take and give: JSON, forms, and problem documents for everything else."""

import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from pydantic import BaseModel, Field
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from tests.stateful.asgi import Exchange

from longshore.http.endpoints import (
    MAX_BODY,
    answer_json,
    endpoint,
    read_json,
    read_json_if_any,
    read_json_or_form,
)
from longshore.protocol.errors import Forbidden

pytestmark = pytest.mark.anyio

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Pair(BaseModel):
    one: str = Field(max_length=100)
    two: str | None = None


async def take_json(request: Request) -> Response:
    return answer_json((await read_json(request, Pair)).model_dump(), status=201)


async def take_either(request: Request) -> Response:
    return answer_json((await read_json_or_form(request, Pair)).model_dump())


async def take_any(request: Request) -> Response:
    found = await read_json_if_any(request, Pair)
    return answer_json({"found": found and found.one})


async def refuse(_: Request) -> Response:
    raise Forbidden("Not here.", headers=(("X-Kept", "1"),))


async def fail(_: Request) -> Response:
    raise ZeroDivisionError("with a secret in it")


APP = Starlette(
    routes=[
        endpoint("/json", take_json, method="POST"),
        endpoint("/either", take_either, method="POST"),
        endpoint("/any", take_any, method="POST"),
        endpoint("/refuse", refuse, method="GET"),
        endpoint("/fail", fail, method="GET"),
    ]
)


@pytest.fixture
async def http(anyio_backend: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(APP), base_url="http://localhost") as client:
        yield client


def problem(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of a problem document that is one in every respect."""
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert "tus-resumable" not in answer.headers
    said = answer.json()
    assert said["status"] == answer.status_code
    assert said["type"].endswith(said["code"])
    return answer.status_code, said["code"]


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON ; charset=utf-8"])
async def test_json_is_taken_and_given(http: httpx.AsyncClient, kind: str) -> None:
    answer = await http.post("/json", content='{"one": "ä"}'.encode(), headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()) == (201, {"one": "ä", "two": None})
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b'"one"',
        b'[{"one": "a"}]',
        b"[" * 10_000,
        b"{}",
        b'{"one": 1}',
        b'{"one": null}',
        b'{"one": "a"} {"one": "b"}',
        b'{"one": "\\ud800"}',
        b'{"one": "\xff"}',
        b'\xff\xfe{\0"\0',
        json.dumps({"one": "x" * 101}).encode(),
    ],
)
async def test_refuses_json_that_is_none_or_another(http: httpx.AsyncClient, body: bytes) -> None:
    assert problem(await http.post("/json", content=body, headers=JSON)) == (422, "invalid-request")


async def test_a_refusal_names_the_field_and_nothing_of_its_value(http: httpx.AsyncClient) -> None:
    answer = await http.post("/json", json={"one": ["hunter2"]})
    assert answer.json()["detail"] == "one: Input should be a valid string."
    assert "hunter2" not in answer.text


@pytest.mark.parametrize("path", ["/json", "/either", "/any"])
@pytest.mark.parametrize("kind", ["text/plain", "", "application/json5", "multipart/form-data; boundary=x", "é"])
async def test_refuses_other_kinds_of_bodies(http: httpx.AsyncClient, path: str, kind: str) -> None:
    answer = await http.post(path, content=b'{"one": "a"}', headers={b"Content-Type": kind.encode("latin-1")})
    assert problem(answer) == (415, "body-type-unsupported")


@pytest.mark.parametrize("chunked", [False, True])
async def test_refuses_more_than_anything_needs(http: httpx.AsyncClient, chunked: bool) -> None:
    body = json.dumps({"one": "a"}).encode()

    async def pieces() -> AsyncIterator[bytes]:
        yield body.ljust(MAX_BODY)
        yield b" "

    fits = await http.post("/json", content=body.ljust(MAX_BODY), headers=JSON)
    assert fits.status_code == 201
    answer = await http.post("/json", content=pieces() if chunked else body.ljust(MAX_BODY + 1), headers=JSON)
    assert problem(answer) == (413, "body-too-large")
    assert answer.json()["limit"] == MAX_BODY


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"one=a&two=b", {"one": "a", "two": "b"}),
        (b"one=a+b%26%C3%A4&three=", {"one": "a b&ä", "two": None}),
        (b"one=", {"one": "", "two": None}),
        (b"one", {"one": "", "two": None}),
    ],
)
async def test_forms_are_taken_where_they_may_be(http: httpx.AsyncClient, body: bytes, found: Any) -> None:
    answer = await http.post("/either", content=body, headers=FORM)
    assert (answer.status_code, answer.json()) == (200, found)
    assert problem(await http.post("/json", content=body, headers=FORM)) == (415, "body-type-unsupported")


@pytest.mark.parametrize("body", [b"", b"two=b", b"one=%FF", b"one=\xc3\xa4", b"one=a&one=a", b"one=a&one=b"])
async def test_refuses_forms_that_lack_or_repeat_fields(http: httpx.AsyncClient, body: bytes) -> None:
    assert problem(await http.post("/either", content=body, headers=FORM)) == (422, "invalid-request")


async def test_a_body_may_be_left_out_where_that_is_said(http: httpx.AsyncClient) -> None:
    async def piece() -> AsyncIterator[bytes]:
        yield b'{"one": "chunked"}'

    assert (await http.post("/any")).json() == {"found": None}
    assert (await http.post("/any", json={"one": "a"})).json() == {"found": "a"}
    assert (await http.post("/any", content=piece(), headers=JSON)).json() == {"found": "chunked"}


async def test_refusals_become_problems_with_their_headers(http: httpx.AsyncClient) -> None:
    answer = await http.get("/refuse")
    assert problem(answer) == (403, "forbidden")
    assert (answer.headers["x-kept"], answer.json()["detail"]) == ("1", "Not here.")


async def test_failures_are_logged_and_told_nobody(http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture) -> None:
    answer = await http.get("/fail")
    assert problem(answer) == (500, "internal-error")
    assert "secret" not in answer.text
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize(("path", "allowed"), [("/json", "POST, OPTIONS"), ("/refuse", "GET, HEAD, OPTIONS")])
async def test_options_has_an_answer_that_browsers_take_for_leave(
    http: httpx.AsyncClient, path: str, allowed: str
) -> None:
    answer = await http.options(path)
    assert (answer.status_code, answer.headers["allow"], answer.content) == (204, allowed, b"")


async def test_a_client_that_goes_away_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="longshore")
    exchange = Exchange(APP, "POST", "/json", {**JSON, "Content-Length": "100"})
    exchange.feed(b'{"one":')
    exchange.disconnect()
    await exchange.task
    assert caplog.records == []
