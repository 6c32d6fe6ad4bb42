"""The endpoint: what becomes of errors, where URLs lead, and what no endpoint answers."""

import json
import shutil
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Mount
from tests.stateful.asgi import Response, request
from tests.stateful.model import STREAM, TUS

from longshore.app import build
from longshore.config import Settings
from longshore.http.problems import answer_http_exception

pytestmark = pytest.mark.anyio

ORIGIN = {"Origin": "https://app.example"}
PATCH = TUS | STREAM | ORIGIN


def code_of(answer: Response) -> str:
    assert answer.headers["content-type"] == "application/problem+json"
    problem = json.loads(answer.body)
    assert problem["status"] == answer.status
    assert {"type", "title", "detail"} <= problem.keys()
    code: str = problem["code"]
    return code


async def create(app: Starlette, data: bytes = b"abc", length: int = 10) -> str:
    fields = TUS | STREAM | {"Upload-Length": str(length), "Content-Length": str(len(data))}
    answer = await request(app, "POST", "/files", fields, data)
    assert answer.status == 201
    return answer.headers["location"]


async def damage(settings: Settings, location: str) -> None:
    """Put a directory where the upload's bytes should be: every access is an error of the operating system now."""
    upload_id = location.rsplit("/", 1)[-1]
    path = settings.uploads_dir / upload_id[:2] / upload_id
    path.unlink()
    path.mkdir()


async def test_unexpected_error_is_a_problem_document_that_browsers_may_read(
    app: Starlette, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    location = await create(app)
    await damage(settings, location)
    answer = await request(app, "PATCH", location, PATCH | {"Upload-Offset": "3", "Content-Length": "1"}, b"d")
    assert (answer.status, code_of(answer)) == (500, "internal-error")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["tus-resumable"] == "1.0.0"
    assert b"directory" not in answer.body
    assert any("a request failed: PATCH" in record.message for record in caplog.records)


async def test_unexpected_error_on_head_is_423_without_a_body(app: Starlette, settings: Settings) -> None:
    """tus-js-client starts again from byte 0 after any other error."""
    location = await create(app)
    await damage(settings, location)
    answer = await request(app, "HEAD", location, TUS | ORIGIN)
    assert (answer.status, answer.body) == (423, b"")
    assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("override", [{}, {"X-HTTP-Method-Override": "HEAD"}])
async def test_server_that_goes_down_is_423_on_head_and_503_on_anything_else(
    settings: Settings, override: dict[str, str]
) -> None:
    settings.data_dir.mkdir()
    app = build(settings, emit=lambda _: None)
    async with app.router.lifespan_context(app):
        location = await create(app)
    method = "POST" if override else "HEAD"
    assert (await request(app, method, location, TUS | override)).status == 423
    answer = await request(app, "PATCH", location, PATCH | {"Upload-Offset": "3"})
    assert (answer.status, code_of(answer)) == (503, "shutting-down")


@pytest.mark.parametrize(("fate", "status"), [("unknown", 404), ("deleted", 410)])
async def test_upload_that_is_really_gone_is_told_so_on_head(app: Starlette, fate: str, status: int) -> None:
    location = await create(app) if fate == "deleted" else "/files/unknown"
    if fate == "deleted":
        assert (await request(app, "DELETE", location, TUS)).status == 204
    answer = await request(app, "HEAD", location, TUS)
    assert (answer.status, answer.body) == (status, b"")


@pytest.mark.parametrize("path", ["/nowhere", "/files/a/b", "/filesystem"])
async def test_path_that_leads_nowhere_is_a_problem(app: Starlette, path: str) -> None:
    answer = await request(app, "GET", path)
    assert (answer.status, code_of(answer)) == (404, "not-found")


@pytest.mark.parametrize("path", ["/files", "/files/"])
@pytest.mark.parametrize("method", ["OPTIONS", "POST"])
async def test_creation_url_with_and_without_a_slash(app: Starlette, path: str, method: str) -> None:
    answer = await request(app, method, path, TUS | {"Upload-Length": "0"})
    assert answer.status in (200, 201)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/files", "POST, OPTIONS"),
        ("PUT", "/files", "POST, OPTIONS"),
        ("POST", "/files/x", "HEAD, PATCH, DELETE, GET, OPTIONS"),
    ],
)
async def test_method_that_the_url_does_not_know(app: Starlette, method: str, path: str, allowed: str) -> None:
    answer = await request(app, method, path, TUS)
    assert (answer.status, code_of(answer), answer.headers["allow"]) == (405, "method-not-allowed", allowed)


async def test_what_the_router_refuses_is_a_problem_too() -> None:
    asked = Request({"type": "http"})
    answer = await answer_http_exception(asked, HTTPException(405, headers={"Allow": "GET"}))
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
    assert json.loads(bytes(answer.body))["code"] == "method-not-allowed"


async def test_location_includes_the_mount_point(settings: Settings) -> None:
    settings.data_dir.mkdir()
    inner = build(settings, emit=lambda _: None)
    outer = Starlette(routes=[Mount("/a b/up", inner)])
    async with inner.router.lifespan_context(inner):
        created = await request(outer, "POST", "/a b/up/files", TUS | {"Upload-Length": "3"})
        location = created.headers["location"]
        assert location.startswith("/a%20b/up/files/")
        assert (await request(outer, "HEAD", location.replace("%20", " "), TUS)).status == 200


@pytest.mark.parametrize("public", ["https://files.example", "https://example/base"])
async def test_location_is_absolute_where_the_server_knows_its_url(tmp_path: Path, public: str) -> None:
    app = build(Settings(data_dir=tmp_path, auth="none", public_url=public), emit=lambda _: None)
    async with app.router.lifespan_context(app):
        answer = await request(app, "POST", "/files", TUS | {"Upload-Length": "3"})
    assert answer.headers["location"].startswith(f"{public}/files/")


async def test_get_of_a_finished_upload(app: Starlette) -> None:
    answer = await request(app, "GET", await create(app, b"abc", 3))
    assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"abc", "3")
    assert answer.headers["content-disposition"] == "attachment"


async def test_get_of_an_unfinished_upload(app: Starlette) -> None:
    answer = await request(app, "GET", await create(app))
    assert (answer.status, code_of(answer)) == (409, "upload-unfinished")


async def test_get_of_an_upload_whose_bytes_are_lost_does_not_begin_as_if_they_were_there(
    app: Starlette, settings: Settings
) -> None:
    location = await create(app, b"abc", 3)
    shutil.rmtree(settings.uploads_dir)
    answer = await request(app, "GET", location)
    assert answer.status >= 500
