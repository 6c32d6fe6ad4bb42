"""Range requests (RFC 9110, section 14): which bytes a client asks for. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from longshore.protocol.errors import TusError

MAX_RANGES: Final = 16
"""Ranges that one request may ask for: more than download managers and readers of archives send at a time."""

GAP: Final = 256
"""Bytes between two ranges that are sent along, because a part's own header fields would cost as much."""

_DIGITS: Final = "[0-9]{1,40}"
_SPEC: Final = re.compile(f"({_DIGITS})-({_DIGITS})?|-({_DIGITS})")


class RangeNotSatisfiable(TusError):
    """None of the ranges asked for lies within the file (RFC 9110, section 15.5.17)."""

    status = 416
    code = "range-not-satisfiable"
    title = "Range not satisfiable"

    def __init__(self, size: int) -> None:
        super().__init__(f"The file has {size} bytes.", headers=(("Content-Range", f"bytes */{size}"),), size=size)


@dataclass(frozen=True, slots=True)
class Span:
    """The bytes from start up to, and without, end."""

    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start


def parse_ranges(field: str, size: int) -> Sequence[Span] | None:
    """Read a Range field; return what is to be sent of `size` bytes, in the order asked for.

    None where the field means nothing here and is ignored: another unit, a malformed set, or more than `MAX_RANGES`
    ("A server [...] MAY ignore or reject" those), or an empty file, of which no range can be told. Ranges that overlap
    or nearly touch become one (section 15.3.7.2). Raises `RangeNotSatisfiable`.
    """
    unit, separator, listed = field.partition("=")
    if not separator or unit.strip(" \t").lower() != "bytes" or not size:
        return None
    # A list may have empty elements (section 5.6.1.2).
    specs = [spec for element in listed.split(",") if (spec := element.strip(" \t"))]
    if not 0 < len(specs) <= MAX_RANGES:
        return None
    matches = [match for spec in specs if (match := _SPEC.fullmatch(spec))]
    if len(matches) < len(specs) or any(_is_reversed(match) for match in matches):
        return None
    spans = [span for match in matches if (span := _span(match, size))]
    if not spans:
        raise RangeNotSatisfiable(size)
    return _coalesce(spans)


def _is_reversed(match: re.Match[str]) -> bool:
    """Whether the last position is before the first, which makes the set invalid (section 14.1.1)."""
    return match[1] is not None and match[2] is not None and int(match[2]) < int(match[1])


def _span(match: re.Match[str], size: int) -> Span:
    """What a range comes to; empty where it lies outside."""
    first, last, suffix = match.groups()
    if suffix is not None:
        return Span(max(0, size - int(suffix)), size)
    end = size if last is None else min(size, int(last) + 1)
    return Span(int(first), max(int(first), end))


def _coalesce(spans: Sequence[Span]) -> Sequence[Span]:
    """Join spans that overlap or nearly touch; a joined one stands where the first of them stood."""
    joined: list[Span] = []
    for span in spans:
        near = [other for other in joined if _are_near(span, other)]
        position = joined.index(near[0]) if near else len(joined)
        for other in near:
            joined.remove(other)
            span = Span(min(span.start, other.start), max(span.end, other.end))
        joined.insert(position, span)
    return joined


def _are_near(one: Span, other: Span) -> bool:
    return one.start <= other.end + GAP and other.start <= one.end + GAP
