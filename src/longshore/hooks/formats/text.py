"""Text by its encodings, a window at a time: UTF-8, UTF-16 with a byte order mark, Windows-1252."""

import codecs
import re
from collections.abc import Sequence
from typing import Literal

from longshore.hooks.formats.content import Mismatch

Encoding = Literal["utf-8", "utf-16-le", "utf-16-be", "windows-1252"]

_MARKS: tuple[tuple[bytes, Encoding], ...] = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_UNMARKED: tuple[Encoding, ...] = ("utf-8", "windows-1252")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
"""C1 controls are no sign of binary content: text that was encoded twice has them."""

_CUT: dict[Encoding, re.Pattern[bytes]] = {
    "utf-8": re.compile(rb"[\x80-\xbf]{1,3}"),
    "utf-16-le": re.compile(rb".[\xdc-\xdf]", re.DOTALL),
    "utf-16-be": re.compile(rb"[\xdc-\xdf].", re.DOTALL),
}
"""What is left of a character at the start of a window that cuts it apart."""


def encodings_of(head: bytes) -> Sequence[Encoding]:
    """What a text that begins so may be encoded in; more than one where it does not say."""
    return next(((encoding,) for mark, encoding in _MARKS if head.startswith(mark)), _UNMARKED)


def decode_window(window: bytes, encodings: Sequence[Encoding], *, start: int, is_end: bool) -> str:
    """The text of a window that lies `start` bytes into the file, an even number; without a byte order mark.

    Characters that the window's edges cut apart are left out. Raises `Mismatch` when it is no text.
    """
    for encoding in encodings:
        try:
            text = _decode(_from_whole_character(window, encoding) if start else window, encoding, is_end=is_end)
        except UnicodeDecodeError:
            continue
        if _CONTROL.search(text):
            raise Mismatch("binary data")
        return text if start else text.removeprefix("\ufeff")
    raise Mismatch("binary data")


def _decode(window: bytes, encoding: Encoding, *, is_end: bool) -> str:
    return codecs.getincrementaldecoder(encoding)().decode(window, final=is_end)


def _from_whole_character(window: bytes, encoding: Encoding) -> bytes:
    cut = _CUT[encoding].match(window) if encoding in _CUT else None
    return window[cut.end() :] if cut else window
