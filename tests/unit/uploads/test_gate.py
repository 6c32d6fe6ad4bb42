"""What hooks have to say: asked once, before anything is committed, and nothing is lost when they cannot answer."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from tests.stateful.asgi import SOON, until
from tests.unit.uploads.world import DAY, Sending, World, _append, body_of, open_world

from longshore.auth.principal import Principal, Role
from longshore.events import UploadCompleted, UploadCreated, UploadEvent, UploadRejected, UploadTerminated
from longshore.ports.hooks import Answer, Changes, HookEvent, HookRefused
from longshore.ports.quotas import Quotas
from longshore.protocol import errors
from longshore.protocol.capabilities import Limits
from longshore.protocol.checksum import Checksum
from longshore.protocol.intents import Append, BodyHead, Create
from longshore.protocol.upload import State, Upload
from longshore.uploads.caller import Caller
from longshore.uploads.gate import HookAnswerInvalid
from longshore.uploads.service import Tuning

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("prompt")]

SIZE = 8
"""Bytes that are inspected."""

FIRST = b"12345678"
REFUSAL = HookRefused("Not that.", status=422, code="not-that")


class Hook:
    """Notes what it is asked, waits at a gate while that is closed, and then says what it is told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, bytes, int]] = []
        """Name, the first bytes that were there, and how many there were."""
        self.seen: list[Upload] = []
        self.says: dict[str, Exception | Changes] = {}
        self.gate = asyncio.Event()
        self.gate.set()

    async def _answer(self, name: str, event: HookEvent) -> Changes | None:
        content = event.content
        first = b"" if content is None else await content.read(0, SIZE)
        self.asked.append((name, first, 0 if content is None else content.size))
        self.seen.append(event.upload)
        if name != "pre_terminate":
            await self.gate.wait()
        says = self.says.get(name)
        if isinstance(says, Exception):
            raise says
        return says

    async def pre_create(self, event: HookEvent) -> Changes | None:
        return await self._answer("pre_create", event)

    async def inspect(self, event: HookEvent) -> Changes | None:
        return await self._answer("inspect", event)

    async def pre_finish(self, event: HookEvent) -> Changes | None:
        return await self._answer("pre_finish", event)

    async def pre_terminate(self, event: HookEvent) -> Changes | None:
        return await self._answer("pre_terminate", event)

    def count(self, name: str) -> int:
        return len([asked for asked, _, _ in self.asked if asked == name])

    @property
    def inspected(self) -> list[bytes]:
        return [first for name, first, _ in self.asked if name == "inspect"]


@asynccontextmanager
async def world_of(hook: object, **options: Any) -> AsyncIterator[World]:
    async with open_world(hooks=[hook], inspect_size=SIZE, **options) as world:
        yield world


@pytest.fixture
def hook() -> Hook:
    return Hook()


@pytest.fixture
async def world(anyio_backend: str, hook: Hook) -> AsyncIterator[World]:
    async with world_of(hook) as world:
        yield world


def checkpointing(**options: Any) -> Tuning:
    return Tuning(**{"checkpoint_interval": 0.001, "stall_threshold": 3600, "lock_timeout": SOON} | options)


def heard(world: World, kind: type[UploadEvent]) -> list[UploadEvent]:
    return [event for event in world.events if type(event) is kind]


async def is_removed(world: World, upload: Upload, code: str = "not-that") -> bool:
    """Whether nothing is left but a tombstone, and why was told."""
    rejected = [event for event in world.events if isinstance(event, UploadRejected)]
    assert [(event.upload.id, event.code) for event in rejected] == [(upload.id, code)]
    with pytest.raises(errors.UploadGone):
        await world.service.inspect(upload.id, world.caller)
    return await world.store.size(upload.id) == 0 and world.completed == []


# Creating


