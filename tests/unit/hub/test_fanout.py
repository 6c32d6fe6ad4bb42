"""That everybody hears of everything that they may hear of: once, in order, and whenever they come and go."""

import asyncio
import random
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from tests.stateful.asgi import until
from tests.unit.hub.world import ANN, BOB, NOW, ROOT, Listener, World, completed, open_world, upload

from longshore.auth.principal import EVERYBODY, Principal
from longshore.events import UploadCreated
from longshore.hub.attendance import check_round, review_accounts
from longshore.hub.places import NoPlaceLeft, Places, TooManySubscriptions
from longshore.hub.subscription import End, Subscription, Wanted
from longshore.ports.hooks import HookEvent
from longshore.protocol.errors import InvalidToken, ShuttingDown, Unavailable

pytestmark = pytest.mark.anyio


async def test_tells_of_what_happens_in_order() -> None:
    async with open_world() as world:
        listener = await world.listener().listen()
        await world.create(upload())
        await world.complete(upload())
        await world.terminate(completed(upload()))
        await until(lambda: len(listener.heard) == 3)
        assert [message.type for message in listener.heard] == ["created", "completed", "terminated"]
        assert listener.ids == await world.stored_ids()
        assert world.hub.position == listener.ids[-1]
        await listener.leave()


async def test_tells_each_only_of_what_is_for_them_and_wanted() -> None:
    async with open_world() as world:
        ann, bob = await world.listener(ANN).listen(), await world.listener(BOB).listen()
        files = await world.listener(ROOT, Wanted(types=frozenset({"completed"}))).listen()
        await world.create(upload())
        await world.complete(upload())
        await until(lambda: len(ann.heard) == 2 and len(bob.heard) == 1 and len(files.heard) == 1)
        assert [message.type for message in (*bob.heard, *files.heard)] == ["completed", "completed"]
        for listener in (ann, bob, files):
            await listener.leave()


async def test_everybody_is_told_with_the_same_encoded_message() -> None:
    async with open_world() as world:
        listeners = [await world.listener().listen() for _ in range(200)]
        await world.create(upload())
        await until(lambda: all(listener.heard for listener in listeners))
        assert len({id(listener.heard[0]) for listener in listeners}) == 1
        for listener in listeners:
            await listener.leave()


async def test_replays_what_was_missed_then_goes_live() -> None:
    async with open_world() as world:
        for number in range(600):
            await world.create(upload(f"u{number}"))
        listener = await world.listener().listen(after=3)
        assert listener.start is not None
        assert (listener.start.after, listener.start.current, listener.start.is_complete) == (3, 600, True)
        await world.create(upload("last"))
        await until(lambda: len(listener.heard) >= 598)
        assert listener.ids == list(range(4, 602))
        await listener.leave()


def heard(listener: Listener, ids: Sequence[int]) -> bool:
    return listener.ids == ids


async def test_nothing_is_lost_on_those_who_come_while_nobody_is_here() -> None:
    async with open_world() as world:
        for round_number in range(3):
            first, second = f"{round_number}-1", f"{round_number}-2"
            await world.create(upload(first))
            await asyncio.sleep(0.01)
            one, other = await world.listener().listen(), await world.listener().listen(after=2 * round_number)
            await world.create(upload(second))
            await until(partial(heard, other, [2 * round_number + 1, 2 * round_number + 2]))
            await until(partial(heard, one, [2 * round_number + 2]))
            await one.leave()
            await other.leave()


async def test_tells_what_another_process_has_written() -> None:
    async with open_world(poll_interval=0.02) as world:
        listener = await world.listener().listen()
        new = upload()
        await world.records.add(new, free_space=None, events=[UploadCreated(new)])  # nobody wakes the hub
        await until(lambda: listener.ids == [1])
        await listener.leave()


async def come_and_go(world: World, listener: Listener, chance: random.Random, done: asyncio.Event) -> list[int]:
    """Listen, be cut off at some moment, come back; return all that was heard."""
    heard: list[int] = []
    after = 0
    while not done.is_set() or after < world.hub.position:
        listener = world.listener()
        await listener.listen(after)
        await asyncio.sleep(chance.choice([0, 0, 0.001, 0.005, 0.02]))
        await listener.leave()
        heard += listener.ids
        after = heard[-1] if heard else 0
    return heard


@pytest.mark.parametrize("seed", range(5))
async def test_who_comes_and_goes_hears_exactly_what_is_stored(seed: int) -> None:
    chance = random.Random(seed)
    async with open_world() as world:
        done = asyncio.Event()
        listening = [
            asyncio.create_task(come_and_go(world, world.listener(), random.Random(chance.random()), done))
            for _ in range(8)
        ]

        async def write(name: str) -> None:
            for number in range(60):
                await world.create(upload(f"{name}-{number}"))
                await asyncio.sleep(chance.choice([0, 0, 0.001, 0.01]))

        await asyncio.gather(*(write(f"w{n}") for n in range(4)))
        await until(lambda: world.hub.position == 240)
        done.set()
        stored = await world.stored_ids()
        assert len(stored) == 240
        for heard in await asyncio.gather(*listening):
            assert heard == stored


