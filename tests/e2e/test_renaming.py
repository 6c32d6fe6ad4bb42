"""That everybody who should hears of a new name, in the order in which names were given."""

import json
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.accounts import PASSWORD, User, ask, read, register
from tests.e2e.receiver import SECRET, Receiver
from tests.e2e.subscribers import Told, delete, hear, hear_events, kinds, subscribed, upload
from tests.e2e.wire import begin_patch, code_of, create, patch, request
from tests.serving import Answer, Connection, Server, serving

pytestmark = pytest.mark.e2e

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data_dir = tmp_path_factory.mktemp("guarded") / "data"
    with serving(data_dir, auth="local", registration="open", admin_password=PASSWORD) as running:
        yield running


@pytest.fixture(scope="module")
def ann(guarded: Server) -> User:
    return register(guarded, "ann")


@pytest.fixture(scope="module")
def bob(guarded: Server) -> User:
    return register(guarded, "bob")


def metadata(name: str) -> dict[str, str]:
    return {"Upload-Metadata": f"filename {b64encode(name.encode()).decode()}"}


def rename(server: Server, path: str, name: str, user: User | None = None) -> Answer:
    headers = JSON | (user.bearer if user else {})
    body = json.dumps({"name": name}).encode()
    return request(server, "PATCH", path.replace("/files/", "/api/uploads/"), headers, body)


def names(told: list[Told]) -> list[str]:
    return [event["data"]["name"] for event in told]


def details(server: Server, path: str, user: User | None = None) -> dict[str, Any]:
    return read(ask(server, path.replace("/files/", "/api/uploads/"), user.bearer if user else None))


def test_a_new_name_is_announced_with_the_one_before(guarded: Server, ann: User, bob: User) -> None:
    path = upload(guarded, token=ann.access_token, name="Grüße.txt")
    with subscribed(guarded, "?type=longshore.upload.renamed", token=bob.access_token) as ws:
        hear(ws)
        assert rename(guarded, path, "Grüße 2.txt", ann).status == 200
        (told,) = hear_events(ws, 1)
    assert told["type"] == "longshore.upload.renamed"
    assert told["subject"] == path.rpartition("/")[2]
    assert (told["data"]["name"], told["data"]["previous_name"]) == ("Grüße 2.txt", "Grüße.txt")
    assert (told["data"]["state"], told["data"]["owner_name"]) == ("completed", "ann")
    history = [event["type"] for event in details(guarded, path, bob)["history"]]
    assert history == ["created", "completed", "renamed"]


def test_the_name_of_what_is_unfinished_is_its_owners(guarded: Server, ann: User, bob: User) -> None:
    with subscribed(guarded, token=ann.access_token) as hers, subscribed(guarded, token=bob.access_token) as his:
        hear(hers)
        hear(his)
        path = create(guarded, 5, ann.bearer | metadata("old"))
        assert rename(guarded, path, "new", ann).status == 200
        assert patch(guarded, path, 0, b"hello", ann.bearer).status == 204
        heard = hear_events(hers, 3)
        assert kinds(heard) == ["created", "renamed", "completed"]
        assert names(heard) == ["old", "new", "new"]
        assert kinds(hear_events(his, 1)) == ["completed"]


def test_a_name_that_it_has_already_is_no_news(server: Server) -> None:
    path = upload(server, name="same.txt")
    assert rename(server, path, "same.txt").status == 200
    assert rename(server, path, "other.txt").status == 200
    assert [event["type"] for event in details(server, path)["history"]] == ["created", "completed", "renamed"]


def test_a_file_that_is_renamed_between_two_appends_is_completed_under_its_new_name(server: Server) -> None:
    with subscribed(server) as ws:
        hear(ws)
        path = create(server, 10, metadata("old"))
        assert patch(server, path, 0, b"01234").status == 204
        assert rename(server, path, "new").status == 200
        assert patch(server, path, 5, b"56789").status == 204
        heard = hear_events(ws, 3)
    assert kinds(heard) == ["created", "renamed", "completed"]
    assert names(heard) == ["old", "new", "new"]


def test_a_new_name_that_is_given_during_an_append_is_told_behind_what_came_of_that(server: Server) -> None:
    with subscribed(server) as ws, ThreadPoolExecutor(1) as pool, Connection(server.port) as connection:
        hear(ws)
        path = create(server, 10, metadata("old"))
        begin_patch(connection, path, 0, 10)
        connection.send(b"01234")
        renaming = pool.submit(rename, server, path, "new")
        connection.send(b"56789")
        assert connection.read_answer().status == 204
        assert renaming.result().status == 200
        heard = hear_events(ws, 3)
    assert {event["subject"] for event in heard} == {path.rpartition("/")[2]}
    assert (kinds(heard), names(heard)) in (
        (["created", "completed", "renamed"], ["old", "old", "new"]),
        # The request for it may have been first after all.
        (["created", "renamed", "completed"], ["old", "new", "new"]),
    )


def test_a_name_that_was_refused_during_an_append_is_told_to_nobody(tmp_path: Path) -> None:
    with (
        serving(tmp_path / "data", lock_timeout="0", checkpoint_interval="0.05") as server,
        subscribed(server) as ws,
        Connection(server.port) as connection,
    ):
        hear(ws)
        path = create(server, 10, metadata("old"))
        begin_patch(connection, path, 0, 10)
        connection.send(b"01234")
        while hear(ws)["type"] != "longshore.upload.progress":  # the append has its lease by then
            pass
        refused = rename(server, path, "new")
        assert (refused.status, code_of(refused)) == (423, "upload-locked")
        connection.send(b"56789")
        assert connection.read_answer().status == 204
        heard = hear_events(ws, 1)
    assert (kinds(heard), names(heard)) == (["completed"], ["old"])


def test_no_webhook_tells_of_a_new_name_which_tusd_knows_nothing_of(area: Path) -> None:
    with (
        Receiver() as receiver,
        serving(
            area / "data",
            webhook_url=receiver.url,
            webhook_allow_private="true",
            webhook_secret=SECRET,
            webhook_events="all",
        ) as server,
    ):
        path = upload(server)
        assert rename(server, path, "new").status == 200
        delete(server, path)
        # Of one upload they come in order, so this one would be behind.
        receiver.await_type("post-terminate")
        told = receiver.of(path.rpartition("/")[2])
    assert [kind for kind in told if kind.startswith("post-")] == ["post-create", "post-finish", "post-terminate"]
