"""Accounts: becoming a user, signing in and out, and what operators do."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import pytest
from argon2 import PasswordHasher
from tests.unit.auth.world import CHEAP, MINUTE, SECOND, World, opened, payload_of

from longshore.auth.accounts import REFRESH_TTL, Accounts, Tokens
from longshore.auth.attempts import Attempts
from longshore.auth.errors import (
    InvalidCredentials,
    InvalidPassword,
    InvalidUsername,
    InvitationInvalid,
    LastAdmin,
    RegistrationOff,
    TooManyAttempts,
    UsernameTaken,
    UserNotFound,
    WrongPassword,
)
from longshore.auth.passwords import Passwords
from longshore.auth.principal import Role
from longshore.auth.refresh_tokens import RefreshToken
from longshore.protocol.errors import InvalidToken, TusError, Unauthenticated

pytestmark = pytest.mark.anyio

PASSWORD = "correct horse battery staple"
ANOTHER = "another password"


class Counting(Passwords):
    """Passwords that note which hashes were compared with, so that equal work can be seen without measuring it."""

    def __init__(self, hasher: PasswordHasher) -> None:
        super().__init__(hasher)
        self.compared: list[str] = []

    def _matches(self, password_hash: str, password: bytes) -> bool:
        self.compared.append(password_hash)
        return super()._matches(password_hash, password)


@pytest.fixture
async def world(anyio_backend: str) -> AsyncIterator[World]:
    async with opened() as world:
        await world.accounts.add_user("Alice", PASSWORD)
        yield world


@pytest.fixture
async def inviting(anyio_backend: str) -> AsyncIterator[World]:
    async with opened(registration="invite") as world:
        yield world


async def is_good(world: World, access_token: str) -> bool:
    try:
        await world.authenticator.authenticate(access_token)
    except InvalidToken:
        return False
    return True


async def is_refused(attempt: Awaitable[Tokens]) -> bool:
    try:
        await attempt
    except InvalidToken:
        return True
    return False


def session_of(tokens: Tokens) -> str:
    token = RefreshToken.parse(tokens.refresh_token)
    assert token is not None
    return token.session_id


# The first admin


async def test_an_empty_server_gets_an_admin_with_a_password_that_is_told_once() -> None:
    async with opened() as world:
        password = await world.accounts.ensure_admin()
        assert password is not None
        assert len(password) >= 20
        assert [(user.username, user.role) for user in await world.accounts.users()] == [("admin", Role.ADMIN)]
        await world.accounts.sign_in("admin", password)
        assert await world.accounts.ensure_admin() is None


async def test_the_admin_may_have_a_password_of_the_operators_choice() -> None:
    async with opened() as world:
        assert await world.accounts.ensure_admin(PASSWORD) is None
        await world.accounts.sign_in("admin", PASSWORD)


async def test_a_password_that_is_no_good_makes_no_admin() -> None:
    async with opened() as world:
        with pytest.raises(InvalidPassword):
            await world.accounts.ensure_admin("short")
        assert await world.accounts.users() == []


async def test_where_there_is_a_user_there_is_no_other_admin_made(world: World) -> None:
    assert await world.accounts.ensure_admin() is None
    assert await world.accounts.ensure_admin(PASSWORD) is None
    assert [user.username for user in await world.accounts.users()] == ["Alice"]


async def test_of_servers_that_start_at_once_one_tells_a_password() -> None:
    async with opened() as world:
        told = await asyncio.gather(*(world.accounts.ensure_admin() for _ in range(5)))
        (password,) = filter(None, told)
        await world.accounts.sign_in("admin", password)


# Registration


async def test_nobody_registers_where_that_is_off() -> None:
    async with opened() as world:
        for username in ("bob", "-"):
            with pytest.raises(RegistrationOff):
                await world.accounts.register(username, PASSWORD)
            with pytest.raises(RegistrationOff):
                await world.accounts.register(username, PASSWORD, await world.accounts.invite(Role.USER, MINUTE))


async def test_anybody_registers_where_that_is_open() -> None:
    async with opened(registration="open") as world:
        user = await world.accounts.register("Bob", PASSWORD)
        assert (user.username, user.role) == ("Bob", Role.USER)
        assert user.id.startswith("local:")
        assert len(user.id) == len("local:") + 32
        await world.accounts.sign_in("bob", PASSWORD)
        with pytest.raises(UsernameTaken):
            await world.accounts.register("BOB", ANOTHER)
        await world.accounts.sign_in("bob", PASSWORD)


async def test_refuses_a_name_or_password_that_is_no_good() -> None:
    async with opened(registration="open") as world:
        with pytest.raises(InvalidUsername):
            await world.accounts.register("b o b", PASSWORD)
        with pytest.raises(InvalidPassword):
            await world.accounts.register("bob", "short")
        assert await world.accounts.users() == []


async def test_an_invitation_lets_one_in(inviting: World) -> None:
    code = await inviting.accounts.invite(Role.ADMIN, MINUTE)
    assert (await inviting.accounts.register("bob", PASSWORD, code)).role is Role.ADMIN
    assert (await inviting.accounts.user("bob")).role is Role.ADMIN
    with pytest.raises(InvitationInvalid):
        await inviting.accounts.register("carol", PASSWORD, code)


async def test_an_invitation_ends(inviting: World) -> None:
    code = await inviting.accounts.invite(Role.USER, MINUTE)
    inviting.clock.advance(MINUTE)
    with pytest.raises(InvitationInvalid):
        await inviting.accounts.register("bob", PASSWORD, code)


@pytest.mark.parametrize("code", [None, "", "guessed", "x" * 10_000, "\ud800"])
async def test_without_an_invitation_nobody_learns_whether_a_name_is_taken(inviting: World, code: str | None) -> None:
    await inviting.accounts.add_user("bob", PASSWORD)
    for username in ("bob", "carol"):
        with pytest.raises(InvitationInvalid):
            await inviting.accounts.register(username, PASSWORD, code)


async def test_a_taken_name_does_not_use_the_invitation_up(inviting: World) -> None:
    await inviting.accounts.add_user("bob", PASSWORD)
    code = await inviting.accounts.invite(Role.USER, MINUTE)
    with pytest.raises(UsernameTaken):
        await inviting.accounts.register("Bob", PASSWORD, code)
    await inviting.accounts.register("carol", PASSWORD, code)


async def test_an_invitation_counts_where_registration_is_open_as_well() -> None:
    async with opened(registration="open") as world:
        code = await world.accounts.invite(Role.ADMIN, MINUTE)
        assert (await world.accounts.register("bob", PASSWORD, code)).role is Role.ADMIN
        with pytest.raises(InvitationInvalid):
            await world.accounts.register("carol", PASSWORD, code)


# Signing in


async def test_signs_in_whoever_knows_the_password(world: World) -> None:
    tokens = await world.accounts.sign_in("aLiCe", PASSWORD)
    assert tokens.expires_in == 900
    payload = payload_of(tokens.access_token)
    assert payload["exp"] - payload["iat"] == 900
    assert (await world.authenticator.authenticate(tokens.access_token)).name == "Alice"


async def refusal(accounts: Accounts, username: str, password: str) -> tuple[object, ...]:
    with pytest.raises(InvalidCredentials) as refused:
        await accounts.sign_in(username, password)
    error = refused.value
    return (type(error), error.status, error.code, error.detail, error.headers, error.members)


BAD_SIGN_INS = [
    ("nobody", PASSWORD),
    ("Alice", ANOTHER),
    ("Alice", ""),
    ("Alice", "x" * 10_000),
    ("disabled", PASSWORD),
]
BAD_SIGN_INS += [("", ""), ("no name", PASSWORD), ("x" * 1000, PASSWORD), ("Alice", "\ud800" * 8), ("\ud800", PASSWORD)]


async def test_whatever_is_wrong_the_answer_and_the_work_are_the_same() -> None:
    passwords = Counting(CHEAP)
    async with opened(passwords=passwords) as world:
        for name in ("Alice", "disabled"):
            await world.accounts.add_user(name, PASSWORD)
        await world.accounts.set_disabled("disabled", True)
        refusals = [await refusal(world.accounts, username, password) for username, password in BAD_SIGN_INS]
    assert refusals == [refusals[0]] * len(refusals)
    assert refusals[0][1:3] == (401, "invalid-credentials")
    # One comparison each, and all of them with hashes that take the same work.
    assert len(passwords.compared) == len(BAD_SIGN_INS)
    assert {kept.rsplit("$", 2)[0] for kept in passwords.compared} == {"$argon2id$v=19$m=8,t=1,p=1"}
    assert {len(kept) for kept in passwords.compared} == {len(passwords.compared[0])}


async def test_a_wrong_sign_in_says_how_to_authenticate(world: World) -> None:
    with pytest.raises(Unauthenticated) as refused:
        await world.accounts.sign_in("Alice", ANOTHER)
    assert ("WWW-Authenticate", 'Bearer realm="longshore"') in refused.value.headers


async def test_ten_failures_close_an_account_even_to_the_right_password(world: World) -> None:
    for _ in range(10):
        with pytest.raises(InvalidCredentials):
            await world.accounts.sign_in("alice", ANOTHER, "192.0.2.1")
    with pytest.raises(TooManyAttempts) as refused:
        await world.accounts.sign_in("ALICE", PASSWORD, "198.51.100.1")
    assert dict(refused.value.headers) == {"Retry-After": "300"}
    world.clock.advance(5 * MINUTE)
    await world.accounts.sign_in("alice", PASSWORD, "192.0.2.1")


async def test_an_unknown_account_is_closed_like_any_other(world: World) -> None:
    for _ in range(10):
        with pytest.raises(InvalidCredentials):
            await world.accounts.sign_in("nobody", PASSWORD)
    with pytest.raises(TooManyAttempts):
        await world.accounts.sign_in("nobody", PASSWORD)


async def test_signing_in_as_somebody_who_is_disabled_is_a_failure(world: World) -> None:
    await world.accounts.set_disabled("alice", True)
    for _ in range(10):
        with pytest.raises(InvalidCredentials):
            await world.accounts.sign_in("alice", PASSWORD)
    with pytest.raises(TooManyAttempts):
        await world.accounts.sign_in("alice", PASSWORD)


class Interrupted(Passwords):
    """Passwords that something happens to right after one was found to be right."""

    happening: Callable[[], Awaitable[None]]

    async def verify(self, password: str, password_hash: str | None) -> bool:
        matches = await super().verify(password, password_hash)
        await self.happening()
        return matches


@pytest.mark.parametrize("change", ["password", "disabled"])
async def test_a_password_that_is_changed_meanwhile_begins_no_session(world: World, change: str) -> None:
    async def happen() -> None:
        if change == "password":
            await world.accounts.set_password("alice", ANOTHER)
        else:
            await world.accounts.set_disabled("alice", True)

    passwords = Interrupted(CHEAP)
    passwords.happening = happen
    with pytest.raises(InvalidCredentials):
        await rebuilt(world, passwords).sign_in("alice", PASSWORD)


async def test_a_hundred_guesses_at_once_are_ten(world: World) -> None:
    guesses = [world.accounts.sign_in("alice", f"guess number {n}") for n in range(100)]
    came = await asyncio.gather(*guesses, return_exceptions=True)
    kinds = [type(one) for one in came]
    assert kinds.count(InvalidCredentials) == 10
    assert kinds.count(TooManyAttempts) == 90


async def test_a_success_clears_the_failures(world: World) -> None:
    for _ in range(3):
        for _ in range(9):
            with pytest.raises(InvalidCredentials):
                await world.accounts.sign_in("alice", ANOTHER)
        await world.accounts.sign_in("alice", PASSWORD)


async def test_a_hash_of_old_parameters_is_made_anew_when_its_password_is_known(world: World) -> None:
    stronger = Passwords(PasswordHasher(time_cost=2, memory_cost=8, parallelism=1))
    accounts = rebuilt(world, stronger)
    before = await accounts.user("alice")
    with pytest.raises(InvalidCredentials):
        await accounts.sign_in("alice", ANOTHER)
    assert await accounts.user("alice") == before
    tokens = await accounts.sign_in("alice", PASSWORD)
    after = await accounts.user("alice")
    assert "t=2" in after.password_hash
    assert after == replace(before, password_hash=after.password_hash)
    assert await is_good(world, tokens.access_token)
    await accounts.sign_in("alice", PASSWORD)
    assert await accounts.user("alice") == after


def rebuilt(world: World, passwords: Passwords) -> Accounts:
    """The same accounts, after a restart with other parameters."""
    return Accounts(world.records, passwords, world.tokens, Attempts(world.clock), world.clock)


# Refreshing


async def test_a_refresh_token_gives_new_tokens_of_the_same_session(world: World) -> None:
    first = await world.accounts.sign_in("alice", PASSWORD)
    second = await world.accounts.refresh(first.refresh_token)
    third = await world.accounts.refresh(second.refresh_token)
    assert len({first.refresh_token, second.refresh_token, third.refresh_token}) == 3
    assert session_of(first) == session_of(second) == session_of(third)
    for tokens in (first, second, third):
        assert await is_good(world, tokens.access_token)


async def test_a_refresh_token_shown_again_ends_the_session_and_no_other(world: World) -> None:
    other = await world.accounts.sign_in("alice", PASSWORD)
    first = await world.accounts.sign_in("alice", PASSWORD)
    second = await world.accounts.refresh(first.refresh_token)
    assert await is_refused(world.accounts.refresh(first.refresh_token))
    assert await is_refused(world.accounts.refresh(second.refresh_token))
    assert not await is_good(world, second.access_token)
    assert await is_good(world, other.access_token)
    await world.accounts.refresh(other.refresh_token)


async def test_an_access_token_gives_nobody_the_means_to_end_its_session(world: World) -> None:
    tokens = await world.accounts.refresh((await world.accounts.sign_in("alice", PASSWORD)).refresh_token)
    sid = payload_of(tokens.access_token)["sid"]
    handle, generation, secret = tokens.refresh_token.split(".")
    assert (sid == session_of(tokens), generation) == (True, "1")
    assert sid not in tokens.refresh_token
    for forged in (
        f"{sid}.0.{secret}",
        f"{sid.ljust(43, '0')}.0.{secret}",
        f"{handle}.1.{'A' * 43}",
        f"{handle}.2.{secret}",
    ):
        assert await is_refused(world.accounts.refresh(forged))
    await world.accounts.refresh(tokens.refresh_token)


@pytest.mark.parametrize(
    "change",
    [
        lambda token: "",
        lambda token: token[:-1],
        lambda token: token + "A",
        lambda token: token.replace(".0.", ".00."),
        lambda token: token.replace(".0.", ".-1."),
        lambda token: token.replace(".0.", ".٠."),
        lambda token: token.replace(".0.", f".{10**30}."),
        lambda token: token + "\n",
        lambda token: f"{token}.{token}",
        lambda token: token.replace(token[0], "'", 1),
        lambda token: "\ud800" + token,
    ],
    ids=range(11),
)
async def test_refuses_what_is_no_refresh_token(world: World, change: Callable[[str], str]) -> None:
    tokens = await world.accounts.sign_in("alice", PASSWORD)
    with pytest.raises(InvalidToken) as refused:
        await world.accounts.refresh(change(tokens.refresh_token))
    assert refused.value.status == 401
    await world.accounts.refresh(tokens.refresh_token)


async def test_an_access_token_is_no_refresh_token_nor_the_reverse(world: World) -> None:
    tokens = await world.accounts.sign_in("alice", PASSWORD)
    assert await is_refused(world.accounts.refresh(tokens.access_token))
    assert not await is_good(world, tokens.refresh_token)


async def test_a_session_ends_when_it_is_not_used(world: World) -> None:
    tokens = await world.accounts.sign_in("alice", PASSWORD)
    world.clock.advance(REFRESH_TTL - SECOND)
    tokens = await world.accounts.refresh(tokens.refresh_token)
    world.clock.advance(REFRESH_TTL - SECOND)
    tokens = await world.accounts.refresh(tokens.refresh_token)
    world.clock.advance(REFRESH_TTL)
    assert await is_refused(world.accounts.refresh(tokens.refresh_token))
    assert await world.accounts.forget_expired() == 1
    assert await world.accounts.forget_expired() == 0


async def test_what_is_shown_of_tokens_is_no_secret(world: World) -> None:
    tokens = await world.accounts.sign_in("alice", PASSWORD)
    refresh_token = RefreshToken.parse(tokens.refresh_token)
    for shown in (repr(tokens), repr(refresh_token)):
        for secret in (tokens.access_token, *filter(lambda part: len(part) > 2, tokens.refresh_token.split("."))):
            assert secret not in shown


# Signing out


async def test_signing_out_ends_the_session_at_once(world: World) -> None:
    tokens, other = [await world.accounts.sign_in("alice", PASSWORD) for _ in range(2)]
    assert await is_good(world, tokens.access_token)
    await world.accounts.sign_out(refresh_token=tokens.refresh_token)
    assert not await is_good(world, tokens.access_token)
    assert await is_refused(world.accounts.refresh(tokens.refresh_token))
    assert await is_good(world, other.access_token)


async def test_signs_out_by_the_session_of_an_access_token(world: World) -> None:
    tokens = await world.accounts.sign_in("alice", PASSWORD)
    await world.accounts.sign_out(session=(await world.authenticator.authenticate(tokens.access_token)).session)
    assert not await is_good(world, tokens.access_token)


async def test_signs_out_with_a_refresh_token_that_was_used(world: World) -> None:
    tokens = await world.accounts.sign_in("alice", PASSWORD)
    newer = await world.accounts.refresh(tokens.refresh_token)
    await world.accounts.sign_out(refresh_token=tokens.refresh_token)
    assert await is_refused(world.accounts.refresh(newer.refresh_token))


@pytest.mark.parametrize("shown", [None, "", "nonsense", "A" * 43 + ".0." + "A" * 43])
async def test_signing_out_of_nothing_is_fine(world: World, shown: str | None) -> None:
    await world.accounts.sign_out(refresh_token=shown)
    await world.accounts.sign_out(session=shown)
    assert world.changed == []


# Passwords


async def test_a_changed_password_voids_every_token_and_every_other_session(world: World) -> None:
    mine, other = [await world.accounts.sign_in("alice", PASSWORD) for _ in range(2)]
    script = await world.accounts.issue_token("alice", MINUTE)
    user = await world.accounts.user("alice")
    await world.accounts.change_password(user.id, PASSWORD, ANOTHER, session=session_of(mine))
    # All within one second, which is as fine as iat is.
    for shown in (mine.access_token, other.access_token, script):
        assert not await is_good(world, shown)
    assert await is_refused(world.accounts.refresh(other.refresh_token))
    for tokens in (await world.accounts.refresh(mine.refresh_token), await world.accounts.sign_in("alice", ANOTHER)):
        assert await is_good(world, tokens.access_token)
    assert await is_good(world, await world.accounts.issue_token("alice", MINUTE))
    with pytest.raises(InvalidCredentials):
        await world.accounts.sign_in("alice", PASSWORD)


async def test_a_password_is_changed_by_whoever_knows_it(world: World) -> None:
    user = await world.accounts.user("alice")
    tokens = await world.accounts.sign_in("alice", PASSWORD)
    for old in (ANOTHER, "", "x" * 5000):
        with pytest.raises(WrongPassword):
            await world.accounts.change_password(user.id, old, ANOTHER)
    with pytest.raises(InvalidPassword):
        await world.accounts.change_password(user.id, PASSWORD, "short")
    assert await world.accounts.user("alice") == user
    assert await is_good(world, tokens.access_token)


async def test_a_stolen_token_does_not_let_the_password_be_guessed(world: World) -> None:
    user = await world.accounts.user("alice")
    for _ in range(10):
        with pytest.raises(WrongPassword):
            await world.accounts.change_password(user.id, ANOTHER, ANOTHER)
    with pytest.raises(TooManyAttempts):
        await world.accounts.change_password(user.id, PASSWORD, ANOTHER)


async def test_of_two_changes_at_once_one_is_made(world: World) -> None:
    user = await world.accounts.user("alice")
    came = await asyncio.gather(
        *(world.accounts.change_password(user.id, PASSWORD, f"{ANOTHER} {n}") for n in range(2)),
        return_exceptions=True,
    )
    assert sorted(type(one).__name__ for one in came) == ["NoneType", "WrongPassword"]
    await world.accounts.sign_in("alice", f"{ANOTHER} {came.index(None)}")


@pytest.mark.parametrize("subject", ["auth0|alice", "", "local:" + "0" * 32])
async def test_who_has_no_account_has_no_password_to_change(world: World, subject: str) -> None:
    with pytest.raises(UserNotFound):
        await world.accounts.change_password(subject, PASSWORD, ANOTHER)


# Operators


async def test_adds_and_lists_users(world: World) -> None:
    await world.accounts.add_user("zoë", PASSWORD, Role.ADMIN)
    await world.accounts.add_user("Bob", PASSWORD)
    listed = [(user.username, user.role.value) for user in await world.accounts.users()]
    assert listed == [("Alice", "user"), ("Bob", "user"), ("zoë", "admin")]
    with pytest.raises(UsernameTaken):
        await world.accounts.add_user("ZOË", PASSWORD)


async def test_sets_a_password_which_ends_everything(world: World) -> None:
    tokens = await world.accounts.sign_in("alice", PASSWORD)
    await world.accounts.set_password("ALICE", ANOTHER)
    assert not await is_good(world, tokens.access_token)
    assert await is_refused(world.accounts.refresh(tokens.refresh_token))
    await world.accounts.sign_in("alice", ANOTHER)
    with pytest.raises(InvalidPassword):
        await world.accounts.set_password("alice", "short")


async def test_a_disabled_user_is_out_until_enabled_and_signed_in_again(world: World) -> None:
    tokens = await world.accounts.sign_in("alice", PASSWORD)
    await world.accounts.set_disabled("alice", True)
    assert not await is_good(world, tokens.access_token)
    assert await is_refused(world.accounts.refresh(tokens.refresh_token))
    with pytest.raises(InvalidCredentials):
        await world.accounts.sign_in("alice", PASSWORD)
    with pytest.raises(UserNotFound):
        await world.accounts.issue_token("alice", MINUTE)
    await world.accounts.set_disabled("alice", False)
    assert not await is_good(world, tokens.access_token)
    await world.accounts.sign_in("alice", PASSWORD)


async def test_keeps_one_admin(world: World) -> None:
    await world.accounts.set_role("alice", Role.ADMIN)
    for change in (world.accounts.set_role("alice", Role.USER), world.accounts.set_disabled("alice", True)):
        with pytest.raises(LastAdmin):
            await change


async def test_a_token_for_scripts_lives_as_long_as_it_should(world: World) -> None:
    world.clock.now = world.clock.now.replace(microsecond=0)
    shown = await world.accounts.issue_token("Alice", 90 * 24 * 60 * MINUTE)
    assert "sid" not in payload_of(shown)
    world.clock.advance(90 * 24 * 60 * MINUTE - SECOND)
    assert await is_good(world, shown)
    world.clock.advance(SECOND)
    assert not await is_good(world, shown)


@pytest.mark.parametrize("name", ["nobody", "", "no name", "x" * 1000])
async def test_says_when_there_is_no_such_user(world: World, name: str) -> None:
    for attempt in (
        world.accounts.user(name),
        world.accounts.set_password(name, PASSWORD),
        world.accounts.set_disabled(name, True),
        world.accounts.set_role(name, Role.ADMIN),
        world.accounts.issue_token(name, MINUTE),
    ):
        with pytest.raises(UserNotFound):
            await attempt
    assert world.changed == []


async def test_tells_of_every_user_who_is_not_as_before(world: World) -> None:
    await world.accounts.add_user("root", PASSWORD, Role.ADMIN)
    alice = await world.accounts.user("alice")
    tokens = await world.accounts.sign_in("alice", PASSWORD)
    await world.accounts.set_role("alice", Role.ADMIN)
    await world.accounts.set_role("alice", Role.USER)
    await world.accounts.sign_out(refresh_token=tokens.refresh_token)
    await world.accounts.change_password(alice.id, PASSWORD, ANOTHER)
    await world.accounts.set_password("alice", PASSWORD)
    await world.accounts.set_disabled("alice", True)
    assert world.changed == [alice.id] * 6


# Secrets


async def test_nothing_of_a_secret_is_logged_or_quoted_or_stored(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    tokens = await world.accounts.sign_in("alice", PASSWORD)
    code = await world.accounts.invite(Role.USER, MINUTE)
    errors: list[TusError] = []
    for attempt in (
        world.accounts.sign_in("alice", ANOTHER),
        world.accounts.add_user("alice", PASSWORD),
        world.accounts.refresh(tokens.refresh_token + "A"),
        world.accounts.change_password("local:nobody", PASSWORD, ANOTHER),
    ):
        with pytest.raises(TusError) as refused:
            await attempt
        errors.append(refused.value)
    said = caplog.text + "".join(f"{error!r} {error.detail} {error.members}" for error in errors)
    kept = repr(await world.accounts.users())
    for secret in (PASSWORD, ANOTHER, tokens.access_token, tokens.refresh_token, code):
        assert secret not in said
        assert secret not in kept
