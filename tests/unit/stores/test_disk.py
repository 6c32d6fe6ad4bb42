"""What is the disk store's own: paths, permissions, links, descriptors, and the limits of the operating system."""

import asyncio
import errno
import gc
import os
import resource
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import anyio
import pytest
from tests.contracts.stores import FINAL, ONE, TWO, put, sized

from longshore.ports import Fsync
from longshore.protocol.errors import InsufficientStorage
from longshore.stores.disk import DiskStore, DiskWriter, Room

pytestmark = pytest.mark.anyio

MIB = 1024 * 1024


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "data" / "uploads"


@pytest.fixture
def store(directory: Path) -> DiskStore:
    return DiskStore(directory)


@pytest.fixture
def opened(directory: Path) -> Callable[[], int]:
    """Count the descriptors of this process that are open below the store's directory."""

    def target(descriptor: Path) -> str:
        with suppress(FileNotFoundError):  # The listing's own.
            return str(descriptor.readlink())
        return ""

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("open descriptors are counted in /proc/self/fd, which this system does not have")
    return lambda: [target(each).startswith(str(directory)) for each in Path("/proc/self/fd").iterdir()].count(True)


async def test_file_is_where_operators_are_told_and_nobody_else_can_read_it(store: DiskStore, directory: Path) -> None:
    await put(store, ONE, b"abc")
    path = directory / "on" / ONE
    assert path.read_bytes() == b"abc"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    made = [directory.parent, directory, path.parent]
    assert [stat.S_IMODE(each.stat().st_mode) for each in made] == [0o700] * 3


async def test_concatenated_file_has_the_same_permissions(store: DiskStore, directory: Path) -> None:
    await store.concatenate(FINAL, [], durable=False)
    assert stat.S_IMODE((directory / "fi" / FINAL).stat().st_mode) == 0o600


async def test_permissions_of_a_directory_that_was_there_are_left_alone(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    DiskStore(tmp_path)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o750


def test_directory_that_is_a_file_is_refused_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError):
        DiskStore(tmp_path / "file")


@pytest.mark.parametrize("fsync", ["finish", "always", "never"])
async def test_uploads_outlive_the_store(directory: Path, fsync: Fsync) -> None:
    await put(DiskStore(directory, fsync=fsync), ONE, b"abc")
    again = DiskStore(directory, fsync=fsync)
    await put(again, ONE, b"def", offset=3)
    assert (directory / "on" / ONE).read_bytes() == b"abcdef"
    assert list(await again.ids()) == [ONE]


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "x" * 129,
        "../../../../etc/passwd",
        "/" * 20,
        "dots.0123456789abcdef",
        ONE + "\n",
        "é" * 20,
    ],
)
async def test_no_path_is_made_from_anything_but_an_id(store: DiskStore, directory: Path, bad: str) -> None:
    with pytest.raises(ValueError, match="not an upload id"):
        await store.append(bad, 0)
    with pytest.raises(ValueError, match="not an upload id"):
        await store.size(bad)
    with pytest.raises(ValueError, match="not an upload id"):
        store.read(bad, 0, 0)
    with pytest.raises(ValueError, match="not an upload id"):
        await store.remove(bad)
    with pytest.raises(ValueError, match="not an upload id"):
        await store.concatenate(bad, [], durable=False)
    with pytest.raises(ValueError, match="not an upload id"):
        await store.concatenate(FINAL, [(bad, 0)], durable=False)
    assert list(directory.iterdir()) == []


@pytest.fixture(params=["to a file", "to nothing"])
def elsewhere(request: pytest.FixtureRequest, directory: Path, tmp_path: Path, store: DiskStore) -> Path:
    """Plant a symbolic link at an upload's place; give what it points to."""
    target = tmp_path / "elsewhere"
    if request.param == "to a file":
        target.write_bytes(b"secret")
    (directory / "on").mkdir()
    (directory / "on" / ONE).symlink_to(target)
    return target


@pytest.mark.parametrize("offset", [0, 3])
async def test_append_does_not_follow_a_link(store: DiskStore, elsewhere: Path, offset: int) -> None:
    before = elsewhere.read_bytes() if elsewhere.exists() else None
    with pytest.raises(OSError, match="symbolic links") as refused:
        await store.append(ONE, offset)
    assert refused.value.errno == errno.ELOOP
    assert (elsewhere.read_bytes() if elsewhere.exists() else None) == before


async def test_read_size_and_concatenate_do_not_follow_a_link(store: DiskStore, elsewhere: Path) -> None:
    before = elsewhere.read_bytes() if elsewhere.exists() else None
    with pytest.raises(OSError, match="symbolic links"):
        await anext(store.read(ONE, 0, 3))
    with pytest.raises(OSError, match="regular file"):
        await store.size(ONE)
    with pytest.raises(OSError, match="symbolic links"):
        await store.concatenate(FINAL, [(ONE, 3)], durable=False)
    with pytest.raises(OSError, match="symbolic links"):
        await store.concatenate(ONE, [], durable=False)
    assert list(await store.ids()) == []
    assert (elsewhere.read_bytes() if elsewhere.exists() else None) == before


async def test_remove_removes_the_link_and_not_what_it_points_to(store: DiskStore, elsewhere: Path) -> None:
    there = elsewhere.exists()
    await store.remove(ONE)
    await put(store, ONE, b"abc")
    assert elsewhere.exists() == there