async def test_refused_creation_leaves_nothing(hook: Hook) -> None:
    async with world_of(hook, quotas=Quotas(unfinished=1, stored=10)) as world:
        world.caller = Caller(principal=Principal("user", Role.USER, "user"))
        hook.says["pre_create"] = REFUSAL
        with pytest.raises(HookRefused) as refused:
            await world.create(10)
        assert refused.value is REFUSAL
        assert world.events == []
        assert await world.uploads.known([seen.id for seen in hook.seen]) == set()
        usage = await world.uploads.usage("user")
        assert (usage.unfinished, usage.stored, usage.daily.reserved) == (0, 0, 0)
        del hook.says["pre_create"]
        await world.create(10)


@pytest.mark.parametrize("error", [KeyError("x"), errors.Unavailable("x")])
async def test_creation_that_nobody_can_be_asked_about_leaves_nothing(
    world: World, hook: Hook, error: Exception
) -> None:
    hook.says["pre_create"] = error
    with pytest.raises(errors.Unavailable):
        await world.create(10)
    assert world.events == []


async def test_hook_is_asked_about_the_upload_as_it_would_be(world: World, hook: Hook) -> None:
    created = await world.create(10, partial=True)
    assert hook.seen == [created]


async def test_metadata_and_id_are_the_hook_s(world: World, hook: Hook) -> None:
    hook.says["pre_create"] = Changes(upload_id="Mine_1-a", metadata={"name": b"a", "empty": b""}, answer=Answer())
    created = await world.create(10)
    assert (created.id, created.metadata) == ("Mine_1-a", "name YQ==,empty")
    assert await world.load(created) == created
    assert world.caller.answer == Answer()


@pytest.mark.parametrize("bad", ["", "a/b", "..", "a" * 129, "é", "a b", "a\n"])
async def test_id_that_cannot_be_leaves_nothing(world: World, hook: Hook, bad: str) -> None:
    hook.says["pre_create"] = Changes(upload_id=bad)
    with pytest.raises(HookAnswerInvalid) as failed:
        await world.create(10)
    assert (failed.value.status, failed.value.code) == (500, "hook-answer-invalid")
    assert world.events == []


async def test_metadata_that_cannot_be_leaves_nothing(world: World, hook: Hook) -> None:
    hook.says["pre_create"] = Changes(metadata={"two words": b""})
    with pytest.raises(HookAnswerInvalid):
        await world.create(10)
    assert world.events == []


@pytest.mark.parametrize("length", [0, 10, None])
async def test_id_that_is_taken_leaves_the_other_upload_alone(hook: Hook, length: int | None) -> None:
    async with world_of(hook, quotas=Quotas()) as world:
        world.caller = Caller(principal=Principal("user", Role.USER, "user"))
        hook.says["pre_create"] = Changes(upload_id="mine")
        other = await world.create(10, data=b"12345")
        body = body_of(b"abc") if length != 0 else None
        intent = Create(length=length, body=BodyHead(length=3) if body else None)
        with pytest.raises(HookAnswerInvalid):
            await world.service.create(intent, body, world.caller)
        assert await world.load(other) == other
        assert await world.held(other) == b"12345"
        assert (await world.uploads.usage("user")).stored == 10
        assert [event.upload.id for event in world.events] == ["mine"]


# The first bytes


async def test_first_bytes_of_one_append_are_seen_once(world: World, hook: Hook) -> None:
    upload = await world.create(100, data=b"x")
    sending = await world.sent(upload, b"1234", b"5678901234", offset=1)
    await until(lambda: hook.inspected)
    assert hook.inspected == [b"x1234567"]
    sending.source.feed(b"9" * 85, more=False)
    assert (await sending.task).state is State.COMPLETED
    assert [name for name, _, _ in hook.asked] == ["pre_create", "inspect", "pre_finish"]
    assert hook.asked[-1] == ("pre_finish", b"x1234567", 100)


