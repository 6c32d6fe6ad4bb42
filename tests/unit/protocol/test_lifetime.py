"""When uploads expire, and what is left of them."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.protocol.values import EXPIRING, FINISHED_TTL, LATER, NOW, UNFINISHED_TTL, UNLIMITED, upload

from longshore.protocol.capabilities import Limits
from longshore.protocol.errors import TusError, UploadExpired, UploadGone, UploadTerminated
from longshore.protocol.lifetime import expiry, is_expired, require_live, tombstone
from longshore.protocol.upload import State, Upload

MOMENT = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("target", "ttl"),
    [
        (upload(), UNFINISHED_TTL),
        (upload(length=None), UNFINISHED_TTL),
        (upload(concat="partial"), UNFINISHED_TTL),
        (upload(concat="final;/a"), UNFINISHED_TTL),
        (upload(state=State.COMPLETED), FINISHED_TTL),
        (upload(state=State.COMPLETED, concat="final;/a"), FINISHED_TTL),
        (upload(state=State.COMPLETED, concat="partial"), UNFINISHED_TTL),
    ],
)
def test_how_long_an_upload_lives(target: Upload, ttl: timedelta) -> None:
    assert expiry(target, EXPIRING, LATER) == LATER + ttl
    assert expiry(target, UNLIMITED, LATER) is None


def test_by_default_what_is_finished_stays() -> None:
    assert expiry(upload(state=State.COMPLETED), Limits(), NOW) is None
    assert expiry(upload(), Limits(), NOW) == NOW + timedelta(days=7)


@pytest.mark.parametrize(
    ("target", "expired"),
    [
        (upload(), False),
        (upload(expires_at=NOW + MOMENT), False),
        (upload(expires_at=NOW), True),
        (upload(expires_at=NOW - MOMENT), True),
        (upload(state=State.COMPLETED, expires_at=NOW + MOMENT), False),
        (upload(state=State.COMPLETED, expires_at=NOW), True),
        (upload(state=State.EXPIRED), True),
        (upload(state=State.EXPIRED, expires_at=LATER), True),
    ],
)
def test_whether_the_time_has_passed(target: Upload, expired: bool) -> None:
    assert is_expired(target, NOW) is expired
    if expired:
        with pytest.raises(UploadExpired):
            require_live(target, NOW)
    else:
        require_live(target, NOW)


@pytest.mark.parametrize(("state", "error"), [(State.TERMINATED, UploadTerminated), (State.EXPIRED, UploadExpired)])
@pytest.mark.parametrize("later", [timedelta(0), timedelta(days=6), timedelta(days=100)])
def test_a_tombstone_answers_gone(state: State, error: type[TusError], later: timedelta) -> None:
    stone = tombstone(upload(offset=4, metadata="a YQ=="), state, EXPIRING, NOW)
    assert stone.is_gone
    assert stone == upload(offset=4, metadata="a YQ==", state=state, expires_at=NOW + EXPIRING.tombstone_ttl)
    with pytest.raises(error) as caught:
        require_live(stone, NOW + later)
    assert isinstance(caught.value, UploadGone)
    assert caught.value.status == 410


@given(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)), st.timedeltas(timedelta(0), timedelta(days=9999)))
def test_an_upload_lives_for_its_time_and_not_longer(start: datetime, ttl: timedelta) -> None:
    now = start.replace(tzinfo=NOW.tzinfo)
    fresh = replace(upload(), expires_at=expiry(upload(), Limits(unfinished_ttl=ttl), now))
    assert is_expired(fresh, now + ttl)
    assert not is_expired(fresh, now + ttl - MOMENT)
