"""Without a token, or with one that has ended: refused before anything happens."""

import os
import time
from collections.abc import Iterator

import pytest
from tests.e2e.accounts import (
    INVALID,
    PASSWORD,
    User,
    ask,
    assert_challenged,
    bearer,
    register,
    sign_in,
)
from tests.e2e.samples import MEGABYTE
from tests.e2e.wire import (
    Sender,
    all_stored,
    await_answer,
    begin_patch,
    code_of,
    create,
    patch,
    poll,
    request,
    stored_size,
)
from tests.serving import OFFSET_STREAM, TUS, Connection, Server, serving

pytestmark = pytest.mark.e2e

LENGTH = 40 * MEGABYTE
ORIGIN = {"Origin": "https://app.example"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("server")
    with serving(directory / "data", auth="local", admin_password=PASSWORD, registration="open") as running:
        yield running


@pytest.fixture(scope="module")
def ann(server: Server) -> User:
    return register(server, "ann")


@pytest.fixture
def path(server: Server, ann: User) -> str:
    return create(server, LENGTH, ann.bearer)


def offset_of(server: Server, path: str, user: User) -> int:
    return int(request(server, "HEAD", path, user.bearer).headers["upload-offset"])


@pytest.mark.parametrize("method", ["HEAD", "PATCH", "DELETE", "GET", "POST"])
@pytest.mark.parametrize("which", ["an upload", "no upload", "the creation URL"])
def test_refuses_every_method(server: Server, path: str, method: str, which: str) -> None:
    where = {"an upload": path, "no upload": "/files/unknown", "the creation URL": "/files"}[which]
    headers = {**OFFSET_STREAM, "Upload-Offset": "0", "Upload-Length": "3", **ORIGIN}

    answer = request(server, method, where, headers)

    assert_challenged(answer, head_only=method == "HEAD")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "www-authenticate" in answer.headers["access-control-expose-headers"].lower()


def test_refuses_a_method_in_disguise(server: Server, path: str, ann: User) -> None:
    for method in ("PATCH", "DELETE", "HEAD"):
        assert request(server, "POST", path, {"X-HTTP-Method-Override": method}).status == 401
    assert offset_of(server, path, ann) == 0


@pytest.mark.parametrize("where", ["/files", "/files/unknown"])
def test_options_and_preflights_need_no_token(server: Server, where: str) -> None:
    options = request(server, "OPTIONS", where, {})
    assert options.status == 200
    assert {"tus-version", "tus-extension"} <= options.headers.keys()
    preflight = request(server, "OPTIONS", where, {**ORIGIN, "Access-Control-Request-Method": "PATCH"})
    assert preflight.status == 200
    assert "authorization" in preflight.headers["access-control-allow-headers"].lower()


@pytest.mark.parametrize("token", [None, "a.b.c"])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_not_a_byte_is_written(server: Server, path: str, ann: User, framing: str, token: str | None) -> None:
    body = os.urandom(30 * MEGABYTE)
    shown = bearer(token) if token else {}
    with Connection(server.port) as connection:
        begin_patch(connection, path, 0, len(body) if framing == "length" else None, shown)
        connection.send(body) if framing == "length" else connection.send_chunk(body)
        answer = connection.read_answer()

    assert_challenged(answer, INVALID if token else 'Bearer realm="longshore"')
    assert stored_size(server, path) == 0
    assert offset_of(server, path, ann) == 0


def test_nothing_is_created(server: Server) -> None:
    before = all_stored(server)
    headers = {**OFFSET_STREAM, "Upload-Length": str(10 * MEGABYTE)}

    assert_challenged(request(server, "POST", "/files", headers, os.urandom(10 * MEGABYTE)))
    assert_challenged(request(server, "POST", "/files", {"Upload-Concat": "final;/files/a"}))
    assert all_stored(server) == before


def test_the_body_is_not_asked_for(server: Server, path: str) -> None:
    with Connection(server.port) as connection:
        begin_patch(connection, path, 0, 10, {"Expect": "100-continue"})

        assert_challenged(connection.read_answer())
        assert await_answer(connection, within=3) is None


@pytest.mark.parametrize("query", ["access_token", "token", "bearer_token", "authorization"])
def test_refuses_a_token_in_the_query(server: Server, path: str, ann: User, query: str) -> None:
    with Connection(server.port) as connection:
        answer = connection.request("HEAD", f"{path}?{query}={ann.access_token}", TUS)
    assert_challenged(answer, head_only=True)


def test_refuses_two_tokens_and_what_is_none(server: Server, path: str, ann: User) -> None:
    with Connection(server.port) as connection:
        connection.send_head("HEAD", path, {**TUS, **ann.bearer, "authorization": f"Bearer {ann.access_token}"})
        assert_challenged(connection.read_answer(head_only=True), INVALID, head_only=True)
    for field in ("Basic YWRtaW46YQ==", ann.access_token, f"Bearer {ann.refresh_token}", f"Bearer {'a' * 9000}"):
        answer = request(server, "PATCH", path, {"Authorization": field}, b"abc")
        assert_challenged(answer, INVALID)
        assert code_of(answer) == "invalid-token"


def test_a_head_that_is_too_large_is_refused_before_the_token_is_looked_at(server: Server, path: str) -> None:
    assert request(server, "PATCH", path, bearer("a" * 70_000)).status == 431


def test_the_headers_of_tus_are_intact_with_a_token(server: Server, path: str, ann: User) -> None:
    patched = patch(server, path, 0, b"abc", ann.bearer)
    assert (patched.status, patched.headers["upload-offset"], patched.headers["tus-resumable"]) == (204, "3", "1.0.0")
    seen = request(server, "HEAD", path, ann.bearer)
    assert (seen.headers["upload-offset"], seen.headers["upload-length"]) == ("3", str(LENGTH))
    wrong = patch(server, path, 0, b"abc", ann.bearer)
    assert (wrong.status, wrong.headers["upload-offset"]) == (409, "3")


@pytest.mark.slow
def test_a_patch_whose_token_ends_meanwhile_is_finished_and_the_next_is_refused(server: Server) -> None:
    data = os.urandom(2 * MEGABYTE)
    settings = {"access_token_ttl": "2s", "jwt_leeway": "0", "checkpoint_interval": "0.1"}
    with serving(server.data_dir.parent / "short", auth="local", admin_password=PASSWORD, **settings) as short:
        user = sign_in(short)
        path = create(short, len(data) + 1, user.bearer)
        with Sender(short, path, data, rate=len(data) / 4, headers=user.bearer) as sender:
            started = time.monotonic()
            poll(lambda: ask(short, "/auth/me", user.bearer).status == 401, every=0.1)
            assert time.monotonic() - started < 3
            assert 0 < sender.sent < len(data), "the token has to end while the request runs"
            answer = sender.finished()

        assert answer is not None
        assert (answer.status, answer.headers["upload-offset"]) == (204, str(len(data)))
        late = patch(short, path, len(data), b"!", user.bearer)
        assert_challenged(late, INVALID)
        assert stored_size(short, path) == len(data)
        refreshed = ask(short, "/auth/refresh", refresh_token=user.refresh_token)
        assert refreshed.status == 200
        assert patch(short, path, len(data), b"!", sign_in(short).bearer).status == 204
