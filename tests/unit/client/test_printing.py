import pytest

from longshore.client.printing import printable, size


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (20_000_000_000, "20.0 GB"),
        (10**18, "1000.0 PB"),
    ],
)
def test_sizes(count: int, text: str) -> None:
    assert size(count) == text


def test_commands_to_a_terminal_and_reversed_text_are_shown_as_what_they_are() -> None:
    assert printable("größe 文\x1b[2J\n\u202e\x9b\udc80") == r"größe 文\x1b[2J\n\u202e\x9b\udc80"
