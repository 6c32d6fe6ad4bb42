"""The Range field: what it comes to, and that no field makes more work than the file is large."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.downloads.ranges import GAP, MAX_RANGES, RangeNotSatisfiable, Span, parse_ranges

SIZE = 10_000


@pytest.mark.parametrize(
    ("field", "spans"),
    [
        ("bytes=0-0", [(0, 1)]),
        ("bytes=0-499", [(0, 500)]),
        ("bytes=500-999", [(500, 1000)]),
        ("bytes=9500-", [(9500, SIZE)]),
        ("bytes=0-", [(0, SIZE)]),
        ("bytes=-500", [(9500, SIZE)]),
        ("bytes=-99999", [(0, SIZE)]),
        ("bytes=9999-9999", [(9999, SIZE)]),
        ("bytes=0-99999999999999999999999", [(0, SIZE)]),
        ("bytes=0-0,-1", [(0, 1), (9999, SIZE)]),
        ("bytes= 0-0 , -1 ", [(0, 1), (9999, SIZE)]),
        ("bytes=,0-0,,-1,", [(0, 1), (9999, SIZE)]),
        ("bytes=5000-5999,0-999", [(5000, 6000), (0, 1000)]),
        ("bytes=0-999,99999-", [(0, 1000)]),
        ("bytes=0-999,-0", [(0, 1000)]),
        ("BYTES=0-9", [(0, 10)]),
        ("bytes=0007-0009", [(7, 10)]),
    ],
)
def test_ranges(field: str, spans: list[tuple[int, int]]) -> None:
    assert parse_ranges(field, SIZE) == [Span(*span) for span in spans]


@pytest.mark.parametrize(
    ("field", "spans"),
    [
        ("bytes=0-99,50-149", [(0, 150)]),
        ("bytes=0-99,100-199", [(0, 200)]),
        (f"bytes=0-99,{100 + GAP}-999", [(0, 1000)]),
        (f"bytes=0-99,{101 + GAP}-999", [(0, 100), (101 + GAP, 1000)]),
        ("bytes=500-599,0-99,550-649", [(500, 650), (0, 100)]),
        ("bytes=0-99,1000-1099,50-1050", [(0, 1100)]),
        ("bytes=5000-5099,0-99,1000-1099,0-5000", [(0, 5100)]),
        ("bytes=0-,0-,0-,0-", [(0, SIZE)]),
        ("bytes=0-99,0-99,0-99", [(0, 100)]),
    ],
)
def test_ranges_that_overlap_or_nearly_touch_become_one(field: str, spans: list[tuple[int, int]]) -> None:
    assert parse_ranges(field, SIZE) == [Span(*span) for span in spans]


@pytest.mark.parametrize(
    "field",
    [
        "",
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes=-",
        "bytes=a-b",
        "bytes=1",
        "bytes=1-2-3",
        "bytes=--1",
        "bytes=+1-2",
        "bytes=1_0-20",
        "bytes=0x1-2",
        "bytes=\u0661-\u0662",
        "bytes=1 - 2",
        "bytes=5-4",
        "bytes=0-1,5-4",
        "bytes=0-1,x",
        "bytes 0-1",
        "bytes:0-1",
        "items=0-1",
        "seconds=1-2",
        "bytes=0-1;2-3",
        "bytes=0-1,bytes=2-3",
        f"bytes={'1' * 5000}-",
        "bytes=" + ",".join(f"{n}-{n}" for n in range(0, 8500, 500)),
    ],
)
def test_what_cannot_be_followed_is_ignored(field: str) -> None:
    assert parse_ranges(field, SIZE) is None


def test_as_many_ranges_as_are_taken_are_sent() -> None:
    spans = parse_ranges("bytes=" + ",".join(f"{n * 500}-{n * 500}" for n in range(MAX_RANGES)), SIZE)
    assert spans is not None
    assert len(spans) == MAX_RANGES


@pytest.mark.parametrize("field", ["bytes=10000-", "bytes=10000-10001", "bytes=-0", "bytes=10000-,-0", "bytes=99999-"])
def test_ranges_outside_are_not_satisfiable(field: str) -> None:
    with pytest.raises(RangeNotSatisfiable) as refusal:
        parse_ranges(field, SIZE)
    assert refusal.value.status == 416
    assert dict(refusal.value.headers) == {"Content-Range": "bytes */10000"}


@pytest.mark.parametrize("field", ["bytes=0-", "bytes=-1", "bytes=0-0", "bytes=5-"])
def test_of_an_empty_file_no_range_can_be_told(field: str) -> None:
    assert parse_ranges(field, 0) is None


specs = st.builds(
    lambda first, last: f"{'' if first is None else first}-{'' if last is None else last}",
    st.none() | st.integers(0, 1200),
    st.none() | st.integers(0, 1200),
)


def asked_for(spec: str, size: int) -> range:
    """The positions that one range names, in the words of RFC 9110, section 14.1.2."""
    first, _, last = spec.partition("-")
    if not first:
        return range(max(0, size - int(last)), size)
    return range(int(first), min(size, int(last) + 1) if last else size)


@given(
    asked=st.lists(specs.filter(lambda spec: spec != "-"), min_size=1, max_size=MAX_RANGES), size=st.integers(1, 1000)
)
def test_all_that_was_asked_for_is_sent_once_and_little_else(asked: list[str], size: int) -> None:
    wanted = {position for spec in asked for position in asked_for(spec, size)}
    try:
        spans = parse_ranges("bytes=" + ",".join(asked), size)
    except RangeNotSatisfiable:
        assert not wanted
        return
    if spans is None:
        assert any(
            spec[0] != "-" and spec[-1] != "-" and int(spec.split("-")[1]) < int(spec.split("-")[0]) for spec in asked
        )
        return
    sent = [position for span in spans for position in range(span.start, span.end)]
    assert len(sent) == len(set(sent))
    assert wanted <= set(sent) <= set(range(size))
    assert all(any(abs(extra - position) <= GAP for position in wanted) for extra in set(sent) - wanted)
    assert sum(map(len, spans)) <= size


@given(field=st.text(alphabet="bytes=0123456789-, \t") | st.text(), size=st.integers(0, 2**63))
def test_no_field_does_harm(field: str, size: int) -> None:
    try:
        spans = parse_ranges(field, size)
    except RangeNotSatisfiable:
        return
    assert all(0 <= span.start < span.end <= size for span in spans or ())
