"""The chain: hooks in order, whatever they do, and nobody waits for ever."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from tests.stateful.asgi import SOON, until

from longshore.hooks import chain as chains
from longshore.hooks.chain import Chain, HookFailed
from longshore.ports.hooks import Answer, Changes, HookEvent, HookRefused
from longshore.protocol.errors import FormatNotAllowed, InsufficientStorage, TusError, Unavailable
from longshore.protocol.upload import Upload

pytestmark = pytest.mark.anyio

UPLOAD = Upload(id="a" * 32, created_at=datetime(2026, 5, 1, tzinfo=UTC), length=10, metadata="name YQ==")
EVENT = HookEvent(upload=UPLOAD)
TOO_LONG = 0.05
"""Seconds: the time limit of hooks that are to go beyond it."""


def hook(**methods: Callable[[HookEvent], Any]) -> object:
    """A hook with these methods."""
    return type("Hook", (), {name: staticmethod(method) for name, method in methods.items()})()


def chain(*hooks: object, timeout: float = SOON, inspect_size: int = 64) -> Chain:
    return Chain(hooks, timeout=timeout, inspect_size=inspect_size)


def event(upload_id: str = UPLOAD.id, offset: int = 0) -> HookEvent:
    return HookEvent(upload=replace(UPLOAD, id=upload_id, offset=offset))


async def failure(asked: Chain) -> HookFailed:
    with pytest.raises(HookFailed) as failed:
        await asked.ask("pre_create", EVENT)
    return failed.value


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What plain hooks wait for; opened at the end, so that no thread is left behind."""
    event = threading.Event()
    yield event
    event.set()


# Asking


async def test_hooks_are_asked_in_order_whether_plain_or_async() -> None:
    asked: list[str] = []

    async def second(_: HookEvent) -> None:
        await asyncio.sleep(0)
        asked.append("second")

    first, third = hook(pre_create=lambda _: asked.append("first")), hook(pre_create=lambda _: asked.append("third"))
    assert await chain(first, hook(pre_create=second), third).ask("pre_create", EVENT) == Changes()
    assert asked == ["first", "second", "third"]


async def test_plain_method_that_returns_a_coroutine_is_awaited() -> None:
    async def answer() -> Changes:
        return Changes(upload_id="b")

    asked = chain(hook(pre_create=lambda _: answer()), hook(pre_create=partial(lambda word, _: None, "word")))
    assert (await asked.ask("pre_create", EVENT)).upload_id == "b"


async def test_later_hooks_see_what_earlier_ones_changed_and_the_last_word_holds() -> None:
    seen: list[tuple[str, str]] = []

    def see(told: HookEvent) -> None:
        seen.append((told.upload.id, told.upload.metadata))

    first = hook(pre_create=lambda _: Changes(upload_id="one", answer=Answer(headers=(("X-One", "1"),))))
    second = hook(pre_create=lambda _: Changes(metadata={"k": b"v", "empty": b""}))
    third = hook(pre_create=lambda _: Changes(upload_id="three"))
    see_all = hook(pre_create=see)
    total = await chain(see_all, first, see_all, second, see_all, third, see_all).ask("pre_create", EVENT)
    assert seen == [
        (UPLOAD.id, "name YQ=="),
        ("one", "name YQ=="),
        ("one", "k dg==,empty"),
        ("three", "k dg==,empty"),
    ]
    assert total == Changes(
        upload_id="three", metadata={"k": b"v", "empty": b""}, answer=Answer(headers=(("X-One", "1"),))
    )


async def test_metadata_that_cannot_be_is_left_to_the_service() -> None:
    seen: list[str] = []
    asked = chain(
        hook(pre_create=lambda _: Changes(metadata={"no key": b""})),
        hook(pre_create=lambda told: seen.append(told.upload.metadata)),
    )
    assert (await asked.ask("pre_create", EVENT)).metadata == {"no key": b""}
    assert seen == ["name YQ=="]


async def test_first_refusal_is_raised_as_it_is_and_nobody_else_is_asked() -> None:
    refusal = HookRefused(
        "No.", status=418, code="teapot", headers=(("X-Tea", "gr\xfcn"),), body=b"tea", kind="black", cups=2
    )
    asked: list[str] = []

    def refuse(_: HookEvent) -> None:
        raise refusal

    with pytest.raises(HookRefused) as refused:
        await chain(hook(pre_create=refuse), hook(pre_create=lambda _: asked.append("later"))).ask("pre_create", EVENT)
    assert refused.value is refusal
    assert asked == []


