"""Hooks of the operator's own, named in a setting, on a real server: whatever they do, it is the client's to go on."""

import json
import os
import select
import shutil
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import sha1
from pathlib import Path

import pytest
from tests.e2e import tus_js
from tests.e2e.samples import Sample
from tests.e2e.wire import (
    all_stored,
    assert_holds_bytes,
    await_answer,
    begin_patch,
    code_of,
    create,
    downloaded_hash,
    head,
    offset_of,
    patch,
    poll,
    request,
    stored_size,
)
from tests.serving import OFFSET_STREAM, Answer, Connection, Server, serving

pytestmark = pytest.mark.e2e

HOOKS = """
import asyncio, os, sys, time
from pathlib import Path
from longshore.ports.hooks import Answer, Changes, HookRefused
from longshore.protocol.metadata import parse_metadata

MENDED = Path("mended")

def wish(event):
    return parse_metadata(event.upload.metadata, max_size=8192).get("wish", b"").decode()

def note(name, event):
    with open("told", "a") as file:
        file.write(f"{name} {event.upload.id} {event.upload.offset}\\n")

def misbehave(event, place):
    how, _, where = wish(event).partition(" ")
    if where != place or MENDED.exists():
        return
    if how == "hang":
        time.sleep(3600)
    if how == "raise":
        raise KeyError("secret")
    if how == "exit":
        sys.exit(3)
    if how == "refuse":
        raise HookRefused("Not here.", status=451, code="by-law", headers=(("X-Law", "1984"),), article=7, since=None)
    if how == "speak":
        raise HookRefused(status=418, headers=(("Content-Type", "text/plain"),), body=b"short and stout")

class Plain:
    def pre_create(self, event):
        misbehave(event, "pre_create")
        if wish(event).startswith("call it "):
            told = (("X-Called", "yes"), ("Location", "elsewhere"))
            return Changes(
                upload_id=wish(event)[8:], metadata={"name": b"new", "flag": b""}, answer=Answer(headers=told)
            )

    def inspect(self, event):
        misbehave(event, "inspect")

    def pre_finish(self, event):
        misbehave(event, "pre_finish")
        if wish(event) == "say it":
            return Changes(answer=Answer(headers=(("X-Seen", str(event.content.size)),), body=b"well done"))

    def pre_terminate(self, event):
        misbehave(event, "pre_terminate")

    def post_create(self, event):
        note("create", event)
        misbehave(event, "post_create")

    def post_receive(self, event):
        note("receive", event)
        if wish(event) == "stop":
            event.stop(HookRefused("Enough.", status=422, code="enough"))

    def post_finish(self, event):
        note("finish", event)

    def post_terminate(self, event):
        note("terminate", event)

class Loop:
    async def pre_create(self, event):
        if wish(event) == "sleep":
            await asyncio.sleep(3600)

    async def pre_finish(self, event):
        if wish(event) == "doze" and not MENDED.exists():
            await asyncio.sleep(1)
"""

SIZE = 16
"""Bytes that are inspected."""

LIMIT = 0.5
"""Seconds that a hook may take."""


@contextmanager
def hooked(area: Path, hooks: str = "hooks.Plain,hooks:Loop", **settings: str) -> Iterator[Server]:
    (area / "hooks.py").write_text(HOOKS)
    limits = {"inspect_size": str(SIZE), "hook_timeout": str(LIMIT), "checkpoint_interval": "0.1"}
    with serving(area / "data", hooks=hooks, **limits | settings) as server:
        yield server


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("server")
    with hooked(directory) as running:
        yield running
    shutil.rmtree(directory)


@pytest.fixture
def server(shared: Server) -> Iterator[Server]:
    """A server with nothing on its disk, for tests in which no plain hook hangs: that would be for good."""
    (shared.data_dir.parent / "mended").unlink(missing_ok=True)
    assert all_stored(shared) == []
    yield shared
    mend(shared)
    for file in all_stored(shared):
        request(shared, "DELETE", f"/files/{file.name}", {})


