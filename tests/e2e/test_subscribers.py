"""Who may listen, and for how long: refusals, limits, and peers that are gone without a word."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.accounts import PASSWORD, ask, read, register
from tests.e2e.subscribers import connections_of, fall_silent, hear, streaming, subscribed
from tests.e2e.wire import create, patch, poll
from tests.serving import Connection, Server, serving
from websockets.exceptions import InvalidStatus

pytestmark = pytest.mark.e2e

STREAM = {"Accept": "text/event-stream"}


def refusal(server: Server, query: str = "", **given: Any) -> tuple[int, str, dict[str, str]]:
    """How a handshake is refused: status, code and header fields."""
    with pytest.raises(InvalidStatus) as refused, subscribed(server, query, **given):
        pass
    response = refused.value.response
    fields = {name.lower(): value for name, value in response.headers.raw_items()}
    return response.status_code, json.loads(response.body)["code"], fields


def test_a_refused_handshake_is_no_error_of_the_server(tmp_path: Path) -> None:
    with serving(tmp_path / "data", auth="local", admin_password=PASSWORD, access_log="true") as server:
        assert refusal(server)[:2] == (401, "unauthenticated")
        assert refusal(server, protocols=["longshore.v1", "bearer.x"])[:2] == (401, "invalid-token")
        assert refusal(server, "?after=x")[:2] == (400, "invalid-subscription")
        assert server.stop() == 0
        said = server.said()
    assert "/events" in said
    assert "[ERROR" not in said, said
    assert "ASGI callable" not in said, said


def test_one_user_has_only_so_many_connections_and_others_theirs(tmp_path: Path) -> None:
    settings = {"auth": "local", "registration": "open", "admin_password": PASSWORD, "subscribers_per_user": "2"}
    with serving(tmp_path / "data", **settings) as server:
        ann, bob = register(server, "ann"), register(server, "bob")
        with subscribed(server, token=ann.access_token) as first, streaming(server, Authorization=bearer(ann)):
            hear(first)
            status, code, fields = refusal(server, token=ann.access_token)
            assert (status, code, int(fields["retry-after"]) > 0) == (429, "too-many-subscriptions", True)
            answer = ask(server, "/events", STREAM | ann.bearer)
            assert (answer.status, read(answer)["code"]) == (429, "too-many-subscriptions")
            assert int(answer.headers["retry-after"]) > 0
            with subscribed(server, token=bob.access_token) as ws:
                assert hear(ws)["type"] == "position"
        poll(lambda: listens(server, ann.access_token))


def bearer(user: Any) -> str:
    return f"Bearer {user.access_token}"


def listens(server: Server, token: str = "") -> bool:
    """Whether somebody is let in just now."""
    try:
        with subscribed(server, token=token) as ws:
            return bool(hear(ws)["type"] == "position")
    except InvalidStatus:
        return False


def test_one_process_has_only_so_many_subscribers(tmp_path: Path) -> None:
    with serving(tmp_path / "data", subscribers="2") as server:
        with subscribed(server) as first, subscribed(server) as second:
            hear(first)
            hear(second)
            status, code, fields = refusal(server)
            assert (status, code, int(fields["retry-after"]) > 0) == (503, "too-many-subscribers", True)
        poll(lambda: listens(server))


def test_an_upload_in_many_short_appends_has_progress(server: Server) -> None:
    with subscribed(server, "?type=progress") as ws:
        hear(ws)
        path = create(server, 100)
        assert patch(server, path, 0, b"x" * 10).status == 204
        told = hear(ws)
        assert (told["type"], told["data"]["offset"]) == ("longshore.upload.progress", 10)
        began = time.monotonic()
        for offset in range(10, 60, 5):
            assert patch(server, path, offset, b"x" * 5).status == 204
        offsets = [hear(ws)["data"]["offset"]]
        while offsets[-1] < 60:
            offsets.append(hear(ws)["data"]["offset"])
        took = time.monotonic() - began
    assert offsets == sorted(offsets)
    # One second lies between two of them, at least; the clocks of two processes need not agree on it to the last bit.
    assert len(offsets) - 1 <= took / 0.9


@pytest.mark.slow
def test_a_peer_that_is_gone_without_a_word_is_found_within_40_seconds(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server, Connection(server.port) as stream:
        stream.send_head("GET", "/events", STREAM)
        while b"position" not in stream.socket.recv(65536):
            pass
        with subscribed(server) as ws:
            hear(ws)
            assert connections_of(server) == 2
            fall_silent(stream.socket)
            fall_silent(ws.socket)
            deadline = time.monotonic() + 40
            while connections_of(server):
                assert time.monotonic() < deadline, "a dead peer still has its connection"
                time.sleep(0.2)
        poll(lambda: ask(server, "/healthz").status == 200)
        assert server.stop() == 0
        assert "Traceback" not in server.said()
