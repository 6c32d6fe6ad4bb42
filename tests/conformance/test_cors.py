"""Cross-origin requests: what browsers need to see, and what origins that are not allowed must not."""

import pytest
from tests.conformance.client import UNKNOWN, Client, Serve
from tests.serving import OFFSET_STREAM, TUS, Answer

ORIGIN = "https://app.example"
ALLOWED = ("https://a.example", "https://b.example:8443")

REQUEST_HEADERS = {
    "authorization",
    "content-type",
    "tus-resumable",
    "upload-length",
    "upload-defer-length",
    "upload-offset",
    "upload-metadata",
    "upload-concat",
    "upload-checksum",
    "x-http-method-override",
    "x-request-id",
}
RESPONSE_HEADERS = {
    "location",
    "tus-resumable",
    "tus-version",
    "tus-extension",
    "tus-max-size",
    "tus-checksum-algorithm",
    "upload-offset",
    "upload-length",
    "upload-defer-length",
    "upload-metadata",
    "upload-concat",
    "upload-expires",
}


def listed(answer: Answer, name: str) -> set[str]:
    return {item.strip().lower() for item in answer.headers.get(name, "").split(",")}


def preflight(tus: Client, path: str, method: str, origin: str, wanted: set[str]) -> Answer:
    headers = {"Origin": origin, "Access-Control-Request-Method": method}
    return tus.request("OPTIONS", path, {**headers, "Access-Control-Request-Headers": ",".join(sorted(wanted))})


def cors_headers(answer: Answer) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.startswith("access-control-")}


def answers(tus: Client, origin: str) -> dict[str, Answer]:
    """A response of every kind, each to a request from the origin."""
    own = {"Origin": origin}
    half, whole, gone = tus.new(10, b"12345"), tus.file(b"12345"), tus.new(1)
    tus.delete(gone)
    mismatch = {**own, "Upload-Checksum": "sha1 2jmj7l5rSw0yVb/vlWAYkK/YBwk="}
    return {
        "200 options": tus.request("OPTIONS", "/files", own),
        "200 options upload": tus.request("OPTIONS", half, own),
        "200 preflight": preflight(tus, "/files", "POST", origin, {"tus-resumable"}),
        "200 preflight upload": preflight(tus, half, "PATCH", origin, {"upload-offset"}),
        "200 head": tus.head(half, own),
        "200 get": tus.get(whole, own),
        "201 post": tus.post({**own, "Upload-Length": "5"}),
        "400 post": tus.post(own),
        "404 head": tus.head(UNKNOWN, own),
        "404 get": tus.get(UNKNOWN, own),
        "404 patch": tus.patch(UNKNOWN, 0, b"1", own),
        "404 path": tus.get("/elsewhere", own),
        "404 nowhere": tus.get("/nowhere", own),
        "404 deeper": tus.post({**own, "Upload-Length": "5"}, path="/files/x/y"),
        "405 post": tus.post({**own, "Upload-Length": "5"}, path=half),
        "405 get": tus.get("/files", own),
        "405 put": tus.request("PUT", half, {**TUS, **own}),
        "409 get": tus.get(half, own),
        "409 patch": tus.patch(half, 0, b"1", own),
        "410 head": tus.head(gone, own),
        "410 get": tus.get(gone, own),
        "412 head": tus.request("HEAD", half, own),
        "413 patch": tus.patch(half, 5, b"678901", own),
        "413 chunked": tus.patch(half, 5, iter([b"678901"]), own),
        "415 patch": tus.patch(half, 5, b"6", {**own, "Content-Type": "text/plain"}),
        "431 post": tus.post({**own, "Upload-Length": "5", "Upload-Metadata": "a" * 9000}),
        "460 patch": tus.patch(half, 5, b"6", mismatch),
        "204 patch": tus.patch(half, 5, b"6", own),
        "204 delete": tus.request("DELETE", half, {**TUS, **own}),
    }


