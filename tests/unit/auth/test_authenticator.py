"""From tokens to principals: whose word counts, and how soon a change is seen."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from tests.unit.auth.issuer import AUDIENCE, ISSUER, RSA, claims, public_pem, token
from tests.unit.auth.world import MINUTE, SECOND, Time, World, opened, signed, signing_key

from longshore.auth import authenticator as module
from longshore.auth.authenticator import REMEMBERED_FOR, Authenticator
from longshore.auth.external import ExternalTokens
from longshore.auth.principal import Principal, Role
from longshore.auth.public_keys import PemKey
from longshore.auth.records import AccountRecords, User
from longshore.auth.refresh_tokens import RefreshToken
from longshore.auth.tokens import LocalTokens
from longshore.protocol.errors import InvalidToken

pytestmark = pytest.mark.anyio

PASSWORD = "correct horse battery staple"


@pytest.fixture
async def world(anyio_backend: str) -> AsyncIterator[World]:
    clock = Time()
    external = ExternalTokens(ISSUER, AUDIENCE, ["RS256"], PemKey(public_pem(RSA)), clock)
    async with opened(external=external, clock=clock) as world:
        yield world


@pytest.fixture
async def alice(world: World) -> User:
    return await world.accounts.add_user("Alice", PASSWORD)


async def is_good(world: World, shown: str) -> bool:
    try:
        await world.authenticator.authenticate(shown)
    except InvalidToken:
        return False
    return True


async def elsewhere(world: World, user: User, *, disabled: bool = True) -> None:
    """Change a user as another process does: nobody here is told."""
    await world.records.set_disabled(user.id, disabled)


# Who it is


async def test_a_token_of_ours_names_an_account(world: World, alice: User) -> None:
    tokens = await world.accounts.sign_in("alice", PASSWORD)
    principal = await world.authenticator.authenticate(tokens.access_token)
    session = RefreshToken.parse(tokens.refresh_token)
    assert session is not None
    expires_at = world.clock.now.replace(microsecond=0) + 15 * MINUTE
    assert principal == Principal(alice.id, Role.USER, "Alice", session.session_id, expires_at, alice.generation)


async def test_role_and_name_are_those_of_the_account_not_of_the_token(world: World, alice: User) -> None:
    shown = await world.accounts.issue_token("alice", MINUTE)
    await world.accounts.add_user("root", PASSWORD, Role.ADMIN)
    await world.accounts.set_role("alice", Role.ADMIN)
    assert (await world.authenticator.authenticate(shown)).role is Role.ADMIN
    await world.accounts.set_role("alice", Role.USER)
    assert (await world.authenticator.authenticate(shown)).role is Role.USER


async def test_a_token_of_the_issuer_needs_no_account(world: World) -> None:
    principal = await world.authenticator.authenticate(token(roles=["admin"]))
    assert (principal.subject, principal.role, principal.session) == ("alice", Role.ADMIN, None)


async def test_the_issuer_cannot_speak_for_an_account_here(world: World, alice: User) -> None:
    for shown in (token(sub=alice.id), token(sub=alice.id, iss="longshore")):
        assert not await is_good(world, shown)


async def test_nobody_else_can_speak_for_the_issuer(world: World) -> None:
    secret = signing_key("k1").secret
    ours = signed(claims(gen=0, jti="j"), secret, "HS256", kid="k1", typ="at+jwt")
    assert not await is_good(world, ours)
    assert not await is_good(world, token(iss="https://another.example"))
    assert not await is_good(world, token(iss=None))


async def test_an_issuer_that_is_not_set_up_is_unknown(world: World, alice: User) -> None:
    ours = await world.accounts.issue_token("alice", MINUTE)
    nobody = Authenticator(world.records, world.clock)
    local_alone = Authenticator(world.records, world.clock, local=world.tokens)
    for authenticator, shown in ((nobody, ours), (nobody, token()), (local_alone, token())):
        with pytest.raises(InvalidToken, match="another issuer"):
            await authenticator.authenticate(shown)


@pytest.mark.parametrize("shown", ["", "x", "a.b.c", "x" * 10**5, "\ud800", "ключ", "..", "Bearer x"])
async def test_what_is_no_token_is_refused(world: World, shown: str) -> None:
    assert not await is_good(world, shown)


async def test_an_account_that_is_not_there_has_no_tokens(world: World) -> None:
    assert not await is_good(world, await world.tokens.issue("local:" + "0" * 32, None, MINUTE))


async def test_a_session_of_somebody_else_is_none(world: World, alice: User) -> None:
    bob = await world.accounts.add_user("bob", PASSWORD)
    tokens = await world.accounts.sign_in("alice", PASSWORD)
    session = (await world.authenticator.authenticate(tokens.access_token)).session
    assert not await is_good(world, await world.tokens.issue(bob.id, session, MINUTE))


# Changes


async def test_a_change_in_this_process_is_seen_at_once(world: World, alice: User) -> None:
    shown = await world.accounts.issue_token("alice", MINUTE)
    assert await is_good(world, shown)
    await world.accounts.set_disabled("alice", True)
    assert not await is_good(world, shown)


async def test_a_change_in_another_process_is_seen_within_seconds(world: World, alice: User) -> None:
    shown = await world.accounts.issue_token("alice", MINUTE)
    assert await is_good(world, shown)
    await elsewhere(world, alice)
    world.clock.advance(REMEMBERED_FOR - SECOND)
    assert await is_good(world, shown)
    world.clock.advance(SECOND)
    assert not await is_good(world, shown)


async def test_seeing_a_token_often_does_not_put_that_off(world: World, alice: User) -> None:
    shown = await world.accounts.issue_token("alice", MINUTE)
    assert await is_good(world, shown)
    await elsewhere(world, alice)
    for _ in range(4):
        world.clock.advance(SECOND)
        assert await is_good(world, shown)
    world.clock.advance(SECOND)
    assert not await is_good(world, shown)


async def test_a_disabled_user_has_no_tokens_whatever_they_say(world: World, alice: User) -> None:
    await elsewhere(world, alice)
    assert not await is_good(world, await world.tokens.issue(alice.id, None, MINUTE, generation=1))


async def test_a_refusal_is_not_remembered(world: World, alice: User) -> None:
    await elsewhere(world, alice)
    shown = await world.tokens.issue(alice.id, None, MINUTE, generation=1)
    assert not await is_good(world, shown)
    await elsewhere(world, alice, disabled=False)
    assert await is_good(world, shown)


async def test_a_token_is_not_remembered_beyond_its_end(world: World, alice: User) -> None:
    world.clock.now = world.clock.now.replace(microsecond=0)
    shown = await world.accounts.issue_token("alice", 3 * SECOND)
    assert await is_good(world, shown)
    world.clock.advance(2 * SECOND)
    assert await is_good(world, shown)
    world.clock.advance(SECOND)
    assert not await is_good(world, shown)


async def test_a_clock_that_is_set_back_makes_nobody_remember_for_longer(world: World, alice: User) -> None:
    shown = await world.accounts.issue_token("alice", 10 * MINUTE)
    world.clock.advance(5 * MINUTE)
    assert await is_good(world, shown)
    await elsewhere(world, alice)
    world.clock.advance(-MINUTE)
    assert not await is_good(world, shown)


async def test_others_are_remembered_when_somebody_is_forgotten(world: World, alice: User) -> None:
    await world.accounts.add_user("bob", PASSWORD)
    of_alice, of_bob = [await world.accounts.issue_token(name, MINUTE) for name in ("alice", "bob")]
    for shown in (of_alice, of_bob):
        assert await is_good(world, shown)
    for name in ("alice", "bob"):
        await elsewhere(world, await world.accounts.user(name))
    world.authenticator.forget(alice.id)
    assert not await is_good(world, of_alice)
    assert await is_good(world, of_bob)


class Waiting:
    """The records, whose answer about a user is held back until it is asked for."""

    def __init__(self, records: AccountRecords) -> None:
        self.records = records
        self.looked = asyncio.Event()
        self.go_on = asyncio.Event()

    async def user(self, user_id: str, *, session: str | None = None) -> User | None:
        found = await self.records.user(user_id, session=session)
        self.looked.set()
        await self.go_on.wait()
        return found

    def __getattr__(self, name: str) -> object:
        return getattr(self.records, name)


async def test_what_was_looked_up_before_a_change_is_not_remembered(world: World, alice: User) -> None:
    waiting = Waiting(world.records)
    records: AccountRecords = waiting  # type: ignore[assignment]  # the rest goes through __getattr__
    authenticator = Authenticator(records, world.clock, local=world.tokens)
    shown = await world.accounts.issue_token("alice", MINUTE)
    under_way = asyncio.create_task(authenticator.authenticate(shown))
    await asyncio.wait_for(waiting.looked.wait(), 5)
    await elsewhere(world, alice)
    authenticator.forget(alice.id)
    waiting.go_on.set()
    # It came before the change, and may well be told so: the next one must not be.
    await under_way
    with pytest.raises(InvalidToken):
        await authenticator.authenticate(shown)


async def test_remembers_so_many_tokens_and_no_more(world: World, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REMEMBERED", 2)
    several = [await world.accounts.issue_token("alice", MINUTE) for _ in range(3)]
    for shown in several:
        assert await is_good(world, shown)
    await elsewhere(world, alice)
    assert [await is_good(world, shown) for shown in several] == [False, True, True]


async def test_does_not_keep_tokens_themselves(world: World, alice: User) -> None:
    shown = await world.accounts.issue_token("alice", MINUTE)
    await world.authenticator.authenticate(shown)
    assert shown not in repr(vars(world.authenticator))


async def test_requests_are_fast(world: World, alice: User) -> None:
    # Some 200,000 a second on a machine of 2024. A verification or a query each time would make it a few thousand.
    shown = await world.accounts.issue_token("alice", MINUTE)
    await world.authenticator.authenticate(shown)
    begun = time.perf_counter()
    for _ in range(5000):
        await world.authenticator.authenticate(shown)
    rate = 5000 / (time.perf_counter() - begun)
    print(f"{rate:,.0f} a second")
    assert rate > 20_000


async def test_the_leeway_of_tokens_counts_here_too(world: World, alice: User) -> None:
    lenient = LocalTokens(world.keys, world.clock, leeway=30 * SECOND)
    authenticator = Authenticator(world.records, world.clock, local=lenient)
    shown = await world.accounts.issue_token("alice", SECOND)
    world.clock.advance(20 * SECOND)
    assert (await authenticator.authenticate(shown)).subject == alice.id
    world.clock.advance(20 * SECOND)
    with pytest.raises(InvalidToken, match="expired"):
        await authenticator.authenticate(shown)


# All at once


async def test_reviews_many_accounts_as_they_are_now(world: World, alice: User) -> None:
    signed_in = await world.accounts.sign_in("alice", PASSWORD)
    shown = [signed_in.access_token, await world.accounts.issue_token("alice", MINUTE)]
    for name in ("disabled", "promoted", "changed", "signed out"):
        await world.accounts.add_user(name.replace(" ", "-"), PASSWORD)
        shown.append((await world.accounts.sign_in(name.replace(" ", "-"), PASSWORD)).access_token)
    principals = [await world.authenticator.authenticate(token) for token in shown]
    stranger = Principal("of an issuer", Role.USER, "of an issuer")
    assert await world.authenticator.review([*principals, stranger]) == [*principals, stranger]

    # As another process does, so that nobody here is told.
    await world.records.set_disabled(principals[2].subject, True)
    await world.records.set_role(principals[3].subject, Role.ADMIN)
    await world.records.change_password(principals[4].subject, "another", keep=principals[4].session)
    assert principals[5].session is not None
    await world.records.end_session(principals[5].session)
    alices, promoted = principals[:2], replace(principals[3], role=Role.ADMIN)
    reviewed = await world.authenticator.review([*principals, stranger])
    assert reviewed == [*alices, None, promoted, None, None, stranger]


async def test_asks_nobody_about_users_of_an_issuer() -> None:
    nobody: AccountRecords = object()  # type: ignore[assignment]
    stranger = Principal("of an issuer", Role.USER, "of an issuer")
    assert await Authenticator(nobody, Time()).review([stranger]) == [stranger]
