"""What every `ports.Store` does, run over all of them. What a store does when it is full is in unit/stores."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import anyio
import pytest
from tests.contracts.stores import FINAL, ONE, TWO, get, put, sized

from longshore.ports import Store
from longshore.stores.disk import DiskStore
from longshore.stores.memory import MemoryStore

pytestmark = pytest.mark.anyio


STORES: dict[str, Callable[[Path], Store]] = {
    "memory": lambda _: MemoryStore(),
    "disk-finish": partial(DiskStore, fsync="finish"),
    "disk-always": partial(DiskStore, fsync="always"),
    "disk-never": partial(DiskStore, fsync="never"),
}


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return STORES[request.param](tmp_path / "uploads")


async def test_unknown_upload_has_no_bytes(store: Store) -> None:
    assert await store.size(ONE) == 0
    assert await get(store, ONE) == b""
    assert list(await store.ids()) == []


async def test_append_makes_the_upload_known_before_any_byte(store: Store) -> None:
    (await store.append(ONE, 0)).close()
    assert list(await store.ids()) == [ONE]
    assert await store.size(ONE) == 0


async def test_pieces_are_appended_in_order(store: Store) -> None:
    await put(store, ONE, b"abc", b"", b"def")
    await put(store, ONE, b"ghi", offset=6)
    assert await store.size(ONE) == 9
    assert await get(store, ONE) == b"abcdefghi"


async def test_bytes_are_there_while_the_writer_is_open(store: Store) -> None:
    writer = await store.append(ONE, 0)
    writer.write(memoryview(b"abc"))
    assert await store.size(ONE) == 3
    assert await get(store, ONE) == b"abc"
    writer.close()


async def test_writer_does_not_keep_what_it_was_given(store: Store) -> None:
    buffer = bytearray(b"abc")
    writer = await store.append(ONE, 0)
    writer.write(memoryview(buffer))
    buffer[:] = b"xyz"
    buffer.clear()
    writer.close()
    assert await get(store, ONE) == b"abc"


async def test_append_drops_what_lies_beyond_the_offset(store: Store) -> None:
    await put(store, ONE, b"abcdef")
    writer = await store.append(ONE, 2)
    assert await store.size(ONE) == 2
    writer.write(memoryview(b"XY"))
    writer.close()
    assert await get(store, ONE) == b"abXY"


async def test_append_at_zero_starts_over(store: Store) -> None:
    await put(store, ONE, b"abcdef")
    await put(store, ONE, b"x")
    assert await get(store, ONE) == b"x"


@pytest.mark.parametrize("offset", [1, 4])
async def test_append_beyond_unknown_upload_is_refused_and_leaves_nothing(store: Store, offset: int) -> None:
    with pytest.raises(ValueError, match="fewer than"):
        await store.append(ONE, offset)
    assert list(await store.ids()) == []


async def test_append_beyond_what_is_held_is_refused_and_changes_nothing(store: Store) -> None:
    await put(store, ONE, b"abc")
    with pytest.raises(ValueError, match="fewer than"):
        await store.append(ONE, 4)
    assert await get(store, ONE) == b"abc"


async def test_closing_twice_is_fine_and_writing_after_that_is_not(store: Store) -> None:
    writer = await store.append(ONE, 0)
    writer.write(memoryview(b"abc"))
    writer.sync()
    writer.close()
    writer.close()
    with pytest.raises(ValueError, match="closed"):
        writer.write(memoryview(b"d"))
    assert await get(store, ONE) == b"abc"


async def test_sync_keeps_the_writer_open(store: Store) -> None:
    writer = await store.append(ONE, 0)
    writer.write(memoryview(b"abc"))
    writer.sync()
    writer.write(memoryview(b"def"))
    writer.close()
    assert await get(store, ONE) == b"abcdef"


@pytest.mark.parametrize(("start", "end"), [(0, 0), (0, 1), (2, 5), (6, 6), (0, 6)])
async def test_read_yields_just_the_range(store: Store, start: int, end: int) -> None:
    await put(store, ONE, b"abcdef")
    assert await get(store, ONE, start, end) == b"abcdef"[start:end]


async def test_read_yields_large_uploads_in_bounded_pieces(store: Store) -> None:
    content = bytes(range(256)) * 4096 * 3 + b"tail"
    await put(store, ONE, content)
    pieces = [piece async for piece in store.read(ONE, 1, len(content))]
    assert b"".join(pieces) == content[1:]
    assert 3 <= len(pieces) <= 8
    assert max(map(len, pieces)) <= 2 * 1024 * 1024


@pytest.mark.parametrize("upload_id", [ONE, TWO])
async def test_read_beyond_what_is_held_yields_nothing(store: Store, upload_id: str) -> None:
    await put(store, ONE, b"abc")
    pieces = store.read(upload_id, 0, 4)
    with pytest.raises(EOFError):
        await anext(pieces)


async def test_read_tells_when_the_upload_shrinks_under_it(store: Store) -> None:
    await put(store, ONE, bytes(3 * 1024 * 1024))
    pieces = store.read(ONE, 0, 3 * 1024 * 1024)
    await anext(pieces)
    (await store.append(ONE, 0)).close()
    with pytest.raises(EOFError):
        await anext(pieces)


async def test_concatenation_is_the_parts_in_order_and_leaves_them_alone(store: Store) -> None:
    await put(store, ONE, b"abc")
    await put(store, TWO, b"defg")
    assert await store.concatenate(FINAL, await sized(store, TWO, ONE), durable=True) == 7
    assert await get(store, FINAL) == b"defgabc"
    assert (await get(store, ONE), await get(store, TWO)) == (b"abc", b"defg")


async def test_concatenation_takes_the_beginning_of_a_part_and_no_garbage(store: Store) -> None:
    await put(store, ONE, b"abc" + b"garbage")
    assert await store.concatenate(FINAL, [(ONE, 3), (TWO, 0), (ONE, 1)], durable=False) == 4
    assert await get(store, FINAL) == b"abca"


@pytest.mark.parametrize("part_id", [ONE, TWO])
async def test_concatenation_of_a_part_that_holds_too_little(store: Store, part_id: str) -> None:
    await put(store, ONE, b"abc")
    with pytest.raises(EOFError):
        await store.concatenate(FINAL, [(ONE, 3), (part_id, 4)], durable=False)
    assert list(await store.ids()) == [ONE]


async def test_concatenation_takes_a_part_twice(store: Store) -> None:
    await put(store, ONE, b"abc")
    assert await store.concatenate(FINAL, await sized(store, ONE, ONE), durable=False) == 6
    assert await get(store, FINAL) == b"abcabc"


async def test_concatenation_starts_over(store: Store) -> None:
    await put(store, ONE, b"abc")
    await put(store, FINAL, b"half of something longer")
    assert await store.concatenate(FINAL, await sized(store, ONE), durable=True) == 3
    assert await store.concatenate(FINAL, await sized(store, ONE), durable=True) == 3
    assert await get(store, FINAL) == b"abc"


async def test_concatenation_does_not_share_later_changes_of_a_part(store: Store) -> None:
    await put(store, ONE, b"abc")
    await store.concatenate(FINAL, await sized(store, ONE), durable=False)
    await put(store, ONE, b"xyz")
    assert await get(store, FINAL) == b"abc"


@pytest.mark.parametrize("durable", [True, False])
async def test_concatenation_of_nothing_is_an_empty_upload(store: Store, durable: bool) -> None:
    assert await store.concatenate(FINAL, await sized(store, ONE, TWO), durable=durable) == 0
    assert list(await store.ids()) == [FINAL]
    assert await get(store, FINAL) == b""


async def test_upload_cannot_be_its_own_part(store: Store) -> None:
    await put(store, ONE, b"abc")
    with pytest.raises(ValueError, match="own parts"):
        await store.concatenate(ONE, await sized(store, ONE), durable=False)
    assert await get(store, ONE) == b"abc"


async def test_concatenation_can_be_appended_to(store: Store) -> None:
    await put(store, ONE, b"abc")
    await store.concatenate(FINAL, await sized(store, ONE), durable=False)
    await put(store, FINAL, b"X", offset=2)
    assert await get(store, FINAL) == b"abX"


async def test_large_concatenation(store: Store) -> None:
    content = bytes(range(256)) * 4096 * 5 + b"odd"
    await put(store, ONE, content)
    assert await store.concatenate(FINAL, await sized(store, ONE, ONE), durable=False) == 2 * len(content)
    assert await get(store, FINAL) == content * 2


async def test_removed_upload_is_unknown_and_can_be_made_again(store: Store) -> None:
    await put(store, ONE, b"abc")
    await put(store, TWO, b"def")
    await store.remove(ONE)
    await store.remove(ONE)
    assert list(await store.ids()) == [TWO]
    assert await store.size(ONE) == 0
    await put(store, ONE, b"new")
    assert await get(store, ONE) == b"new"


async def test_ids_lists_every_upload_once(store: Store) -> None:
    wanted = [f"{number:020}" for number in range(30)] + [ONE, TWO]
    for upload_id in wanted:
        await put(store, upload_id, b"x")
    assert sorted(await store.ids()) == sorted(wanted)


async def test_uploads_that_are_written_at_the_same_time_do_not_mix(store: Store) -> None:
    async def write(upload_id: str, letter: bytes) -> None:
        writer = await store.append(upload_id, 0)
        for _ in range(20):
            await anyio.to_thread.run_sync(writer.write, memoryview(letter * 1000))
        writer.close()

    uploads = {f"{number:020}": bytes([65 + number]) for number in range(8)}
    async with anyio.create_task_group() as group:
        for upload_id, letter in uploads.items():
            group.start_soon(write, upload_id, letter)
    for upload_id, letter in uploads.items():
        assert await get(store, upload_id) == letter * 20_000


async def test_it_says_whether_it_concatenates(store: Store) -> None:
    assert store.concatenates


async def test_free_space_is_a_number_of_bytes_or_unknown(store: Store) -> None:
    free = await store.free_space()
    assert free is None or free > 0


@pytest.mark.parametrize("durable", [True, False])
async def test_writing_in_one_go_is_appending(store: Store, durable: bool) -> None:
    await store.write(ONE, 0, memoryview(b"abcgarbage"), durable=durable)
    await store.write(ONE, 3, memoryview(b"def"), durable=durable)
    assert await get(store, ONE) == b"abcdef"
    with pytest.raises(ValueError, match="fewer than"):
        await store.write(ONE, 7, memoryview(b"x"), durable=durable)
    assert await get(store, ONE) == b"abcdef"
