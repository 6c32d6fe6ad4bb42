"""Appending: where a body may go, how far it counts while it comes, and what it has made of the upload."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from tests.unit.protocol.values import (
    EXPIRING,
    FINISHED_TTL,
    LATER,
    NOW,
    SHA1_OF_HELLO_WORLD,
    UNFINISHED_TTL,
    UNLIMITED,
    algorithms,
    append,
    body_heads,
    checksum_field,
    receive,
    sizes,
    upload,
)

from longshore.protocol.append import Receipt, WritePlan, decide_append, plan_write, settle_append, settle_length
from longshore.protocol.capabilities import CHECKSUM_ALGORITHMS, MAX_OFFSET, Limits
from longshore.protocol.checksum import Checksum, parse_checksum
from longshore.protocol.create import decide_create
from longshore.protocol.errors import (
    ChecksumAlgorithmUnsupported,
    ChecksumMismatch,
    FinalUpload,
    InvalidChecksum,
    LengthConflict,
    LengthExceeded,
    OffsetConflict,
    TooLarge,
    TusError,
    UploadExpired,
    UploadTerminated,
)
from longshore.protocol.intents import Append, BodyHead, Create
from longshore.protocol.upload import State, Upload

HELLO = b"hello world"
SHA1 = parse_checksum(SHA1_OF_HELLO_WORLD)
WRONG = Checksum("sha1", bytes(20))


def decide(intent: Append, target: Upload, limits: Limits = UNLIMITED, now: datetime = NOW) -> WritePlan:
    """The plan."""
    return decide_append(intent, target, limits=limits, now=now)


def settle(plan: WritePlan, receipt: Receipt, limits: Limits = UNLIMITED, now: datetime = NOW) -> Upload:
    """The upload afterwards."""
    return settle_append(plan, receipt, limits=limits, now=now)


# Deciding


@pytest.mark.parametrize(
    ("intent", "target", "room"),
    [
        (append(0), upload(), 10),
        (append(4), upload(offset=4), 6),
        (append(4, 10), upload(offset=4), 6),
        (append(4, 10), upload(offset=4, length=None), 6),
        (append(4, 4), upload(offset=4, length=None), 0),
        (append(4), upload(offset=4, length=None), MAX_OFFSET - 4),
        (append(0, MAX_OFFSET), upload(length=None), MAX_OFFSET),
        (append(10), upload(offset=10, state=State.COMPLETED), 0),
        (append(4), upload(offset=4, concat="partial"), 6),
        (append(4), upload(offset=4, expires_at=LATER), 6),
    ],
)
def test_how_much_may_be_appended(intent: Append, target: Upload, room: int) -> None:
    plan = decide(intent, target)
    assert plan.room == room
    assert plan.limit == room + 1
    assert plan.upload == replace(target, length=target.length if intent.length is None else intent.length)


def test_of_a_body_with_a_length_no_byte_more_is_taken() -> None:
    assert decide(append(0), upload()).limit == 11
    assert decide(Append(resource="u", offset=0, body=BodyHead(length=5)), upload()).limit == 10


@pytest.mark.parametrize(
    ("intent", "target", "error"),
    [
        (append(0), upload(state=State.TERMINATED), UploadTerminated),
        (append(0), upload(state=State.EXPIRED), UploadExpired),
        (append(0), upload(expires_at=NOW), UploadExpired),
        (append(0), upload(expires_at=NOW - timedelta(days=1)), UploadExpired),
        (append(0), upload(concat="final;/files/a"), FinalUpload),
        (append(10), upload(offset=10, concat="final;/files/a", state=State.COMPLETED), FinalUpload),
        (append(3), upload(offset=4), OffsetConflict),
        (append(5), upload(offset=4), OffsetConflict),
        (append(0), upload(offset=10, state=State.COMPLETED), OffsetConflict),
        (append(2**63), upload(offset=4), OffsetConflict),
        (append(4, 11), upload(offset=4), LengthConflict),
        (append(4, 9), upload(offset=4), LengthConflict),
        (append(4, 3), upload(offset=4, length=None), LengthConflict),
        (append(10, 12), upload(offset=10, state=State.COMPLETED), LengthConflict),
        (append(4, 2**63), upload(offset=4, length=None), TooLarge),
    ],
)
def test_what_cannot_be_appended(intent: Append, target: Upload, error: type[TusError]) -> None:
    with pytest.raises(error):
        decide(intent, target)


@pytest.mark.parametrize(
    ("body", "target", "error"),
    [
        (BodyHead(length=11), upload(), LengthExceeded),
        (BodyHead(length=7), upload(offset=4), LengthExceeded),
        (BodyHead(length=1), upload(offset=10, state=State.COMPLETED), LengthExceeded),
        (BodyHead(length=2**63), upload(length=None), TooLarge),
        (BodyHead(length=97), upload(length=None, offset=4), TooLarge),
    ],
)
def test_a_body_that_is_announced_to_be_too_long(body: BodyHead, target: Upload, error: type[TusError]) -> None:
    with pytest.raises(error) as caught:
        plan_write(target, body, limits=Limits(max_size=100))
    assert caught.value.status == 413


@pytest.mark.parametrize(
    ("intent", "target", "status"),
    [
        (append(1), upload(concat="final;/files/a", state=State.TERMINATED), 410),  # before 403
        (append(1, 2), upload(concat="final;/files/a"), 403),  # before 409
        (append(1, 11), upload(), 409),  # before 400 for the length
        (Append(resource="u", offset=1, body=BodyHead(length=99)), upload(), 409),  # before 413
        (Append(resource="u", offset=0, length=11, body=BodyHead(length=99)), upload(), 400),  # before 413
    ],
)
def test_the_first_refusal(intent: Append, target: Upload, status: int) -> None:
    with pytest.raises(TusError) as caught:
        decide(intent, target)
    assert caught.value.status == status


def test_a_conflict_tells_the_offset() -> None:
    with pytest.raises(OffsetConflict) as caught:
        decide(append(0), upload(offset=4))
    assert dict(caught.value.headers) == {"Upload-Offset": "4"}
    assert caught.value.members == {"offset": 4}


def test_an_upload_above_a_limit_that_was_lowered_goes_no_further() -> None:
    lowered = Limits(max_size=3)
    plan = decide(append(4), upload(offset=4, length=None), lowered)
    assert (plan.room, plan.position(1)) == (0, 4)
    with pytest.raises(TooLarge):
        settle(plan, receive(plan, b"x"), lowered)


# What is computed on the way


@pytest.mark.parametrize(
    ("body", "computed"),
    [
        (BodyHead(), ()),
        (BodyHead(length=5), ()),
        (BodyHead(checksum=SHA1), ("sha1",)),
        (BodyHead(checksum_in_trailer=True), CHECKSUM_ALGORITHMS),
    ],
)
def test_which_digests_are_computed(body: BodyHead, computed: tuple[str, ...]) -> None:
    assert plan_write(upload(), body, limits=UNLIMITED).algorithms == computed


@pytest.mark.parametrize(
    ("target", "body", "received", "position"),
    [
        (upload(), BodyHead(), 0, 0),
        (upload(), BodyHead(), 9, 9),
        (upload(), BodyHead(), 10, 9),
        (upload(), BodyHead(), 11, 9),
        (upload(offset=9), BodyHead(length=1), 1, 9),
        (upload(offset=4, length=None), BodyHead(), 1000, 1004),
        (upload(), BodyHead(checksum=SHA1), 9, 0),
        (upload(offset=3), BodyHead(checksum_in_trailer=True), 7, 3),
        (upload(offset=10), BodyHead(length=0), 0, 10),
    ],
)
def test_how_far_a_body_counts_while_it_comes(target: Upload, body: BodyHead, received: int, position: int) -> None:
    assert plan_write(target, body, limits=UNLIMITED).position(received) == position


@pytest.mark.parametrize("target", [upload(offset=10, state=State.COMPLETED), upload(offset=10)])
def test_a_body_that_overruns_never_takes_back_what_is_there(target: Upload) -> None:
    assert plan_write(target, BodyHead(), limits=UNLIMITED).position(1) == 10


# Settling


@pytest.mark.parametrize("complete", [True, False])
@pytest.mark.parametrize("length", [10, None])
def test_what_arrived_is_kept(length: int | None, complete: bool) -> None:
    plan = decide(append(2), upload(offset=2, length=length))
    assert settle(plan, receive(plan, b"12345", complete=complete)) == upload(offset=7, length=length)


@pytest.mark.parametrize("complete", [True, False])
def test_the_last_byte_completes_the_upload(complete: bool) -> None:
    plan = decide(append(2), upload(offset=2))
    settled = settle(plan, receive(plan, b"12345678", complete=complete), now=LATER)
    assert settled == upload(offset=10, state=State.COMPLETED, completed_at=LATER)


def test_a_length_declared_at_the_end_completes_the_upload() -> None:
    plan = decide(append(4, 4), upload(offset=4, length=None))
    assert settle(plan, receive(plan, b"")) == upload(offset=4, length=4, state=State.COMPLETED, completed_at=NOW)


def test_a_declared_length_stays_when_the_body_is_cut_short() -> None:
    plan = decide(append(0, 20), upload(length=None))
    assert settle(plan, receive(plan, b"12", complete=False)) == upload(length=20, offset=2)


@pytest.mark.parametrize(
    ("length", "limits", "error"), [(10, UNLIMITED, LengthExceeded), (None, Limits(max_size=10), TooLarge)]
)
@pytest.mark.parametrize("complete", [True, False])
def test_a_body_that_turns_out_too_long(
    length: int | None, limits: Limits, error: type[TusError], complete: bool
) -> None:
    plan = decide(append(4), upload(offset=4, length=length), limits)
    receipt = receive(plan, b"x" * 100, complete=complete)
    assert receipt.received == 7
    with pytest.raises(error) as caught:
        settle(plan, receipt, limits)
    assert caught.value.status == 413


def test_appending_nothing_to_a_finished_upload_changes_nothing() -> None:
    finished = upload(offset=10, state=State.COMPLETED, completed_at=NOW, expires_at=NOW + FINISHED_TTL)
    plan = decide(append(10), finished, EXPIRING, LATER)
    assert settle(plan, receive(plan, b""), EXPIRING, LATER) == finished


@pytest.mark.parametrize(
    ("target", "data", "ttl"),
    [
        (upload(), b"x", UNFINISHED_TTL),
        (upload(), b"", UNFINISHED_TTL),
        (upload(offset=9), b"x", FINISHED_TTL),
        (upload(offset=9, concat="partial"), b"x", UNFINISHED_TTL),
    ],
)
def test_activity_moves_the_expiry(target: Upload, data: bytes, ttl: timedelta) -> None:
    fresh = replace(target, expires_at=NOW + timedelta(minutes=90))
    plan = decide(append(target.offset), fresh, EXPIRING, LATER)
    assert settle(plan, receive(plan, data), EXPIRING, LATER).expires_at == LATER + ttl


@pytest.mark.parametrize(
    "body",
    [
        (BodyHead(checksum=SHA1), {}),
        (BodyHead(length=11, checksum=SHA1), {}),
        (BodyHead(checksum_in_trailer=True), {"upload-checksum": SHA1_OF_HELLO_WORLD}),
    ],
)
def test_a_body_whose_checksum_matches(body: tuple[BodyHead, dict[str, str]]) -> None:
    plan = plan_write(upload(length=20), body[0], limits=UNLIMITED)
    assert settle(plan, receive(plan, HELLO, trailers=body[1])) == upload(offset=11, length=20)


@pytest.mark.parametrize(
    ("body", "trailers", "error"),
    [
        (BodyHead(checksum=WRONG), {}, ChecksumMismatch),
        (BodyHead(checksum=WRONG), {"upload-checksum": SHA1_OF_HELLO_WORLD}, ChecksumMismatch),
        (BodyHead(checksum_in_trailer=True), {"upload-checksum": "crc32 AAAAAA=="}, ChecksumMismatch),
        (BodyHead(checksum_in_trailer=True), {}, InvalidChecksum),
        (BodyHead(checksum_in_trailer=True), {"upload-checksum": "sha1 ?"}, InvalidChecksum),
        (BodyHead(checksum_in_trailer=True), {"upload-checksum": "sha3 AAAA"}, ChecksumAlgorithmUnsupported),
    ],
)
@pytest.mark.parametrize("length", [11, 20, None])
def test_a_body_whose_checksum_does_not(
    length: int | None, body: BodyHead, trailers: dict[str, str], error: type[TusError]
) -> None:
    plan = plan_write(upload(length=length), body, limits=UNLIMITED)
    with pytest.raises(error):
        settle(plan, receive(plan, HELLO, trailers=trailers))


@pytest.mark.parametrize(
    "body", [BodyHead(checksum=SHA1), BodyHead(checksum=WRONG), BodyHead(checksum_in_trailer=True)]
)
@pytest.mark.parametrize("data", [b"", b"hello", HELLO])
def test_of_a_checked_body_that_is_cut_short_nothing_is_kept(body: BodyHead, data: bytes) -> None:
    plan = plan_write(upload(offset=4, length=15), body, limits=UNLIMITED)
    assert settle(plan, receive(plan, data, complete=False)) == upload(offset=4, length=15)


def test_an_overlong_body_is_refused_even_if_its_checksum_matches() -> None:
    plan = plan_write(upload(length=10), BodyHead(checksum=SHA1), limits=UNLIMITED)
    with pytest.raises(LengthExceeded):
        settle(plan, receive(plan, HELLO))


def test_an_unannounced_trailer_is_not_held_against_the_body() -> None:
    plan = plan_write(upload(length=20), BodyHead(), limits=UNLIMITED)
    assert settle(plan, receive(plan, HELLO, trailers={"upload-checksum": "sha1 ?"})).offset == 11


@pytest.mark.parametrize("algorithm", CHECKSUM_ALGORITHMS)
def test_a_checked_body_without_a_byte(algorithm: str) -> None:
    empty = {
        "md5": "md5 1B2M2Y8AsgTpgAmY7PhCfg==",
        "sha1": "sha1 2jmj7l5rSw0yVb/vlWAYkK/YBwk=",
        "sha256": "sha256 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        "sha512": "sha512 z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==",
        "crc32": "crc32 AAAAAA==",
    }[algorithm]
    plan = plan_write(upload(), BodyHead(length=0, checksum=parse_checksum(empty)), limits=UNLIMITED)
    assert settle(plan, receive(plan, b"")) == upload()


@pytest.mark.parametrize("state", [State.TERMINATED, State.EXPIRED, State.COMPLETED])
def test_only_what_is_unfinished_can_be_completed(state: State) -> None:
    target = upload(offset=10, state=state)
    assert settle_length(target, limits=EXPIRING, now=LATER) is target


# Whatever comes

limits_strategy = st.builds(Limits, max_size=st.none() | sizes, unfinished_ttl=st.just(UNFINISHED_TTL))


@st.composite
def targets(draw: st.DrawFn) -> Upload:
    """Uploads in every state that appending can meet."""
    length = draw(st.none() | sizes)
    offset = draw(sizes if length is None else st.integers(0, length))
    completed = offset == length
    return upload(
        offset=offset,
        length=length,
        concat=draw(st.sampled_from(["", "partial"])),
        state=State.COMPLETED if completed else State.UNFINISHED,
        completed_at=NOW if completed else None,
    )


@given(targets(), sizes, st.none() | sizes, body_heads, limits_strategy)
def test_a_plan_keeps_to_the_offset_and_the_length(
    target: Upload, offset: int, length: int | None, body: BodyHead, limits: Limits
) -> None:
    intent = Append(resource="u", offset=offset, length=length, body=body)
    try:
        plan = decide(intent, target, limits)
    except (OffsetConflict, LengthConflict, LengthExceeded, TooLarge):
        return
    assert plan.upload.offset == target.offset == offset
    assert plan.upload.length == (length if target.length is None else target.length)
    assert 0 <= plan.room <= plan.limit
    if body.length is not None:
        assert body.length <= plan.room
    end = limits.ceiling if plan.upload.length is None else plan.upload.length
    assert plan.upload.offset + plan.room == max(end, target.offset)


@given(targets(), body_heads, limits_strategy, st.lists(st.integers(0, 50), min_size=1))
@example(upload(offset=10, state=State.COMPLETED), BodyHead(), UNLIMITED, [1])
def test_the_position_only_grows_and_never_reaches_the_length(
    target: Upload, body: BodyHead, limits: Limits, counts: list[int]
) -> None:
    try:
        plan = plan_write(target, body, limits=limits)
    except (LengthExceeded, TooLarge):
        return
    positions = [plan.position(min(count, plan.limit)) for count in sorted(counts)]
    assert positions == sorted(positions)
    for position in positions:
        assert target.offset <= position <= target.offset + plan.room
        assert position != target.length or position == target.offset
        assert position == target.offset or not body.is_checked


@given(targets(), st.booleans(), st.binary(max_size=50), st.booleans(), limits_strategy)
def test_what_a_body_makes_of_an_upload(
    target: Upload, chunked: bool, data: bytes, complete: bool, limits: Limits
) -> None:
    body = BodyHead(length=None if chunked else len(data))

    def appended() -> Upload:
        plan = plan_write(target, body, limits=limits)
        return settle(plan, receive(plan, data, complete=complete), limits, LATER)

    if data and target.offset + len(data) > (limits.ceiling if target.length is None else target.length):
        with pytest.raises(TooLarge if target.length is None else LengthExceeded):
            appended()
        return
    settled = appended()
    assert settled.offset == target.offset + len(data)
    assert settled.length == target.length
    assert (settled.state is State.COMPLETED) is (settled.offset == settled.length)
    assert (settled.completed_at is not None) is (settled.state is State.COMPLETED)


@given(algorithms, st.binary(min_size=1, max_size=40), st.integers(0, 40), st.booleans(), st.booleans(), st.booleans())
def test_a_checked_body_counts_as_a_whole_or_not_at_all(
    algorithm: str, data: bytes, arrived: int, damaged: bool, in_trailer: bool, complete: bool
) -> None:
    field = checksum_field(algorithm, data)
    body = BodyHead(checksum=None if in_trailer else parse_checksum(field), checksum_in_trailer=in_trailer)
    plan = plan_write(upload(offset=5, length=50), body, limits=UNLIMITED)
    came = data if complete else data[:arrived]
    sent = bytes([came[0] ^ 1]) + came[1:] if damaged and came else came
    trailers = {"upload-checksum": field} if in_trailer and complete else {}
    receipt = receive(plan, sent, complete=complete, trailers=trailers)
    if complete and damaged:
        with pytest.raises(ChecksumMismatch):
            settle(plan, receipt)
    else:
        assert settle(plan, receipt) == upload(offset=5 + len(data) if complete else 5, length=50)


@dataclass(frozen=True)
class Attempt:
    """One request of a client's: where it begins, what it sends, and how much of that comes through."""

    astray: int
    data: bytes
    arrives: int
    chunked: bool
    checked: bool
    declares: int | None


