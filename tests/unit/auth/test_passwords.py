"""Passwords: what they may be, how they are kept, and that nobody is told apart by the work."""

import statistics
import time

import anyio
import pytest
from argon2 import PasswordHasher, Type, extract_parameters
from tests.unit.auth.world import CHEAP

from longshore.auth.errors import InvalidPassword
from longshore.auth.passwords import THREADS, WAITING, Passwords, generate
from longshore.protocol.errors import Unavailable

pytestmark = pytest.mark.anyio

PASSWORD = "correct horse battery staple"


async def test_knows_a_password_by_its_hash() -> None:
    passwords = Passwords(CHEAP)
    kept = await passwords.hash(PASSWORD)
    assert PASSWORD not in kept
    assert await passwords.verify(PASSWORD, kept)
    assert not await passwords.verify(PASSWORD + " ", kept)
    assert not await passwords.verify("", kept)
    assert kept != await passwords.hash(PASSWORD)


async def test_hashes_with_argon2id_as_rfc_9106_recommends() -> None:
    parameters = extract_parameters(await Passwords().hash(PASSWORD))
    assert parameters.type is Type.ID
    assert (parameters.memory_cost, parameters.time_cost, parameters.parallelism) == (64 * 1024, 3, 4)


def test_refuses_another_kind_of_argon2() -> None:
    with pytest.raises(ValueError, match="Argon2id"):
        Passwords(PasswordHasher(type=Type.I))


@pytest.mark.parametrize("password", ["x" * 8, "x" * 1024, "        ", "пароль12", "🔑" * 8, "a\0bcdefgh"])
async def test_takes_any_characters(password: str) -> None:
    passwords = Passwords(CHEAP)
    assert await passwords.verify(password, await passwords.hash(password))


@pytest.mark.parametrize("password", ["", "x" * 7, "x" * 1025, "🔑" * 7, "e\u0301" * 7, "\ud800" * 8, "x" * 10**6])
async def test_refuses_what_is_too_short_too_long_or_no_text(password: str) -> None:
    with pytest.raises(InvalidPassword):
        await Passwords(CHEAP).hash(password)


async def test_the_same_characters_typed_on_two_systems_are_one_password() -> None:
    passwords = Passwords(CHEAP)
    assert await passwords.verify("cafe\u0301 au lait", await passwords.hash("caf\u00e9 au lait"))


async def test_what_comes_after_a_nul_or_the_72nd_character_counts() -> None:
    passwords = Passwords(CHEAP)
    assert not await passwords.verify("abcdefgh\0one", await passwords.hash("abcdefgh\0two"))
    assert not await passwords.verify("x" * 100 + "1", await passwords.hash("x" * 100 + "2"))


@pytest.mark.parametrize("kept", [None, "", "no hash", "$argon2id$v=19$m=8,t=1,p=1$broken"])
async def test_without_a_hash_no_password_is_right(kept: str | None) -> None:
    assert not await Passwords(CHEAP).verify(PASSWORD, kept)


@pytest.mark.parametrize("password", ["short", "x" * 2000, "\ud800" * 8])
async def test_what_cannot_be_a_password_is_none(password: str) -> None:
    passwords = Passwords(CHEAP)
    assert not await passwords.verify(password, await passwords.hash(PASSWORD))


async def test_a_user_that_nobody_knows_takes_as_long_as_a_wrong_password() -> None:
    # Parameters that take some milliseconds, so that the work outweighs the way to the thread and back.
    passwords = Passwords(PasswordHasher(time_cost=3, memory_cost=8 * 1024, parallelism=1))
    kept = await passwords.hash(PASSWORD)

    async def seconds(password: str, known: str | None) -> float:
        begun = time.perf_counter()
        assert not await passwords.verify(password, known)
        return time.perf_counter() - begun

    pairs = [(await seconds("wrong password", kept), await seconds("wrong password", None)) for _ in range(15)]
    wrong, unknown = (statistics.median(times) for times in zip(*pairs, strict=True))
    short = statistics.median([await seconds("short", kept) for _ in range(15)])
    assert 0.5 < unknown / wrong < 2
    assert 0.5 < short / wrong < 2


async def test_tells_a_hash_of_other_parameters() -> None:
    stronger = Passwords(PasswordHasher(time_cost=2, memory_cost=8, parallelism=1))
    kept = await Passwords(CHEAP).hash(PASSWORD)
    assert not Passwords(CHEAP).needs_rehash(kept)
    assert stronger.needs_rehash(kept)
    assert await stronger.verify(PASSWORD, kept)


async def test_refuses_more_than_can_wait() -> None:
    passwords = Passwords(CHEAP)
    answers: list[bool | Unavailable] = []

    async def verify() -> None:
        try:
            answers.append(await passwords.verify(PASSWORD, None))
        except Unavailable as refused:
            answers.append(refused)

    async with anyio.create_task_group() as tasks:
        for _ in range(THREADS + WAITING + 3):
            tasks.start_soon(verify)
    refused = [one for one in answers if isinstance(one, Unavailable)]
    assert len(refused) == 3
    assert dict(refused[0].headers)["Retry-After"].isdigit()
    assert not await passwords.verify(PASSWORD, None)


def test_makes_passwords_that_can_be_copied_from_a_screen() -> None:
    made = [generate() for _ in range(100)]
    assert len(set(made)) == 100
    assert all(len(one) >= 20 for one in made)
    assert not set("".join(made)) & set("0Oo1lI")
