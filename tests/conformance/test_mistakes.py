"""What other servers get wrong: locks that hurt the wrong one, bodies in memory, bytes that are lost or left behind.

Each test says in its name what is right here. The mistakes that have to do with a single rule of the protocol are
tested with that rule.
"""

import itertools
import threading
import time
from pathlib import Path

import pytest
from tests.conformance.client import Client, Serve, refused, until
from tests.serving import OFFSET_STREAM, TUS

AT_ONCE = 3.0
"""Seconds within which something that waits for nobody is answered, on a machine that is busy."""

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def patient(serve: Serve) -> Client:
    """A server that takes no transfer for dead, so that tests may take their time between two bytes."""
    return serve(stall_threshold="100s", checkpoint_interval="100s", lock_timeout="12s")


# Locks


@pytest.mark.requirement("ls-lock-poll")
def test_a_status_poll_leaves_a_running_patch_alone(patient: Client) -> None:
    upload = patient.new(10)
    with patient.half_patch(upload, b"123", of=10) as connection:
        for _ in range(3):
            started = time.monotonic()
            assert 0 <= patient.offset(upload) <= 3
            assert time.monotonic() - started < AT_ONCE
        connection.send(b"4567890")
        answer = connection.read_answer()
    assert (answer.status, answer.headers["upload-offset"]) == (204, "10")
    assert patient.content(upload) == b"1234567890"


@pytest.mark.requirement("ls-lock-stale", "core-patch-conflict", "ls-patch-409")
@pytest.mark.parametrize(("offset", "body"), [(1, b"xx"), (0, b"x"), (4, b"x"), (10, b"")])
def test_a_stale_patch_leaves_a_running_one_alone(patient: Client, offset: int, body: bytes) -> None:
    upload = patient.new(10)
    with patient.half_patch(upload, b"123", of=10) as connection:
        started = time.monotonic()
        answer = patient.patch(upload, offset, body)
        assert time.monotonic() - started < AT_ONCE
        refused(answer, 409, "offset-conflict")
        assert 0 <= int(answer.headers["upload-offset"]) <= 3
        connection.send(b"4567890")
        assert connection.read_answer().status == 204
    assert patient.content(upload) == b"1234567890"


@pytest.mark.requirement("ls-lock-stale", "ls-refused-unwritten")
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "text/plain"}, 415),
        ({"Tus-Resumable": "0.1"}, 412),
        ({"Upload-Length": "11"}, 400),
        ({"Upload-Checksum": "sha3 AAAA"}, 400),
        ({"Content-Length": "8"}, 413),
    ],
)
def test_a_patch_that_is_refused_leaves_a_running_one_alone(
    patient: Client, headers: dict[str, str], status: int
) -> None:
    upload = patient.new(10)
    with patient.half_patch(upload, b"123", of=10) as connection:
        refused(patient.patch(upload, 3, b"x" * int(headers.get("Content-Length", "7")), headers), status)
        connection.send(b"4567890")
        assert connection.read_answer().status == 204
    assert patient.content(upload) == b"1234567890"


@pytest.mark.requirement("ls-lock-takeover", "core-patch-stores-much", "ls-cut-kept")
def test_a_client_that_comes_back_takes_over_at_once(patient: Client) -> None:
    upload = patient.new(10)
    with patient.half_patch(upload, b"123", of=10) as connection:
        started = time.monotonic()
        answer = patient.patch(upload, 3, b"4567890")
        assert time.monotonic() - started < AT_ONCE
        assert (answer.status, answer.headers["upload-offset"]) == (204, "10")
        refused(connection.read_answer(), 400, "upload-taken-over")
    assert patient.content(upload) == b"1234567890"


@pytest.mark.requirement("ls-lock-stalled-head", "core-patch-stores-much", "ls-cut-kept", "ls-lock-takeover")
def test_a_status_poll_makes_a_dead_transfer_commit(serve: Serve) -> None:
    tus = serve(checkpoint_interval="100s", stall_threshold="0.2s")
    upload = tus.new(10)
    with tus.half_patch(upload, b"123", of=10) as connection:
        until(lambda: tus.offset(upload) == 3, deadline=10)
        refused(connection.read_answer(), 400, "upload-taken-over")
    assert tus.patch(upload, 3, b"4567890").status == 204
    assert tus.content(upload) == b"1234567890"


@pytest.mark.requirement("ls-never-freezes", "ls-lock-takeover")
def test_patches_that_fight_for_an_upload_hold_up_nobody_else(patient: Client) -> None:
    upload, other = patient.new(10), patient.new(3)
    held = [patient.half_patch(upload, b"1", of=10)]
    for position in range(1, 6):
        connection = patient.connect()
        headers = {"Upload-Offset": str(position), "Content-Length": str(10 - position)}
        connection.send_head("PATCH", upload, {**TUS, **OFFSET_STREAM, **headers})
        connection.send(b"1")
        held.append(connection)
        started = time.monotonic()
        assert patient.request("OPTIONS", "/files").status == 200
        assert patient.offset(other) == 0
        assert time.monotonic() - started < AT_ONCE
        until(lambda: patient.stored(upload) == len(held))
    held[-1].send(b"1" * 4)
    assert held[-1].read_answer().status == 204
    for connection in held[:-1]:
        refused(connection.read_answer(), 400, "upload-taken-over")
    for connection in held:
        connection.close()
    assert patient.content(upload) == b"1" * 10


