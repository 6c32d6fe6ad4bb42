"""User names: which there are, and which are the same."""

import pytest

from longshore.auth.errors import InvalidUsername
from longshore.auth.usernames import comparable, normalize


@pytest.mark.parametrize(
    "name",
    ["a", "7", "alice", "Alice.B-c_d+e@example.org", "x" * 64, "Zoë", "Åsa", "мария", "李雷", "مريم", "हिन्दी", "ไทย"],
)
def test_takes_letters_and_digits_of_any_script(name: str) -> None:
    assert normalize(name) == name


UNFIT = [
    "",
    "x" * 65,
    "x" * 100_000,
    "a b",
    " a",
    "a\n",
    "a\0",
    "a/b",
    "../a",
    "a:b",
    "a,b",
    "a'b",
    'a"b',
    "<a>",
    "½",
    "💾",
]
UNFIT += ["-rf", ".a", "_a", "@a", "+a", "\u0301a", "a\u202eb", "a\u200db", "a\ud800", "a\u00a0b", "ﷺ"]


@pytest.mark.parametrize("name", UNFIT)
def test_refuses_anything_else(name: str) -> None:
    with pytest.raises(InvalidUsername):
        normalize(name)
    with pytest.raises(InvalidUsername):
        comparable(name)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Alice", "aLICE"),
        ("Zoe\u0308", "ZOË"),
        ("ｆｕｌｌ", "FULL"),
        ("Straße", "STRASSE"),
        ("ﬁn", "FIN"),
        ("ΣΑΣ", "σας"),
    ],
)
def test_the_same_name_in_two_spellings(one: str, other: str) -> None:
    assert comparable(one) == comparable(other)


@pytest.mark.parametrize(("one", "other"), [("alice", "alice1"), ("zoe", "zoë"), ("a.b", "ab"), ("alice", "аlice")])
def test_different_names(one: str, other: str) -> None:
    assert comparable(one) != comparable(other)


def test_keeps_a_name_as_it_was_written_but_normalized() -> None:
    assert normalize("Zoe\u0308") == "Zoë"
