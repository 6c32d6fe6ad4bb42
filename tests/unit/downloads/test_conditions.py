"""Conditional requests, in the order of RFC 9110, section 13.2.2."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.downloads.values import AFTER_HTTP, BEFORE_HTTP, DONE, DONE_HTTP, upload_with

from longshore.downloads.conditions import PreconditionFailed, Validators, allows_ranges, is_known

VALIDATORS = Validators.of(upload_with())
ETAG = VALIDATORS.etag
OTHER = '"other"'
RFC_850 = "Friday, 01-May-26 12:30:15 GMT"
ASCTIME = "Fri May  1 12:30:15 2026"
NO_DATES = [
    *("", "yesterday", "2026-05-01T12:30:15Z", "Fri, 01 May 2026 12:30:15", "Fri, 01 May 2026 12:30:15 +0200"),
    *("Fri, 99 May 2026 12:30:15 GMT", "Fri, 01 May 2026 99:30:15 GMT", "Fri, 01 Mai 2026 12:30:15 GMT", "1777638615"),
]


def known(**fields: str) -> bool:
    return is_known({name.replace("_", "-"): value for name, value in fields.items()}, VALIDATORS)


def test_validators_are_strong_and_to_the_second() -> None:
    assert ETAG.startswith('"')
    assert VALIDATORS.last_modified == DONE.replace(microsecond=0)
    assert Validators.of(upload_with(name="renamed")) == VALIDATORS


def test_another_upload_and_another_completion_have_another_tag() -> None:
    upload = upload_with()
    others = [replace(upload, id="b" * 32), replace(upload, completed_at=DONE + timedelta(seconds=1))]
    assert len({ETAG, *(Validators.of(other).etag for other in others)}) == 3


@pytest.mark.parametrize(
    "tags",
    [ETAG, f"W/{ETAG}", f"{OTHER}, {ETAG}", f"{OTHER},W/{ETAG}", f' {ETAG} ,"x"', f",{ETAG},", "*", '"a,b",' + ETAG],
)
def test_who_has_the_file_is_not_sent_it_again(tags: str) -> None:
    assert known(if_none_match=tags)


@pytest.mark.parametrize(
    "tags", [OTHER, "", ETAG.strip('"'), f"{ETAG} {ETAG}", f"{ETAG}x", f'"x{ETAG}', "**", f"w/{ETAG}", '"unended']
)
def test_who_has_another_one_is_sent_this_one(tags: str) -> None:
    assert not known(if_none_match=tags)


@pytest.mark.parametrize(
    ("date", "has_it"),
    [(DONE_HTTP, True), (AFTER_HTTP, True), (BEFORE_HTTP, False), (RFC_850, True), (ASCTIME, True)],
)
def test_who_has_it_since_then(date: str, has_it: bool) -> None:
    assert known(if_modified_since=date) is has_it


@pytest.mark.parametrize("date", NO_DATES)
def test_what_is_no_date_is_ignored(date: str) -> None:
    assert not known(if_modified_since=date)
    assert not known(if_unmodified_since=date)


def test_a_tag_counts_more_than_a_date() -> None:
    assert not known(if_none_match=OTHER, if_modified_since=AFTER_HTTP)
    assert known(if_none_match=ETAG, if_modified_since=BEFORE_HTTP)


@pytest.mark.parametrize("tags", [ETAG, f"{OTHER}, {ETAG}", "*"])
def test_who_means_this_file_goes_on(tags: str) -> None:
    assert not known(if_match=tags)
    assert not known(if_match=tags, if_unmodified_since=BEFORE_HTTP)


@pytest.mark.parametrize("tags", [OTHER, f"W/{ETAG}", "", "nonsense"])
def test_who_means_another_file_is_refused(tags: str) -> None:
    with pytest.raises(PreconditionFailed) as refusal:
        known(if_match=tags)
    assert refusal.value.status == 412
    with pytest.raises(PreconditionFailed):
        known(if_match=tags, if_none_match=ETAG)


def test_who_means_an_older_file_is_refused() -> None:
    assert not known(if_unmodified_since=DONE_HTTP)
    assert not known(if_unmodified_since=AFTER_HTTP)
    with pytest.raises(PreconditionFailed):
        known(if_unmodified_since=BEFORE_HTTP)


@pytest.mark.parametrize(
    ("given_range", "allowed"),
    [
        (None, True),
        (ETAG, True),
        (f" {ETAG} ", True),
        (DONE_HTTP, True),
        (RFC_850, True),
        (f"W/{ETAG}", False),
        (OTHER, False),
        ("*", False),
        (BEFORE_HTTP, False),
        (AFTER_HTTP, False),
        (f"{ETAG}, {OTHER}", False),
        ("", False),
    ],
)
def test_ranges_are_those_of_the_file_that_the_client_has(given_range: str | None, allowed: bool) -> None:
    assert allows_ranges({} if given_range is None else {"if-range": given_range}, VALIDATORS) is allowed


names = st.sampled_from(["if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range"])
values = st.text() | st.text(alphabet='W/"ab,* \t') | st.sampled_from([ETAG, OTHER, DONE_HTTP, RFC_850, ASCTIME])


@given(headers=st.dictionaries(names, values))
def test_no_field_does_harm(headers: dict[str, str]) -> None:
    assert allows_ranges(headers, VALIDATORS) in (True, False)
    try:
        assert is_known(headers, VALIDATORS) in (True, False)
    except PreconditionFailed:
        assert headers.keys() & {"if-match", "if-unmodified-since"}
