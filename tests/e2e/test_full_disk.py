"""A full disk: uploads are refused or interrupted with 507, what was committed stays, and the server lives."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.e2e.samples import MEGABYTE
from tests.e2e.wire import (
    all_stored,
    assert_holds_bytes,
    await_answer,
    begin_patch,
    code_of,
    create,
    finish,
    head,
    offset_of,
    patch,
    poll,
    request,
)
from tests.serving import Answer, Connection, Server, serving

pytestmark = pytest.mark.e2e

DISK = 64 * MEGABYTE
RESERVE = 8 * 1024 * 1024


@pytest.fixture
def disk(area: Path) -> Iterator[Path]:
    """A small file system of its own."""
    place = area / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=0700", "longshore-test", place],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        reason = f"cannot mount a small file system (that takes root on Linux): {mounted.stderr.strip()}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


@pytest.fixture
def server(disk: Path) -> Iterator[Server]:
    # Nothing is written in the background: what is free stays free.
    with serving(disk / "data", checksum="none") as running:
        yield running


@contextmanager
def filled(disk: Path, *, but: int = 0) -> Iterator[None]:
    """Somebody else's file takes all the room that is left but a few bytes."""
    filler = disk / "filler"
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free(disk) - but)
    try:
        yield
    finally:
        filler.unlink()


def free(disk: Path) -> int:
    found = os.statvfs(disk)
    return found.f_bavail * found.f_frsize


def try_create(server: Server, length: int | None) -> Answer:
    size = {"Upload-Defer-Length": "1"} if length is None else {"Upload-Length": str(length)}
    return request(server, "POST", "/files", size)


def assert_full(answer: Answer | None) -> None:
    assert answer is not None
    assert (answer.status, code_of(answer)) == (507, "insufficient-storage")


def test_what_cannot_fit_is_not_created(server: Server, disk: Path) -> None:
    room = free(disk) - RESERVE

    assert_full(try_create(server, room + MEGABYTE))
    assert all_stored(server) == []
    assert try_create(server, room - 2 * MEGABYTE).status == 201


def test_what_open_uploads_will_take_is_counted(server: Server) -> None:
    data = os.urandom(MEGABYTE)
    first = create(server, 35 * MEGABYTE)

    assert_full(try_create(server, 35 * MEGABYTE))
    assert patch(server, first, 0, data).status == 204
    assert_full(try_create(server, 35 * MEGABYTE))
    assert request(server, "DELETE", first, {}).status == 204
    assert try_create(server, 35 * MEGABYTE).status == 201


def test_a_body_that_does_not_fit_is_not_created_either(server: Server, disk: Path) -> None:
    offset_stream = {"Content-Type": "application/offset+octet-stream"}
    with filled(disk, but=MEGABYTE):
        answer = request(server, "POST", "/files", {"Upload-Length": "2000000", **offset_stream}, bytes(2 * MEGABYTE))

    assert_full(answer)
    assert all_stored(server) == []


@pytest.mark.parametrize("left", [MEGABYTE, 0], ids=["a little is left", "nothing is left"])
def test_an_upload_goes_on_when_there_is_room_again(server: Server, disk: Path, left: int) -> None:
    data = os.urandom(24 * MEGABYTE)
    path = create(server, len(data))
    assert patch(server, path, 0, data[: 4 * MEGABYTE]).status == 204

    with filled(disk, but=left):
        assert_full(patch(server, path, 4 * MEGABYTE, data[4 * MEGABYTE :]))
        assert 4 * MEGABYTE <= offset_of(server, path) < len(data)
        assert_full(patch(server, path, offset_of(server, path), data[offset_of(server, path) :]))

    finish(server, path, data)
    assert_holds_bytes(server, path, data)


def test_an_upload_of_unknown_length_fills_the_disk(server: Server) -> None:
    path = create(server, None)
    with Connection(server.port) as connection:
        begin_patch(connection, path, 0, None)
        assert_full(flood(connection))

    # The reserve is the database's: it can note what arrived.
    assert offset_of(server, path) > DISK // 2
    poll(lambda: is_refused(server, MEGABYTE))


def test_removing_the_upload_that_filled_the_disk_makes_room(server: Server, disk: Path) -> None:
    path = create(server, None)
    with Connection(server.port) as connection:
        begin_patch(connection, path, 0, None)
        assert_full(flood(connection))

    assert request(server, "DELETE", path, {}).status == 204
    assert free(disk) > DISK // 2
    data = os.urandom(MEGABYTE)
    poll(lambda: not is_refused(server, len(data)))
    again = create(server, len(data))
    assert patch(server, again, 0, data).status == 204
    assert_holds_bytes(server, again, data)


def flood(connection: Connection) -> Answer | None:
    """Send chunks until they have been more than the disk can hold."""
    piece = os.urandom(MEGABYTE)
    for _ in range(DISK // MEGABYTE + 10):
        connection.send_chunk(piece)
    connection.send(b"0\r\n\r\n")
    return await_answer(connection)


def test_finished_uploads_can_be_read(server: Server, disk: Path) -> None:
    data = os.urandom(MEGABYTE)
    path = create(server, len(data))
    assert patch(server, path, 0, data).status == 204

    with filled(disk):
        assert_holds_bytes(server, path, data)


def test_removing_works_on_a_disk_without_a_byte_or_is_put_off(server: Server, disk: Path) -> None:
    path = create(server, 1)
    with filled(disk):
        answer = request(server, "DELETE", path, {})
        assert answer.status == 204 or code_of(answer) == "insufficient-storage", answer

    assert request(server, "DELETE", path, {}).status == (410 if answer.status == 204 else 204)
    assert head(server, path).status == 410


@pytest.mark.parametrize("length", [None, 0, 10], ids=str)
def test_creation_on_a_disk_without_a_byte(server: Server, disk: Path, length: int | None) -> None:
    create(server, 1)
    with filled(disk):
        poll(lambda: is_refused(server, length))

    poll(lambda: not is_refused(server, length))


def is_refused(server: Server, length: int | None) -> bool:
    """Whether a creation is refused for lack of room; the free space is read anew once a second."""
    answer = try_create(server, length)
    assert answer.status == 201 or code_of(answer) == "insufficient-storage", answer
    return answer.status != 201
