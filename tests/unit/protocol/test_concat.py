"""Deciding a concatenation: which uploads may be parts, how long the final upload is, and when it is ready."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.protocol.values import EXPIRING, FINISHED_TTL, LATER, NOW, UNFINISHED_TTL, UNLIMITED, sizes, upload

from longshore.protocol.append import decide_append
from longshore.protocol.capabilities import MAX_OFFSET, Limits
from longshore.protocol.concat import decide_concatenate, is_ready, settle_concatenate, total_length
from longshore.protocol.errors import (
    FinalUpload,
    InvalidConcat,
    TooLarge,
    TusError,
    UploadExpired,
    UploadNotFound,
    UploadTerminated,
)
from longshore.protocol.intents import Append, BodyHead, Concatenate
from longshore.protocol.upload import State, Upload


def part(upload_id: str, length: int | None, offset: int | None = None, state: State | None = None) -> Upload:
    """A partial upload, completed unless an offset is given."""
    at = (length or 0) if offset is None else offset
    found = State.COMPLETED if at == length else State.UNFINISHED
    return upload(id=upload_id, length=length, offset=at, concat="partial", state=state or found)


def concatenate(*parts: Upload, ids: tuple[str, ...] | None = None, limits: Limits = UNLIMITED) -> Upload:
    """The final upload of these parts."""
    names = ids if ids is not None else tuple(one.id for one in parts)
    intent = Concatenate(parts=names, concat="final;" + " ".join(f"/files/{name}" for name in names), metadata="a YQ==")
    return decide_concatenate(intent, "new", {one.id: one for one in parts}, limits=limits, now=NOW)


def test_a_final_upload_has_the_metadata_of_its_own_request() -> None:
    parts = replace(part("a", 5), metadata="b YWI="), part("b", 6)
    assert concatenate(*parts) == Upload(
        id="new",
        created_at=NOW,
        length=11,
        metadata="a YQ==",
        concat="final;/files/a /files/b",
        parts=("a", "b"),
    )


@pytest.mark.parametrize("ids", [("a", "b"), ("b", "a"), ("a", "a", "b"), ("b",)])
def test_the_parts_stay_in_the_order_of_the_request(ids: tuple[str, ...]) -> None:
    final = concatenate(part("a", 5), part("b", 6), ids=ids)
    assert final.parts == ids
    assert final.length == sum({"a": 5, "b": 6}[name] for name in ids)
    assert final.is_final
    assert not final.is_partial


@pytest.mark.parametrize(
    ("parts", "length", "ready"),
    [
        ((part("a", 5), part("b", 6)), 11, True),
        ((part("a", 5), part("b", 6, 3)), 11, False),
        ((part("a", 5), part("b", 6, 0)), 11, False),
        ((part("a", 5), part("b", None, 6)), None, False),
        ((part("a", 0), part("b", 0)), 0, True),
        ((part("a", 5), part("b", 6, state=State.TERMINATED)), 11, False),
        ((part("a", 5), part("b", 6, state=State.EXPIRED)), 11, False),
    ],
)
def test_the_length_and_whether_it_can_be_put_together(
    parts: tuple[Upload, ...], length: int | None, ready: bool
) -> None:
    final = upload(length=length, concat="final;/a /b", parts=("a", "b"))
    known = {one.id: one for one in parts}
    assert total_length(final, known) == length
    assert is_ready(final, known) is ready


def test_without_one_of_its_parts_it_is_not_ready() -> None:
    final = upload(concat="final;/a /b", parts=("a", "b"))
    assert not is_ready(final, {"a": part("a", 5)})
    assert total_length(final, {"a": part("a", 5)}) is None
    assert is_ready(final, {"a": part("a", 5), "b": part("b", 6), "c": part("c", 7, 0)})


def test_what_parts_of_unknown_length_hold_already_counts() -> None:
    with pytest.raises(TooLarge):
        concatenate(part("a", None, 5), part("b", None, 6), limits=Limits(max_size=10))
    assert concatenate(part("a", None, 5), part("b", None, 6), limits=Limits(max_size=11)).length is None


@pytest.mark.parametrize("unfinished", [part("b", 6, 3), part("b", None, 3)])
def test_a_final_upload_may_be_made_before_its_parts_are_finished(unfinished: Upload) -> None:
    final = concatenate(part("a", 5), unfinished)
    assert (final.state, final.offset, final.completed_at) == (State.UNFINISHED, 0, None)
    assert final.length == (None if unfinished.length is None else 11)


@pytest.mark.parametrize(
    ("second", "error", "status"),
    [
        (None, UploadNotFound, 404),
        (upload(id="b"), InvalidConcat, 400),
        (upload(id="b", offset=10, state=State.COMPLETED), InvalidConcat, 400),
        (upload(id="b", concat="final;/files/c", parts=("c",)), InvalidConcat, 400),
        (part("b", 6, state=State.TERMINATED), UploadTerminated, 410),
        (part("b", 6, state=State.EXPIRED), UploadExpired, 410),
        (replace(part("b", 6), expires_at=NOW), UploadExpired, 410),
        (replace(part("b", 6, 3), expires_at=NOW - timedelta(days=1)), UploadExpired, 410),
    ],
)
def test_what_cannot_be_a_part(second: Upload | None, error: type[TusError], status: int) -> None:
    known = [part("a", 5), *([second] if second else [])]
    with pytest.raises(error) as caught:
        concatenate(*known, ids=("a", "b"))
    assert caught.value.status == status


@pytest.mark.parametrize(
    ("limits", "lengths"), [(Limits(max_size=10), (5, 6)), (Limits(max_size=4), (5, 0)), (Limits(), (MAX_OFFSET, 1))]
)
def test_a_final_upload_that_is_too_large(limits: Limits, lengths: tuple[int, int]) -> None:
    with pytest.raises(TooLarge):
        concatenate(part("a", lengths[0], 0), part("b", lengths[1], 0), limits=limits)


def test_the_largest_final_upload_is_taken() -> None:
    assert concatenate(part("a", 5), part("b", 6), limits=Limits(max_size=11)).length == 11


def test_a_final_upload_expires_like_any_other() -> None:
    final = concatenate(part("a", 5), part("b", 6), limits=EXPIRING)
    assert final.expires_at == NOW + UNFINISHED_TTL
    assert settle_concatenate(final, 11, limits=EXPIRING, now=LATER).expires_at == LATER + FINISHED_TTL


@given(st.lists(sizes, min_size=1))
def test_putting_together_any_parts(lengths: list[int]) -> None:
    parts = [part(str(index), length) for index, length in enumerate(lengths)]
    final = concatenate(*parts)
    settled = settle_concatenate(final, sum(lengths), limits=UNLIMITED, now=LATER)
    assert settled.offset == settled.length == final.length == sum(lengths)
    assert (settled.state, settled.completed_at) == (State.COMPLETED, LATER)
    assert (settled.parts, settled.concat, settled.metadata) == (final.parts, final.concat, final.metadata)


@pytest.mark.parametrize("offset", [0, 11])
def test_no_bytes_go_to_a_final_upload_before_or_after(offset: int) -> None:
    final = concatenate(part("a", 5), part("b", 6))
    settled = settle_concatenate(final, 11, limits=UNLIMITED, now=NOW)
    for target in (final, settled):
        with pytest.raises(FinalUpload) as caught:
            decide_append(
                Append(resource="new", offset=offset, body=BodyHead(length=0)), target, limits=UNLIMITED, now=NOW
            )
        assert caught.value.status == 403
