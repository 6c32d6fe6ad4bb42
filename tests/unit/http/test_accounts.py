"""Signing in and out over HTTP, with a clock that the test turns."""

import itertools
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.conformance.embedded import Embedded, embedded
from tests.unit.auth.world import payload_of

pytestmark = pytest.mark.anyio

PASSWORD = "correct horse battery staple"
OTHER = "another correct horse"
ANN = {"username": "Ann", "password": PASSWORD}


def opened(directory: Path, **settings: Any) -> AbstractAsyncContextManager[Embedded]:
    return embedded(directory, **{"auth": "local", "admin_password": PASSWORD, "registration": "open"} | settings)


@pytest.fixture
async def app(anyio_backend: str, tmp_path: Path) -> AsyncIterator[Embedded]:
    async with opened(tmp_path) as app:
        assert (await app.http.post("/auth/register", json=ANN)).status_code == 201
        yield app


async def ask(app: Embedded, path: str, token: str = "", **fields: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    if path in ("/auth/me", "/api/usage"):
        return await app.http.get(path, headers=headers)
    return (
        await app.http.post(path, headers=headers, json=fields)
        if fields
        else await app.http.post(path, headers=headers)
    )


async def sign_in(app: Embedded, **changes: str) -> dict[str, Any]:
    answer = await ask(app, "/auth/token", **ANN | changes)
    assert answer.status_code == 200, answer.text
    tokens: dict[str, Any] = answer.json()
    return tokens


async def request_tokens(app: Embedded, fields: dict[str, str], *, form: bool) -> httpx.Response:
    if form:
        return await app.http.post("/auth/token", data=fields)
    return await app.http.post("/auth/token", json=fields)


async def is_good(app: Embedded, tokens: dict[str, Any]) -> bool:
    return (await ask(app, "/auth/me", tokens["access_token"])).status_code == 200


def outcome(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


# Registering


async def test_an_account_is_made_and_shown_without_its_password(tmp_path: Path) -> None:
    async with opened(tmp_path) as app:
        answer = await ask(app, "/auth/register", **ANN)
        assert answer.status_code == 201
        assert answer.json().keys() == {"id", "username", "role"}
        assert answer.json().items() >= {"username": "Ann", "role": "user"}.items()
        me = await ask(app, "/auth/me", (await sign_in(app))["access_token"])
        assert me.json() == answer.json()
        assert me.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"username": "ANN"}, (422, "username-taken")),
        ({"username": "a b"}, (422, "invalid-username")),
        ({"username": "../../etc/passwd"}, (422, "invalid-username")),
        ({"username": "a\0b"}, (422, "invalid-username")),
        ({"username": "x" * 65}, (422, "invalid-username")),
        ({"username": "x" * 5000}, (422, "invalid-request")),
        ({"username": "bob", "password": "short"}, (422, "invalid-password")),
        ({"username": "bob", "password": "x" * 1025}, (422, "invalid-password")),
        ({"username": "bob", "role": "admin"}, (422, "invalid-request")),
        ({"username": "bob", "invitation": "made up"}, (403, "invitation-invalid")),
    ],
)
async def test_refuses_to_register(app: Embedded, fields: dict[str, str], refusal: tuple[int, str]) -> None:
    answer = await ask(app, "/auth/register", **ANN | fields)
    assert outcome(answer) == refusal
    assert PASSWORD not in answer.text


@pytest.mark.parametrize(
    ("registration", "refusal"),
    [("off", (403, "registration-off")), ("invite", (403, "invitation-invalid"))],
)
async def test_refuses_to_register_where_that_is_not_open(
    tmp_path: Path, registration: str, refusal: tuple[int, str]
) -> None:
    async with opened(tmp_path, registration=registration) as app:
        assert outcome(await ask(app, "/auth/register", **ANN)) == refusal
        assert outcome(await ask(app, "/auth/register", **ANN, invitation="made up")) == refusal
        assert outcome(await ask(app, "/auth/token", **ANN)) == (401, "invalid-credentials")


# Signing in