@pytest.mark.postgres
async def test_on_postgresql_concurrent_transactions_are_all_heard_in_order(
    database_url_of_postgres: str,
) -> None:
    """Two hubs, as in two processes; the writers' transactions overlap, and some of them fail."""
    async with (
        open_world(url=database_url_of_postgres, poll_interval=0.01) as here,
        open_world(url=database_url_of_postgres, poll_interval=0.01) as there,
    ):
        listeners = [await here.listener().listen(), await there.listener().listen()]

        async def write(world: World, name: str) -> None:
            for number in range(50):
                new = upload(f"{name}-{number}")
                await world.records.add(new, free_space=None, events=[UploadCreated(new)])
                with pytest.raises(ValueError, match="already"):
                    await world.records.add(new, free_space=None, events=[UploadCreated(new)])

        await asyncio.gather(*(write(world, f"{n}-{m}") for n, world in enumerate((here, there)) for m in range(4)))
        await until(lambda: all(len(listener.heard) >= 400 for listener in listeners))
        stored = await here.stored_ids()
        assert len(stored) == 400
        for listener in listeners:
            assert listener.ids == stored
            await listener.leave()


@pytest.fixture
def database_url_of_postgres(request: pytest.FixtureRequest) -> str:
    url: str = request.getfixturevalue("postgres_url")
    return url


# Where a subscription starts


async def start(world: World, after: int) -> tuple[int, int, bool]:
    listener = await world.listener().listen(after)
    await listener.leave()
    assert listener.start is not None
    return listener.start.after, listener.start.current, listener.start.is_complete


async def test_all_is_there_from_the_beginning_of_a_new_server() -> None:
    async with open_world() as world:
        assert await start(world, 0) == (0, 0, True)
        await world.create(upload())
        assert await start(world, 0) == (0, 1, True)
        assert await start(world, 1) == (1, 1, True)


async def test_says_so_when_events_may_have_been_forgotten() -> None:
    async with open_world() as world:
        for number in range(4):
            world.now = NOW + number * timedelta(days=10)
            await world.create(upload(f"u{number}"))
        world.now = NOW + timedelta(days=45)
        assert await world.events.forget_events(world.now - timedelta(days=30), 100) == 2
        assert [await start(world, after) for after in range(5)] == [
            (0, 4, False),
            (1, 4, False),
            (2, 4, True),
            (3, 4, True),
            (4, 4, True),
        ]


async def test_where_events_are_kept_for_good_all_are_there() -> None:
    async with open_world(retention=None) as world:
        await world.create(upload())
        world.now = NOW + timedelta(days=4000)
        await world.create(upload("b"))
        assert await start(world, 0) == (0, 2, True)


async def test_who_knows_of_later_events_than_there_are_starts_at_the_newest() -> None:
    """After the database has been restored from a copy, say."""
    async with open_world() as world:
        await world.create(upload())
        assert await start(world, 99) == (1, 1, False)


async def test_another_process_may_be_ahead_of_this_one() -> None:
    async with open_world() as world:
        new = upload()
        await world.records.add(new, free_space=None, events=[UploadCreated(new)])
        assert world.hub.position == 0
        assert await start(world, 1) == (1, 1, True)


# Ends


async def test_stopping_ends_all_and_lets_nobody_in() -> None:
    async with open_world() as world:
        listener = await world.listener().listen()
        world.hub.stop()
        assert listener.subscription.end_reason is End.STOPPING
        with pytest.raises(ShuttingDown):
            world.hub.join(Subscription(ROOT))
        await listener.leave()
        assert world.hub.subscribers == 0


async def test_one_who_takes_nothing_is_ended_and_the_others_hear_all() -> None:
    async with open_world() as world:
        stuck, lively = Subscription(ROOT), await world.listener().listen()
        world.hub.join(stuck)
        await world.hub.begin(stuck, None)
        for number in range(1001):
            await world.create(upload(f"u{number}"))
        await until(lambda: stuck.end_reason is not None and len(lively.heard) == 1001)
        assert (stuck.end_reason, lively.subscription.end_reason) == (End.LAGGING, None)
        await lively.leave()


# Attendance


async def looked_up(answer: object) -> Subscription:
    async def check() -> object:
        if isinstance(answer, Exception):
            raise answer
        return answer

    subscription = Subscription(ANN)
    subscription.authenticate(ANN, check, None)  # type: ignore[arg-type]
    await check_round([subscription, Subscription(ROOT)])
    return subscription


async def test_whose_token_is_not_good_any_more_is_ended() -> None:
    assert (await looked_up(InvalidToken("The token has been revoked."))).end_reason is End.UNAUTHENTICATED


