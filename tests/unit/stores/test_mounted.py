"""Stores that are full, and parts on another file system: on small file systems that are mounted for the test."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.contracts.stores import FINAL, ONE, TWO, get, put, sized

from longshore.ports import Store
from longshore.protocol.errors import InsufficientStorage
from longshore.stores.copying import copy_in_kernel
from longshore.stores.disk import DiskStore
from longshore.stores.memory import MemoryStore

pytestmark = pytest.mark.anyio

ROOM = 256 * 1024

Mount = Callable[[Path, str], Path]


@pytest.fixture
def mount() -> Iterator[Mount]:
    """Mount a tmpfs with the options given. Where that is not possible the test is skipped, but in CI it fails."""
    with ExitStack() as stack:

        def mount_tmpfs(path: Path, options: str) -> Path:
            path.mkdir(parents=True, exist_ok=True)
            mounted = subprocess.run(
                ["mount", "-t", "tmpfs", "-o", options, "tmpfs", path], capture_output=True, text=True, check=False
            )
            if mounted.returncode:
                give_up = pytest.fail if os.environ.get("CI") else pytest.skip
                give_up(f"no tmpfs could be mounted (root can): {mounted.stderr.strip()}")
            stack.callback(lambda: subprocess.run(["umount", path], check=True))
            return path

        yield mount_tmpfs


@pytest.fixture(params=["memory", "disk"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Give a store with room for `ROOM` bytes."""
    if request.param == "memory":
        return MemoryStore(capacity=ROOM)
    mount: Mount = request.getfixturevalue("mount")
    return DiskStore(mount(tmp_path / "small", f"size={ROOM}"))


async def test_full_store_refuses_and_keeps_what_was_committed(store: Store) -> None:
    await put(store, ONE, b"committed")
    with pytest.raises(InsufficientStorage):
        await put(store, ONE, bytes(2 * ROOM), offset=9)
    assert (await get(store, ONE)).startswith(b"committed")


async def test_upload_goes_on_after_room_was_made(store: Store) -> None:
    await put(store, TWO, bytes(ROOM // 2))
    await put(store, ONE, b"committed")
    with pytest.raises(InsufficientStorage):
        await put(store, ONE, bytes(ROOM), offset=9)
    assert await store.free_space() == 0
    await put(store, ONE, b" and", offset=9)  # The append gave back what the refused one had taken.
    await store.remove(TWO)
    await put(store, ONE, b"x" * (ROOM // 2), offset=13)
    assert await get(store, ONE) == b"committed and" + b"x" * (ROOM // 2)


async def test_free_space_falls_with_what_is_written(store: Store) -> None:
    before = await store.free_space()
    await put(store, ONE, bytes(ROOM // 2))
    after = await store.free_space()
    assert before is not None
    assert before <= ROOM
    assert after == before - ROOM // 2
    await store.remove(ONE)
    assert await store.free_space() == before


@pytest.mark.parametrize("durable", [True, False])
async def test_concatenation_that_does_not_fit_leaves_no_file_and_all_parts(store: Store, durable: bool) -> None:
    content = os.urandom(ROOM // 2 + 4096)
    await put(store, ONE, content)
    with pytest.raises(InsufficientStorage):
        await store.concatenate(FINAL, await sized(store, ONE), durable=durable)
    assert list(await store.ids()) == [ONE]
    assert await get(store, ONE) == content
    assert await store.concatenate(FINAL, [], durable=durable) == 0


async def test_concatenation_reuses_the_room_of_an_earlier_attempt(store: Store) -> None:
    content = os.urandom(ROOM // 2 - 4096)
    await put(store, ONE, content)
    for _ in range(3):
        assert await store.concatenate(FINAL, await sized(store, ONE), durable=True) == len(content)
    assert await get(store, FINAL) == content


async def test_no_room_for_a_file_is_insufficient_storage(mount: Mount, tmp_path: Path) -> None:
    # Inodes: the root, the directory "on", and one file in it.
    store = DiskStore(mount(tmp_path / "few", "size=1m,nr_inodes=3"))
    await put(store, ONE, b"abc")
    for upload_id in ["one-more-0123456789abc", TWO]:  # No room for the file; no room for its directory.
        with pytest.raises(InsufficientStorage):
            await store.append(upload_id, 0)
        with pytest.raises(InsufficientStorage):
            await store.concatenate(upload_id, await sized(store, ONE), durable=False)
    assert list(await store.ids()) == [ONE]


async def test_reserve_is_not_written(mount: Mount, tmp_path: Path) -> None:
    store = DiskStore(mount(tmp_path / "small", f"size={ROOM}"), reserve=ROOM // 2)
    with pytest.raises(InsufficientStorage):
        await put(store, ONE, *(bytes(64 * 1024) for _ in range(ROOM // (64 * 1024))))
    assert 0 < await store.size(ONE) <= ROOM // 2


async def test_reserve_is_taken_off_the_free_space(mount: Mount, tmp_path: Path) -> None:
    small = mount(tmp_path / "small", f"size={ROOM}")
    free = await DiskStore(small).free_space()
    assert free == ROOM
    assert await DiskStore(small, reserve=1000).free_space() == ROOM - 1000
    assert await DiskStore(small, reserve=ROOM + 1).free_space() == 0


async def test_parts_on_another_file_system_are_copied_by_hand(mount: Mount, tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "uploads")
    mount(tmp_path / "uploads" / "on", "size=8m")
    content = os.urandom(3_000_001)
    await put(store, ONE, content)
    await put(store, TWO, b"here")
    refused = tmp_path / "refused"
    with (tmp_path / "uploads" / "on" / ONE).open("rb") as source, refused.open("wb") as target:
        if copy_in_kernel(source.fileno(), target.fileno(), 1):
            pytest.skip("this kernel copies between these file systems itself")
    assert await store.concatenate(FINAL, await sized(store, ONE, TWO, ONE), durable=True) == 6_000_006
    assert await get(store, FINAL) == content + b"here" + content