async def test_ids_passes_over_what_is_not_an_upload(store: DiskStore, directory: Path) -> None:
    await put(store, ONE, b"abc")
    (directory / "lost+found").mkdir()
    (directory / "lost+found" / TWO).touch()
    (directory / "on" / "notes.txt").touch()
    (directory / "on" / TWO).touch()
    (directory / "on" / "one-directory-0123456789").mkdir()
    (directory / TWO).touch()
    assert list(await store.ids()) == [ONE]


async def test_garbage_beyond_the_offset_is_cut_off_the_file(store: DiskStore, directory: Path) -> None:
    await put(store, ONE, b"committed" + b"garbage" * 1000)
    (await store.append(ONE, 9)).close()
    assert (directory / "on" / ONE).read_bytes() == b"committed"


async def test_failed_concatenation_leaves_no_file(store: DiskStore, directory: Path) -> None:
    await put(store, ONE, b"abc")
    (directory / "tw").mkdir()
    (directory / "tw" / TWO).mkdir()
    with pytest.raises(IsADirectoryError):
        await store.concatenate(FINAL, [(ONE, 3), (TWO, 3)], durable=True)
    assert list(await store.ids()) == [ONE]


async def test_nothing_stays_open(store: DiskStore, directory: Path, opened: Callable[[], int]) -> None:
    await put(store, ONE, b"abc")
    with pytest.raises(ValueError, match="fewer than"):
        await store.append(ONE, 4)
    assert [piece async for piece in store.read(ONE, 0, 3)] == [b"abc"]
    with pytest.raises(EOFError):
        await anext(store.read(ONE, 0, 4))
    await store.concatenate(FINAL, await sized(store, ONE, TWO, ONE), durable=True)
    await store.ids()
    assert opened() == 0


async def test_read_that_is_closed_early_closes_its_file(store: DiskStore, opened: Callable[[], int]) -> None:
    await put(store, ONE, bytes(3 * MIB))
    pieces = store.read(ONE, 0, 3 * MIB)
    await anext(pieces)
    assert opened() == 1
    await pieces.aclose()
    assert opened() == 0


async def test_read_that_is_forgotten_closes_its_file(store: DiskStore, opened: Callable[[], int]) -> None:
    await put(store, ONE, bytes(3 * MIB))
    await anext(store.read(ONE, 0, 3 * MIB))
    gc.collect()
    await anyio.wait_all_tasks_blocked()  # The loop closes a forgotten generator in a task of its own.
    assert opened() == 0


async def test_read_whose_task_is_cancelled_closes_its_file(store: DiskStore, opened: Callable[[], int]) -> None:
    await put(store, ONE, bytes(3 * MIB))
    under_way = asyncio.Event()

    async def read() -> None:
        async for _ in store.read(ONE, 0, 3 * MIB):
            under_way.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(read())
    await under_way.wait()
    assert opened() == 1
    task.cancel()
    await asyncio.wait([task])
    await anyio.wait_all_tasks_blocked()
    assert task.cancelled()
    del task
    assert opened() == 0


def test_writer_that_is_forgotten_closes_its_file(directory: Path, opened: Callable[[], int]) -> None:
    directory.mkdir(parents=True)
    writer = DiskWriter(os.open(directory / "file", os.O_WRONLY | os.O_CREAT), 0, Room(0))
    assert opened() == 1
    del writer
    assert opened() == 0


async def test_append_that_is_cancelled_closes_the_file_it_opens_after_that(store: DiskStore, directory: Path) -> None:
    # Opening a pipe for writing waits for a reader: so the thread is known to be opening while the task is cancelled.
    (directory / "on").mkdir()
    os.mkfifo(directory / "on" / ONE)
    task = asyncio.create_task(store.append(ONE, 0))
    await anyio.wait_all_tasks_blocked()
    reader = os.open(directory / "on" / ONE, os.O_RDONLY)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert await anyio.to_thread.run_sync(os.read, reader, 1) == b""  # The end: nobody has it open for writing.
    os.close(reader)


async def test_removed_upload_can_be_read_to_its_end(store: DiskStore) -> None:
    await put(store, ONE, bytes(3 * MIB))
    pieces = store.read(ONE, 0, 3 * MIB)
    received = len(await anext(pieces))
    await store.remove(ONE)
    async for piece in pieces:
        received += len(piece)
    assert received == 3 * MIB


@pytest.fixture
def largest() -> Iterator[int]:
    """Let no file of this process grow beyond 100,000 bytes: the kernel then answers EFBIG."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    yield 100_000
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_file_that_may_not_grow_is_insufficient_storage(store: DiskStore, largest: int) -> None:
    writer = await store.append(ONE, 0)
    with pytest.raises(InsufficientStorage):
        writer.write(memoryview(bytes(largest + 1)))
    writer.close()
    assert await store.size(ONE) == largest
    await put(store, ONE, b"abc", offset=10)
    assert await store.size(ONE) == 13


async def test_concatenation_that_may_not_grow_is_removed(store: DiskStore, largest: int) -> None:
    await put(store, ONE, bytes(largest - 1))
    with pytest.raises(InsufficientStorage):
        await store.concatenate(FINAL, await sized(store, ONE, ONE), durable=False)
    assert list(await store.ids()) == [ONE]
    assert await store.size(ONE) == largest - 1


async def test_other_errors_are_not_called_insufficient_storage(store: DiskStore, directory: Path) -> None:
    (directory / "on").touch()
    with pytest.raises(FileExistsError):
        await store.append(ONE, 0)


async def test_free_space_keeps_the_reserve_back(directory: Path) -> None:
    store = DiskStore(directory)
    free = await store.free_space()
    assert free is not None
    assert free > MIB
    assert await DiskStore(directory, reserve=2**62).free_space() == 0