@pytest.mark.parametrize("step", [1, 3, 7, 8, 9])
async def test_first_bytes_of_several_appends_are_seen_once(world: World, hook: Hook, step: int) -> None:
    content = bytes(range(40))
    upload = await world.create(40)
    for start in range(0, 40, step):
        before = upload.offset
        upload = await world.append(upload, content[start : start + step])
        assert hook.inspected == ([content[:SIZE]] if upload.offset >= SIZE else []), before
    assert upload.state is State.COMPLETED
    assert hook.count("pre_finish") == 1


async def test_append_at_the_end_of_a_completed_upload_asks_nobody(world: World, hook: Hook) -> None:
    upload = await world.create(3, data=b"abc")
    asked = list(hook.asked)
    await world.append(upload, b"")
    assert hook.asked == asked


@pytest.mark.parametrize("size", [1, SIZE - 1, SIZE, SIZE + 1])
async def test_small_upload_is_seen_whole_at_its_end(world: World, hook: Hook, size: int) -> None:
    upload = await world.create(size)
    if size > 1:
        upload = await world.append(upload, b"z")
        assert hook.inspected == []
    await world.append(upload, b"z" * (size - upload.offset))
    assert hook.inspected == [b"z" * min(size, SIZE)]


async def test_empty_upload_is_seen_when_it_is_created(world: World, hook: Hook) -> None:
    await world.create(0)
    assert hook.asked == [("pre_create", b"", 0), ("inspect", b"", 0), ("pre_finish", b"", 0)]
    hook.says["inspect"] = REFUSAL
    with pytest.raises(HookRefused):
        await world.create(0)
    assert len(heard(world, UploadCreated)) == 1


async def test_upload_that_turns_out_to_be_empty_is_seen(world: World, hook: Hook) -> None:
    upload = await world.create(None)
    hook.says["inspect"] = REFUSAL
    with pytest.raises(HookRefused):
        await world.service.append(declared(upload, 0), body_of(b""), world.caller)
    assert hook.inspected == [b""]
    assert await is_removed(world, upload)


def declared(upload: Upload, length: int, body: BodyHead | None = None) -> Append:
    return replace(_append(upload, None, body or BodyHead(length=0)), length=length)


def sha1(data: bytes) -> Checksum:
    return Checksum("sha1", hashlib.sha1(data).digest())


async def test_checked_bytes_are_seen_when_they_have_been_verified(world: World, hook: Hook) -> None:
    upload = await world.create(100)
    sending = world.send(upload, b"1234567890", b"1234567890", length=20, checksum=sha1(b"1234567890" * 2))
    await until(lambda: sending.source.calls == 3)
    await asyncio.sleep(0.01)
    assert hook.inspected == []
    sending.source.end()
    assert (await sending.task).offset == 20
    assert hook.inspected == [FIRST]


async def test_checked_bytes_that_are_wrong_are_not_seen(world: World, hook: Hook) -> None:
    upload = await world.create(100)
    sending = world.send(upload, b"1234567890", length=10, checksum=sha1(b"else"))
    sending.source.end()
    with pytest.raises(errors.ChecksumMismatch):
        await sending.task
    assert hook.inspected == []
    assert (await world.load(upload)).offset == 0


async def test_body_that_overruns_is_refused_for_that(world: World, hook: Hook) -> None:
    upload = await world.create(5)
    sending = world.send(upload, b"1234567890")
    with pytest.raises(errors.LengthExceeded):
        await sending.task
    assert (await world.load(upload)).state is State.UNFINISHED


async def test_refusal_ends_an_append_that_has_much_to_go(world: World, hook: Hook) -> None:
    upload = await world.create(10**12)
    hook.says["inspect"] = REFUSAL
    sending = world.send(upload, b"1234567890", length=10**12)
    with pytest.raises(HookRefused) as refused:
        await asyncio.wait_for(sending.task, SOON)
    assert refused.value is REFUSAL
    assert await is_removed(world, upload)
    assert (await world.load(upload)).state is State.TERMINATED