attempts = st.builds(
    Attempt,
    astray=st.sampled_from([0, 0, 0, 0, 1, -1]),
    data=st.binary(max_size=12),
    arrives=st.integers(0, 16),
    chunked=st.booleans(),
    checked=st.booleans(),
    declares=st.none() | sizes,
)


@given(st.none() | sizes, st.none() | sizes, st.lists(attempts, max_size=12))
def test_the_life_of_an_upload(length: int | None, max_size: int | None, life: list[Attempt]) -> None:
    limits = replace(EXPIRING, max_size=max_size)
    assume(length is None or length <= limits.ceiling)
    current, stored = decide_create(Create(length=length), "u", limits=limits, now=NOW), b""
    for attempt in life:
        sent = attempt.data[: attempt.arrives]
        checksum = parse_checksum(checksum_field("sha1", attempt.data)) if attempt.checked else None
        body = BodyHead(length=None if attempt.chunked else len(attempt.data), checksum=checksum)
        intent = Append(
            resource="u", offset=max(0, current.offset + attempt.astray), length=attempt.declares, body=body
        )
        try:
            plan = decide(intent, current, limits)
            settled = settle(plan, receive(plan, sent, complete=sent == attempt.data), limits)
        except (OffsetConflict, LengthConflict, LengthExceeded, TooLarge):
            continue
        whole = sent == attempt.data or not attempt.checked
        stored += sent if whole else b""
        assert attempt.astray == 0 or intent.offset == current.offset
        assert settled.offset == len(stored) >= current.offset
        assert current.length is None or settled.length == current.length
        assert settled.offset <= (limits.ceiling if settled.length is None else settled.length)
        assert (settled.state is State.COMPLETED) is (settled.offset == settled.length)
        assert settled.completed_at == (NOW if settled.state is State.COMPLETED else None)
        current = settled
