"""Who may take an upload over from whom, on both ways that a body can take: line by line, and in a race of fifty.

A request that cannot succeed never disturbs one that can; one that can goes on where the other one stood.
"""

import base64
import contextlib
import hashlib
import os
import random
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from threading import Barrier, Lock

import pytest
from tests.e2e.samples import MEGABYTE, make_sample
from tests.e2e.wire import (
    Sender,
    all_stored,
    assert_holds,
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
    stored,
    stored_size,
)
from tests.serving import TUS, Answer, Connection, Server, serving

pytestmark = pytest.mark.e2e

STALL_THRESHOLD = 0.5
"""Seconds, the default."""


@pytest.fixture(scope="module", params=["socket", "asgi"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for each way that bodies take. It commits offsets when requests end, and not before."""
    directory = tmp_path_factory.mktemp("server")
    socket_bodies = str(request.param == "socket").lower()
    with serving(directory / "data", checkpoint_interval="60", socket_bodies=socket_bodies) as running:
        yield running
    shutil.rmtree(directory)


@contextlib.contextmanager
def holding(
    server: Server, path: str, data: bytes, offset: int, count: int, headers: dict[str, str] | None = None
) -> Iterator[Connection]:
    """A PATCH with the rest of the data that has sent so many bytes of it, and is open and silent from there."""
    with Connection(server.port) as connection:
        begin_patch(connection, path, offset, len(data) - offset, headers)
        connection.send(data[offset : offset + count])
        poll(lambda: stored_size(server, path) == offset + count)
        yield connection


def assert_taken_over(connection: Connection) -> None:
    answer = await_answer(connection)
    assert answer is not None
    assert (answer.status, code_of(answer)) == (400, "upload-taken-over")


def patch_in_time(server: Server, path: str, offset: int, piece: bytes) -> float:
    """PATCH as soon as the holder is noted to stand there; return how long that took."""

    def accepted() -> float:
        began = time.monotonic()
        answer = patch(server, path, offset, piece)
        assert answer.status in (204, 409), answer  # Written, and a moment later noted as the place where it stands.
        return time.monotonic() - began if answer.status == 204 else 0.0

    return poll(accepted, within=STALL_THRESHOLD + 10)


def test_patch_where_a_live_holder_stands_takes_over_within_a_second(server: Server) -> None:
    data = os.urandom(3 * MEGABYTE)
    path = create(server, len(data))
    with holding(server, path, data, 0, 2_000_000) as holder:
        assert patch_in_time(server, path, 2_000_000, data[2_000_000:2_100_000]) < 1.0
        assert_taken_over(holder)
    assert offset_of(server, path) == 2_100_000
    assert patch(server, path, 2_100_000, data[2_100_000:]).status == 204
    assert_holds_bytes(server, path, data)


def test_holder_may_be_taken_over_again_and_again(server: Server) -> None:
    data = os.urandom(2 * MEGABYTE)
    step = 150_001
    path = create(server, len(data))
    with ExitStack() as stack:
        holders = [stack.enter_context(holding(server, path, data, 0, step))]
        for offset in range(step, 12 * step, step):
            took = stack.enter_context(Connection(server.port))
            begin_patch(took, path, offset, len(data) - offset)
            took.send(data[offset : offset + step])
            if not poll_taken(server, path, took, offset + step):
                holders.append(took)
                continue
            # It came before the holder was noted to stand there, and was told to come again.
            took = stack.enter_context(Connection(server.port))
            begin_patch(took, path, offset, len(data) - offset)
            took.send(data[offset : offset + step])
            poll(lambda offset=offset: stored_size(server, path) == offset + step)  # type: ignore[misc]
            holders.append(took)
        assert patch_in_time(server, path, 12 * step, data[12 * step :]) > 0
        for holder in holders:
            assert_taken_over(holder)
    assert_holds_bytes(server, path, data)


def poll_taken(server: Server, path: str, connection: Connection, size: int) -> bool:
    """Wait until the bytes are there, or until the request was answered instead."""
    connection.socket.setblocking(False)
    answered: list[bool] = []

    def seen() -> bool:
        with contextlib.suppress(BlockingIOError):
            connection.socket.recv(1, 2)
            answered.append(True)
        return bool(answered) or stored_size(server, path) == size

    poll(seen)
    connection.socket.settimeout(15)
    return bool(answered)


def test_holder_whose_body_is_checked_stands_where_it_began(server: Server) -> None:
    """Nothing of it can be verified before its end, so whoever takes over starts where it did."""
    data = os.urandom(2 * MEGABYTE)
    path = create(server, len(data))
    assert patch(server, path, 0, data[:500_000]).status == 204
    checksum = base64.b64encode(hashlib.sha256(data[500_000:]).digest()).decode()
    with holding(server, path, data, 500_000, 700_000, {"Upload-Checksum": f"sha256 {checksum}"}) as holder:
        assert patch(server, path, 1_200_000, data[1_200_000:]).status == 409
        began = time.monotonic()
        assert patch(server, path, 500_000, data[500_000:600_000]).status == 204
        assert time.monotonic() - began < 1.0
        assert_taken_over(holder)
    assert offset_of(server, path) == 600_000
    assert patch(server, path, 600_000, data[600_000:]).status == 204
    assert_holds_bytes(server, path, data)


def test_half_open_connection_is_resumed_by_head_and_patch(server: Server) -> None:
    data = os.urandom(3 * MEGABYTE)
    path = create(server, len(data))
    with holding(server, path, data, 0, 2_345_678) as dead:
        quiet_at = time.monotonic() + STALL_THRESHOLD
        # Before the threshold it answers what was committed; beyond it everything that came.
        poll(lambda: offset_of(server, path) == 2_345_678, within=STALL_THRESHOLD + 10)
        assert time.monotonic() >= quiet_at - 0.1
        assert patch(server, path, 2_345_678, data[2_345_678:]).status == 204
        assert_taken_over(dead)
    assert_holds_bytes(server, path, data)


@pytest.mark.parametrize("lively", [True, False], ids=["live", "stalled"])
def test_termination_takes_over(server: Server, lively: bool) -> None:
    data = os.urandom(4 * MEGABYTE)
    path = create(server, len(data))
    with Sender(server, path, data, rate=3 * MEGABYTE, stop_after=None if lively else MEGABYTE) as sender:
        poll(lambda: stored_size(server, path) > 0 if lively else stored_size(server, path) == MEGABYTE)
        began = time.monotonic()
        assert request(server, "DELETE", path, {}).status == 204
        assert time.monotonic() - began < 2.0
        answer = sender.finished()
    assert answer is None or answer.status in (400, 410)
    assert head(server, path).status == 410
    assert not stored(server, path).exists()


def test_patches_at_other_offsets_are_refused_at_once_and_disturb_nobody(server: Server) -> None:
    data = os.urandom(4 * MEGABYTE)
    path = create(server, len(data))
    slowest, refused = 0.0, 0
    with Sender(server, path, data, rate=3 * MEGABYTE) as sender:
        poll(lambda: stored_size(server, path) > 0)
        while sender.answer is None and sender.sent < len(data):
            for offset in (0, 1, 17, len(data)):
                began = time.monotonic()
                stale = patch(server, path, offset, b"")
                slowest = max(slowest, time.monotonic() - began)
                if offset == len(data) and sender.sent == len(data):
                    break  # The upload may have been finished meanwhile, and its end is the right offset then.
                assert (stale.status, code_of(stale)) == (409, "offset-conflict")
                refused += 1
        answer = sender.finished()
    assert answer is not None
    assert answer.status == 204
    assert refused >= 10
    assert slowest < 5.0  # At once, on a machine that may be busy; waiting for the lock takes ten seconds.
    assert_holds_bytes(server, path, data)


# What cannot be had within the timeout


@pytest.mark.parametrize("socket_bodies", ["true", "false"])
def test_who_has_no_time_to_wait_is_told_to_come_again_and_disturbs_nobody(area: Path, socket_bodies: str) -> None:
    data = os.urandom(2 * MEGABYTE)
    with serving(area / "data", lock_timeout="0", stall_threshold="60", socket_bodies=socket_bodies) as server:
        path = create(server, len(data))
        with holding(server, path, data, 0, MEGABYTE) as holder:

            def refused() -> bool:
                answer = patch(server, path, MEGABYTE, data[MEGABYTE:])
                assert answer.status in (409, 423), answer
                return (answer.status, code_of(answer)) == (423, "upload-locked")

            poll(refused)
            assert request(server, "DELETE", path, {}).status == 423
            assert offset_of(server, path) <= MEGABYTE

            holder.send(data[MEGABYTE:])
            assert holder.read_answer().status == 204
        assert_holds_bytes(server, path, data)


def test_upload_that_is_being_copied_cannot_be_had(area: Path) -> None:
    part = os.urandom(20 * MEGABYTE)
    copies = 20
    whole = hashlib.sha256()
    for _ in range(copies):
        whole.update(part)
    with serving(area / "data", lock_timeout="0.05", fsync="never") as server:
        for _ in range(5):
            if caught_copying(server, part, copies, whole.hexdigest()):
                return
    pytest.skip("here parts are shared instead of copied, too fast to be caught at it")


def caught_copying(server: Server, part: bytes, copies: int, sha256: str) -> bool:
    """Try to remove a part while a final upload is made of it, and again when that is done."""
    path = create(server, len(part), {"Upload-Concat": "partial"})
    assert patch(server, path, 0, part).status == 204
    before = set(all_stored(server))
    with Connection(server.port) as connection:
        connection.send_head("POST", "/files", {**TUS, "Upload-Concat": f"final;{' '.join([path] * copies)}"})
        final = poll(lambda: set(all_stored(server)) - before, every=0.0005).pop()
        answers = [request(server, "DELETE", f"/files/{name}", {}) for name in (final.name, Path(path).name)]
        copied = final.exists() and final.stat().st_size == copies * len(part)
        answer = connection.read_answer()
    if copied or [refusal.status for refusal in answers] != [423, 423]:
        remove_all(server, f"/files/{final.name}", path)
        return False
    assert {code_of(refusal) for refusal in answers} == {"upload-locked"}
    assert (answer.status, answer.headers["location"]) == (201, f"/files/{final.name}")
    assert_holds(server, answer.headers["location"], copies * len(part), sha256)
    assert request(server, "DELETE", path, {}).status == 204
    return True


def remove_all(server: Server, *paths: str) -> None:
    for path in paths:
        assert request(server, "DELETE", path, {}).status in (204, 410)


# A large transfer that is watched


@pytest.fixture(scope="module")
def block(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """50 MB, to be sent over and over."""
    directory = tmp_path_factory.mktemp("block")
    yield make_sample(directory / "block.bin", 50 * MEGABYTE).path
    shutil.rmtree(directory)


@pytest.mark.slow
@pytest.mark.parametrize("socket_bodies", ["true", "false"])
def test_status_polls_leave_a_large_transfer_alone(area: Path, block: Path, socket_bodies: str) -> None:
    copies, rate = 10, 100 * MEGABYTE
    size = copies * block.stat().st_size
    with serving(area / "data", fsync="never", socket_bodies=socket_bodies) as server, ThreadPoolExecutor(1) as thread:
        path = create(server, size)
        sending = thread.submit(send_file, server, path, block, copies, rate)
        offsets = [0]
        with Connection(server.port) as connection:
            while not sending.done():
                answer = connection.request("HEAD", path, TUS)
                assert answer.status == 200
                offsets.append(int(answer.headers["upload-offset"]))
                time.sleep(0.05)  # The pace of the polls.
        sent = sending.result()
        assert sent is not None
        assert (sent.status, sent.headers["upload-offset"]) == (204, str(size))
        assert offsets == sorted(offsets)
        assert len(set(offsets)) >= 3  # Progress is to be seen: it is committed each second.
        assert len(offsets) >= 20
        assert downloaded_hash(server, path) == repeated_hash(block, copies)


def send_file(server: Server, path: str, block: Path, copies: int, rate: float) -> Answer | None:
    """One PATCH with the file over and over, at a steady rate, by sendfile."""
    size = block.stat().st_size
    with Connection(server.port, timeout=60) as connection, block.open("rb") as file:
        begin_patch(connection, path, 0, copies * size)
        connection.socket.setblocking(True)
        began, sent = time.monotonic(), 0
        while sent < copies * size:
            position = sent % size
            count = min(size - position, MEGABYTE)
            sent += os.sendfile(connection.socket.fileno(), file.fileno(), position, count)
            time.sleep(max(0.0, began + sent / rate - time.monotonic()))
        return await_answer(connection, within=60)


def repeated_hash(block: Path, copies: int) -> str:
    content, digest = block.read_bytes(), hashlib.sha256()
    for _ in range(copies):
        digest.update(content)
    return digest.hexdigest()


# The race


RACERS = 50
NO_PROGRESS = 12.0
"""Seconds without a new offset after which the racers stand in each other's way."""
PASSING = {"204", "offset-conflict", "upload-locked", "upload-taken-over", "body-stalled", "reset"}
"""What may come of a PATCH in a race."""


@dataclass
class Race:
    """One upload that many clients want to finish."""

    server: Server
    data: bytes
    path: str
    start: Barrier = field(default_factory=lambda: Barrier(RACERS))
    highest: int = 0
    """The largest offset that anybody has been told."""
    progress_at: float = field(default_factory=time.monotonic)
    came_of_it: Counter[str] = field(default_factory=Counter)
    _lock: Lock = field(default_factory=Lock)

    def hear(self, offset: int, floor: int) -> int:
        """Note an offset that was told to a request; `floor` is the highest from before that request."""
        with self._lock:
            assert floor <= offset <= len(self.data), f"{offset} was told after {floor}"
            if offset > self.highest:
                self.highest, self.progress_at = offset, time.monotonic()
        return offset

    def look(self) -> int:
        """HEAD, until there is an offset."""
        while True:
            assert time.monotonic() < self.progress_at + NO_PROGRESS, f"no progress, but {self.came_of_it}"
            floor = self.highest
            answer = head(self.server, self.path)
            if answer.status != 423:
                assert answer.status == 200, answer
                return self.hear(int(answer.headers["upload-offset"]), floor)

    def count(self, outcome: str) -> None:
        assert outcome in PASSING, outcome
        with self._lock:
            self.came_of_it[outcome] += 1

    def patch(self, offset: int, announced: int, sent: int, *, stay: bool) -> None:
        """PATCH of so many bytes, of which so many are sent, at a pace; with `stay` wait for an answer nevertheless."""
        floor = self.highest
        with Connection(self.server.port, timeout=60) as connection:
            with contextlib.suppress(ConnectionError):
                begin_patch(connection, self.path, offset, announced)
                for start in range(offset, offset + sent, 64 * 1024):
                    connection.send(self.data[start : min(start + 64 * 1024, offset + sent)])
                    time.sleep(0.002)  # A pace.
            if not stay:
                connection.reset()
                return
            answer = await_answer(connection, within=60)
        if answer is not None and answer.status == 204:
            assert self.hear(int(answer.headers["upload-offset"]), floor) == offset + announced
        self.count("reset" if answer is None else "204" if answer.status == 204 else code_of(answer))


def run_race(race: Race, number: int) -> None:
    """Take part until the upload is finished: some send all, some a piece, some fall silent, some vanish."""
    moments = random.Random(number)
    race.start.wait(NO_PROGRESS)
    while (offset := race.look()) < len(race.data):
        rest = len(race.data) - offset
        some = min(rest, moments.randint(1, 700_000))
        match moments.choice(["all", "piece", "piece", "piece", "silence", "vanish"]):
            case "all" if rest < len(race.data) // 2:
                race.patch(offset, rest, rest, stay=True)
            case "silence":
                race.patch(offset, rest, some // 2, stay=True)
            case "vanish":
                race.patch(offset, rest, some // 2, stay=False)
            case _:
                race.patch(offset, some, some, stay=True)


@pytest.mark.slow
@pytest.mark.parametrize("socket_bodies", ["true", "false"])
def test_fifty_that_race_end_with_the_right_bytes(area: Path, socket_bodies: str) -> None:
    data = os.urandom(20 * MEGABYTE)
    with serving(
        area / "data", body_idle_timeout="3", checkpoint_interval="0.1", socket_bodies=socket_bodies
    ) as server:
        path = create(server, len(data))
        race = Race(server, data, path)
        with ThreadPoolExecutor(RACERS) as threads:
            for racer in [threads.submit(run_race, race, number) for number in range(RACERS)]:
                racer.result()
        print(dict(race.came_of_it))
        assert_holds_bytes(server, path, data)
        assert race.came_of_it["upload-taken-over"] > 0
        assert race.came_of_it["offset-conflict"] > 0
        assert server.said().count(f"upload completed: {Path(path).name}") == 1