@pytest.fixture
def fresh(area: Path) -> Iterator[Server]:
    """A server of the test's own."""
    with hooked(area) as running:
        yield running


def wishing(wish: str) -> dict[str, str]:
    return {"Upload-Metadata": f"wish {b64encode(wish.encode()).decode()}"}


def told(server: Server, path: str) -> list[str]:
    """What post-hooks were told of an upload: the name, and the offset."""
    file = server.data_dir.parent / "told"
    lines = [line.split() for line in file.read_text().splitlines()] if file.exists() else []
    return [f"{name} {offset}" for name, upload_id, offset in lines if upload_id == path.rpartition("/")[2]]


def mend(server: Server) -> None:
    """Have hooks do no harm any more."""
    (server.data_dir.parent / "mended").touch()


def checksum(data: bytes) -> dict[str, str]:
    return {"Upload-Checksum": f"sha1 {b64encode(sha1(data).digest()).decode()}"}


def try_to_create(server: Server, length: int, wish: str, body: bytes = b"") -> Answer:
    stream = OFFSET_STREAM if body else {}
    return request(server, "POST", "/files", {"Upload-Length": str(length), **wishing(wish), **stream}, body)


def assert_by_law(answer: Answer) -> None:
    assert (answer.status, answer.headers["x-law"]) == (451, "1984")
    assert answer.headers["content-type"] == "application/problem+json"
    problem = json.loads(answer.body)
    assert {name: problem[name] for name in ("status", "code", "detail", "article", "since")} == {
        "status": 451,
        "code": "by-law",
        "detail": "Not here.",
        "article": 7,
        "since": None,
    }


def assert_removed(server: Server, path: str) -> None:
    assert head(server, path).status == 410
    assert patch(server, path, 0, b"again").status == 410
    assert all_stored(server) == []


# Refusals and answers


def test_refusal_reaches_the_client_as_it_is(server: Server) -> None:
    assert_by_law(try_to_create(server, 100, "refuse pre_create"))
    answer = try_to_create(server, 100, "speak pre_create")
    assert (answer.status, answer.body) == (418, b"short and stout")
    assert answer.headers["content-type"] == "text/plain"
    assert all_stored(server) == []


@pytest.mark.parametrize("place", ["inspect", "pre_finish"])
@pytest.mark.parametrize("size", [0, 5, SIZE, 100, 200_000])
@pytest.mark.parametrize("way", ["patch", "checked", "creation"])
def test_refused_content_is_removed(server: Server, place: str, size: int, way: str) -> None:
    content = os.urandom(size)
    if way == "creation" or not size:
        assert_by_law(try_to_create(server, size, f"refuse {place}", content))
        assert all_stored(server) == []
        return
    path = create(server, size, wishing(f"refuse {place}"))
    assert_by_law(patch(server, path, 0, content, checksum(content) if way == "checked" else None))
    assert_removed(server, path)


def test_refused_deletion_leaves_the_upload(server: Server) -> None:
    path = create(server, 100, wishing("refuse pre_terminate"))
    assert patch(server, path, 0, b"kept").status == 204
    assert_by_law(request(server, "DELETE", path, {}))
    assert offset_of(server, path) == 4
    mend(server)
    assert request(server, "DELETE", path, {}).status == 204
    poll(lambda: told(server, path)[-1] == "terminate 4")


