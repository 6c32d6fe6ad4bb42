from threading import Event

import pytest

from longshore.client.errors import Passing, Stopped
from longshore.client.retrying import Patience, persist


def test_pauses_grow_to_half_a_minute_and_not_beyond() -> None:
    patience = Patience(5000)
    pauses = [patience.pause(Passing("busy")) for _ in range(5000)]

    for number, longest in enumerate([0.5, 1, 2, 4, 8, 16, 30, 30]):
        assert longest / 2 <= pauses[number] <= longest
    assert all(15 <= pause <= 30 for pause in pauses[6:])


def test_gives_up_after_so_many_failures_in_a_row() -> None:
    patience = Patience(2)
    patience.pause(Passing("1"))
    patience.pause(Passing("2"))
    patience.succeeded()
    patience.pause(Passing("3"))
    patience.pause(Passing("4"))
    with pytest.raises(Passing, match="5"):
        patience.pause(Passing("5"))


def test_the_server_s_wish_counts_within_reason() -> None:
    patience = Patience(9)

    assert patience.pause(Passing("busy", retry_after=7)) == 7
    assert patience.pause(Passing("busy", retry_after=0)) == 0
    assert patience.pause(Passing("busy", retry_after=86_400)) == 120


def test_a_pause_ends_when_it_is_to_stop() -> None:
    stop = Event()
    stop.set()
    with pytest.raises(Stopped):
        Patience(1, stop).wait(60)


def test_persists_until_it_works() -> None:
    answers = [Passing("busy", retry_after=0), Passing("busy", retry_after=0), "done"]

    def work() -> str:
        answer = answers.pop(0)
        if isinstance(answer, Passing):
            raise answer
        return str(answer)

    assert persist(work, Patience(2)) == "done"