async def test_the_answer_has_these_fields_and_no_others(app: Embedded) -> None:
    answer = await ask(app, "/auth/token", **ANN)
    tokens = answer.json()
    assert tokens.keys() == {"access_token", "token_type", "expires_in", "refresh_token"}
    assert (tokens["token_type"], tokens["expires_in"]) == ("bearer", 900)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/json"
    said = payload_of(tokens["access_token"])
    assert said["exp"] - said["iat"] == 900
    assert "ann" not in str(said).lower()


@pytest.mark.parametrize("form", [False, True])
@pytest.mark.parametrize("more", [{}, {"grant_type": "password", "scope": "", "client_id": "cli"}])
async def test_signs_in_by_form_and_by_json(app: Embedded, form: bool, more: dict[str, str]) -> None:
    answer = await request_tokens(app, ANN | more, form=form)
    assert answer.status_code == 200
    assert await is_good(app, answer.json())


@pytest.mark.parametrize("form", [False, True])
async def test_the_token_endpoint_takes_refresh_tokens_as_well(app: Embedded, form: bool) -> None:
    first = await sign_in(app)
    fields = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    answer = await request_tokens(app, fields, form=form)
    assert answer.status_code == 200
    assert answer.json().keys() == first.keys()
    assert await is_good(app, answer.json())


@pytest.mark.parametrize(
    "fields",
    [
        {"username": "Ann"},
        {"password": PASSWORD},
        {"grant_type": "refresh_token"},
        {"grant_type": "client_credentials"},
        {"grant_type": "refresh_token", "refresh_token": None},
    ],
)
async def test_refuses_requests_for_tokens_that_lack_something(app: Embedded, fields: dict[str, Any]) -> None:
    assert outcome(await ask(app, "/auth/token", **fields)) == (422, "invalid-request")


async def test_an_unknown_user_and_a_wrong_password_are_answered_alike(app: Embedded) -> None:
    wrong = await ask(app, "/auth/token", **ANN | {"password": OTHER})
    for unknown in ("nobody", "not a name at all", "", "a\0b", "x" * 4000):
        answer = await ask(app, "/auth/token", username=unknown, password=OTHER)
        for told in (answer, wrong):
            told.headers.pop("x-request-id", None)
        assert (answer.status_code, answer.content, answer.headers) == (401, wrong.content, wrong.headers)
    assert wrong.json()["code"] == "invalid-credentials"
    assert wrong.headers["www-authenticate"].startswith("Bearer ")


async def test_attempts_are_limited_until_the_window_has_passed(tmp_path: Path) -> None:
    async with opened(tmp_path, login_attempts=3, login_window=60.0) as app:
        await ask(app, "/auth/register", **ANN)
        for _ in range(3):
            assert (await ask(app, "/auth/token", **ANN | {"password": OTHER})).status_code == 401
        limited = await ask(app, "/auth/token", **ANN)
        assert outcome(limited) == (429, "too-many-attempts")
        assert limited.headers["retry-after"] == "60"
        # Somebody who is not there is limited in the same way.
        for status in (401, 401, 401, 429):
            assert (await ask(app, "/auth/token", username="nobody", password=OTHER)).status_code == status
        app.clock.advance(seconds=60)
        assert (await ask(app, "/auth/token", **ANN)).status_code == 200


async def test_attempts_from_one_address_are_limited_over_all_accounts(tmp_path: Path) -> None:
    async with opened(tmp_path, login_attempts=1) as app:
        statuses = [
            (await ask(app, "/auth/token", username=f"user{number}", password=OTHER)).status_code for number in range(6)
        ]
        assert statuses == [401] * 5 + [429]
        assert (await ask(app, "/auth/token", username="admin", password=PASSWORD)).status_code == 429


# Going on, and ending


