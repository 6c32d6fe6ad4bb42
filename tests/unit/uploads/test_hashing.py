"""Hashing beside the work: the same digests as in line, and pieces that are let go of in time."""

import hashlib
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.protocol.checksum import Checksum, Digests
from longshore.protocol.errors import ChecksumMismatch
from longshore.uploads.hashing import WORTH_A_THREAD, Hashing

pytestmark = pytest.mark.anyio

sizes = st.lists(st.sampled_from([0, 1, 1000, WORTH_A_THREAD - 1, WORTH_A_THREAD, 3 * WORTH_A_THREAD]), max_size=8)


@given(sizes=sizes, behind=st.integers(0, 2))
def test_pieces_are_hashed_in_order_whatever_their_sizes(sizes: list[int], behind: int) -> None:
    hashing, expected = Hashing(["sha256", "crc32"]), hashlib.sha256()
    buffers = [bytearray(max(sizes, default=0)) for _ in range(behind + 1)]
    for number, size in enumerate(sizes):
        buffer = memoryview(buffers[number % len(buffers)])[:size]
        buffer[:] = bytes([number + 1]) * size
        expected.update(buffer)
        hashing.update(buffer)
        hashing.join(behind=behind)
    hashing.join()
    hashing.digests.verify(Checksum("sha256", expected.digest()))


async def test_the_end_is_waited_for() -> None:
    hashing, piece = Hashing(["md5"]), bytes(8 * WORTH_A_THREAD)
    hashing.update(memoryview(piece))
    hashing.update(memoryview(b"end"))
    (await hashing.finish()).verify(Checksum("md5", hashlib.md5(piece + b"end").digest()))


async def test_nothing_is_hashed_where_nothing_is_wanted() -> None:
    hashing = Hashing([])
    hashing.update(memoryview(bytes(WORTH_A_THREAD)))
    hashing.join()
    assert isinstance(await hashing.finish(), Digests)


async def test_a_failure_is_raised_at_the_end_and_keeps_nobody_waiting() -> None:
    hashing, joined = Hashing(["sha1"]), threading.Event()

    def join() -> None:
        hashing.join()
        joined.set()

    class Broken:
        """A piece that cannot be read."""

        def __len__(self) -> int:
            return WORTH_A_THREAD

    hashing.update(Broken())  # type: ignore[arg-type]
    threading.Thread(target=join, daemon=True).start()
    assert joined.wait(10)
    with pytest.raises(TypeError):
        await hashing.finish()


async def test_another_body_has_another_digest() -> None:
    hashing = Hashing(["sha256"])
    hashing.update(memoryview(bytes(WORTH_A_THREAD)))
    with pytest.raises(ChecksumMismatch):
        (await hashing.finish()).verify(Checksum("sha256", hashlib.sha256(bytes(WORTH_A_THREAD + 1)).digest()))