@pytest.mark.parametrize("checked", [False, True])
@pytest.mark.parametrize("size", [5, 10])
async def test_refused_bytes_are_removed_however_they_came(world: World, hook: Hook, checked: bool, size: int) -> None:
    content = b"1234567890"[:size]
    upload = await world.create(size)
    hook.says["inspect"] = REFUSAL
    sending = world.send(upload, content, length=size, checksum=sha1(content) if checked else None)
    sending.source.end()
    with pytest.raises(HookRefused):
        await sending.task
    assert await is_removed(world, upload)
    assert hook.count("pre_finish") == 0


async def test_refused_bytes_that_came_with_the_creation_are_removed(world: World, hook: Hook) -> None:
    hook.says["inspect"] = REFUSAL
    with pytest.raises(HookRefused):
        await world.service.create(Create(length=20, body=BodyHead(length=20)), body_of(FIRST * 2), world.caller)
    (created,) = heard(world, UploadCreated)
    assert await is_removed(world, created.upload)


async def test_refusal_after_the_client_has_gone_removes_what_it_sent(world: World, hook: Hook) -> None:
    upload = await world.create(100)
    hook.gate.clear()
    hook.says["inspect"] = REFUSAL
    sending = await world.sent(upload, b"1234567890")
    await until(lambda: hook.inspected)
    sending.source.disconnect()
    hook.gate.set()
    with pytest.raises(HookRefused):
        await sending.task
    assert await is_removed(world, upload)


async def committed(world: World, upload: Upload, offset: int) -> None:
    """Wait until the offset has been committed, which must not go beyond it meanwhile."""
    async with asyncio.timeout(SOON):
        while (found := (await world.load(upload)).offset) != offset:
            assert found < offset


async def test_offset_is_not_committed_beyond_what_nobody_was_asked_about(hook: Hook) -> None:
    async with world_of(hook, tuning=checkpointing()) as world:
        upload = await world.create(100)
        hook.gate.clear()
        sending = await world.sent(upload, b"123", b"4567890", b"1" * 20)
        await until(lambda: hook.inspected)

        await committed(world, upload, SIZE - 1)
        await asyncio.sleep(0.05)
        await committed(world, upload, SIZE - 1)
        hook.gate.set()
        # Also without another byte from the client.
        await committed(world, upload, 30)
        sending.source.disconnect()
        assert (await sending.task).offset == 30
        assert hook.inspected == [FIRST]


@pytest.mark.parametrize("checked", [False, True])
@pytest.mark.parametrize("length", [100, 20])
async def test_what_nobody_could_be_asked_about_is_not_committed_and_the_client_goes_on(
    world: World, hook: Hook, checked: bool, length: int
) -> None:
    content = b"1234567890" * 2
    upload = await world.create(length)
    hook.says["inspect"] = KeyError("broken")
    sending = world.send(upload, content, length=20, checksum=sha1(content) if checked else None)
    sending.source.end()
    with pytest.raises(errors.Unavailable) as failed:
        await sending.task
    assert failed.value.code == "hook-failed"
    resumed = await world.service.inspect(upload.id, world.caller)
    assert (resumed.offset, resumed.state) == (SIZE - 1, State.UNFINISHED)
    del hook.says["inspect"]
    await world.append(resumed, content[resumed.offset :])
    assert hook.inspected == [FIRST, FIRST]
    assert (await world.held(upload)) == content
    assert world.completed == ([upload.id] if length == 20 else [])


async def test_inspection_that_fails_ends_the_append_while_the_client_sends(world: World, hook: Hook) -> None:
    upload = await world.create(10**12)
    hook.says["inspect"] = KeyError("broken")
    sending = world.send(upload, b"1234567890", length=10**12)
    with pytest.raises(errors.Unavailable):
        await asyncio.wait_for(sending.task, SOON)
    assert (await world.load(upload)).offset == SIZE - 1


# The whole


@pytest.mark.parametrize("size", [1, 5, SIZE, 20])
async def test_refused_whole_is_removed(world: World, hook: Hook, size: int) -> None:
    upload = await world.create(size)
    hook.says["pre_finish"] = REFUSAL
    with pytest.raises(HookRefused):
        await world.append(upload, b"z" * size)
    assert await is_removed(world, upload)