@pytest.mark.parametrize("upload_id", ["chosen-by-the-hook_1", "x" * 128, "A1", "-"])
def test_id_and_metadata_are_the_hook_s(server: Server, upload_id: str) -> None:
    answer = try_to_create(server, 100, f"call it {upload_id}")
    assert (answer.status, answer.headers["location"]) == (201, f"/files/{upload_id}")
    assert answer.headers["x-called"] == "yes"
    content = os.urandom(100)
    path = answer.headers["location"]
    assert patch(server, path, 0, content[:60]).status == 204
    assert patch(server, path, 60, content[60:]).status == 204
    assert_holds_bytes(server, path, content)
    assert head(server, path).headers["upload-metadata"] == f"name {b64encode(b'new').decode()},flag"

    again = try_to_create(server, 100, f"call it {upload_id}", b"x" * 100)
    assert (again.status, code_of(again)) == (500, "hook-answer-invalid")
    assert_holds_bytes(server, path, content)


@pytest.mark.parametrize("upload_id", ["", "../../etc/passwd", "a b", "x" * 129])
def test_id_that_cannot_be_leaves_nothing(server: Server, upload_id: str) -> None:
    answer = try_to_create(server, 100, f"call it {upload_id}")
    assert (answer.status, code_of(answer)) == (500, "hook-answer-invalid")
    assert all_stored(server) == []


def test_hooks_add_to_a_successful_answer(server: Server) -> None:
    path = create(server, 5, wishing("say it"))
    answer = patch(server, path, 0, b"hello")
    assert (answer.status, answer.headers["x-seen"], answer.body) == (200, "5", b"well done")
    assert answer.headers["upload-offset"] == "5"


# Failures that pass


@pytest.fixture
def request_(request: pytest.FixtureRequest) -> pytest.FixtureRequest:
    """The request for fixtures, by another name than that of requests by HTTP."""
    return request


def server_for(fixtures: pytest.FixtureRequest, how: str) -> Server:
    server: Server = fixtures.getfixturevalue("fresh" if how == "hang" else "server")
    return server


@pytest.mark.parametrize("how", ["raise", "exit", "hang"])
def test_creation_goes_through_when_the_hook_has_been_mended(request_: pytest.FixtureRequest, how: str) -> None:
    server = server_for(request_, how)
    answer = try_to_create(server, 100, f"{how} pre_create")
    assert (answer.status, code_of(answer)) == (503, "hook-failed")
    assert b"secret" not in answer.body
    mend(server)
    assert try_to_create(server, 100, f"{how} pre_create").status == 201


@pytest.mark.parametrize(
    ("how", "way"),
    [("raise", "small"), ("raise", "checked"), ("exit", "large"), ("hang", "checked"), ("hang", "large")],
)
def test_first_bytes_that_nobody_could_look_at_are_not_committed(
    request_: pytest.FixtureRequest, how: str, way: str
) -> None:
    server = server_for(request_, how)
    content = os.urandom(300_000 if way == "large" else 100)
    path = create(server, len(content) * 2, wishing(f"{how} inspect"))
    answer = patch(server, path, 0, content, checksum(content) if way == "checked" else None)
    assert (answer.status, code_of(answer)) == (503, "hook-failed")
    assert offset_of(server, path) == SIZE - 1
    mend(server)
    assert patch(server, path, SIZE - 1, (content * 2)[SIZE - 1 :]).status == 204
    assert_holds_bytes(server, path, content * 2)


@pytest.mark.parametrize(
    ("how", "way"), [("raise", "small"), ("raise", "checked"), ("raise", "large"), ("hang", "large")]
)
def test_all_but_the_last_byte_is_kept_when_the_last_hook_fails(
    request_: pytest.FixtureRequest, how: str, way: str
) -> None:
    server = server_for(request_, how)
    content = os.urandom(300_000 if way == "large" else 100)
    path = create(server, len(content), wishing(f"{how} pre_finish"))
    answer = patch(server, path, 0, content, checksum(content) if way == "checked" else None)
    assert (answer.status, code_of(answer)) == (503, "hook-failed")
    assert offset_of(server, path) == len(content) - 1
    mend(server)
    assert patch(server, path, len(content) - 1, content[-1:]).status == 204
    assert_holds_bytes(server, path, content)
    poll(lambda: told(server, path)[-1].startswith("finish"))