async def test_an_access_token_ends_and_the_next_one_comes_of_the_refresh_token(app: Embedded) -> None:
    first = await sign_in(app)
    app.clock.advance(seconds=929)
    assert await is_good(app, first)
    app.clock.advance(seconds=1)  # The leeway of half a minute is over as well.
    late = await ask(app, "/auth/me", first["access_token"])
    assert outcome(late) == (401, "invalid-token")
    assert late.headers["www-authenticate"] == 'Bearer realm="longshore", error="invalid_token"'
    second = await ask(app, "/auth/refresh", refresh_token=first["refresh_token"])
    assert second.status_code == 200
    assert second.json()["refresh_token"] != first["refresh_token"]
    assert await is_good(app, second.json())


async def test_a_refresh_token_that_is_used_again_ends_the_family(app: Embedded) -> None:
    first, bystander = await sign_in(app), await sign_in(app)
    second = (await ask(app, "/auth/refresh", refresh_token=first["refresh_token"])).json()
    third = (await ask(app, "/auth/refresh", refresh_token=second["refresh_token"])).json()
    assert outcome(await ask(app, "/auth/refresh", refresh_token=first["refresh_token"])) == (401, "invalid-token")
    assert outcome(await ask(app, "/auth/refresh", refresh_token=third["refresh_token"])) == (401, "invalid-token")
    app.clock.advance(seconds=5)
    assert [await is_good(app, tokens) for tokens in (first, second, third)] == [False] * 3
    assert await is_good(app, bystander)


@pytest.mark.parametrize("kind", ["access", "access in the body's place", "malformed", "empty"])
async def test_refuses_what_is_no_refresh_token(app: Embedded, kind: str) -> None:
    tokens = await sign_in(app)
    shown = {"malformed": "a.0.b", "empty": ""}.get(kind, tokens["access_token"])
    assert outcome(await ask(app, "/auth/refresh", refresh_token=shown)) == (401, "invalid-token")
    assert await is_good(app, tokens)
    assert outcome(await ask(app, "/auth/me", tokens["refresh_token"])) == (401, "invalid-token")


async def test_a_session_that_is_not_used_ends(tmp_path: Path) -> None:
    async with opened(tmp_path, refresh_token_ttl="10d") as app:
        tokens = await sign_in(app, username="admin")
        for _ in range(3):
            app.clock.advance(days=9)
            answer = await ask(app, "/auth/refresh", refresh_token=tokens["refresh_token"])
            assert answer.status_code == 200
            tokens = answer.json()
        app.clock.advance(days=10)
        assert outcome(await ask(app, "/auth/refresh", refresh_token=tokens["refresh_token"])) == (
            401,
            "invalid-token",
        )


@pytest.mark.parametrize("by", ["access token", "refresh token", "used refresh token"])
async def test_signing_out_ends_the_session_at_once(app: Embedded, by: str) -> None:
    tokens, bystander = await sign_in(app), await sign_in(app)
    newest = tokens
    if by == "used refresh token":
        newest = (await ask(app, "/auth/refresh", refresh_token=tokens["refresh_token"])).json()
    assert await is_good(app, newest)
    if by == "access token":
        answer = await ask(app, "/auth/logout", tokens["access_token"])
    else:
        answer = await ask(app, "/auth/logout", refresh_token=tokens["refresh_token"])
    assert (answer.status_code, answer.content) == (204, b"")
    assert not await is_good(app, newest)
    assert outcome(await ask(app, "/auth/refresh", refresh_token=newest["refresh_token"])) == (401, "invalid-token")
    assert await is_good(app, bystander)


async def test_signing_out_twice_is_fine_and_without_any_token_is_not(app: Embedded) -> None:
    tokens = await sign_in(app)
    for _ in range(2):
        assert (await ask(app, "/auth/logout", refresh_token=tokens["refresh_token"])).status_code == 204
    assert outcome(await ask(app, "/auth/logout")) == (401, "unauthenticated")
    assert outcome(await app.http.post("/auth/logout", json={})) == (401, "unauthenticated")
    assert outcome(await app.http.post("/auth/logout", json={"refresh_token": 1})) == (422, "invalid-request")