@pytest.mark.requirement("ls-never-freezes", "core-patch-offset-sum")
def test_of_patches_sent_at_the_same_moment_none_is_mixed_up(tus: Client) -> None:
    upload = tus.new(200_000)
    answers = []

    def send(letter: bytes) -> None:
        answers.append(tus.patch(upload, 0, letter * 200_000))

    threads = [threading.Thread(target=send, args=(letter,)) for letter in (b"a", b"b", b"c", b"d")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status for answer in answers} <= {204, 400, 409, 413, 423}
    offset = tus.offset(upload)
    if offset < 200_000:
        assert tus.patch(upload, offset, b"z" * (200_000 - offset)).status == 204
    content = tus.content(upload)
    assert len(content) == 200_000
    assert sum(1 for before, after in itertools.pairwise(content) if before != after) <= 4


@pytest.mark.requirement("ls-download-unlocked")
def test_a_slow_download_holds_up_nobody(patient: Client) -> None:
    data = b"0123456789abcdef" * MIB
    upload = patient.file(data)
    with patient.connect() as slow:
        slow.send_head("GET", upload, {})
        started = slow.socket.recv(1000)
        assert started.startswith(b"HTTP/1.1 200")
        began = time.monotonic()
        assert patient.offset(upload) == len(data)
        assert patient.patch(upload, len(data), b"").status == 204
        assert len(patient.content(upload)) == len(data)
        assert time.monotonic() - began < AT_ONCE
        assert patient.delete(upload).status == 204
        assert time.monotonic() - began < 2 * AT_ONCE


# Bytes


def peak_memory(tus: Client) -> int:
    status = Path(f"/proc/{tus.server.pid}/status").read_text(encoding="ascii")
    (peak,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(peak) * 1024


@pytest.mark.requirement("ls-unbuffered", "ls-large-patch")
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of a process's memory is read from /proc")
@pytest.mark.parametrize("chunked", [False, True])
def test_a_large_body_does_not_stay_in_memory(serve: Serve, chunked: bool) -> None:
    tus = serve()
    tus.content(tus.file(b"x" * 4 * MIB))
    before = peak_memory(tus)
    pieces = [b"0123456789abcdef" * (MIB // 16)] * 96
    upload = tus.new(96 * MIB)
    headers = {} if chunked else {"Content-Length": str(96 * MIB)}
    assert tus.patch(upload, 0, iter(pieces), headers).status == 204
    assert peak_memory(tus) - before < 24 * MIB
    assert tus.offset(upload) == 96 * MIB
    with tus.connect() as connection:
        connection.send_head("GET", upload, {"Connection": "close"})
        received = 0
        while data := connection.socket.recv(MIB):
            received += len(data)
    assert received > 96 * MIB
    assert peak_memory(tus) - before < 24 * MIB


@pytest.mark.requirement("ls-overlong-harmless", "ls-patch-413-chunked", "ls-refused-unwritten")
def test_a_body_past_the_length_does_not_spoil_the_retry(tus: Client) -> None:
    upload = tus.new(3 * MIB, b"1" * MIB)
    refused(tus.patch(upload, MIB, iter([b"x" * MIB] * 5)), 413)
    offset = tus.offset(upload)
    assert MIB <= offset < 3 * MIB
    for _ in range(2):
        refused(tus.patch(upload, offset, b"y" * (3 * MIB - offset + 1)), 413)
        assert tus.offset(upload) == offset
    assert tus.patch(upload, offset, b"2" * (3 * MIB - offset)).status == 204
    content = tus.content(upload)
    assert len(content) == 3 * MIB
    assert content[:MIB] == b"1" * MIB
    assert content[offset:] == b"2" * (3 * MIB - offset)


@pytest.mark.requirement("ls-large-patch")
def test_a_patch_may_be_large(tus: Client) -> None:
    upload = tus.new(20 * MIB)
    assert tus.patch(upload, 0, b"x" * 20 * MIB).status == 204
    assert tus.offset(upload) == 20 * MIB


@pytest.mark.requirement("ls-head-no-metadata")
@pytest.mark.parametrize("metadata", [None, "", "filetype dGV4dC9wbGFpbg==", "filename", "is_confidential"])
def test_no_file_name_is_needed(tus: Client, metadata: str | None) -> None:
    upload = tus.new(5, metadata=metadata)
    assert tus.head(upload).status == 200
    tus.patch(upload, 0, b"12345")
    assert tus.head(upload).status == 200
    assert tus.content(upload) == b"12345"


@pytest.mark.requirement("ls-expiry-finished")
def test_a_finished_upload_still_answers_head(serve: Serve) -> None:
    """Clients ask for the URL again when the same file is chosen again."""
    tus = serve(unfinished_ttl="1s", sweep_interval="0.05")
    upload, witness = tus.file(b"12345"), tus.new(5, b"1")
    until(lambda: tus.stored(witness) is None)
    assert tus.offset(upload) == 5
    assert tus.content(upload) == b"12345"