@pytest.mark.parametrize("checked", [False, True])
@pytest.mark.parametrize("size", [1, 5, SIZE, SIZE + 1, 20])
async def test_failing_hook_keeps_all_but_the_last_byte_and_the_client_goes_on(
    world: World, hook: Hook, size: int, checked: bool
) -> None:
    content = bytes(range(size))
    upload = await world.create(size)
    hook.says["pre_finish"] = KeyError("broken")
    sending = world.send(upload, content, length=size, checksum=sha1(content) if checked else None)
    sending.source.end()
    with pytest.raises(errors.Unavailable):
        await sending.task
    resumed = await world.service.inspect(upload.id, world.caller)
    assert (resumed.offset, resumed.state) == (size - 1, State.UNFINISHED)
    assert world.completed == []
    del hook.says["pre_finish"]
    assert (await world.append(resumed, content[-1:])).state is State.COMPLETED
    assert await world.held(upload) == content
    assert world.completed == [upload.id]
    # Of an upload that fits into the first bytes the last one has to be looked at anew.
    assert hook.count("inspect") == (1 if size > SIZE else 2)


@pytest.mark.parametrize("size", [0, 5, 20])
async def test_upload_whose_length_came_last_is_not_taken_for_complete_when_the_hook_fails(
    world: World, hook: Hook, size: int
) -> None:
    upload = await world.create(None)
    upload = await world.append(upload, b"z" * size) if size else upload
    hook.says["pre_finish"] = KeyError("broken")
    with pytest.raises(errors.Unavailable):
        await world.service.append(declared(upload, size), body_of(b""), world.caller)
    resumed = await world.service.inspect(upload.id, world.caller)
    assert (resumed.offset, resumed.length) == (size, None)
    del hook.says["pre_finish"]
    completed = await world.service.append(declared(resumed, size), body_of(b""), world.caller)
    assert (completed.state, completed.length) == (State.COMPLETED, size)
    assert world.completed == [upload.id]


@pytest.mark.parametrize("name", ["inspect", "pre_finish"])
async def test_failing_hook_does_not_move_the_expiry_back(hook: Hook, name: str) -> None:
    async with world_of(hook, limits=Limits(unfinished_ttl=DAY)) as world:
        upload = await world.create(20)
        sending = await world.sent(upload, b"1")
        world.time.now += 2 * DAY
        hook.says[name] = KeyError("broken")
        sending.source.feed(b"2" * 19, more=False)
        with pytest.raises(errors.Unavailable):
            await sending.task
        resumed = await world.service.inspect(upload.id, world.caller)
        assert resumed.expires_at == world.time.now + DAY


# Parts and finals


async def part(world: World, data: bytes, *, length: int | None = None) -> Upload:
    return await world.create(len(data) if length is None else length, partial=True, data=data)


async def test_parts_are_not_looked_at_and_the_final_is(world: World, hook: Hook) -> None:
    one, two = await part(world, b"1234567890"), await part(world, b"abc")
    assert [name for name, _, _ in hook.asked] == ["pre_create", "pre_create"]
    await world.concatenate(two, one)
    assert hook.asked[2:] == [("pre_create", b"", 0), ("inspect", b"abc12345", 13), ("pre_finish", b"abc12345", 13)]


@pytest.mark.parametrize("name", ["pre_create", "inspect", "pre_finish"])
async def test_refused_final_is_removed_and_its_parts_stay(world: World, hook: Hook, name: str) -> None:
    one = await part(world, b"1234567890")
    hook.says[name] = REFUSAL
    with pytest.raises(HookRefused):
        await world.concatenate(one, one)
    final = hook.seen[-1]
    if name == "pre_create":
        assert await world.uploads.known([final.id]) == set()
    else:
        assert await is_removed(world, final)
    assert await world.held(one) == b"1234567890"


