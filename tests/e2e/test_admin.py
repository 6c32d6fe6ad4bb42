"""The admin panel: who gets in, what it shows, and that it changes nothing."""

import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.conformance.embedded import Embedded, embedded
from tests.e2e.accounts import PASSWORD, command
from tests.serving import TUS, serving

pytestmark = [pytest.mark.anyio, pytest.mark.e2e]

COOKIE = "longshore_admin"
LIST = "/admin/upload/list"


@pytest.fixture
async def server(anyio_backend: str, tmp_path: Path) -> AsyncIterator[Embedded]:
    async with embedded(tmp_path, auth="local", admin_password=PASSWORD, registration="open") as server:
        yield server


async def sign_in(
    server: Embedded, name: str = "admin", password: str = PASSWORD, headers: Mapping[str, str] | None = None
) -> httpx.Response:
    form = {"username": name, "password": password}
    return await server.http.post("/admin/login", data=form, headers=headers or {})


async def token(server: Embedded, name: str = "admin") -> str:
    answer = await server.http.post("/auth/token", json={"username": name, "password": PASSWORD})
    return str(answer.json()["access_token"])


async def is_in(server: Embedded) -> bool:
    answer = await server.http.get(LIST)
    if answer.status_code == 200:
        return True
    assert (answer.status_code, answer.headers["location"]) == (302, "http://localhost/admin/login")
    assert answer.content == b""
    return False


async def register(server: Embedded, name: str) -> None:
    answer = await server.http.post("/auth/register", json={"username": name, "password": PASSWORD})
    assert answer.status_code == 201


async def test_strangers_come_to_the_form(server: Embedded) -> None:
    for path in (LIST, "/admin/", "/admin/user/list", "/admin/event/list", "/admin/user/details/x"):
        answer = await server.http.get(path)
        assert (answer.status_code, answer.headers["location"]) == (302, "http://localhost/admin/login"), path
    assert (await server.http.get("/admin")).headers["location"] == "http://localhost/admin/"
    form = await server.http.get("/admin/login")
    assert form.status_code == 200
    assert 'name="password"' in form.text


async def test_an_administrator_gets_in_with_a_cookie_that_nothing_else_sees(server: Embedded) -> None:
    answer = await sign_in(server)
    assert (answer.status_code, answer.headers["location"]) == (303, "http://localhost/admin/")
    value, *attributes = answer.headers["set-cookie"].split("; ")
    assert value.startswith(f"{COOKIE}=")
    assert {attribute.lower() for attribute in attributes} == {
        "httponly",
        "samesite=strict",
        "path=/admin",
        "max-age=900",
    }
    assert (await server.http.get("/admin/")).headers["location"] == f"http://localhost{LIST}"
    assert await is_in(server)


async def test_over_https_the_cookie_is_for_https(server: Embedded) -> None:
    answer = await server.http.post("https://localhost/admin/login", data={"username": "admin", "password": PASSWORD})
    assert "Secure" in answer.headers["set-cookie"].split("; ")


async def test_refuses_a_wrong_password_and_a_user_without_the_role_alike(server: Embedded) -> None:
    await register(server, "ann")
    answers = [
        await sign_in(server, password="wrong password"),
        await sign_in(server, "nobody"),
        await sign_in(server, "ann"),
    ]
    assert [answer.status_code for answer in answers] == [401] * 3
    assert len({answer.text for answer in answers}) == 1
    assert "User name or password is wrong" in answers[0].text
    assert not server.http.cookies
    assert not await is_in(server)


async def test_attempts_are_limited_as_everywhere(tmp_path: Path) -> None:
    async with embedded(tmp_path, auth="local", admin_password=PASSWORD, login_attempts=2) as server:
        for _ in range(2):
            assert (await sign_in(server, password="wrong password")).status_code == 401
        answer = await sign_in(server)
        assert (answer.status_code, int(answer.headers["retry-after"]) > 0) == (429, True)
        assert not await is_in(server)


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
    ],
)
async def test_refuses_a_form_that_another_page_sends(server: Embedded, headers: dict[str, str]) -> None:
    assert (await sign_in(server, headers=headers)).status_code == 403
    assert not await is_in(server)


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "same-origin"}, {"Origin": "http://localhost"}])
async def test_takes_its_own_form(server: Embedded, headers: dict[str, str]) -> None:
    assert (await sign_in(server, headers=headers)).status_code == 303


