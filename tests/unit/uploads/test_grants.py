"""Uploads of unknown length, within quotas: cut where they are used up, and what fits is kept."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.stateful.asgi import until
from tests.unit.uploads.test_gate import declared, sha1
from tests.unit.uploads.world import Source, World, body_of, open_world

from longshore.auth.principal import Principal, Role
from longshore.ports.hooks import HookEvent, HookRefused
from longshore.ports.quotas import Quotas, Usage
from longshore.protocol import errors
from longshore.protocol.intents import BodyHead, Create
from longshore.protocol.upload import State, Upload
from longshore.uploads import grants
from longshore.uploads.caller import Caller

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("prompt")]

USER = Caller(principal=Principal("user", Role.USER, "user"))
LIMIT = 100


@pytest.fixture(params=["daily", "monthly", "stored", "size"])
async def world(request: pytest.FixtureRequest, anyio_backend: str) -> AsyncIterator[World]:
    async with open_world(quotas=Quotas(**{request.param: LIMIT})) as world:
        world.caller = USER
        yield world


@pytest.fixture
async def daily(anyio_backend: str) -> AsyncIterator[World]:
    async with open_world(quotas=Quotas(daily=LIMIT)) as world:
        world.caller = USER
        yield world


async def usage(world: World) -> Usage:
    return await world.uploads.usage("user")


async def reserved(world: World) -> tuple[int, int]:
    """What is set aside today, and what is counted as stored."""
    found = await usage(world)
    return found.daily.reserved, found.stored


async def send(world: World, upload: Upload, data: bytes, **options: Any) -> Upload:
    """A whole PATCH."""
    sending = world.send(upload, data, **options)
    sending.source.end()
    return await sending.task


@pytest.mark.parametrize("told", [None, 130])
async def test_what_fits_is_kept_and_the_rest_refused(world: World, told: int | None) -> None:
    upload = await world.create(None)
    upload = await send(world, upload, b"a" * 25)
    assert await reserved(world) == (25, 25)
    with pytest.raises(errors.QuotaExceeded) as refused:
        await send(world, upload, b"b" * 130, length=told)
    assert (refused.value.members["limit"], refused.value.members["used"]) == (LIMIT, LIMIT)
    kept = await world.service.inspect(upload.id, world.caller)
    assert (kept.offset, kept.length, kept.state) == (LIMIT, None, State.UNFINISHED)
    assert await world.held(upload) == b"a" * 25 + b"b" * 75
    assert await reserved(world) == (LIMIT, LIMIT)


async def test_piece_that_fits_in_part_is_taken_in_part(world: World) -> None:
    upload = await world.create(None)
    sending = await world.sent(upload, b"b" * 60)
    sending.source.feed(b"c" * 60)
    with pytest.raises(errors.QuotaExceeded):
        await sending.task
    assert await world.held(upload) == b"b" * 60 + b"c" * 40
    assert (await world.load(upload)).offset == LIMIT


async def test_second_attempt_is_refused_and_changes_nothing(world: World) -> None:
    upload = await world.create(None)
    with pytest.raises(errors.QuotaExceeded):
        await send(world, upload, b"b" * 130)
    kept = await world.load(upload)
    for data in (b"b", b"b" * 1000):
        with pytest.raises(errors.QuotaExceeded):
            await send(world, kept, data)
        assert (await world.load(upload)).offset == LIMIT
    assert await world.held(upload) == b"b" * LIMIT
    await world.service.terminate(upload.id, world.caller)
    assert await reserved(world) == (0, 0)


async def test_upload_that_was_cut_can_be_finished_as_it_is(world: World) -> None:
    upload = await world.create(None)
    with pytest.raises(errors.QuotaExceeded):
        await send(world, upload, b"b" * 130)
    kept = await world.load(upload)
    done = await world.service.append(declared(kept, LIMIT), body_of(b""), world.caller)
    assert done.state is State.COMPLETED
    found = await usage(world)
    assert (found.daily.used, found.daily.reserved, found.stored, found.unfinished) == (LIMIT, 0, LIMIT, 0)


async def test_of_a_checked_body_that_is_cut_nothing_is_kept(world: World) -> None:
    upload = await send(world, await world.create(None), b"a" * 25)
    content = b"b" * 130
    with pytest.raises(errors.QuotaExceeded):
        await send(world, upload, content, length=130, checksum=sha1(content))
    assert (await world.load(upload)).offset == 25
    assert await reserved(world) == (25, 25)
    assert (await send(world, upload, content[:75], length=75, checksum=sha1(content[:75]))).offset == LIMIT


async def test_creation_whose_body_is_cut_leaves_nothing(world: World) -> None:
    intent = Create(length=None, body=BodyHead(length=130))
    with pytest.raises(errors.QuotaExceeded):
        await world.service.create(intent, body_of(b"c" * 130), world.caller)
    assert await reserved(world) == (0, 0)
    assert (await usage(world)).unfinished == 0


async def test_declared_length_that_does_not_fit_is_refused_and_nothing_stays_set_aside(world: World) -> None:
    upload = await send(world, await world.create(None), b"a" * 25)
    with pytest.raises(errors.QuotaExceeded):
        await world.service.append(declared(upload, LIMIT + 1, BodyHead(length=5)), body_of(b"b" * 5), world.caller)
    assert await world.load(upload) == upload
    assert await reserved(world) == (25, 25)
    await world.service.append(declared(upload, LIMIT, BodyHead(length=5)), body_of(b"b" * 5), world.caller)
    assert await reserved(world) == (LIMIT, LIMIT)


async def test_declared_length_sets_that_much_aside_and_no_more(daily: World) -> None:
    upload = await daily.create(None)
    intent = declared(upload, 40, BodyHead(length=None))
    source = Source()
    appending = asyncio.create_task(daily.service.append(intent, source.body(), daily.caller))
    source.feed(b"c" * 10)
    await until(lambda: daily.position(upload.id) == 10)
    assert await reserved(daily) == (40, 40)
    source.end()
    assert (await appending).offset == 10
    assert await reserved(daily) == (40, 40)


@pytest.mark.parametrize("told", [None, 30])
async def test_what_was_set_aside_ahead_is_given_back_at_the_end(
    daily: World, monkeypatch: pytest.MonkeyPatch, told: int | None
) -> None:
    monkeypatch.setattr(grants, "STEP", 50)
    upload = await daily.create(None)
    sending = await daily.sent(upload, b"c" * 10, length=told)
    assert await reserved(daily) == (told or 50, told or 50)
    sending.source.disconnect()
    await sending.task
    assert await reserved(daily) == (10, 10)


async def test_two_uploads_share_what_there_is(daily: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grants, "STEP", 10)
    one, two = await daily.create(None), await daily.create(None)
    outcomes = await asyncio.gather(send(daily, one, b"1" * 80), send(daily, two, b"2" * 80), return_exceptions=True)
    assert any(isinstance(outcome, errors.QuotaExceeded) for outcome in outcomes)
    offsets = [(await daily.load(upload)).offset for upload in (one, two)]
    assert sum(offsets) <= LIMIT
    assert await reserved(daily) == (sum(offsets), sum(offsets))


async def test_administrator_goes_on_with_somebody_else_s_upload_at_the_owner_s_expense(daily: World) -> None:
    upload = await daily.create(None)
    daily.caller = Caller(principal=Principal("admin", Role.ADMIN, "admin"))
    await send(daily, upload, b"c" * 130)
    assert await reserved(daily) == (130, 130)
    assert (await daily.uploads.usage("admin")).stored == 0


async def test_nobody_s_uploads_know_no_quotas(daily: World) -> None:
    daily.caller = Caller()
    upload = await send(daily, await daily.create(None), b"c" * 130)
    assert upload.offset == 130


async def test_refusal_by_a_hook_comes_before_that_of_a_quota(anyio_backend: str) -> None:
    class Refusing:
        async def inspect(self, event: HookEvent) -> None:
            raise HookRefused("Not that.")

    async with open_world(hooks=[Refusing()], quotas=Quotas(daily=20)) as world:
        world.caller = USER
        upload = await world.create(None)
        with pytest.raises(HookRefused):
            await send(world, upload, b"c" * 130)
        assert (await world.load(upload)).is_gone
        assert await reserved(world) == (0, 0)


async def test_hook_that_fails_on_a_cut_upload_holds_it_back(anyio_backend: str) -> None:
    class Failing:
        async def inspect(self, event: HookEvent) -> None:
            raise KeyError("broken")

    async with open_world(hooks=[Failing()], quotas=Quotas(daily=20)) as world:
        world.caller = USER
        upload = await world.create(None)
        with pytest.raises((errors.QuotaExceeded, errors.Unavailable)):
            await send(world, upload, b"c" * 130)
        assert (await world.load(upload)).offset == 7
        assert await reserved(world) == (7, 7)