@pytest.mark.parametrize("refusal", [FormatNotAllowed("No."), Unavailable("Not now."), HookRefused(status=499)])
async def test_any_refusal_of_the_protocol_is_passed_on(refusal: TusError) -> None:
    async def refuse(_: HookEvent) -> None:
        raise refusal

    with pytest.raises(type(refusal)) as refused:
        await chain(hook(inspect=refuse)).ask("inspect", EVENT)
    assert refused.value is refusal


@pytest.mark.parametrize(
    "refusal",
    [
        HookRefused(status=200),
        HookRefused(status=399),
        HookRefused(status=500),
        HookRefused(status="403"),  # type: ignore[arg-type]
        InsufficientStorage("The hook's own disk."),
        HookRefused(body="text"),  # type: ignore[arg-type]
        HookRefused(found=b"bytes"),  # type: ignore[arg-type]
        HookRefused(headers=(("X-Split", "a\r\nSet-Cookie: b"),)),
        HookRefused(headers=(("X Space", "a"),)),
        HookRefused(headers=(("X-Letters", "\u0433"),)),
        HookRefused(headers=("X-Alone",)),  # type: ignore[arg-type]
    ],
)
async def test_refusal_that_cannot_be_sent_is_a_failure_that_passes(refusal: TusError) -> None:
    def refuse(_: HookEvent) -> None:
        raise refusal

    assert (await failure(chain(hook(pre_create=refuse)))).status == 503


@pytest.mark.parametrize(
    "answer",
    [
        True,
        "no",
        {"upload_id": "b"},
        Changes(upload_id=5),  # type: ignore[arg-type]
        Changes(metadata="name YQ=="),  # type: ignore[arg-type]
        Changes(metadata={"name": "text"}),  # type: ignore[dict-item]
        Changes(answer="ok"),  # type: ignore[arg-type]
        Changes(answer=Answer(status=100)),
        Changes(answer=Answer(status=503)),
        Changes(answer=Answer(body="text")),  # type: ignore[arg-type]
        Changes(answer=Answer(headers=(("X-Split", "a\n"),))),
    ],
)
async def test_answer_that_is_none_is_a_failure_that_passes(answer: object, caplog: pytest.LogCaptureFixture) -> None:
    failed = await failure(chain(hook(pre_create=lambda _: answer)))
    assert (failed.status, failed.code) == (503, "hook-failed")
    assert "pre_create" in caplog.text


def raising(error: BaseException) -> Callable[[HookEvent], None]:
    def fail(_: HookEvent) -> None:
        raise error

    return fail


