"""Upload-Metadata: what is read, and what is refused."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.unit.protocol.values import b64, metadata_keys, metadata_pairs

from longshore.protocol.errors import InvalidMetadata, MetadataTooLarge
from longshore.protocol.metadata import parse_metadata

PLENTY = 1_000_000
BASE64 = re.compile("([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")


@pytest.mark.parametrize(
    ("raw", "pairs"),
    [
        ("", {}),
        (" ", {}),
        ("\t", {}),
        (
            "filename d29ybGRfZG9taW5hdGlvbl9wbGFuLnBkZg==,is_confidential",
            {"filename": b"world_domination_plan.pdf", "is_confidential": b""},
        ),
        ("key", {"key": b""}),
        ("key ", {"key": b""}),
        ("key ,other ", {"key": b"", "other": b""}),
        ("a YQ==, b YWI=,\tc YWJj", {"a": b"a", "b": b"ab", "c": b"abc"}),
        ("Key YQ==,key YWI=", {"Key": b"a", "key": b"ab"}),
        ("bytes AP/+", {"bytes": b"\x00\xff\xfe"}),
        ("a=b;c:!{}~ YQ==", {"a=b;c:!{}~": b"a"}),
    ],
)
def test_metadata_that_is_read(raw: str, pairs: dict[str, bytes]) -> None:
    assert parse_metadata(raw, max_size=PLENTY) == pairs


@pytest.mark.parametrize(
    "raw",
    [
        ",",
        "a,",
        ",a",
        "a,,b",
        "a, ,b",
        "a YQ==,a YQ==",  # the same key twice
        "a,a",
        "a YQ==, a",
        "a YQ",  # padding is missing
        "a YQ=",
        "a Y",
        "a =",
        "a ==",
        "a ====",
        "a YQ===",
        "a YQ==YQ==",
        "a YQ==x",
        "a YW=Jj",
        "a #",
        "a -_8=",  # another alphabet
        "a null!",
        "a  YQ==",  # two spaces
        "a YQ== YQ==",
        "a\tYQ==",
        "a Y\nQ==",
        "a YQ==\n",
        "a\r\nX: y YQ==",
        "a\x00",
        "a\x7f",
        "ä YQ==",
        "a ÄÄÄÄ",
        "a \ud800",
        "\ud800",
        "\xa0a",
        "a YWJj=",  # padding after a whole group
        "a YWJj====",  # padding after a whole group
    ],
)
def test_metadata_that_is_refused(raw: str) -> None:
    with pytest.raises(InvalidMetadata):
        parse_metadata(raw, max_size=PLENTY)


def test_the_size_is_limited() -> None:
    raw = f"a {b64(bytes(30))}"
    assert parse_metadata(raw, max_size=len(raw)) == {"a": bytes(30)}
    with pytest.raises(MetadataTooLarge) as caught:
        parse_metadata(raw, max_size=len(raw) - 1)
    assert caught.value.status == 431
    assert caught.value.members == {"limit": len(raw) - 1}


def test_what_is_too_large_is_not_looked_at() -> None:
    with pytest.raises(MetadataTooLarge):
        parse_metadata("=" * 9, max_size=8)


@given(metadata_pairs, st.sampled_from([",", ", ", " ,", "\t,\t"]))
def test_round_trip(pairs: dict[str, bytes], comma: str) -> None:
    raw = comma.join(f"{key} {b64(value)}" for key, value in pairs.items())
    parsed = parse_metadata(raw, max_size=PLENTY)
    assert parsed == pairs
    assert list(parsed) == list(pairs)


@given(st.lists(metadata_keys, min_size=1), st.data())
def test_a_key_never_counts_twice(keys: list[str], data: st.DataObject) -> None:
    keys.insert(data.draw(st.integers(0, len(keys))), data.draw(st.sampled_from(keys)))
    values = data.draw(st.lists(st.sampled_from(["", " YQ==", " YWI="]), min_size=len(keys), max_size=len(keys)))
    with pytest.raises(InvalidMetadata):
        parse_metadata(",".join(map("".join, zip(keys, values, strict=True))), max_size=PLENTY)


@given(st.text("Aa9+/=", max_size=12) | st.text(max_size=12))
@example("YWJj=")
def test_only_base64_is_a_value(value: str) -> None:
    try:
        pairs = parse_metadata(f"key {value}", max_size=PLENTY)
    except InvalidMetadata:
        return
    assert set(pairs) <= {"key", *value.split(",")}
    for pair in f"key {value}".split(","):
        assert BASE64.fullmatch(pair.strip(" \t").partition(" ")[2])


@given(st.text() | st.text("aA= ,\t\r\n"))
def test_what_is_accepted_can_stand_in_a_header(raw: str) -> None:
    try:
        parse_metadata(raw, max_size=PLENTY)
    except InvalidMetadata:
        return
    assert re.fullmatch(r"[\t\x20-\x7e]*", raw.strip())