@pytest.mark.requirement("ls-cors-everywhere", "ls-cors-origins")
def test_every_response_may_be_read_by_any_origin(tus: Client) -> None:
    for name, answer in answers(tus, ORIGIN).items():
        assert answer.status == int(name.split()[0]), (name, answer)
        assert answer.headers.get("access-control-allow-origin") == "*", name
        assert listed(answer, "access-control-expose-headers") >= RESPONSE_HEADERS, name
        assert "access-control-allow-credentials" not in answer.headers, name
        assert "set-cookie" not in answer.headers, name


@pytest.mark.requirement("ls-cors-everywhere")
def test_a_full_server_may_be_read_too(serve: Serve) -> None:
    tus = serve(disk_reserve="1000000GB")
    answer = tus.post({"Origin": ORIGIN, "Upload-Length": "5"})
    assert answer.status == 507
    assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.requirement("ls-cors-preflight")
@pytest.mark.parametrize("method", ["POST", "HEAD", "PATCH", "DELETE", "GET"])
@pytest.mark.parametrize("path", ["/files", "/files/", UNKNOWN])
def test_a_preflight_allows_every_tus_request(tus: Client, path: str, method: str) -> None:
    answer = preflight(tus, path, method, ORIGIN, REQUEST_HEADERS)
    assert 200 <= answer.status < 300
    assert answer.headers["access-control-allow-origin"] == "*"
    assert method.lower() in listed(answer, "access-control-allow-methods")
    assert listed(answer, "access-control-allow-headers") >= REQUEST_HEADERS
    assert int(answer.headers["access-control-max-age"]) > 0
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.requirement("ls-cors-preflight")
def test_a_preflight_is_no_creation(tus: Client) -> None:
    before = tus.live()
    preflight(tus, "/files", "POST", ORIGIN, REQUEST_HEADERS)
    assert tus.live() == before


@pytest.fixture(scope="module")
def choosy(serve: Serve) -> Client:
    return serve(cors_origins=",".join(ALLOWED))


@pytest.mark.requirement("ls-cors-origins", "ls-cors-everywhere")
@pytest.mark.parametrize("origin", ALLOWED)
def test_an_allowed_origin_may_read_every_response(choosy: Client, origin: str) -> None:
    for name, answer in answers(choosy, origin).items():
        assert answer.headers.get("access-control-allow-origin") == origin, name
        assert listed(answer, "access-control-expose-headers") >= RESPONSE_HEADERS, name
        assert "origin" in listed(answer, "vary"), name


@pytest.mark.requirement("ls-cors-origins")
def test_another_origin_gets_no_cors_headers_at_all(choosy: Client) -> None:
    for name, answer in answers(choosy, "https://evil.example").items():
        assert cors_headers(answer) == {}, name
        assert "origin" in listed(answer, "vary"), name


@pytest.mark.requirement("ls-cors-origins")
@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "*",
        "",
        "http://a.example",
        "https://a.example:444",
        "https://a.example.evil",
        "https://x.a.example",
        "https://b.example",
        "https://a.example https://b.example:8443",
        "https://a.example,https://b.example:8443",
    ],
)
def test_an_origin_is_allowed_as_a_whole(choosy: Client, origin: str) -> None:
    assert cors_headers(preflight(choosy, "/files", "POST", origin, REQUEST_HEADERS)) == {}
    assert cors_headers(choosy.post({"Origin": origin, "Upload-Length": "5"})) == {}


@pytest.mark.requirement("ls-cors-origins")
def test_no_origin_is_allowed_where_none_is_configured(serve: Serve) -> None:
    closed = serve(cors_origins="none")
    for name, answer in answers(closed, ORIGIN).items():
        assert cors_headers(answer) == {}, name


@pytest.mark.requirement("ls-cors-preflight")
def test_a_preflight_of_a_browser_looks_at_the_same_headers_as_a_request(choosy: Client) -> None:
    headers = {**TUS, **OFFSET_STREAM, "Origin": ALLOWED[0], "Upload-Length": "5"}
    assert choosy.request("POST", "/files", headers, b"12345").headers["access-control-allow-origin"] == ALLOWED[0]