@pytest.mark.parametrize(
    "error", [KeyError("secret"), StopIteration(), TimeoutError(), SystemExit(2), asyncio.CancelledError()]
)
@pytest.mark.parametrize("is_async", [True, False])
async def test_hook_that_raises_is_a_failure_that_passes_and_tells_clients_nothing(
    error: BaseException, is_async: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(_: HookEvent) -> None:
        raise error

    failed = await failure(chain(hook(pre_create=fail if is_async else raising(error))))
    assert (failed.status, failed.code) == (503, "hook-failed")
    assert "secret" not in f"{failed.detail}{failed.members}"
    assert UPLOAD.id in caplog.text


async def test_hook_whose_own_task_was_cancelled_is_a_failure_that_passes() -> None:
    async def fail(_: HookEvent) -> None:
        connection = asyncio.create_task(asyncio.sleep(3600))
        connection.cancel()
        await connection

    await failure(chain(hook(pre_create=fail)))


async def test_hook_that_takes_too_long_is_a_failure_that_passes(gate: threading.Event) -> None:
    async def slow(_: HookEvent) -> None:
        await asyncio.sleep(3600)

    for method in (slow, lambda _: gate.wait()):
        assert (await failure(chain(hook(pre_create=method), timeout=TOO_LONG))).code == "hook-failed"


async def test_hook_that_does_not_heed_its_cancellation_is_left_behind() -> None:
    enough = asyncio.Event()

    async def stubborn(_: HookEvent) -> None:
        while not enough.is_set():
            try:
                await enough.wait()
            except asyncio.CancelledError:
                continue

    async with asyncio.timeout(SOON):
        await failure(chain(hook(pre_create=stubborn), timeout=TOO_LONG))
    enough.set()


async def test_hook_may_have_a_time_limit_of_its_own(gate: threading.Event) -> None:
    patient = hook(pre_create=lambda _: gate.wait())
    patient.time_limit = TOO_LONG  # type: ignore[attr-defined]
    await failure(chain(patient, timeout=3600))


async def test_plain_hooks_that_hang_take_a_bounded_number_of_threads(gate: threading.Event) -> None:
    def hang(_: HookEvent) -> None:
        started.append(threading.current_thread())
        gate.wait()

    started: list[threading.Thread] = []
    asked = chain(hook(pre_create=hang, post_create=hang), timeout=TOO_LONG)
    for number in range(20):
        asked.tell("post_create", event(str(number)))
    await asyncio.gather(*(failure(asked) for _ in range(20)))
    await until(lambda: len(started) == 8)
    await asyncio.gather(*(failure(asked) for _ in range(4)))
    assert len(started) == 8


async def test_plain_hooks_that_hang_leave_async_ones_alone(gate: threading.Event) -> None:
    async def answer(_: HookEvent) -> Changes:
        return Changes(upload_id="b")

    stuck = hook(pre_create=lambda told: told.upload.length and gate.wait())
    both = chain(hook(inspect=answer), stuck, timeout=TOO_LONG)
    await asyncio.gather(*(failure(both) for _ in range(10)))
    assert (await both.ask("inspect", EVENT)).upload_id == "b"


async def test_thread_is_there_again_when_a_late_hook_has_come_back(gate: threading.Event) -> None:
    asked = chain(hook(pre_create=lambda _: gate.wait() and None), timeout=TOO_LONG)
    await asyncio.gather(*(failure(asked) for _ in range(6)))
    gate.set()

    async def is_answered() -> bool:
        try:
            return await asked.ask("pre_create", EVENT) == Changes()
        except HookFailed:
            return False

    async with asyncio.timeout(SOON):
        while not await is_answered():
            pass


async def test_slow_post_hooks_do_not_keep_requests_waiting(gate: threading.Event) -> None:
    asked = chain(hook(post_finish=lambda _: gate.wait(), pre_create=lambda _: None), timeout=SOON)
    for number in range(100):
        asked.tell("post_finish", event(str(number)))
    async with asyncio.timeout(SOON / 2):
        assert await asked.ask("pre_create", EVENT) == Changes()
    gate.set()
    await asked.close()


async def test_only_methods_that_are_there_count() -> None:
    asked = chain(hook(pre_create=lambda _: None), type("Odd", (), {"inspect": None, "post_finish": 5})())
    assert [name for name in chains.NAMES if asked.handles(name)] == ["pre_create"]
    assert asked.inspect_size == 0
    assert chain(hook(inspect=lambda _: None)).inspect_size == 64
    asked.tell("post_finish", EVENT)
    assert await asked.ask("inspect", EVENT) == Changes()


# Telling


async def test_post_hooks_are_told_in_order_for_each_upload() -> None:
    told: list[tuple[str, str]] = []

    def note(name: str) -> Callable[[HookEvent], Any]:
        async def noted(event: HookEvent) -> None:
            await asyncio.sleep(0.001 if name == "post_create" else 0)
            told.append((event.upload.id, name))

        return noted

    asked = chain(hook(**{name: note(name) for name in ("post_create", "post_finish", "post_terminate")}))
    for upload_id in "ab":
        asked.tell("post_create", event(upload_id))
        asked.tell("post_finish", event(upload_id))
    asked.tell("post_terminate", event("a"))
    await asked.close()
    names = ["post_create", "post_finish", "post_terminate"]
    assert [name for upload_id, name in told if upload_id == "a"] == names
    assert [name for upload_id, name in told if upload_id == "b"] == names[:2]


async def test_post_hook_that_fails_or_hangs_does_not_keep_others_from_being_told(gate: threading.Event) -> None:
    told: list[str] = []

    async def cancelled(_: HookEvent) -> None:
        raise asyncio.CancelledError

    failing = [hook(post_create=raising(error)) for error in (KeyError(), SystemExit(), HookRefused())]
    hanging = hook(post_create=lambda _: gate.wait())
    hanging.time_limit = TOO_LONG  # type: ignore[attr-defined]
    last = hook(post_create=lambda event: told.append(event.upload.id), post_finish=lambda _: told.append("finish"))
    asked = chain(*failing, hook(post_create=cancelled), hanging, last)
    asked.tell("post_create", event("a"))
    asked.tell("post_finish", event("a"))
    await asked.close()
    assert told == ["a", "finish"]


async def test_of_what_was_received_only_the_newest_waits(gate: threading.Event) -> None:
    told: list[int] = []

    def note(event: HookEvent) -> None:
        told.append(event.upload.offset)
        gate.wait()

    asked = chain(hook(post_receive=note, post_finish=lambda _: told.append(-1)))
    asked.tell("post_receive", event(offset=1))
    await until(lambda: told)
    for offset in (2, 3, 4):
        asked.tell("post_receive", event(offset=offset))
    asked.tell("post_finish", event(offset=5))
    asked.tell("post_receive", event(offset=6))
    gate.set()
    await asked.close()
    assert told == [1, 4, -1, 6]


async def test_events_beyond_the_bound_are_dropped_and_the_log_says_so(
    gate: threading.Event, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(chains, "WAITING", 4)
    told: list[int] = []

    def note(event: HookEvent) -> None:
        told.append(event.upload.offset)
        gate.wait()

    asked = chain(hook(post_create=note, post_receive=note))
    asked.tell("post_create", event(offset=0))
    await until(lambda: told)
    for offset in range(1, 6):
        asked.tell("post_create", event(offset=offset))
    assert caplog.text.count("is not told of upload") == 2
    gate.set()
    await until(lambda: len(told) == 4)
    asked.tell("post_create", event(offset=9))
    await asked.close()
    assert told == [0, 1, 2, 3, 9]


async def test_events_of_many_uploads_are_bounded_as_those_of_one_are(
    gate: threading.Event, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(chains, "WAITING", 10)
    told: list[str] = []

    def note(event: HookEvent) -> None:
        told.append(event.upload.id)
        gate.wait()

    asked = chain(hook(post_create=note))
    assert asked.waiting == 0
    for number in range(10):
        asked.tell("post_create", event(str(number)))
    # All threads are taken, and every upload's task has begun.
    await until(lambda: len(told) == 4)
    asked.tell("post_create", event("late"))
    assert asked.waiting == 10
    assert caplog.text.count("is not told of upload late") == 1
    gate.set()
    await until(lambda: asked.waiting == 0)
    await asked.close()
    assert sorted(told) == [str(number) for number in range(10)]


async def test_telling_takes_no_time_and_raises_nothing(gate: threading.Event) -> None:
    asked = chain(hook(post_create=lambda _: gate.wait()))
    loop = asyncio.get_running_loop()
    before = loop.time()
    for number in range(1000):
        asked.tell("post_create", event(str(number)))
    assert loop.time() - before < 1
    gate.set()
    await asked.close()


async def test_a_thousand_events_for_a_slow_plain_hook_are_all_told() -> None:
    told: list[str] = []

    def note(event: HookEvent) -> None:
        threading.Event().wait(0.002)
        told.append(event.upload.id)

    asked = chain(hook(post_finish=note), timeout=TOO_LONG)
    for number in range(1000):
        asked.tell("post_finish", event(str(number)))
    await until(lambda: len(told) == 1000)
    await asked.close()


async def test_close_takes_a_bounded_time_and_says_what_was_not_told(
    gate: threading.Event, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(chains, "_CLOSING", TOO_LONG)
    enough = asyncio.Event()

    async def stubborn(_: HookEvent) -> None:
        while not enough.is_set():
            try:
                await enough.wait()
            except asyncio.CancelledError:
                continue

    asked = chain(hook(post_create=stubborn), hook(post_finish=lambda _: gate.wait()), timeout=3600)
    asked.tell("post_create", event("a"))
    asked.tell("post_finish", event("b"))
    async with asyncio.timeout(SOON):
        await asked.close()
    assert "2 uploads were not told of" in caplog.text
    asked.tell("post_create", event("c"))
    enough.set()


@pytest.mark.parametrize("is_async", [True, False])
async def test_stop_reaches_the_transfer(is_async: bool) -> None:
    refusal = HookRefused("Enough.", status=422)
    stopped: list[TusError] = []

    async def stop(event: HookEvent) -> None:
        event.stop(refusal)

    asked = chain(hook(post_receive=stop if is_async else lambda event: event.stop(refusal)))
    asked.tell("post_receive", HookEvent(upload=UPLOAD, stop=stopped.append))
    await asked.close()
    assert stopped == [refusal]


@pytest.mark.parametrize("refusal", ["no", None, ValueError("no"), HookRefused(status=200)])
async def test_stop_takes_nothing_but_refusals(refusal: Any, caplog: pytest.LogCaptureFixture) -> None:
    stopped: list[TusError] = []
    asked = chain(hook(post_receive=lambda event: event.stop(refusal)))
    asked.tell("post_receive", HookEvent(upload=UPLOAD, stop=stopped.append))
    await asked.close()
    assert stopped == []
    assert "BadAnswer" in caplog.text


def test_process_comes_to_its_end_though_a_plain_hook_never_returns() -> None:
    program = """
import asyncio, threading
from tests.unit.hooks.test_chain import EVENT, chain, failure, hook

async def main():
    await failure(chain(hook(pre_create=lambda _: threading.Event().wait()), timeout=0.05))

asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", program], timeout=30, check=False, capture_output=True)
    assert done.returncode == 0
    assert b"took longer" in done.stderr
    assert b"Traceback" not in done.stderr


async def test_context_of_the_request_is_seen_in_threads() -> None:
    variable: ContextVar[str] = ContextVar("variable")
    variable.set("request 1")
    seen: list[str] = []
    await chain(hook(pre_create=lambda _: seen.append(variable.get()))).ask("pre_create", EVENT)
    assert seen == ["request 1"]
