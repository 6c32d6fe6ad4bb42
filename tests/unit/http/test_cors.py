"""CORS: on every response of an allowed origin, and on none of any other."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.types import Message, Receive, Scope, Send
from tests.stateful.asgi import Response, request
from tests.stateful.model import TUS

from longshore.app import build
from longshore.config import Settings
from longshore.http.cors import Cors

pytestmark = pytest.mark.anyio

ORIGIN = {"Origin": "https://app.example"}
PREFLIGHT = ORIGIN | {"Access-Control-Request-Method": "PATCH"}

SENT_BY_CLIENTS = {
    "authorization",
    "content-type",
    "tus-resumable",
    "upload-checksum",
    "upload-concat",
    "upload-defer-length",
    "upload-length",
    "upload-metadata",
    "upload-offset",
    "x-http-method-override",
    "x-request-id",
}
READ_BY_CLIENTS = {
    "content-disposition",
    "location",
    "repr-digest",
    "tus-checksum-algorithm",
    "tus-extension",
    "tus-max-size",
    "tus-resumable",
    "tus-version",
    "upload-concat",
    "upload-defer-length",
    "upload-expires",
    "upload-length",
    "upload-metadata",
    "upload-offset",
}


async def teapot(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 418, "headers": [(b"x-kept", b"1")]})
    await send({"type": "http.response.body", "body": b"short and stout"})


async def ask(origins: Sequence[str], headers: dict[str, str], method: str = "GET") -> Response:
    return await request(Cors(teapot, origins=origins), method, "/", headers)


def listed(value: str) -> set[str]:
    return {name.strip().lower() for name in value.split(",")}


async def test_any_origin_by_default() -> None:
    answer = await ask(["*"], ORIGIN)
    assert answer.headers["access-control-allow-origin"] == "*"
    assert listed(answer.headers["access-control-expose-headers"]) >= READ_BY_CLIENTS
    assert (answer.status, answer.headers["x-kept"], answer.body) == (418, "1", b"short and stout")
    assert "vary" not in answer.headers


async def test_no_cookies_are_ever_involved() -> None:
    for method in ("GET", "OPTIONS"):
        assert "access-control-allow-credentials" not in (await ask(["*"], PREFLIGHT, method)).headers


async def test_request_from_no_other_origin_gets_nothing() -> None:
    assert not any(name.startswith("access-control") for name in (await ask(["*"], {})).headers)


async def test_listed_origin_is_named_and_caches_are_told() -> None:
    answer = await ask(["https://other.example", "https://app.example"], ORIGIN)
    assert answer.headers["access-control-allow-origin"] == "https://app.example"
    assert answer.headers["vary"] == "Origin"


@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
@pytest.mark.parametrize(
    "origin", ["https://evil.example", "https://app.example.evil.example", "http://app.example", "null", ""]
)
async def test_origin_that_is_not_allowed_gets_no_cors_headers_but_the_answer(method: str, origin: str) -> None:
    answer = await ask(["https://app.example"], PREFLIGHT | {"Origin": origin}, method)
    assert answer.status == 418
    assert not any(name.startswith("access-control") for name in answer.headers)
    assert answer.headers["vary"] == "Origin"


async def test_no_origin_at_all_may_be_allowed() -> None:
    answer = await ask([], ORIGIN)
    assert not any(name.startswith("access-control") for name in answer.headers)


async def test_preflight_is_told_everything_that_a_client_sends() -> None:
    answer = await ask(["*"], PREFLIGHT, "OPTIONS")
    assert listed(answer.headers["access-control-allow-headers"]) >= SENT_BY_CLIENTS
    assert listed(answer.headers["access-control-allow-methods"]) >= {"post", "head", "patch", "delete", "get"}
    assert int(answer.headers["access-control-max-age"]) > 0


async def test_options_of_a_client_that_asks_for_itself_is_no_preflight() -> None:
    assert "access-control-allow-methods" not in (await ask(["*"], ORIGIN, "OPTIONS")).headers


async def test_what_is_not_http_passes_untouched() -> None:
    seen: list[str] = []

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    async def receive() -> Message:
        return {"type": "lifespan.startup"}

    async def send(_: Message) -> None:
        """Nobody listens."""

    await Cors(inner, origins=["*"])({"type": "lifespan"}, receive, send)
    assert seen == ["lifespan"]


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("OPTIONS", "/files", {}, 200),
        ("POST", "/files", TUS | {"Upload-Length": "3"}, 201),
        ("POST", "/files", TUS, 400),
        ("POST", "/files", {}, 412),
        ("HEAD", "/files/unknown", TUS, 404),
        ("GET", "/files/unknown", {}, 404),
        ("GET", "/files", {}, 405),
        ("PATCH", "/files/unknown", TUS, 415),
        ("GET", "/nowhere", {}, 404),
    ],
)
async def test_every_response_has_them(
    app: Starlette, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    answer = await request(app, method, path, ORIGIN | headers)
    assert answer.status == status
    assert answer.headers["access-control-allow-origin"] == "*"
    assert [name for name, _ in answer.fields].count("access-control-allow-origin") == 1


async def test_origins_come_from_the_settings(tmp_path: Path) -> None:
    app = build(Settings(data_dir=tmp_path, auth="none", cors_origins=("https://app.example",)))
    assert (await request(app, "OPTIONS", "/files", ORIGIN)).headers["access-control-allow-origin"]
    answer = await request(app, "OPTIONS", "/files", {"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in answer.headers
