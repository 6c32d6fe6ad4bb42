"""Signed links: nothing but what was signed opens anything, for nothing but the upload it was signed for."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.downloads.links import LinkExpired, LinkInvalid, make, verify

NOW = datetime(2026, 5, 1, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
KEY, OTHER_KEY = b"k" * 32, b"o" * 32
TOKEN = make("upload-1", LATER, "link-1", KEY)


def test_link_opens_its_upload_until_its_time_has_passed() -> None:
    assert verify(TOKEN, "upload-1", [KEY], NOW) == "link-1"
    assert verify(TOKEN, "upload-1", [KEY], LATER - timedelta(microseconds=1)) == "link-1"
    with pytest.raises(LinkExpired):
        verify(TOKEN, "upload-1", [KEY], LATER)


def test_every_key_verifies() -> None:
    assert verify(TOKEN, "upload-1", [OTHER_KEY, KEY], NOW) == "link-1"
    with pytest.raises(LinkInvalid):
        verify(TOKEN, "upload-1", [OTHER_KEY], NOW)
    with pytest.raises(LinkInvalid):
        verify(TOKEN, "upload-1", [], NOW)


def test_token_needs_no_escaping_in_a_url() -> None:
    assert TOKEN.replace("-", "").replace("_", "").replace(".", "").isalnum()


@pytest.mark.parametrize("upload_id", ["upload-2", "", "upload-1 ", "upload-1\n", "\0"])
def test_link_to_another_upload_opens_nothing(upload_id: str) -> None:
    with pytest.raises(LinkInvalid):
        verify(TOKEN, upload_id, [KEY], NOW)


def test_expiry_and_id_are_signed_too() -> None:
    link_id, expiry, signature = TOKEN.split(".")
    for forged in (
        f"{link_id}.{int(expiry) + 1}.{signature}",
        f"link-2.{expiry}.{signature}",
        f"{link_id}.0.{signature}",
    ):
        with pytest.raises(LinkInvalid):
            verify(forged, "upload-1", [KEY], NOW)


def test_an_expired_link_that_is_forged_is_not_told_apart() -> None:
    with pytest.raises(LinkInvalid):
        verify(TOKEN, "upload-2", [KEY], LATER)


@given(position=st.integers(0, len(TOKEN) - 1), char=st.characters())
def test_a_changed_character_opens_nothing(position: int, char: str) -> None:
    forged = TOKEN[:position] + char + TOKEN[position + 1 :]
    if forged == TOKEN:
        return
    with pytest.raises(LinkInvalid):
        verify(forged, "upload-1", [KEY], NOW)


@given(token=st.text() | st.from_regex(r"[A-Za-z0-9_-]{1,64}\.\d{1,14}\.[A-Za-z0-9_-]{42,44}"))
def test_nonsense_opens_nothing(token: str) -> None:
    with pytest.raises(LinkInvalid):
        verify(token, "upload-1", [KEY], NOW)


@given(
    one=st.tuples(st.text("ab-_1"), st.text("ab-_1", min_size=1)),
    two=st.tuples(st.text("ab-_1"), st.text("ab-_1", min_size=1)),
)
def test_no_two_links_have_the_same_signature(one: tuple[str, str], two: tuple[str, str]) -> None:
    signatures = {make(upload, LATER, link, KEY).rsplit(".", 1)[1] for upload, link in (one, two)}
    assert len(signatures) == len({one, two})
