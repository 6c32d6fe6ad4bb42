"""What happens to uploads, as subscribers hear of it over real connections to a real server."""

import contextlib
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.e2e.accounts import PASSWORD, User, ask, read, register, sign_in
from tests.e2e.subscribers import (
    SOON,
    connections_of,
    delete,
    hear,
    hear_events,
    kinds,
    streaming,
    subscribed,
    upload,
)
from tests.serving import OFFSET_STREAM, TUS, Connection, Server, serving
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Opcode
from websockets.sync.client import ClientConnection

pytestmark = pytest.mark.e2e

MANY = 65_536


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with accounts, for which everybody may register."""
    with serving(
        tmp_path_factory.mktemp("guarded") / "data", auth="local", registration="open", admin_password=PASSWORD
    ) as running:
        yield running


@pytest.fixture(scope="module")
def ann(guarded: Server) -> User:
    return register(guarded, "ann")


def closing_code(ws: ClientConnection, timeout: float = SOON) -> int | None:
    """Read on until the server closes; the code that it gives, None where it just cuts the connection."""
    deadline = time.monotonic() + timeout
    try:
        while True:
            ws.recv(max(0, deadline - time.monotonic()))
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else None


# WebSockets


def test_announces_what_happens(server: Server) -> None:
    with subscribed(server) as ws:
        position = hear(ws)
        assert position == {"type": "position", "after": position["current"], "current": position["current"]}
        path = upload(server, name="Grüße.txt")
        delete(server, path)
        heard = hear_events(ws, 3)
    assert kinds(heard) == ["created", "completed", "terminated"]
    assert [int(told["id"]) for told in heard] == [int(position["current"]) + n for n in (1, 2, 3)]
    assert {told["subject"] for told in heard} == {path.rpartition("/")[2]}
    assert heard[1]["data"]["name"] == "Grüße.txt"


def test_tells_of_progress_about_once_a_second(server: Server) -> None:
    with subscribed(server, "?type=progress") as ws, Connection(server.port) as connection:
        hear(ws)
        path = connection.request("POST", "/files", {**TUS, "Upload-Length": "400000"}).headers["location"]
        head = {**TUS, **OFFSET_STREAM, "Upload-Offset": "0", "Content-Length": "400000"}
        connection.send_head("PATCH", path, head)
        heard = []
        for _ in range(40):
            connection.send(bytes(10_000))
            time.sleep(0.1)
        assert connection.read_answer().status == 204
        with contextlib.suppress(TimeoutError):
            while True:
                heard.append(hear(ws, 0.5))
    offsets = [told["data"]["offset"] for told in heard]
    assert 2 <= len(offsets) <= 5
    assert offsets == sorted(offsets)
    assert not any(told["id"].isdigit() for told in heard)


def test_filters_by_type_and_upload(server: Server) -> None:
    first = upload(server).rpartition("/")[2]
    with subscribed(server, "?type=longshore.upload.completed&type=terminated&after=0") as ws:
        assert set(kinds(hear_events(ws, 1))) <= {"completed", "terminated"}
    with subscribed(server, f"?upload={first}&upload=other&after=0") as ws:
        heard = hear_events(ws, 2)
    assert (kinds(heard), {told["subject"] for told in heard}) == (["created", "completed"], {first})


def test_replays_what_was_missed(server: Server) -> None:
    with subscribed(server) as ws:
        current = int(hear(ws)["current"])
    paths = [upload(server) for _ in range(3)]
    assert reached(server, current + 6) == current + 6
    with subscribed(server, f"?after={current}") as ws:
        assert hear(ws) == {"type": "position", "after": str(current), "current": str(current + 6)}
        paths.append(upload(server))
        heard = hear_events(ws, 8)
    assert [int(told["id"]) for told in heard] == list(range(current + 1, current + 9))
    assert [told["subject"] for told in heard[::2]] == [path.rpartition("/")[2] for path in paths]


def test_says_when_it_cannot_tell_everything(server: Server) -> None:
    with subscribed(server, "?after=123456789") as ws:
        position = hear(ws)
        assert position["after"] == position["current"]
        assert hear(ws) == {"type": "gap", "after": "123456789"}


def cut(ws: ClientConnection) -> None:
    """Be gone without a word, as a phone that leaves the house."""
    connection = ws.socket
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    connection.shutdown(socket.SHUT_RDWR)
    connection.close()


def listen_with_breaks(server: Server, after: int, seed: int, last: "list[int]") -> list[int]:
    """Listen until the last event, with cuts at any moment, going on after whatever was heard last."""
    chance, heard, streams = random.Random(seed), [], seed % 2
    while not last or after < last[0]:
        most = chance.choice([0, 1, 3, 10, 50])
        took = (hear_a_stream if streams else hear_a_socket)(server, after, most)
        heard += took
        after = took[-1] if took else after
    return heard


def hear_a_socket(server: Server, after: int, most: int) -> list[int]:
    took: list[int] = []
    with subscribed(server, f"?after={after}") as ws:
        with contextlib.suppress(TimeoutError):
            while len(took) < most:
                told = hear(ws, 0.3)
                took += [int(told["id"])] if told.get("id", "").isdigit() else []
        cut(ws)
    return took


def hear_a_stream(server: Server, after: int, most: int) -> list[int]:
    took: list[int] = []
    current = after
    with streaming(server, "?after=0", last_event_id=str(after)) as events:
        for event in events:
            if event.get("event") == "position":
                current = int(json.loads(event["data"])["current"])
            elif "id" in event:
                took.append(int(event["id"]))
            if len(took) >= most or (took or [after])[-1] >= current > after:
                break
            if "event" in event and current == after:
                break  # Nothing to hear yet.
    return took


def reached(server: Server, position: int) -> int:
    """The newest event that is told of, once that one is, or after a few seconds."""
    deadline = time.monotonic() + 10
    while True:
        with subscribed(server) as ws:
            current = int(hear(ws)["current"])
        if current >= position or time.monotonic() > deadline:
            return current


def test_who_is_cut_off_again_and_again_hears_everything_once_and_in_order(server: Server) -> None:
    with subscribed(server) as ws:
        start = int(hear(ws)["current"])
    last: list[int] = []
    with ThreadPoolExecutor(16) as pool:
        listening = [pool.submit(listen_with_breaks, server, start, seed, last) for seed in range(6)]
        uploading = [pool.submit(lambda: [upload(server) for _ in range(40)]) for _ in range(4)]
        for done in uploading:
            done.result()
        last.append(reached(server, start + 320))
        heard = [task.result() for task in listening]
    assert last[0] == start + 320
    assert all(ids == list(range(start + 1, last[0] + 1)) for ids in heard)


# Slow and dead subscribers


def test_one_that_cannot_keep_up_is_told_to_come_back_and_resumes(tmp_path: Path) -> None:
    with serving(tmp_path / "data", fsync="never", metrics="open") as server, raw_subscriber(server) as slow:
        total: list[int] = []
        with subscribed(server) as lively, ThreadPoolExecutor(1) as pool:
            hearing = pool.submit(hear_until_the_last, lively, total)
            uploaded = 0
            while subscribers_of(server) == 2:
                assert uploaded < 10_000, "nobody is told that they are too slow"
                upload_many(server, 50)
                uploaded += 50
            heard, code = read_to_the_end(slow)
            total.append(2 * uploaded + 2)
            upload_many(server, 1)
            assert hearing.result() == list(range(1, total[0] + 1))
        assert code == 1013
        assert heard == list(range(1, len(heard) + 1))
        assert len(heard) < total[0]
        with subscribed(server, f"?after={heard[-1]}") as ws:
            rest = hear_events(ws, total[0] - len(heard))
        assert [int(told["id"]) for told in rest] == list(range(len(heard) + 1, total[0] + 1))


def hear_until_the_last(ws: ClientConnection, total: list[int]) -> list[int]:
    """The ids of all events; how many there are is known only later."""
    heard: list[int] = []
    while not total or len(heard) < total[0]:
        heard += [int(told["id"]) for told in hear_events(ws, 1)]
    return heard


def subscribers_of(server: Server) -> int:
    """How many connections the server tells of events."""
    said = ask(server, "/metrics").body.decode()
    found = re.search(r"^longshore_hub_subscribers (\S+)$", said, re.MULTILINE)
    assert found is not None, said
    return int(float(found[1]))


def upload_many(server: Server, count: int) -> None:
    """Many empty files on one connection, with names that make for long messages."""
    metadata = f"filename {b64encode(('😀' * 250).encode()).decode()}"
    with Connection(server.port) as connection:
        for _ in range(count):
            fields = {**TUS, "Upload-Length": "0", "Upload-Metadata": metadata}
            assert connection.request("POST", "/files", fields).status == 201


@contextlib.contextmanager
def raw_subscriber(server: Server) -> Iterator[socket.socket]:
    """A WebSocket of which nobody reads, with little room in between."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        # The server's kernel makes its buffer large for large segments, as they are on this machine.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
        connection.settimeout(SOON)
        connection.connect(("127.0.0.1", server.port))
        connection.sendall(
            b"GET /events HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        answer = b""
        while not answer.endswith(b'"}'):  # of the position, which is the last message for now
            answer += connection.recv(MANY)
        yield connection


def read_to_the_end(connection: socket.socket) -> tuple[list[int], int]:
    """The ids of the events that are still there to be read, and the code of the close frame."""
    data = bytearray()
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(MANY):
            data += piece
            if data[-4:-2] == b"\x88\x02":
                connection.sendall(b"\x88\x80\x00\x00\x00\x00")
    *messages, close = frames(bytes(data))
    assert close[0] == Opcode.CLOSE, "the connection was cut"
    ids = [json.loads(payload)["id"] for opcode, payload in messages if opcode == Opcode.TEXT]
    return [int(event_id) for event_id in ids], int.from_bytes(close[1][:2], "big")


def frames(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Frames as a server sends them, unmasked and whole."""
    while len(data) >= 2:
        opcode, size, start = data[0] & 15, data[1], 2
        if size == 126:
            size, start = int.from_bytes(data[2:4], "big"), 4
        yield opcode, data[start : start + size]
        data = data[start + size :]


@pytest.mark.slow
def test_a_stopped_peer_is_found_within_40_seconds(tmp_path: Path) -> None:
    listening = (
        "import sys; from websockets.sync.client import connect; ws = connect(sys.argv[1]);"
        "print(ws.recv(), flush=True); ws.recv()"
    )
    with serving(tmp_path / "data") as server:
        url = f"ws://127.0.0.1:{server.port}/events"
        with subprocess.Popen([sys.executable, "-c", listening, url], stdout=subprocess.PIPE) as client:
            try:
                assert client.stdout is not None
                assert client.stdout.readline()
                assert connections_of(server) == 1
                client.send_signal(signal.SIGSTOP)
                deadline = time.monotonic() + 40
                while connections_of(server):
                    assert time.monotonic() < deadline, "the dead peer still has its connection"
                    time.sleep(0.2)
            finally:
                client.kill()


# Tokens


def test_without_a_token_the_handshake_is_refused_with_a_problem(guarded: Server) -> None:
    with pytest.raises(InvalidStatus) as refused, subscribed(guarded):
        pass
    response = refused.value.response
    assert (response.status_code, response.headers["content-type"]) == (401, "application/problem+json")
    assert json.loads(response.body)["code"] == "unauthenticated"
    assert response.headers["www-authenticate"].startswith("Bearer")


def test_a_browser_gives_its_token_as_a_subprotocol(guarded: Server, ann: User) -> None:
    with subscribed(guarded, protocols=["longshore.v1", f"bearer.{ann.access_token}"]) as ws:
        assert ws.subprotocol == "longshore.v1"
        assert hear(ws)["type"] == "position"
    with pytest.raises(InvalidStatus) as refused, subscribed(guarded, protocols=["longshore.v1", "bearer.x"]):
        pass
    assert refused.value.response.status_code == 401
    assert ann.access_token not in guarded.said()


def test_a_token_in_the_url_counts_for_nothing(guarded: Server, ann: User) -> None:
    for name in ("token", "access_token"):
        with pytest.raises(InvalidStatus), subscribed(guarded, f"?{name}={ann.access_token}"):
            pass


def test_a_token_that_expires_closes_and_a_fresh_one_goes_on(tmp_path: Path) -> None:
    with serving(
        tmp_path / "data", auth="local", registration="open", admin_password=PASSWORD, access_token_ttl="10s"
    ) as server:
        bob = register(server, "bob")
        with subscribed(server, token=bob.access_token) as short, subscribed(server, token=bob.access_token) as long:
            hear(short)
            hear(long)
            time.sleep(3)
            long.send(json.dumps({"type": "token", "token": sign_in(server, "bob").access_token}))
            assert hear(long)["type"] == "token"
            assert closing_code(short) == 4401
            upload(server, token=sign_in(server, "bob").access_token)
            assert kinds(hear_events(long, 2)) == ["created", "completed"]
            with streaming(server, Authorization=f"Bearer {sign_in(server, 'bob').access_token}") as events:
                assert [event.get("event") for event in events] == [None, "position"]  # and has ended
        with pytest.raises(InvalidStatus) as refused, subscribed(server, token=bob.access_token):
            pass
        assert json.loads(refused.value.response.body)["code"] == "invalid-token"


def test_only_the_same_users_token_goes_on(guarded: Server, ann: User) -> None:
    with subscribed(guarded, token=ann.access_token) as ws:
        ws.send(json.dumps({"type": "token", "token": sign_in(guarded).access_token}))
        assert closing_code(ws) == 4401


@pytest.mark.parametrize("sent", ["", "{}", "[]", '{"type": "token"}', '{"type": "hello"}', b"\x00\x01", "[" * 9999])
def test_what_means_nothing_closes(guarded: Server, ann: User, sent: str | bytes) -> None:
    with subscribed(guarded, token=ann.access_token) as ws:
        ws.send(sent)
        assert closing_code(ws) == 1008


def test_long_messages_are_not_taken(guarded: Server, ann: User) -> None:
    with subscribed(guarded, token=ann.access_token) as ws:
        ws.send("x" * MANY)
        assert closing_code(ws) == 1009


def test_a_disabled_user_is_cut_off_within_seconds(guarded: Server) -> None:
    name = "carol"
    user = register(guarded, name)
    with subscribed(guarded, token=user.access_token) as ws:
        hear(ws)
        done = subprocess.run(
            [sys.executable, "-m", "longshore", "user", "disable", name],
            env={**os.environ, "LONGSHORE_DATA_DIR": str(guarded.data_dir)},
            cwd=guarded.data_dir.parent,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert closing_code(ws, timeout=15) == 4401


# Who hears what


@pytest.mark.parametrize(("visibility", "stranger"), [("shared", ["completed", "terminated"]), ("private", [])])
def test_files_are_announced_as_the_visibility_says(tmp_path: Path, visibility: str, stranger: list[str]) -> None:
    with serving(
        tmp_path / "data", auth="local", registration="open", admin_password=PASSWORD, visibility=visibility
    ) as server:
        owner, other, admin = register(server, "ann"), register(server, "bob"), sign_in(server)
        with contextlib.ExitStack() as stack:
            mine, theirs, admins = (
                stack.enter_context(subscribed(server, token=user.access_token)) for user in (owner, other, admin)
            )
            for ws in (mine, theirs, admins):
                hear(ws)
            delete(server, upload(server, token=owner.access_token), token=owner.access_token)
            last = upload(server, token=other.access_token)  # of which everybody here hears something
            whole = ["created", "completed", "terminated"]
            assert kinds(hear_events(mine, 3)) == whole
            assert kinds(hear_events(admins, 5)) == [*whole, "created", "completed"]
            heard = hear_events(theirs, len(stranger) + 2)
            assert kinds(heard) == [*stranger, "created", "completed"]
            assert heard[-1]["subject"] == last.rpartition("/")[2]


@pytest.mark.parametrize(
    ("origins", "origin", "allowed"),
    [
        ("*", "https://elsewhere.example", True),
        ("https://app.example", "https://app.example", True),
        ("https://app.example", "https://elsewhere.example", False),
        ("https://app.example", None, True),
        ("none", "null", False),
    ],
)
def test_where_no_token_is_needed_pages_of_other_origins_hear_nothing(
    tmp_path: Path, origins: str, origin: str | None, allowed: bool
) -> None:
    with serving(tmp_path / "data", cors_origins=origins) as server:
        with subscribed(server, origin=f"http://127.0.0.1:{server.port}") as ws:
            assert hear(ws)["type"] == "position"
        if allowed:
            with subscribed(server, origin=origin) as ws:
                assert hear(ws)["type"] == "position"
            return
        with pytest.raises(InvalidStatus) as refused, subscribed(server, origin=origin):
            pass
        assert refused.value.response.status_code == 403
        assert json.loads(refused.value.response.body)["code"] == "origin-not-allowed"


# Server-sent events


def test_a_stream_tells_the_same_and_resumes_by_last_event_id(server: Server) -> None:
    with streaming(server) as events:
        assert next(events) == {"retry": "3000"}
        position = next(events)
        assert position["event"] == "position"
        upload(server)
        created, done = next(events), next(events)
    assert [int(event["id"]) - int(position["id"]) for event in (created, done)] == [1, 2]
    assert set(created) == {"id", "data"}
    assert json.loads(done["data"])["type"] == "longshore.upload.completed"
    with streaming(server, f"?after={position['id']}", last_event_id=created["id"]) as events:
        assert [next(events) for _ in range(3)][2] == done


def test_a_stream_that_cannot_tell_everything_says_so(server: Server) -> None:
    with streaming(server, "?after=123456789") as events:
        assert [next(events).get("event") for _ in range(3)] == [None, "position", "gap"]


def test_a_stream_needs_a_token_as_anything_else(guarded: Server, ann: User) -> None:
    answer = ask(guarded, "/events", {"Accept": "text/event-stream"})
    assert (answer.status, read(answer)["code"]) == (401, "unauthenticated")
    with streaming(guarded, Authorization=f"Bearer {ann.access_token}") as events:
        assert next(events) == {"retry": "3000"}


# Requests that are neither


@pytest.mark.parametrize("accept", [None, "*/*", "application/json", "text/html,*/*;q=0.8"])
def test_a_request_that_is_neither_is_told_what_would_do(server: Server, accept: str | None) -> None:
    answer = ask(server, "/events", {"Accept": accept} if accept else {})
    assert (answer.status, read(answer)["code"]) == (426, "upgrade-required")
    assert answer.headers["upgrade"] == "websocket"


@pytest.mark.parametrize(
    "query", ["?after=x", "?after=-1", "?after=", "?after=1e3", "?type=nothing", "?after=" + 30 * "9"]
)
def test_a_wrong_query_is_refused(server: Server, query: str) -> None:
    answer = ask(server, f"/events{query}", {"Accept": "text/event-stream"})
    assert (answer.status, read(answer)["code"]) == (400, "invalid-subscription")
    with pytest.raises(InvalidStatus) as refused, subscribed(server, query):
        pass
    assert refused.value.response.status_code == 400


# Stopping


def test_a_server_that_stops_says_so(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server, subscribed(server) as ws:
        hear(ws)
        began = time.monotonic()
        server.signal()
        assert closing_code(ws) in (1001, 1012)
        assert server.wait() == 0
        assert time.monotonic() - began < 8
        assert "Traceback" not in server.said()


def test_a_server_that_stops_waits_for_no_subscriber_that_reads_nothing(tmp_path: Path) -> None:
    with serving(tmp_path / "data", fsync="never") as server, raw_subscriber(server):
        upload_many(server, 400)
        assert server.stop() == 0
        assert "Traceback" not in server.said()
