"""The API on a running server, beside transfers that are under way."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.e2e.accounts import PASSWORD, User, register, sign_in
from tests.serving import OFFSET_STREAM, TUS, Connection, Server, serving

pytestmark = pytest.mark.e2e

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("api") / "data"
    settings = {"auth": "local", "admin_password": PASSWORD, "registration": "open", "checkpoint_interval": "0.1"}
    with serving(directory, **settings) as server:
        yield server


@pytest.fixture(scope="module")
def ann(server: Server) -> User:
    return register(server, "ann")


@pytest.fixture(scope="module")
def admin(server: Server) -> User:
    return sign_in(server)


def ask(server: Server, user: User, method: str, path: str, body: Any = None) -> httpx.Response:
    return httpx.request(method, server.origin + path, json=body, headers=user.bearer)


def create(server: Server, user: User, length: int) -> str:
    """A new upload's id."""
    answer = httpx.post(server.url, headers={**TUS, **user.bearer, "Upload-Length": str(length)})
    assert answer.status_code == 201
    return answer.headers["location"].rsplit("/", 1)[-1]


def upload(server: Server, user: User, data: bytes) -> str:
    upload_id = create(server, user, len(data))
    headers = {**TUS, **OFFSET_STREAM, **user.bearer, "Upload-Offset": "0"}
    assert httpx.patch(f"{server.url}/{upload_id}", content=data, headers=headers).status_code == 204
    return upload_id


def test_a_transfer_is_seen_to_move(server: Server, ann: User) -> None:
    upload_id = create(server, ann, 64 * MIB)
    head = {**TUS, **OFFSET_STREAM, **ann.bearer, "Upload-Offset": "0", "Content-Length": str(64 * MIB)}
    seen = list[tuple[int, float]]()
    with Connection(server.port) as connection:
        connection.send_head("PATCH", f"/files/{upload_id}", head)
        deadline = time.monotonic() + 30
        while len(seen) < 3 and time.monotonic() < deadline:
            connection.send(bytes(MIB // 4))
            told = ask(server, ann, "GET", f"/api/uploads/{upload_id}").json()
            if told["speed"] and (not seen or told["offset"] > seen[-1][0]):
                seen.append((told["offset"], told["speed"]))
    assert len(seen) == 3
    assert all(0 < offset < 64 * MIB and speed > 0 for offset, speed in seen)


def test_lists_stay_whole_while_others_upload(server: Server, ann: User) -> None:
    mine = {upload(server, ann, b"x") for _ in range(12)}
    stop = threading.Event()

    def go_on() -> None:
        while not stop.is_set():
            upload(server, ann, b"y")

    others = threading.Thread(target=go_on)
    others.start()
    try:
        seen, more = list[str](), True
        cursor = ""
        while more and len(seen) < 1000:
            page = ask(server, ann, "GET", f"/api/uploads?limit=3{cursor}").json()
            seen += [one["id"] for one in page["uploads"]]
            more, cursor = page["next"] is not None, f"&cursor={page['next']}"
    finally:
        stop.set()
        others.join()
    assert mine <= set(seen)
    assert len(set(seen)) == len(seen)


def test_a_link_opens_a_file_for_whoever_has_it(server: Server, ann: User) -> None:
    upload_id = upload(server, ann, b"for everybody")
    link = ask(server, ann, "POST", f"/api/uploads/{upload_id}/link", {"ttl": 60}).json()
    with Connection(server.port) as connection:
        answer = connection.request("GET", link["url"], {})
    assert (answer.status, answer.body) == (200, b"for everybody")
    assert ask(server, ann, "DELETE", f"/api/uploads/{upload_id}/links/{link['id']}").status_code == 204
    gone = httpx.get(server.origin + link["url"])
    assert (gone.status_code, "www-authenticate" in gone.headers) == (410, False)


def test_what_was_set_outlives_the_process(tmp_path: Path) -> None:
    with serving(tmp_path / "data", auth="local", admin_password=PASSWORD) as server:
        admin = sign_in(server)
        upload_id = upload(server, admin, b"abc")
        assert ask(server, admin, "PATCH", f"/api/uploads/{upload_id}", {"name": "new.txt"}).status_code == 200
        assert ask(server, admin, "PUT", "/api/roles/user/quotas", {"size": 1}).status_code == 200
        server.kill()
        server.start()
        assert ask(server, admin, "GET", f"/api/uploads/{upload_id}").json()["name"] == "new.txt"
        assert ask(server, admin, "GET", "/api/roles/user/quotas").json() == {"size": 1}


def test_a_browser_may_ask_from_elsewhere(server: Server) -> None:
    for method, path in (("PATCH", "/api/uploads/x"), ("DELETE", "/api/uploads/x"), ("PUT", "/api/roles/user/quotas")):
        headers = {"Origin": "https://app.example", "Access-Control-Request-Method": method}
        answer = httpx.options(server.origin + path, headers=headers)
        assert answer.is_success
        assert method in answer.headers["access-control-allow-methods"]
        assert method in answer.headers["allow"]


def test_answers_are_json_to_the_letter(server: Server, admin: User) -> None:
    for path in ("/api/uploads", "/api/users", "/api/usage", "/openapi.json"):
        with Connection(server.port) as connection:
            answer = connection.request("GET", path, admin.bearer)
        assert answer.headers["content-type"] == "application/json"
        json.loads(answer.body)