@pytest.mark.parametrize("body", [b"x" * 100_000, b"\xff", b"username=admin", b"", b"username=%ff&password=x"])
async def test_refuses_what_is_no_form(server: Embedded, body: bytes) -> None:
    assert (await server.http.post("/admin/login", content=body)).status_code == 401


async def test_the_session_ends_after_a_while(server: Embedded) -> None:
    await sign_in(server)
    server.clock.advance(minutes=14)
    assert await is_in(server)
    server.clock.advance(minutes=2)
    assert not await is_in(server)


async def test_signing_out_ends_the_session_wherever_the_cookie_is(server: Embedded) -> None:
    await sign_in(server)
    kept = server.http.cookies[COOKIE]
    answer = await server.http.get("/admin/logout")
    assert (answer.status_code, answer.headers["location"]) == (303, "http://localhost/admin/login")
    assert not server.http.cookies
    server.http.cookies.set(COOKIE, kept)
    assert not await is_in(server)


@pytest.mark.parametrize("change", ["user disable boss", "user role boss user"])
async def test_who_is_disabled_or_no_administrator_any_more_is_out(server: Embedded, change: str) -> None:
    command(server.data_dir, "user", "add", "boss", "--role", "admin", given=f"{PASSWORD}\n")
    await sign_in(server, "boss")
    assert await is_in(server)
    command(server.data_dir, *change.split())
    # As long as another process's change may take to be noticed.
    server.clock.advance(seconds=6)
    assert not await is_in(server)


async def test_no_other_token_opens_it(server: Embedded) -> None:
    await register(server, "ann")
    script = command(server.data_dir, "token", "issue", "--user", "admin")
    for value in ("", "nonsense", "a.b.c", "\xe9", await token(server, "ann"), script):
        answer = await server.http.get(LIST, headers=[(b"cookie", f"{COOKIE}={value}".encode("latin-1"))])
        assert answer.status_code == 302, value
    assert (await server.http.get(LIST, headers={"Authorization": f"Bearer {await token(server)}"})).status_code == 302


async def test_shows_uploads_users_and_events_and_nothing_secret(server: Embedded) -> None:
    bearer = {"Authorization": f"Bearer {await token(server)}"}
    # <img src=x>.iso
    metadata = "filename PGltZyBzcmM9eD4uaXNv,password czNjcmV0LXZhbHVl"
    await server.http.post(
        "/files", headers={**TUS, **bearer, "Upload-Length": "1234567", "Upload-Metadata": metadata, "X-Key": "s3cret"}
    )
    await sign_in(server)
    pages = [(await server.http.get(f"/admin/{name}/list")).text for name in ("upload", "user", "event")]
    uploads, users, events = pages
    assert "&lt;img src=x&gt;.iso" in uploads
    assert "1,234,567" in uploads
    assert re.search(r"<td>\s*admin\s*</td>", users)
    assert "created" in events
    links = [link for page in pages for link in re.findall(r'href="([^"]+/details/[^"]+)"', page)]
    assert len(links) == 3
    for page in [*pages, *[(await server.http.get(link)).text for link in links]]:
        for secret in ("$argon2", "s3cret", "czNjcmV0LXZhbHVl", "<img", "authorization", "password_hash"):
            assert secret not in page


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("search=iso", 200),
        ("search=%25", 200),
        ("search=%00", 400),
        ("sortBy=name&sort=desc", 200),
        ("sortBy=metadata", 400),
        ("page=99", 200),
        ("pageSize=100", 200),
        ("pageSize=-1", 400),
    ],
)
async def test_searching_and_sorting(server: Embedded, query: str, status: int) -> None:
    await sign_in(server)
    answer = await server.http.get(f"{LIST}?{query}", follow_redirects=True)
    assert answer.status_code == status


@pytest.mark.parametrize(
    "page", ["event/details/abc", "event/details/99999999999999999999", "user/details/abc", "x/list"]
)
async def test_what_there_is_not(server: Embedded, page: str) -> None:
    await sign_in(server)
    assert (await server.http.get(f"/admin/{page}")).status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("page", ["create", "edit/1", "delete?pks=1", "list", "import", "../login/x"])