async def test_append_that_completes_a_refused_final_succeeds_all_the_same(world: World, hook: Hook) -> None:
    one = await part(world, b"12345", length=10)
    final = await world.concatenate(one)
    hook.says["inspect"] = REFUSAL
    assert (await world.append(one, b"67890")).state is State.COMPLETED
    assert await is_removed(world, final)


async def test_final_that_nobody_could_be_asked_about_is_made_anew_by_its_client(world: World, hook: Hook) -> None:
    one = await part(world, b"1234567890")
    hook.says["inspect"] = KeyError("broken")
    with pytest.raises(errors.Unavailable):
        await world.concatenate(one)
    (terminated,) = heard(world, UploadTerminated)
    assert await world.store.size(terminated.upload.id) == 0
    del hook.says["inspect"]
    assert (await world.concatenate(one)).state is State.COMPLETED


async def test_final_that_waits_for_its_parts_outlives_a_failing_hook(world: World, hook: Hook) -> None:
    one = await part(world, b"12345", length=10)
    final = await world.concatenate(one)
    hook.says["pre_finish"] = KeyError("broken")
    await world.append(one, b"67890")
    assert (await world.load(final)).state is State.UNFINISHED
    await world.sweep.once()
    assert (await world.load(final)).state is State.UNFINISHED
    del hook.says["pre_finish"]
    await world.sweep.once()
    assert (await world.load(final)).state is State.COMPLETED
    assert world.completed == [final.id]


# Terminating


@pytest.mark.parametrize(("says", "raised"), [(REFUSAL, HookRefused), (KeyError("broken"), errors.Unavailable)])
async def test_upload_that_may_not_be_terminated_stays(
    world: World, hook: Hook, says: Exception, raised: type[Exception]
) -> None:
    upload = await world.create(10, data=b"12345")
    hook.says["pre_terminate"] = says
    with pytest.raises(raised):
        await world.service.terminate(upload.id, world.caller)
    assert await world.load(upload) == upload
    assert heard(world, UploadTerminated) == []
    del hook.says["pre_terminate"]
    await world.service.terminate(upload.id, world.caller)
    assert len(heard(world, UploadTerminated)) == 1


# Others who come while a hook takes its time


async def waiting_hook(world: World, hook: Hook, *, length: int = 100) -> tuple[Upload, Sending]:
    """An append whose first bytes are being looked at."""
    upload = await world.create(length)
    hook.gate.clear()
    sending = await world.sent(upload, b"1234567890")
    await until(lambda: hook.inspected)
    return upload, sending


async def test_append_taken_over_while_a_hook_runs_is_committed_when_it_has_answered(world: World, hook: Hook) -> None:
    upload, sending = await waiting_hook(world, hook)
    newcomer = world.send(upload, b"abc", offset=10)
    await until(lambda: sending.body.stopped)
    await asyncio.sleep(0.01)
    assert not newcomer.task.done()
    hook.gate.set()
    with pytest.raises(errors.UploadTakenOver):
        await sending.task
    newcomer.source.end()
    assert (await newcomer.task).offset == 13
    assert await world.held(upload) == b"1234567890abc"
    assert hook.inspected == [FIRST]


async def test_append_taken_over_while_a_hook_fails_is_held_back(world: World, hook: Hook) -> None:
    upload, sending = await waiting_hook(world, hook)
    newcomer = world.send(upload, b"abc", offset=10)
    await until(lambda: sending.body.stopped)
    hook.says["inspect"] = KeyError("broken")
    hook.gate.set()
    with pytest.raises(errors.Unavailable):
        await sending.task
    with pytest.raises(errors.OffsetConflict):
        await newcomer.task
    assert (await world.load(upload)).offset == SIZE - 1


