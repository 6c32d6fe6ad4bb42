"""Every command on a data dir that a server is using at the same time, and the server follows."""

import json
import time
from collections.abc import Callable, Iterator

import httpx
import jwt
import pytest
from tests.serving import Server, serving
from tests.unit.cli.terminal import OTHER_PASSWORD, PASSWORD, Terminal

from longshore.auth.authenticator import REMEMBERED_FOR

PATIENCE = REMEMBERED_FOR.total_seconds() + 10
"""Seconds, for what the server may still remember for a while."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = {"auth": "local", "admin_password": PASSWORD, "registration": "invite"}
    with serving(tmp_path_factory.mktemp("served") / "data", **settings) as running:
        yield running


@pytest.fixture
def beside(terminal: Terminal, server: Server, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """The command line on the server's data dir."""
    terminal.data_dir = server.data_dir
    monkeypatch.setenv("LONGSHORE_DATA_DIR", str(server.data_dir))
    return terminal


@pytest.fixture
def http(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.origin, timeout=30) as client:
        yield client


def until(true: Callable[[], bool]) -> bool:
    """Whether it comes true within the time that the server may take to notice."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def sign_in(http: httpx.Client, name: str, password: str) -> int:
    return http.post("/auth/token", json={"username": name, "password": password}).status_code


def whose(http: httpx.Client, token: str) -> httpx.Response:
    return http.get("/auth/me", headers={"Authorization": f"Bearer {token}"})


def test_users_come_change_and_go(beside: Terminal, http: httpx.Client) -> None:
    beside.add("ann")
    assert sign_in(http, "ann", PASSWORD) == 200
    token = beside.token("ann")
    assert whose(http, token).json()["role"] == "user"
    beside.run("user role ann admin")
    assert until(lambda: whose(http, token).json()["role"] == "admin")
    assert beside.run("user passwd ann", stdin=OTHER_PASSWORD).status == 0
    assert sign_in(http, "ann", OTHER_PASSWORD) == 200
    assert until(lambda: whose(http, token).status_code == 401)
    beside.run("user disable ann")
    assert sign_in(http, "ann", OTHER_PASSWORD) == 401
    beside.run("user enable ann")
    assert sign_in(http, "ann", OTHER_PASSWORD) == 200
    names = [json.loads(line)["username"] for line in beside.run("user list --json").text.splitlines()]
    assert {"admin", "ann"} <= set(names)


def test_an_invitation_is_good_at_once(beside: Terminal, http: httpx.Client) -> None:
    account = {"username": "guest", "password": PASSWORD, "invitation": beside.run("user invite").text}
    assert http.post("/auth/register", json=account).status_code == 201
    assert http.post("/auth/register", json=account | {"username": "other"}).status_code == 403


def test_quotas_are_felt(beside: Terminal, http: httpx.Client) -> None:
    beside.add("quentin")
    headers = {"Authorization": f"Bearer {beside.token('quentin')}"}
    assert http.get("/api/usage", headers=headers).json()["daily"]["limit"] == 10 * 1000**3
    beside.run("user quota quentin --daily 1GB")
    assert until(lambda: http.get("/api/usage", headers=headers).json()["daily"]["limit"] == 1000**3)


def test_a_rotation_leaves_tokens_good_and_the_server_signs_with_the_new_key(
    beside: Terminal, http: httpx.Client
) -> None:
    before = beside.token("admin")
    kid = beside.run("token rotate").text.split()[1]
    after = beside.token("admin")
    assert jwt.get_unverified_header(after)["kid"] == kid
    assert until(lambda: whose(http, after).status_code == 200)
    assert whose(http, before).status_code == 200


def test_the_other_commands_work_as_well(beside: Terminal, http: httpx.Client) -> None:
    assert beside.run("db upgrade").text == ""
    assert beside.run("db current").text != "none"
    assert beside.run("webhook list").text == ""
    assert beside.run("webhook redeliver 1").complaint == "there is no delivery 1"
    assert sign_in(http, "admin", PASSWORD) == 200


def test_a_command_while_the_server_writes(beside: Terminal, http: httpx.Client) -> None:
    headers = {"Authorization": f"Bearer {beside.token('admin')}", "Tus-Resumable": "1.0.0", "Upload-Length": "9"}
    created = []
    for number in range(5):
        created.append(http.post("/files", headers=headers).status_code)
        beside.add(f"busy{number}")
    assert created == [201] * 5
    assert beside.run("user list").text.count("busy") == 5


def test_the_files_are_nobody_elses(server: Server) -> None:
    for path in (server.data_dir, *server.data_dir.iterdir()):
        assert path.stat().st_mode & 0o077 == 0, path