async def test_takes_nothing_that_could_change_anything(server: Embedded, method: str, page: str) -> None:
    await sign_in(server)
    assert (await server.http.request(method, f"/admin/user/{page}")).status_code == 405


@pytest.mark.parametrize("page", ["create", "edit/1", "export/csv", "ajax/lookup", "1/username/download/", "import"])
async def test_pages_that_change_or_give_away_things_are_not_there(server: Embedded, page: str) -> None:
    await sign_in(server)
    assert (await server.http.get(f"/admin/user/{page}")).status_code == 404


async def test_browsers_are_told_to_run_nothing_that_is_not_ours(server: Embedded) -> None:
    form = await server.http.get("/admin/login")
    policy = form.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy
    assert (form.headers["x-frame-options"], form.headers["cache-control"]) == ("DENY", "no-store")
    # What the policy would keep from running is not there.
    assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=", form.text)
    scripts = re.findall(r'(?:src|href)="([^"]+/statics/[^"]+)"', form.text)
    assert len(scripts) >= 5
    for script in scripts:
        assert script.startswith("http://localhost/admin/statics/")
        answer = await server.http.get(script)
        assert (answer.status_code, answer.headers["x-content-type-options"]) == (200, "nosniff")


@pytest.mark.parametrize("settings", [{"auth": "none"}, {"auth": "local", "admin_panel": False}])
async def test_is_not_there_without_accounts_or_when_it_is_off(tmp_path: Path, settings: dict[str, Any]) -> None:
    async with embedded(tmp_path, admin_password=PASSWORD, **settings) as server:
        for path in ("/admin", "/admin/", "/admin/login", LIST):
            assert (await server.http.get(path)).status_code == 404


async def test_below_a_mount_point(tmp_path: Path) -> None:
    async with embedded(tmp_path, mount="/up", auth="local", admin_password=PASSWORD) as server:
        answer = await server.http.post("/up/admin/login", data={"username": "admin", "password": PASSWORD})
        assert answer.headers["location"] == "http://localhost/up/admin/"
        assert "Path=/up/admin" in answer.headers["set-cookie"].split("; ")
        page = await server.http.get("/up/admin/", follow_redirects=True)
        assert (page.status_code, page.url.path) == (200, "/up/admin/upload/list")
        assert "http://localhost/up/admin/statics/" in page.text


async def test_behind_a_proxy_that_the_settings_know(tmp_path: Path) -> None:
    public = "https://files.example/up"
    async with embedded(tmp_path, public_url=public, auth="local", admin_password=PASSWORD) as server:
        page = await server.http.get("/admin/login")
        assert f"{public}/admin/statics/" in page.text
        assert "localhost" not in page.text
        headers = {"Origin": "https://files.example"}
        answer = await sign_in(server, headers=headers)
        assert (answer.status_code, answer.headers["location"]) == (303, f"{public}/admin/")
        assert {"Secure", "Path=/up/admin"} <= set(answer.headers["set-cookie"].split("; "))


def test_on_a_served_process(tmp_path: Path) -> None:
    with serving(tmp_path / "data", auth="local", admin_password=PASSWORD) as server:
        with httpx.Client(base_url=server.origin, follow_redirects=True) as browser:
            page = browser.post("/admin/login", data={"username": "admin", "password": PASSWORD})
            assert (page.status_code, page.url.path) == (200, LIST)
        assert server.stop() == 0
        assert "Traceback" not in server.said()


@pytest.mark.postgres
async def test_on_postgres_it_cannot_write_either(tmp_path: Path, postgres_url: str) -> None:
    async with embedded(tmp_path, auth="local", admin_password=PASSWORD, database_url=postgres_url) as server:
        await sign_in(server)
        assert await is_in(server)
        assert "admin" in (await server.http.get("/admin/user/list")).text
        for path in (f"{LIST}?search=%00", "/admin/user/details/%00"):
            assert (await server.http.get(path)).status_code == 400
        for path in ("event/details/abc", "event/details/99999999999999999999", "user/details/abc"):
            assert (await server.http.get(f"/admin/{path}")).status_code == 404
