"""AsgiBody: every byte that arrived is passed on, in large pieces, whatever ends the body."""

import asyncio
import threading
from collections.abc import MutableMapping, Sequence
from typing import Any

import anyio
import pytest
from anyio import CapacityLimiter
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.stateful.asgi import SOON, until
from tests.unit.uploads.world import Source

from longshore.ports import StopReason
from longshore.uploads.bodies import PIECE_SIZE, SMALL_PIECE, AsgiBody
from longshore.uploads.budget import Budget

pytestmark = pytest.mark.anyio

KIB = 1024


class Sink:
    """Takes pieces. It can be made to wait in its worker thread, and tells the loop what it has."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.entered = 0
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, data: memoryview) -> None:
        self.entered += 1
        assert self.gate.wait(SOON)
        self.pieces.append(bytes(data))

    @property
    def content(self) -> bytes:
        return b"".join(self.pieces)


def fail(data: memoryview) -> None:
    raise OSError(f"no more than {len(data)} bytes")


async def test_body_in_one_message() -> None:
    source, sink = Source(), Sink()
    source.feed(b"hello", more=False)
    body = source.body()
    assert not body.complete
    assert await body.feed(sink, limit=None) == 5
    assert (sink.pieces, body.complete, body.stopped) == ([b"hello"], True, None)


@pytest.mark.parametrize("message", [{"type": "http.request"}, {"type": "http.request", "body": b""}])
async def test_no_body_at_all(message: MutableMapping[str, Any]) -> None:
    source, sink = Source(), Sink()
    source.give(message)
    body = source.body()
    assert await body.feed(sink, limit=None) == 0
    assert (sink.pieces, body.complete) == ([], True)


async def test_messages_are_gathered_into_large_pieces() -> None:
    source, sink = Source(), Sink()
    content = bytes(range(256)) * 4 * 53 * KIB
    for start in range(0, len(content), 64 * KIB):
        source.feed(content[start : start + 64 * KIB])
    source.end()
    assert await source.body().feed(sink, limit=None) == len(content)
    assert sink.content == content
    *whole, _ = map(len, sink.pieces)
    assert set(whole) == {PIECE_SIZE}


async def test_body_up_to_the_limit_is_complete() -> None:
    source, sink = Source(), Sink()
    source.feed(b"abc")
    source.feed(b"def", more=False)
    body = source.body()
    assert await body.feed(sink, limit=6) == 6
    assert (sink.content, body.complete) == (b"abcdef", True)


@pytest.mark.parametrize("more", [False, True])
async def test_body_beyond_the_limit_is_cut_there_and_incomplete(more: bool) -> None:
    source, sink = Source(), Sink()
    source.feed(b"abc")
    source.feed(b"defg", more=more)
    body = source.body()
    assert await body.feed(sink, limit=6) == 6
    assert (sink.content, body.complete, body.stopped) == (b"abcdef", False, None)


async def test_body_that_reaches_the_limit_is_awaited_to_its_end() -> None:
    """Only the next message tells whether it is over; until then it may be too long."""
    source, sink = Source(), Sink()
    source.feed(b"abc")
    body = source.body()
    task = asyncio.create_task(body.feed(sink, limit=3))
    await until(lambda: sink.content == b"abc")
    assert not task.done()
    source.end()
    assert await task == 3
    assert body.complete


async def test_disconnect_keeps_what_came() -> None:
    source, sink = Source(), Sink()
    source.feed(b"abc")
    source.feed(b"de")
    source.disconnect()
    body = source.body()
    assert await body.feed(sink, limit=None) == 5
    assert (sink.content, body.stopped, body.complete) == (b"abcde", StopReason.DISCONNECTED, False)


async def test_broken_receive_is_a_disconnect() -> None:
    source, sink = Source(), Sink()
    source.feed(b"abc")
    source.give(ConnectionResetError("gone"))
    body = source.body()
    assert await body.feed(sink, limit=None) == 3
    assert (sink.content, body.stopped) == (b"abc", StopReason.DISCONNECTED)


@pytest.mark.parametrize("reason", [StopReason.TAKEN_OVER, StopReason.SHUTTING_DOWN])
async def test_stop_ends_a_body_that_waits_for_its_client(reason: StopReason) -> None:
    source, sink = Source(), Sink()
    source.feed(b"abc")
    body = source.body()
    task = asyncio.create_task(body.feed(sink, limit=None))
    await until(lambda: source.calls == 2)
    body.stop(reason)
    assert await task == 3
    assert (sink.content, body.stopped, body.complete) == (b"abc", reason, False)


async def test_first_reason_stays() -> None:
    source = Source()
    body = source.body()
    body.stop(StopReason.TAKEN_OVER)
    body.stop(StopReason.SHUTTING_DOWN)
    source.disconnect()
    assert await body.feed(Sink(), limit=None) == 0
    assert body.stopped is StopReason.TAKEN_OVER


async def test_body_that_came_to_its_end_cannot_be_stopped_any_more() -> None:
    source, sink = Source(), Sink()
    sink.gate.clear()
    source.feed(b"abc", more=False)
    body = source.body()
    task = asyncio.create_task(body.feed(sink, limit=None))
    await until(lambda: sink.entered)
    body.stop(StopReason.TAKEN_OVER)
    sink.gate.set()
    assert await task == 3
    assert (body.complete, body.stopped) == (True, None)


async def test_silent_client_is_stalled_and_keeps_what_came() -> None:
    source, sink = Source(), Sink()
    source.feed(b"abc")
    body = source.body(idle_timeout=0.02)
    assert await body.feed(sink, limit=None) == 3
    assert (sink.content, body.stopped, body.complete) == (b"abc", StopReason.STALLED, False)


async def test_slow_disk_is_not_a_stalled_client() -> None:
    source, sink = Source(), Sink()
    sink.gate.clear()
    for _ in range(5):
        source.feed(bytes(PIECE_SIZE))
    source.end()
    body = source.body(idle_timeout=0.02)
    task = asyncio.create_task(body.feed(sink, limit=None))
    await asyncio.sleep(0.1)  # The point is that more than the idle timeout goes by.
    sink.gate.set()
    assert await task == 5 * PIECE_SIZE
    assert body.stopped is None


async def test_trickle_is_passed_on_while_the_client_goes_on() -> None:
    source, sink = Source(), Sink()
    task = asyncio.create_task(source.body().feed(sink, limit=None))
    for count, byte in enumerate(b"xyz", 1):
        source.feed(bytes([byte]))
        await until(lambda: len(sink.content) == count)  # noqa: B023 - awaited before count moves on
    source.end()
    assert await task == 3


async def test_byte_by_byte() -> None:
    source, sink = Source(), Sink()
    content = bytes(range(256)) * 16
    for byte in content:
        source.feed(bytes([byte]))
    source.end()
    body = source.body()
    assert await body.feed(sink, limit=len(content)) == len(content)
    assert (sink.pieces, body.complete) == ([content], True)


async def test_what_the_sink_raises_is_raised_and_nothing_goes_on_reading() -> None:
    before = asyncio.all_tasks()
    source = Source()
    source.feed(b"abc")
    body = source.body()
    with pytest.raises(OSError, match="no more than 3 bytes"):
        await body.feed(fail, limit=None)
    assert asyncio.all_tasks() == before
    assert not body.complete


@pytest.mark.parametrize("granted", [True, False])
async def test_at_most_two_pieces_are_held(granted: bool) -> None:
    """While one is written and the next one is full, the client is not read from. Without a budget they are small."""
    sink, calls, message = Sink(), 0, bytes(64 * KIB)
    sink.gate.clear()

    async def receive() -> MutableMapping[str, Any]:
        nonlocal calls
        calls += 1
        return {"type": "http.request", "body": message, "more_body": calls < 64}

    budget = Budget(2 * PIECE_SIZE if granted else 2 * PIECE_SIZE - 1)
    body = AsgiBody(receive, idle_timeout=60, limiter=CapacityLimiter(1), budget=budget)
    piece_size = PIECE_SIZE if granted else SMALL_PIECE
    task = asyncio.create_task(body.feed(sink, limit=None))
    await until(lambda: sink.entered and calls * len(message) >= 2 * piece_size)
    for _ in range(1000):
        await asyncio.sleep(0)
    assert calls * len(message) == 2 * piece_size
    sink.gate.set()
    assert await task == 64 * len(message)
    assert body.complete


async def test_large_pieces_are_given_back_while_the_client_is_silent_and_at_the_end() -> None:
    source, sink, budget = Source(), Sink(), Budget(2 * PIECE_SIZE)
    task = asyncio.create_task(source.body(budget=budget).feed(sink, limit=None))
    for _ in range(2):
        source.feed(bytes(PIECE_SIZE))
        await until(lambda: budget.take(2 * PIECE_SIZE))
        budget.give_back(2 * PIECE_SIZE)
    source.feed(bytes(PIECE_SIZE), more=False)
    assert await task == 3 * PIECE_SIZE
    assert budget.take(2 * PIECE_SIZE)
    assert not budget.take(1)


async def test_trailers_are_there_when_the_body_is_complete_and_not_before() -> None:
    source, trailers = Source(), dict[str, str]()
    body = source.body(trailers=trailers)
    trailers["upload-checksum"] = "sha1 x"
    assert body.trailers == {}
    source.feed(b"abc", more=False)
    await body.feed(Sink(), limit=None)
    assert body.trailers == {"upload-checksum": "sha1 x"}


async def test_body_that_was_cut_short_has_no_trailers() -> None:
    source = Source()
    body = source.body(trailers={"upload-checksum": "sha1 x"})
    source.feed(b"abc")
    source.disconnect()
    await body.feed(Sink(), limit=None)
    assert body.trailers == {}


async def test_cancelled_feed_passes_nothing_on_any_more() -> None:
    """The piece that a thread is writing cannot be called back; writers are made for that."""
    before = asyncio.all_tasks()
    source, sink = Source(), Sink()
    sink.gate.clear()
    source.feed(bytes(PIECE_SIZE))
    source.feed(b"more")
    task = asyncio.create_task(source.body().feed(sink, limit=None))
    await until(lambda: sink.entered)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    sink.gate.set()
    await until(lambda: sink.pieces)
    assert (len(sink.content), sink.entered) == (PIECE_SIZE, 1)
    assert asyncio.all_tasks() == before


async def test_cancelled_feed_that_waits_for_its_client_ends_at_once() -> None:
    before = asyncio.all_tasks()
    source = Source()
    task = asyncio.create_task(source.body().feed(Sink(), limit=None))
    await until(lambda: source.calls)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.all_tasks() == before


@settings(deadline=None, max_examples=80)
@given(
    messages=st.lists(st.binary(max_size=20), max_size=12),
    limit=st.none() | st.integers(0, 60),
    ends=st.booleans(),
)
def test_any_body_comes_through_as_far_as_it_may(messages: Sequence[bytes], limit: int | None, ends: bool) -> None:
    async def feed() -> tuple[int, bytes, AsgiBody]:
        source, sink = Source(), Sink()
        for message in messages:
            source.feed(message)
        if ends:
            source.end()
        else:
            source.disconnect()
        body = source.body()
        return await body.feed(sink, limit=limit), sink.content, body

    sent = b"".join(messages)
    passed, content, body = anyio.run(feed)
    assert content == (sent if limit is None else sent[:limit])
    assert passed == len(content)
    assert body.complete == (ends and content == sent)
    assert (body.stopped is StopReason.DISCONNECTED) == (not ends and content == sent)
