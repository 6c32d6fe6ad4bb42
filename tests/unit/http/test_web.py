"""The browser client as it is served, and what it is told before anybody has signed in."""

import gzip
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from tests.conformance.embedded import embedded

from longshore.http import web
from longshore.http.operations import routes
from longshore.http.web import WebClient

pytestmark = pytest.mark.anyio

PAGE = "<!doctype html><title>Longshore</title>"
SCRIPT = "console.log('hello');\n" * 100
PICTURE = b"\x89PNG"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data: blob:;"
    " font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


@pytest.fixture
def build(tmp_path: Path) -> Path:
    """What a build looks like."""
    directory = tmp_path / "build"
    (directory / "assets" / "folder").mkdir(parents=True)
    (directory / "index.html").write_text(PAGE)
    (directory / "secret.txt").write_text("secret")
    (directory / "assets" / "index-1a2b.js").write_text(SCRIPT)
    (directory / "assets" / "dot-1a2b.png").write_bytes(PICTURE)
    return directory


@pytest.fixture
async def http(anyio_backend: str, build: Path) -> AsyncIterator[httpx.AsyncClient]:
    app = Starlette(routes=routes(WebClient(build).operations()))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        yield client


async def test_the_page_is_asked_for_anew_each_time(http: httpx.AsyncClient) -> None:
    answer = await http.get("/")
    assert (answer.status_code, answer.text) == (200, PAGE)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"


async def test_assets_are_kept_for_a_year(http: httpx.AsyncClient) -> None:
    answer = await http.get("/assets/index-1a2b.js")
    assert (answer.status_code, answer.text) == (200, SCRIPT)
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize("path", ["/", "/assets/index-1a2b.js"])
async def test_nothing_runs_that_is_not_a_file_of_ours(http: httpx.AsyncClient, path: str) -> None:
    headers = (await http.get(path)).headers
    assert headers["content-security-policy"] == POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


async def test_uploads_may_go_to_the_public_url_as_well(build: Path) -> None:
    app = Starlette(routes=routes(WebClient(build, public_url="https://files.example.org/deep").operations()))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        policy = (await client.get("/")).headers["content-security-policy"]
        assert "connect-src 'self' https://files.example.org;" in policy


async def test_another_build_takes_the_place_of_the_one_before(http: httpx.AsyncClient, build: Path) -> None:
    assert (await http.get("/")).text == PAGE
    assert (await http.get("/assets/index-1a2b.js")).text == SCRIPT
    (build / "assets" / "index-1a2b.js").unlink()
    (build / "assets" / "index-3c4d.js").write_text("new()")
    (build / "index.html").write_text(PAGE.replace("Longshore", "Another"))
    assert "Another" in (await http.get("/")).text
    assert (await http.get("/assets/index-3c4d.js")).text == "new()"
    assert (await http.get("/assets/index-1a2b.js")).status_code == 404


async def test_an_asset_is_found_whichever_process_has_shown_the_page(http: httpx.AsyncClient, build: Path) -> None:
    assert (await http.get("/")).text == PAGE
    (build / "assets" / "index-3c4d.js").write_text("new()")
    assert (await http.get("/assets/index-3c4d.js")).text == "new()"


async def test_while_a_build_is_replaced_the_one_before_is_shown(http: httpx.AsyncClient, build: Path) -> None:
    for path in ("/", "/assets/index-1a2b.js"):
        assert (await http.get(path)).status_code == 200
    shutil.rmtree(build)
    assert (await http.get("/")).text == PAGE
    assert (await http.get("/assets/index-1a2b.js")).text == SCRIPT
    assert (await http.get("/assets/dot-1a2b.png")).status_code == 404


async def test_a_build_that_went_before_anybody_asked_is_not_there(http: httpx.AsyncClient, build: Path) -> None:
    shutil.rmtree(build)
    answer = await http.get("/")
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip, deflate, br", "gzip"),
        ("br;q=1.0, GZIP;q=0.5", "gzip"),
        ("gzip;q=0", None),
        ("gzip; q=0.0, br", None),
        ("identity", None),
        ("", None),
    ],
)
async def test_compresses_for_those_who_take_it(http: httpx.AsyncClient, accepted: str, coding: str | None) -> None:
    async with http.stream("GET", "/assets/index-1a2b.js", headers={"Accept-Encoding": accepted}) as answer:
        raw = b"".join([piece async for piece in answer.aiter_raw()])
    assert answer.headers.get("content-encoding") == coding
    assert answer.headers["vary"] == "Accept-Encoding"
    assert int(answer.headers["content-length"]) == len(raw)
    assert (gzip.decompress(raw) if coding else raw).decode() == SCRIPT