async def test_a_body_without_a_length_signs_out_as_well(app: Embedded) -> None:
    tokens = await sign_in(app)

    async def pieces() -> AsyncIterator[bytes]:
        yield b'{"refresh_token": '
        yield f'"{tokens["refresh_token"]}"}}'.encode()

    kind = {"Content-Type": "application/json"}
    assert (await app.http.post("/auth/logout", content=pieces(), headers=kind)).status_code == 204
    assert not await is_good(app, tokens)


# The password


async def test_a_new_password_ends_everything_but_this_session(app: Embedded) -> None:
    mine, other = await sign_in(app), await sign_in(app)
    fields = {"current_password": PASSWORD, "new_password": OTHER}
    answer = await ask(app, "/auth/password", mine["access_token"], **fields)
    assert (answer.status_code, answer.content) == (204, b"")
    assert [await is_good(app, tokens) for tokens in (mine, other)] == [False, False]
    assert (await ask(app, "/auth/refresh", refresh_token=other["refresh_token"])).status_code == 401
    renewed = await ask(app, "/auth/refresh", refresh_token=mine["refresh_token"])
    assert await is_good(app, renewed.json())
    assert outcome(await ask(app, "/auth/token", **ANN)) == (401, "invalid-credentials")
    await sign_in(app, password=OTHER)


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"current_password": OTHER, "new_password": OTHER}, (403, "wrong-password")),
        ({"current_password": PASSWORD, "new_password": "short"}, (422, "invalid-password")),
        ({"current_password": PASSWORD}, (422, "invalid-request")),
        ({"current_password": PASSWORD, "new_password": OTHER, "username": "admin"}, (422, "invalid-request")),
    ],
)
async def test_refuses_to_change_the_password(app: Embedded, fields: dict[str, str], refusal: tuple[int, str]) -> None:
    tokens = await sign_in(app)
    assert outcome(await ask(app, "/auth/password", tokens["access_token"], **fields)) == refusal
    assert await is_good(app, tokens)
    await sign_in(app)


async def test_guessing_the_old_password_is_limited(tmp_path: Path) -> None:
    async with opened(tmp_path, login_attempts=2) as app:
        await ask(app, "/auth/register", **ANN)
        token = (await sign_in(app))["access_token"]
        fields = {"current_password": OTHER, "new_password": OTHER}
        statuses = [(await ask(app, "/auth/password", token, **fields)).status_code for _ in range(3)]
        assert statuses == [403, 403, 429]


@pytest.mark.parametrize("path", ["/auth/me", "/auth/password"])
async def test_refuses_what_needs_a_token_without_one(app: Embedded, path: str) -> None:
    answer = await ask(app, path)
    assert outcome(answer) == (401, "unauthenticated")
    assert answer.headers["www-authenticate"] == 'Bearer realm="longshore"'


# Browsers

ORIGIN = {"Origin": "https://app.example"}
PATHS = ("/auth/register", "/auth/token", "/auth/refresh", "/auth/logout", "/auth/me", "/auth/password", "/api/usage")


async def test_preflights_need_no_token(app: Embedded) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
    for path in (*PATHS, "/files", "/files/unknown"):
        answer = await app.http.options(path, headers=ORIGIN | asked)
        assert answer.is_success, path
        assert answer.headers["access-control-allow-origin"] == "*"
        allowed = answer.headers["access-control-allow-headers"].lower().split(", ")
        assert {"authorization", "content-type"} <= set(allowed)
        assert "access-control-allow-credentials" not in answer.headers


async def test_pages_of_other_origins_can_read_every_answer(app: Embedded) -> None:
    for method, path in itertools.product(("GET", "POST", "DELETE"), PATHS):
        answer = await app.http.request(method, path, headers=ORIGIN)
        assert answer.is_client_error, (method, path)
        assert answer.headers["access-control-allow-origin"] == "*"
        exposed = answer.headers["access-control-expose-headers"].lower().split(", ")
        assert {"retry-after", "www-authenticate"} <= set(exposed)


async def test_there_are_no_accounts_where_everybody_is_let_in(tmp_path: Path) -> None:
    async with embedded(tmp_path / "none") as app:
        for path in PATHS:
            assert outcome(await app.http.post(path, json=ANN)) == (404, "not-found")
