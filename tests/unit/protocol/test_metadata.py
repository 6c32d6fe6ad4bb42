"""Upload-Metadata: what is read, and what is refused."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.unit.protocol.values import b64, metadata_keys, metadata_pairs

from longshore.protocol.errors import InvalidMetadata, MetadataTooLarge
from longshore.protocol.metadata import (
    file_name,
    format_metadata,
    given_name,
    last_component,
    media_type,
    name_and_type,
    parse_metadata,
    renamed,
)

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


# What clients say by convention


@pytest.mark.parametrize(
    ("pairs", "found"),
    [
        ({}, b""),
        ({"filename": b"a", "name": b"b"}, b"a"),
        ({"name": b"b", "filename": b""}, b"b"),
        ({"Filename": b"a"}, b""),
        ({"filename": b"dir/\xff"}, b"dir/\xff"),
    ],
)
def test_the_name_is_that_of_filename_and_else_of_name(pairs: dict[str, bytes], found: bytes) -> None:
    assert given_name(format_metadata(pairs)) == found


@pytest.mark.parametrize(
    ("path", "last"), [("a", "a"), ("/b/a", "a"), ("C:\\b\\a", "a"), ("b\\c/a", "a"), ("a/", ""), ("", "")]
)
def test_a_path_ends_in_its_last_component(path: str, last: str) -> None:
    assert last_component(path) == last


@given(st.dictionaries(metadata_keys, st.binary(max_size=40), max_size=4), st.binary(max_size=300))
def test_a_name_for_people_is_safe_whatever_was_given(pairs: dict[str, bytes], name: bytes) -> None:
    found = file_name(format_metadata(pairs | {"filename": name}))
    assert found.isprintable()
    assert not set(found) & set("/\\")
    assert len(found) <= 255
    assert found.encode().decode() == found


@pytest.mark.parametrize(
    ("pairs", "found"),
    [
        ({"filetype": b"image/png"}, "image/png"),
        ({"type": b"text/csv", "contentType": b"image/png"}, "text/csv"),
        ({"contentType": b"Image/PNG"}, "Image/PNG"),
        ({"filetype": b"text/html; charset=utf-8"}, ""),
        ({"filetype": b"png"}, ""),
        ({"filetype": b"a/b\nc"}, ""),
        ({"filetype": b"\xff/x"}, ""),
        ({}, ""),
    ],
)
def test_the_media_type_is_one_or_nothing(pairs: dict[str, bytes], found: str) -> None:
    assert media_type(format_metadata(pairs)) == found
    assert name_and_type(format_metadata(pairs | {"name": b"a/b"})) == ("b", found)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"filename": b"new"}),
        ({"filename": b"old", "x": b"1"}, {"filename": b"new", "x": b"1"}),
        ({"x": b"1", "name": b"old"}, {"x": b"1", "name": b"new"}),
        ({"name": b"old", "filename": b""}, {"name": b"new", "filename": b"new"}),
    ],
)
def test_a_renamed_file_has_its_name_under_the_keys_that_had_one(
    before: dict[str, bytes], after: dict[str, bytes]
) -> None:
    assert parse_metadata(renamed(format_metadata(before), "new"), max_size=PLENTY) == after