def test_tus_js_client_tries_again_by_itself(fresh: Server, small: Sample) -> None:
    options = {
        "endpoint": fresh.url,
        "retryDelays": [0, 300, 600, 1200, 2400],
        "metadata": {"wish": "raise pre_finish"},
    }
    process = tus_js.start({"path": str(small.path), "options": options})
    poll(lambda: "hook pre_finish failed" in fresh.said())
    mend(fresh)
    run = tus_js.finish(process)
    assert ("PATCH", 503) in run.requests
    assert run.requests[-1] == ("PATCH", 204)
    assert downloaded_hash(fresh, run.url) == small.sha256


def test_upload_is_not_finished_by_declaring_its_length_while_the_hook_fails(server: Server) -> None:
    path = create(server, None, wishing("raise pre_finish"))
    assert patch(server, path, 0, b"hello").status == 204
    assert patch(server, path, 5, b"", {"Upload-Length": "5"}).status == 503
    assert head(server, path).headers["upload-defer-length"] == "1"
    mend(server)
    assert patch(server, path, 5, b"", {"Upload-Length": "5"}).status == 204
    assert_holds_bytes(server, path, b"hello")


def test_kill_while_the_last_hook_runs_costs_nothing(area: Path) -> None:
    content = os.urandom(3_000_000)
    with hooked(area, hook_timeout="10") as server:
        path = create(server, len(content), wishing("doze"))
        with Connection(server.port) as connection:
            begin_patch(connection, path, 0, len(content))
            connection.send(content[:-1])
            poll(lambda: offset_of(server, path) == len(content) - 1)
            connection.send(content[-1:])
            poll(lambda: stored_size(server, path) == len(content))
            server.kill()
        server.start()
        assert offset_of(server, path) == len(content) - 1
        assert patch(server, path, len(content) - 1, content[-1:]).status == 204
        assert_holds_bytes(server, path, content)


# Hooks that hang


def thread_count(server: Server) -> int:
    return len(list(Path(f"/proc/{server.pid}/task").iterdir()))


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are counted in /proc")
def test_hooks_that_hang_take_eight_threads_at_most_and_status_and_downloads_go_on(fresh: Server) -> None:
    finished = create(fresh, 5)
    assert patch(fresh, finished, 0, b"hello").status == 204
    unfinished = create(fresh, 50)
    before = thread_count(fresh)
    for _ in range(6):
        create(fresh, 10, wishing("hang post_create"))
    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(lambda _: try_to_create(fresh, 10, "hang pre_create"), range(20)))
    assert {code_of(answer) for answer in answers} == {"hook-failed"}
    # Those that are asked for by requests may be in use by now; and those of sockets and files come and go.
    assert thread_count(fresh) - before <= 8 + 20
    hung = thread_count(fresh)
    with ThreadPoolExecutor(20) as threads:
        list(threads.map(lambda _: try_to_create(fresh, 10, "hang pre_create"), range(20)))
    assert thread_count(fresh) <= hung + 1
    assert offset_of(fresh, unfinished) == 0
    assert patch(fresh, unfinished, 0, b"abc").status == 204
    assert_holds_bytes(fresh, finished, b"hello")


def test_plain_hook_that_hangs_leaves_other_uploads_alone(fresh: Server) -> None:
    for _ in range(3):
        assert try_to_create(fresh, 10, "hang pre_create").status == 503
    path = create(fresh, 5)
    assert patch(fresh, path, 0, b"hello").status == 204


def test_async_hook_that_hangs_leaves_other_uploads_alone(server: Server) -> None:
    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(lambda _: try_to_create(server, 10, "sleep"), range(20)))
    assert {code_of(answer) for answer in answers} == {"hook-failed"}
    path = create(server, 5)
    assert patch(server, path, 0, b"hello").status == 204


