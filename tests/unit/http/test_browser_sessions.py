"""Signing in from a browser: what the script gets, what the cookie holds, and who may ask."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from http.cookies import Morsel, SimpleCookie
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.conformance.embedded import Embedded, embedded
from tests.unit.auth.world import payload_of

from longshore.http import browser_sessions

pytestmark = pytest.mark.anyio

PASSWORD = "correct horse battery staple"
ADMIN = {"username": "admin", "password": PASSWORD}
PAGE = {"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"}
COOKIE = "longshore_session"


@pytest.fixture
async def app(anyio_backend: str, tmp_path: Path) -> AsyncIterator[Embedded]:
    async with embedded(tmp_path, auth="local", admin_password=PASSWORD) as app:
        yield app


def cookie_of(answer: httpx.Response) -> "Morsel[str]":
    """The cookie that an answer sets; kept out of the client's jar, so that tests send what they want to."""
    return SimpleCookie(answer.headers["set-cookie"])[COOKIE]


async def ask(
    app: Embedded, method: str, path: str, *, cookie: str | None = None, headers: Mapping[str, str] = PAGE, **sent: Any
) -> httpx.Response:
    app.http.cookies.clear()
    shown = {} if cookie is None else {"Cookie": f"{COOKIE}={cookie}"}
    return await app.http.request(method, path, headers={**headers, **shown}, **sent)


async def begin(app: Embedded, **changes: str) -> httpx.Response:
    return await ask(app, "POST", "/auth/session", json=ADMIN | changes)


async def refresh(app: Embedded, cookie: str | None) -> httpx.Response:
    return await ask(app, "POST", "/auth/session/refresh", cookie=cookie, json={})


async def is_good(app: Embedded, token: str) -> bool:
    return (await app.http.get("/auth/me", headers={"Authorization": f"Bearer {token}"})).status_code == 200


def outcome(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_the_script_gets_the_access_token_alone(app: Embedded) -> None:
    answer = await begin(app)
    given = answer.json()
    assert given.keys() == {"access_token", "token_type", "expires_in"}
    assert (given["token_type"], given["expires_in"], answer.headers["cache-control"]) == ("bearer", 900, "no-store")
    assert await is_good(app, given["access_token"])
    assert cookie_of(answer).value not in answer.text


async def test_the_cookie_is_for_nobody_but_the_browser(app: Embedded) -> None:
    cookie = cookie_of(await begin(app))
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "strict", "/auth")
    assert int(cookie["max-age"]) == 30 * 86_400
    assert not cookie["domain"]


@pytest.mark.parametrize(("origin", "secure"), [("http://localhost", ""), ("https://localhost", True)])
async def test_the_cookie_is_for_https_alone_where_the_browser_speaks_it(
    app: Embedded, origin: str, secure: object
) -> None:
    headers = {"Sec-Fetch-Site": "same-origin", "Origin": origin}
    answer = await ask(app, "POST", "/auth/session", headers=headers, json=ADMIN)
    assert cookie_of(answer)["secure"] == secure


async def test_the_cookie_belongs_to_the_path_that_the_server_is_mounted_at(tmp_path: Path) -> None:
    async with embedded(tmp_path, mount="/uploads", auth="local", admin_password=PASSWORD) as app:
        answer = await ask(app, "POST", "/uploads/auth/session", json=ADMIN)
        assert cookie_of(answer)["path"] == "/uploads/auth"


async def test_refuses_a_wrong_password_and_sets_no_cookie(app: Embedded) -> None:
    answer = await begin(app, password="wrong password")
    assert outcome(answer) == (401, "invalid-credentials")
    assert "set-cookie" not in answer.headers


async def test_a_refresh_gives_another_token_of_the_same_session_and_another_cookie(app: Embedded) -> None:
    first = await begin(app)
    app.clock.advance(minutes=10)
    second = await refresh(app, cookie_of(first).value)
    assert second.status_code == 200
    assert cookie_of(second).value != cookie_of(first).value
    old, new = (answer.json()["access_token"] for answer in (first, second))
    assert payload_of(new)["sid"] == payload_of(old)["sid"]
    assert payload_of(new)["exp"] - payload_of(old)["exp"] == 600
    assert await is_good(app, new)


async def test_without_a_cookie_there_is_nothing_to_go_on_with(app: Embedded) -> None:
    answer = await refresh(app, None)
    assert (answer.status_code, answer.content) == (204, b"")
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("cookie", ["", "made-up", f"{'a' * 43}.0.{'b' * 43}"])
async def test_refuses_a_cookie_that_is_none_of_ours(app: Embedded, cookie: str) -> None:
    assert outcome(await refresh(app, cookie)) == (401, "invalid-token")


async def test_a_refresh_whose_answer_was_lost_can_be_repeated(app: Embedded) -> None:
    cookie = cookie_of(await begin(app)).value
    first = await refresh(app, cookie)
    app.clock.advance(seconds=29)
    again = await refresh(app, cookie)
    assert cookie_of(again).value == cookie_of(first).value
    assert again.json()["expires_in"] == first.json()["expires_in"] - 29
    assert (await refresh(app, cookie_of(again).value)).status_code == 200


