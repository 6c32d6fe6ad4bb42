"""Failed attempts to sign in: how many, for how long, and whose they are."""

from contextlib import ExitStack
from datetime import timedelta

import pytest
from tests.unit.auth.world import MINUTE, SECOND, Time

from longshore.auth import attempts as limits
from longshore.auth.attempts import Attempts
from longshore.auth.errors import InvalidCredentials, TooManyAttempts, WrongPassword
from longshore.protocol.errors import Unavailable


def fail(attempts: Attempts, account: str = "alice", address: str = "192.0.2.1", times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(InvalidCredentials), attempts.attempt(account, address):
            raise InvalidCredentials


def succeed(attempts: Attempts, account: str = "alice", address: str = "192.0.2.1") -> None:
    with attempts.attempt(account, address):
        pass


def refused(attempts: Attempts, account: str = "alice", address: str = "192.0.2.1") -> int:
    """How many seconds to wait, by the answer."""
    with pytest.raises(TooManyAttempts) as error, attempts.attempt(account, address):
        raise AssertionError("the attempt was made")
    assert error.value.status == 429
    return int(dict(error.value.headers)["Retry-After"])


def test_an_account_has_ten_failures_in_five_minutes() -> None:
    clock = Time()
    attempts = Attempts(clock)
    fail(attempts, times=9)
    clock.advance(MINUTE)
    fail(attempts)
    assert refused(attempts) == 240
    assert refused(attempts, address="198.51.100.1") == 240
    clock.advance(239 * SECOND)
    assert refused(attempts) == 1
    clock.advance(SECOND)
    fail(attempts, times=9)
    assert refused(attempts) == 60


def test_being_refused_does_not_count_as_a_failure() -> None:
    clock = Time()
    attempts = Attempts(clock, per_account=1)
    fail(attempts)
    for _ in range(5):
        clock.advance(MINUTE)
        if clock.now < Time().now + 5 * MINUTE:
            refused(attempts)
    succeed(attempts)


def test_an_address_has_fifty_failures_whomever_it_tries() -> None:
    attempts = Attempts(Time())
    for n in range(50):
        fail(attempts, account=f"user{n}")
    assert refused(attempts, account="another") == 300
    succeed(attempts, account="another", address="198.51.100.1")


def test_a_success_clears_the_account_but_not_the_address() -> None:
    attempts = Attempts(Time(), per_account=3, per_address=4)
    fail(attempts, times=2)
    succeed(attempts)
    fail(attempts, times=2)
    assert refused(attempts, account="another") == 300


@pytest.mark.parametrize("error", [Unavailable, ValueError, KeyboardInterrupt])
def test_an_attempt_that_could_not_be_made_does_not_count(error: type[BaseException]) -> None:
    attempts = Attempts(Time(), per_account=1)
    for _ in range(3):
        with pytest.raises(error), attempts.attempt("alice", "192.0.2.1"):
            raise error
    succeed(attempts)


def test_a_wrong_old_password_counts() -> None:
    attempts = Attempts(Time(), per_account=1)
    with pytest.raises(WrongPassword), attempts.attempt("alice", ""):
        raise WrongPassword
    refused(attempts)


def test_attempts_under_way_count_until_they_are_over() -> None:
    attempts = Attempts(Time(), per_account=3)
    fail(attempts)
    with ExitStack() as under_way:
        for _ in range(2):
            under_way.enter_context(attempts.attempt("alice", "192.0.2.1"))
        assert refused(attempts) == 1
    succeed(attempts)


def test_a_failure_counts_though_another_attempt_is_under_way() -> None:
    attempts = Attempts(Time(), per_account=2)
    with attempts.attempt("bob", "192.0.2.1"):
        fail(attempts, account="bob")
        assert refused(attempts, account="bob") == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::2%eth0"),
    ],
)
def test_addresses_of_one_network_count_together(one: str, other: str) -> None:
    attempts = Attempts(Time(), per_address=1)
    fail(attempts, account="a", address=one)
    refused(attempts, account="b", address=other)


@pytest.mark.parametrize(("one", "other"), [("2001:db8::1", "2001:db8:0:1::1"), ("192.0.2.7", "192.0.2.8"), ("a", "b")])
def test_other_addresses_do_not(one: str, other: str) -> None:
    attempts = Attempts(Time(), per_address=1)
    fail(attempts, account="a", address=one)
    succeed(attempts, account="b", address=other)


def test_an_address_that_is_not_known_is_not_counted() -> None:
    attempts = Attempts(Time(), per_address=1)
    for n in range(3):
        fail(attempts, account=f"user{n}", address="")


def test_remembers_so_many_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "REMEMBERED", 3)
    attempts = Attempts(Time(), per_account=1)
    for n in range(4):
        fail(attempts, account=f"user{n}", address="")
    for n in (1, 2, 3):
        refused(attempts, account=f"user{n}", address="")
    succeed(attempts, account="user0", address="")


def test_a_failure_counts_though_the_account_was_forgotten_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "REMEMBERED", 1)
    attempts = Attempts(Time(), per_account=1)

    def fail_after_somebody_else() -> None:
        with attempts.attempt("alice", ""):
            fail(attempts, account="bob", address="")
            raise InvalidCredentials

    with pytest.raises(InvalidCredentials):
        fail_after_somebody_else()
    refused(attempts, account="alice", address="")


def test_limits_can_be_chosen() -> None:
    clock = Time()
    attempts = Attempts(clock, per_account=2, window=timedelta(hours=1))
    fail(attempts, times=2)
    assert refused(attempts) == 3600