async def test_compresses_nothing_that_does_not_get_smaller(http: httpx.AsyncClient) -> None:
    answer = await http.get("/assets/dot-1a2b.png", headers={"Accept-Encoding": "gzip"})
    assert (answer.content, answer.headers.get("content-encoding")) == (PICTURE, None)


@pytest.mark.parametrize("path", ["/", "/assets/index-1a2b.js"])
async def test_answers_head_and_options(http: httpx.AsyncClient, path: str) -> None:
    head, get = await http.head(path), await http.get(path)
    assert head.status_code == 200
    assert head.headers == get.headers
    assert (await http.options(path)).headers["allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize(
    "name", ["index-other.js", "folder", "..%2Findex.html", "..%2Fsecret.txt", "%2e%2e%2fsecret.txt", "", "a%00b"]
)
async def test_gives_nothing_else(http: httpx.AsyncClient, name: str) -> None:
    answer = await http.get(f"/assets/{name}")
    assert answer.status_code == 404
    assert "secret" not in answer.text


async def test_the_build_is_found_in_a_package_before_a_checkout(
    build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = tmp_path / "nothing"
    monkeypatch.setattr(web, "BUILDS", (nothing, nothing))
    assert WebClient.find() is None
    monkeypatch.setattr(web, "BUILDS", (nothing, build))
    assert WebClient.find() is not None


# In the application


async def test_is_served_by_the_application_and_unknown_paths_are_problems(
    build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "BUILDS", (build,))
    async with embedded(tmp_path, mount="/uploads") as app:
        assert (await app.http.get("/uploads/")).text == PAGE
        assert (await app.http.get("/uploads/assets/index-1a2b.js")).text == SCRIPT
        for path in ("/uploads/other", "/uploads/index.html", "/uploads/assets/other.js"):
            answer = await app.http.get(path)
            assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


async def test_is_not_there_where_it_is_not_wanted_or_has_not_been_built(
    build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="longshore.app.api")
    monkeypatch.setattr(web, "BUILDS", (build,))
    async with embedded(tmp_path / "unwanted", web_client=False) as app:
        assert (await app.http.get("/")).json()["code"] == "not-found"
    assert not caplog.messages
    monkeypatch.setattr(web, "BUILDS", ())
    async with embedded(tmp_path / "unbuilt") as app:
        assert (await app.http.get("/")).json()["code"] == "not-found"
    assert len(caplog.messages) == 1
    assert "make web-client" in caplog.messages[0]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, {"auth": "none", "registration": "off"}),
        ({"auth": "local"}, {"auth": "local", "registration": "off"}),
        ({"auth": "local", "registration": "invite"}, {"auth": "local", "registration": "invite"}),
        ({"registration": "open"}, {"auth": "none", "registration": "off"}),
        ({"max_size": 1000}, {"max_size": 1000}),
        ({"checksum": "none"}, {"checksum": "none"}),
        ({"allowed_extensions": ".iso,.tar.gz"}, {"allowed_extensions": [".iso", ".tar.gz"]}),
        ({"base_path": "/u"}, {"upload_path": "/u"}),
    ],
)
async def test_the_configuration_is_told_to_everybody(
    tmp_path: Path, settings: dict[str, Any], told: dict[str, Any]
) -> None:
    usual: dict[str, Any] = {
        "auth": "none",
        "registration": "off",
        "upload_path": "/files",
        "max_size": None,
        "checksum": "sha256",
        "allowed_extensions": [],
    }
    async with embedded(tmp_path, **{"admin_password": "correct horse battery staple"} | settings) as app:
        answer = await app.http.get("/api/configuration")
        assert (answer.status_code, answer.json()) == (200, usual | told)


async def test_the_upload_path_is_told_as_it_is_from_outside(tmp_path: Path) -> None:
    async with embedded(tmp_path, mount="/uploads") as app:
        assert (await app.http.get("/uploads/api/configuration")).json()["upload_path"] == "/uploads/files"