async def test_refreshes_at_the_same_time_get_the_same_answer(app: Embedded) -> None:
    cookie = cookie_of(await begin(app)).value
    answers = await asyncio.gather(*(refresh(app, cookie) for _ in range(5)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({cookie_of(answer).value for answer in answers}) == 1


async def test_only_so_many_refreshes_can_be_repeated(app: Embedded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser_sessions, "_REMEMBERED", 2)
    cookies = [cookie_of(await begin(app)).value for _ in range(3)]
    for cookie in cookies:
        assert (await refresh(app, cookie)).status_code == 200
    assert (await refresh(app, cookies[2])).status_code == 200
    assert outcome(await refresh(app, cookies[0])) == (401, "invalid-token")


async def test_a_cookie_that_is_used_again_later_ends_the_session(app: Embedded) -> None:
    stolen = cookie_of(await begin(app)).value
    current = await refresh(app, stolen)
    app.clock.advance(seconds=31)
    assert outcome(await refresh(app, stolen)) == (401, "invalid-token")
    assert outcome(await refresh(app, cookie_of(current).value)) == (401, "invalid-token")
    assert not await is_good(app, current.json()["access_token"])


async def test_signing_out_ends_the_session_and_takes_the_cookie_away(app: Embedded) -> None:
    begun = await begin(app)
    answer = await ask(app, "DELETE", "/auth/session", cookie=cookie_of(begun).value)
    assert answer.status_code == 204
    gone = cookie_of(answer)
    assert (gone.value, gone["max-age"], gone["path"]) == ("", "0", "/auth")
    assert not await is_good(app, begun.json()["access_token"])
    assert outcome(await refresh(app, cookie_of(begun).value)) == (401, "invalid-token")


async def test_signing_out_without_a_session_is_fine(app: Embedded) -> None:
    assert (await ask(app, "DELETE", "/auth/session")).status_code == 204


FOREIGN: list[dict[str, str]] = [
    {},
    {"Host": ""},
    {"Origin": "null"},
    {"Origin": "http://evil.example"},
    {"Origin": "http://localhost.evil.example"},
    {"Origin": "http://localhost:8001"},
    {"Origin": "http://localhost", "Sec-Fetch-Site": "cross-site"},
    {"Origin": "http://localhost", "Sec-Fetch-Site": "same-site"},
    {"Origin": "http://localhost", "Sec-Fetch-Site": "none"},
]


@pytest.mark.parametrize("headers", FOREIGN)
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/auth/session"), ("POST", "/auth/session/refresh"), ("DELETE", "/auth/session")]
)
async def test_refuses_other_sites_and_leaves_the_session_alone(
    app: Embedded, headers: dict[str, str], method: str, path: str
) -> None:
    begun = await begin(app)
    cookie = cookie_of(begun).value
    body = {} if method == "DELETE" else {"json": ADMIN if path == "/auth/session" else {}}
    answer = await ask(app, method, path, cookie=cookie, headers=headers, **body)
    assert outcome(answer) == (403, "cross-site-request")
    assert "set-cookie" not in answer.headers
    assert await is_good(app, begun.json()["access_token"])
    assert (await refresh(app, cookie)).status_code == 200


@pytest.mark.parametrize("origin", ["http://localhost", "https://localhost"])
async def test_takes_the_origin_for_proof_where_browsers_send_nothing_better(app: Embedded, origin: str) -> None:
    answer = await ask(app, "POST", "/auth/session", headers={"Origin": origin}, json=ADMIN)
    assert answer.status_code == 200


async def test_takes_the_public_origin_behind_a_proxy_that_changes_the_host(tmp_path: Path) -> None:
    async with embedded(tmp_path, auth="local", admin_password=PASSWORD, public_url="https://files.example.org") as app:
        headers = {"Origin": "https://files.example.org"}
        answer = await ask(app, "POST", "/auth/session", headers=headers, json=ADMIN)
        assert answer.status_code == 200


@pytest.mark.parametrize("path", ["/auth/session", "/auth/session/refresh"])
async def test_refuses_what_a_form_can_send(app: Embedded, path: str) -> None:
    for sent in ({"data": ADMIN}, {"content": b"{}", "headers": {**PAGE, "Content-Type": "text/plain"}}):
        assert outcome(await ask(app, "POST", path, **sent)) == (415, "body-type-unsupported")


async def test_counts_failed_attempts_like_any_other(tmp_path: Path) -> None:
    async with embedded(tmp_path, auth="local", admin_password=PASSWORD, login_attempts=2) as app:
        for _ in range(2):
            assert outcome(await begin(app, password="wrong password")) == (401, "invalid-credentials")
        assert outcome(await begin(app)) == (429, "too-many-attempts")


@pytest.mark.parametrize("path", ["/auth/session", "/auth/session/refresh"])
async def test_is_not_there_where_there_are_no_accounts(tmp_path: Path, path: str) -> None:
    async with embedded(tmp_path) as app:
        assert (await ask(app, "POST", path, json={})).status_code == 404