def test_server_stops_though_hooks_hang(fresh: Server) -> None:
    assert try_to_create(fresh, 10, "hang pre_create").status == 503
    create(fresh, 10, wishing("hang post_create"))
    poll(lambda: (fresh.data_dir.parent / "told").exists())
    assert fresh.stop() == 0


def test_server_that_stops_lets_a_hook_answer(area: Path) -> None:
    with hooked(area, hook_timeout="10") as server:
        path = create(server, 5, wishing("doze"))
        with Connection(server.port) as connection:
            begin_patch(connection, path, 0, 5)
            connection.send(b"hello")
            poll(lambda: stored_size(server, path) == 5)
            server.signal()
            answer = await_answer(connection)
        assert answer is not None
        assert answer.status == 204
        assert server.wait() == 0
        server.start()
        assert_holds_bytes(server, path, b"hello")


def test_second_append_waits_for_a_hook_and_neither_is_lost(area: Path) -> None:
    with hooked(area, hook_timeout="10", lock_timeout="0.3") as server:
        path = create(server, 5, wishing("doze"))
        with Connection(server.port) as connection:
            begin_patch(connection, path, 0, 5)
            connection.send(b"hello")
            poll(lambda: stored_size(server, path) == 5)
            assert patch(server, path, 4, b"o").status in (409, 423)
            assert patch(server, path, 0, b"other").status in (409, 423)
            assert request(server, "DELETE", path, {}).status == 423
            answer = await_answer(connection)
        assert answer is not None
        assert answer.status == 204
        assert_holds_bytes(server, path, b"hello")


# What is told afterwards


def test_post_hooks_are_told_in_order_and_keep_nobody_waiting(fresh: Server) -> None:
    began = time.monotonic()
    path = create(fresh, 1000, wishing("hang post_create"))
    assert patch(fresh, path, 0, bytes(1000)).status == 204
    assert time.monotonic() - began < LIMIT
    poll(lambda: told(fresh, path) == ["create 0", "finish 1000"])


def test_what_is_received_is_told_now_and_then(server: Server) -> None:
    path = create(server, 1_000_000)
    with Connection(server.port) as connection:
        begin_patch(connection, path, 0, 1_000_000)
        for _ in range(4):
            connection.send(bytes(200_000))
            time.sleep(0.2)
        assert any(line.startswith("receive ") for line in told(server, path))
        connection.send(bytes(200_000))
        answer = await_answer(connection)
    assert answer is not None
    assert answer.status == 204
    poll(lambda: told(server, path)[-1] == "finish 1000000")
    offsets = [int(line.split()[1]) for line in told(server, path)]
    assert offsets == sorted(offsets)
    assert told(server, path)[0] == "create 0"


def test_transfer_that_a_hook_stops_is_removed_and_told_why(server: Server) -> None:
    path = create(server, 10**9, wishing("stop"))
    with Connection(server.port) as connection:
        begin_patch(connection, path, 0, 10**9)
        deadline = time.monotonic() + 10
        while not select.select([connection.socket], [], [], 0.01)[0]:
            assert time.monotonic() < deadline
            connection.send(bytes(10_000))
        answer = await_answer(connection)
    assert answer is not None
    assert (answer.status, code_of(answer)) == (422, "enough")
    assert_removed(server, path)


# The setting


@pytest.mark.parametrize("hooks", ["hooks.Missing", "nowhere.Hook", "hooks.note"])
def test_server_does_not_start_with_a_hook_that_is_none(area: Path, hooks: str) -> None:
    (area / "hooks.py").write_text(HOOKS)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LONGSHORE_")}
    settings = {"LONGSHORE_DATA_DIR": str(area / "data"), "LONGSHORE_HOOKS": hooks, "LONGSHORE_AUTH": "none"}
    done = subprocess.run(
        [sys.executable, "-m", "longshore", "serve", "--port", "0"],
        env={**kept, **settings},
        cwd=area,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode != 0
    assert hooks in done.stderr
    assert "Traceback" not in done.stderr