async def test_hook_slower_than_a_newcomer_s_patience_loses_nothing(hook: Hook) -> None:
    async with world_of(hook, tuning=checkpointing(checkpoint_interval=3600, lock_timeout=0.05)) as world:
        upload, sending = await waiting_hook(world, hook)
        with pytest.raises(errors.UploadLocked):
            await world.send(upload, b"abc", offset=10).task
        with pytest.raises(errors.UploadLocked):
            await world.service.terminate(upload.id, world.caller)
        sending.source.end()
        hook.gate.set()
        with pytest.raises(errors.UploadTakenOver):
            await sending.task
        assert (await world.load(upload)).offset == 10


async def test_server_that_stops_while_a_hook_runs_commits_when_it_has_answered(world: World, hook: Hook) -> None:
    upload, sending = await waiting_hook(world, hook)
    draining = asyncio.create_task(world.service.work.drain())
    await asyncio.sleep(0.01)
    assert not draining.done()
    hook.gate.set()
    await draining
    with pytest.raises(errors.ShuttingDown):
        await sending.task
    assert (await world.load(upload)).offset == 10


async def test_cancelled_request_is_seen_through_while_a_hook_runs(world: World, hook: Hook) -> None:
    upload, sending = await waiting_hook(world, hook)
    sending.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending.task
    hook.gate.set()
    await world.service.work.drain()
    assert (await world.load(upload)).offset == 10


async def test_upload_that_is_deleted_while_a_hook_runs_is_gone(world: World, hook: Hook) -> None:
    upload, sending = await waiting_hook(world, hook)
    hook.says["pre_terminate"] = Changes()
    deleting = asyncio.create_task(world.service.terminate(upload.id, world.caller))
    hook.gate.set()
    with pytest.raises(errors.UploadTakenOver):
        await sending.task
    await deleting
    assert await world.store.size(upload.id) == 0
    assert len(heard(world, UploadTerminated)) == 1


# What post_receive stops


class Stopping:
    """Stops what has come to so many bytes."""

    def __init__(self, limit: int, refusal: errors.TusError) -> None:
        self.limit, self.refusal = limit, refusal

    def post_receive(self, event: HookEvent) -> None:
        if event.upload.offset >= self.limit:
            event.stop(self.refusal)


@pytest.mark.parametrize("partial", [False, True])
async def test_stopped_transfer_is_removed_and_answered_with_the_refusal(partial: bool) -> None:
    async with world_of(Stopping(10, REFUSAL), tuning=checkpointing()) as world:
        upload = await world.create(10**12, partial=partial)
        sending = await world.sent(upload, b"1234567")
        await asyncio.sleep(0.02)
        assert not sending.task.done()
        sending.source.feed(b"890")
        with pytest.raises(HookRefused) as refused:
            await asyncio.wait_for(sending.task, SOON)
        assert refused.value is REFUSAL
        assert [event.upload.id for event in heard(world, UploadTerminated)] == [upload.id]
        assert (await world.load(upload)).is_gone
        assert await world.store.ids() == []


async def test_transfer_stopped_for_the_time_being_keeps_what_came() -> None:
    async with world_of(Stopping(10, errors.Unavailable("Later.")), tuning=checkpointing()) as world:
        upload = await world.create(100)
        sending = await world.sent(upload, b"1234567890")
        with pytest.raises(errors.Unavailable):
            await asyncio.wait_for(sending.task, SOON)
        assert (await world.load(upload)).offset == 10


async def test_stop_that_comes_too_late_changes_nothing() -> None:
    late: list[Callable[[errors.TusError], None]] = []

    class Remembering:
        async def post_receive(self, event: HookEvent) -> None:
            late.append(event.stop)

    async with world_of(Remembering(), tuning=checkpointing()) as world:
        upload = await world.create(10)
        sending = await world.sent(upload, b"1234567")
        await until(lambda: late)
        sending.source.feed(b"890", more=False)
        assert (await sending.task).state is State.COMPLETED
        late[0](REFUSAL)
        await asyncio.sleep(0)
        assert (await world.load(upload)).state is State.COMPLETED
        assert len(heard(world, UploadCompleted)) == 1