@pytest.mark.parametrize("failure", [Unavailable(), RuntimeError("a defect")])
async def test_who_cannot_be_looked_up_stays(failure: Exception) -> None:
    assert (await looked_up(failure)).end_reason is None


async def test_what_somebody_may_hear_follows_their_role() -> None:
    promoted = type(ANN)(ANN.subject, ROOT.role, ANN.name)
    assert (await looked_up(promoted)).principal == promoted


async def test_a_fresh_token_that_came_meanwhile_counts() -> None:
    subscription = Subscription(ANN)

    async def good() -> object:
        return ANN

    async def bad() -> object:
        subscription.authenticate(ANN, good, None)  # type: ignore[arg-type]
        raise InvalidToken

    subscription.authenticate(ANN, bad, None)  # type: ignore[arg-type]
    await check_round([subscription])
    assert subscription.end_reason is None


async def reviewed(subscription: Subscription, answer: Principal | None) -> Subscription:
    async def review(principals: Collection[Principal]) -> Sequence[Principal | None]:
        return [answer for _ in principals]

    await review_accounts([subscription], review)
    return subscription


async def test_whose_account_is_not_good_any_more_is_ended() -> None:
    assert (await reviewed(Subscription(ANN), None)).end_reason is End.UNAUTHENTICATED


async def test_what_somebody_may_hear_follows_the_role_of_their_account() -> None:
    promoted = Principal(ANN.subject, ROOT.role, ANN.name)
    assert (await reviewed(Subscription(ANN), promoted)).principal == promoted


async def test_everybodys_account_is_asked_about_at_once() -> None:
    asked = list[int]()

    async def review(principals: Collection[Principal]) -> Sequence[Principal | None]:
        asked.append(len(principals))
        return [None if principal == BOB else principal for principal in principals]

    present = [Subscription(principal) for principal in (ANN, BOB, ROOT) for _ in range(100)]
    await review_accounts(present, review)
    assert [subscription.principal for subscription in present if subscription.end_reason] == [BOB] * 100
    await review_accounts(present, review)
    assert asked == [300, 200]


async def test_an_account_that_was_looked_up_before_a_fresh_token_came_says_nothing_of_that() -> None:
    subscription = Subscription(ANN)
    fresh = replace(ANN, session="another")

    async def review(principals: Collection[Principal]) -> Sequence[Principal | None]:
        subscription.principal = fresh
        return [None for _ in principals]

    await review_accounts([subscription], review)
    assert (subscription.end_reason, subscription.principal) == (None, fresh)


# How many there may be


async def test_one_user_cannot_take_the_places_of_all() -> None:
    async with open_world(places=Places(total=3, per_user=2)) as world:
        first, second = Subscription(ANN), Subscription(ANN)
        world.hub.join(first)
        world.hub.join(second)
        with pytest.raises(TooManySubscriptions) as refused:
            world.hub.join(Subscription(ANN))
        assert dict(refused.value.headers) == {"Retry-After": "30"}
        world.hub.join(Subscription(BOB))
        with pytest.raises(NoPlaceLeft):
            world.hub.join(Subscription(ROOT))
        world.hub.leave(first)
        world.hub.leave(first)
        world.hub.join(Subscription(ANN))
        with pytest.raises(NoPlaceLeft):
            world.hub.join(Subscription(ROOT))


async def test_where_nobody_has_a_name_nobody_has_too_many_connections() -> None:
    async with open_world(places=Places(total=3, per_user=1)) as world:
        for _ in range(3):
            world.hub.join(Subscription(EVERYBODY))
        with pytest.raises(NoPlaceLeft):
            world.hub.join(Subscription(EVERYBODY))


# Progress


async def test_progress_is_told_at_most_once_a_second_and_then_the_latest() -> None:
    async with open_world() as world:
        listener = await world.listener(ANN).listen()
        clock = asyncio.get_running_loop().time
        began = clock()
        for offset in range(1, 50):
            await world.hub.progress.post_receive(HookEvent(upload=upload(offset=offset)))
            await asyncio.sleep(0.002)
        await until(lambda: len(listener.heard) == 2)
        assert clock() - began >= 1.0
        assert [told["data"]["offset"] for told in listener.told][1] == 49
        assert listener.ids == []
        await listener.leave()


async def test_progress_is_not_told_of_an_upload_that_is_completed() -> None:
    async with open_world() as world:
        await world.create(upload())
        listener = await world.listener(ANN).listen()
        await world.hub.progress.post_receive(HookEvent(upload=upload(offset=1)))
        await until(lambda: len(listener.heard) == 1)
        await world.hub.progress.post_receive(HookEvent(upload=upload(offset=99)))
        await world.complete(upload())
        await asyncio.sleep(1.1)
        assert [message.type for message in listener.heard] == ["progress", "completed"]
        await listener.leave()
