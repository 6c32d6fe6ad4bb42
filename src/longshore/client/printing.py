"""Text from elsewhere, fit for a terminal."""

from typing import Final

_UNITS: Final = ("kB", "MB", "GB", "TB", "PB")


def printable(text: str) -> str:
    """Escape what a terminal might take for a command, or a reader for something else: others choose names."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def size(count: int) -> str:
    """Bytes in a unit that fits: 3.1 GB."""
    amount = float(count)
    if amount < 1000:
        return f"{count} B"
    for unit in _UNITS:
        amount /= 1000
        # What would be rounded to 1000 is 1.0 of the next unit.
        if amount < 999.95 or unit == _UNITS[-1]:
            return f"{amount:.1f} {unit}"
    raise AssertionError("there is a largest unit")
