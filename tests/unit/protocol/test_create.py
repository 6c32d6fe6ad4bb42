"""Deciding a creation."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.protocol.values import EXPIRING, FINISHED_TTL, NOW, UNFINISHED_TTL, UNLIMITED

from longshore.protocol.append import plan_write, require_size
from longshore.protocol.capabilities import Limits
from longshore.protocol.create import decide_create
from longshore.protocol.errors import LengthExceeded, TooLarge, TusError
from longshore.protocol.intents import BodyHead, Create
from longshore.protocol.upload import State, Upload


def create(limits: Limits = UNLIMITED, **fields: Any) -> Upload:
    """The upload that a creation with these fields makes."""
    return decide_create(Create(**fields), "new", limits=limits, now=NOW)


@pytest.mark.parametrize(
    ("fields", "changes"),
    [
        ({"length": 5}, {"length": 5}),
        ({"length": None}, {"length": None}),
        ({"length": 5, "metadata": "a YQ=="}, {"length": 5, "metadata": "a YQ=="}),
        ({"length": 5, "partial": True}, {"length": 5, "concat": "partial"}),
        ({"length": None, "partial": True}, {"length": None, "concat": "partial"}),
        ({"length": 5, "body": BodyHead(length=5)}, {"length": 5}),
        ({"length": 5, "body": BodyHead()}, {"length": 5}),
        ({"length": None, "body": BodyHead(length=5)}, {"length": None}),
        ({"length": 0}, {"length": 0, "state": State.COMPLETED, "completed_at": NOW}),
        (
            {"length": 0, "partial": True},
            {"length": 0, "concat": "partial", "state": State.COMPLETED, "completed_at": NOW},
        ),
    ],
)
def test_a_new_upload(fields: dict[str, Any], changes: dict[str, Any]) -> None:
    assert create(**fields) == Upload(id="new", created_at=NOW, **changes)


@pytest.mark.parametrize(
    ("fields", "ttl"),
    [
        ({"length": 5}, UNFINISHED_TTL),
        ({"length": None}, UNFINISHED_TTL),
        ({"length": 0}, FINISHED_TTL),
        ({"length": 0, "partial": True}, UNFINISHED_TTL),
    ],
)
def test_when_a_new_upload_expires(fields: dict[str, Any], ttl: Any) -> None:
    assert create(EXPIRING, **fields).expires_at == NOW + ttl


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"length": 101}, TooLarge),
        ({"length": 2**63}, TooLarge),
        ({"length": 10**39}, TooLarge),
        ({"length": 101, "partial": True}, TooLarge),
        ({"length": None, "body": BodyHead(length=101)}, TooLarge),
        ({"length": 5, "body": BodyHead(length=6)}, LengthExceeded),
        ({"length": 0, "body": BodyHead(length=1)}, LengthExceeded),
        ({"length": 5, "body": BodyHead(length=101)}, LengthExceeded),
        ({"length": 101, "body": BodyHead(length=102)}, TooLarge),
    ],
)
def test_what_is_too_large(fields: dict[str, Any], error: type[TusError]) -> None:
    with pytest.raises(error) as caught:
        create(Limits(max_size=100), **fields)
    assert caught.value.status == 413


@pytest.mark.parametrize(
    ("limits", "largest"),
    [
        (Limits(), 2**63 - 1),
        (Limits(max_size=2**70), 2**63 - 1),
        (Limits(max_size=100), 100),
        (Limits(max_size=0), 0),
    ],
)
def test_the_largest_upload_is_taken(limits: Limits, largest: int) -> None:
    assert create(limits, length=largest).length == largest
    require_size(None, limits)
    with pytest.raises(TooLarge) as caught:
        require_size(largest + 1, limits)
    assert caught.value.members == {"limit": largest}


lengths = st.none() | st.integers(0, 2**64)


@given(lengths, st.booleans(), st.none() | st.builds(BodyHead, length=lengths), st.builds(Limits, max_size=lengths))
def test_what_is_created_is_empty_and_takes_its_body(
    length: int | None, partial: bool, body: BodyHead | None, limits: Limits
) -> None:
    try:
        made = create(limits, length=length, partial=partial, body=body)
    except (TooLarge, LengthExceeded):
        assert max(length or 0, (body and body.length) or 0) > min(limits.ceiling, 2**64 if length is None else length)
        return
    assert made.offset == 0
    assert made.length == length
    assert (made.state is State.COMPLETED) is (made.completed_at is not None) is (length == 0)
    assert made.is_partial is partial
    if body:
        plan_write(made, body, limits=limits)
