"""CSV as RFC 4180 has it, and as it is met: other delimiters, quotes escaped by backslashes, any of three encodings."""

import re
from collections.abc import Iterable
from typing import NamedTuple

import anyio.to_thread

from longshore.hooks.formats.content import HEAD, File, Mismatch
from longshore.hooks.formats.detection import media_type
from longshore.hooks.formats.foreign import foreign_content
from longshore.hooks.formats.text import decode_window, encodings_of

START = 1024 * 1024
"""Bytes from the start that are all looked at."""

PARSED = 256 * 1024
"""Characters from the start that are parsed: some 100 ms where every field is quoted. Further on, it has to be text."""

WINDOW_COUNT = 16
"""How many windows of `HEAD` bytes are looked at between the start and the end."""

_JSON = re.compile(r'\s*(?:\{\s*(?:"|\}\s*\Z)|\[\s*[\["{])')
"""An object, or an array of texts, objects or arrays. One of numbers is a record of numbers as well."""

_ELEMENT = re.compile(r"\s*<([A-Za-z_][\w:.-]*)[\s>]")
_DOCUMENTS = {
    "application/pdf": "a PDF document",
    "application/pgp-keys": "a PGP key",
    "application/pgp-signature": "a PGP signature",
    "application/postscript": "a PostScript document",
    "text/calendar": "a calendar",
    "text/rtf": "an RTF document",
    "text/vcard": "a visiting card",
}
"""What libmagic tells for certain. Its guesses at HTML, mail and source code also meet tables with such in them."""


class _Dialect(NamedTuple):
    delimiter: str
    quoted: re.Pattern[str]
    """What follows the first quote of a field, up to and with its last one."""
    after: re.Pattern[str]
    """What may come after the last quote."""


# Quotes within quotes are doubled; or escaped by a backslash as well. Both patterns take time in proportion to the
# text, whatever it is: the last quote is one that no other follows, so that there is one way to match.
_DIALECTS = tuple(
    _Dialect(delimiter, re.compile(quoted, re.DOTALL), re.compile(rf" *+(?:[{delimiter}\r\n]|\Z)"))
    for quoted in (r'[^"]*+(?:""[^"]*+)*"(?!")', r'[^"\\]*+(?:(?:\\.|"")[^"\\]*+)*"(?!")')
    for delimiter in ",;\t|"
)


async def check_csv(file: File) -> None:
    """Text that parses as CSV, is no binary and no other kind of document. Raises `Mismatch`, `NotArrived`."""
    head = await file.beginning(START)
    is_all = file.is_whole and file.length == len(head)
    text = await anyio.to_thread.run_sync(_check_head, head, is_all)
    if found := _DOCUMENTS.get(await media_type(text[:HEAD].encode())):
        raise Mismatch(found)
    end = text if is_all else await _check_rest(file, head)
    element = _ELEMENT.match(text)
    if element and end.rstrip().endswith(f"</{element[1]}>"):
        raise Mismatch("an XML document")


def _check_head(head: bytes, is_all: bool) -> str:
    # The bytes of a program say more than that they are no text.
    if found := foreign_content(head):
        raise Mismatch(found)
    text = decode_window(head, encodings_of(head), start=0, is_end=is_all)
    if is_all and not text:
        raise Mismatch("an empty file")
    if found := foreign_content(text[:512].encode()) or ("a JSON document" if _JSON.match(text) else None):
        raise Mismatch(found)
    if not _parses(text[:PARSED], is_all and len(text) <= PARSED):
        raise Mismatch("text that does not parse as CSV: its quotes do not match")
    return text


def _parses(text: str, is_all: bool) -> bool:
    """Whether it does with one of the delimiters that are in it; with none of them there is one column."""
    dialects = [dialect for dialect in _DIALECTS if dialect.delimiter in text] or _DIALECTS
    return any(_parses_as(text, dialect, is_all) for dialect in dialects)


def _parses_as(text: str, dialect: _Dialect, is_all: bool) -> bool:
    """Whether every field that begins with a quote ends with one: anything else is a field as it stands.

    The last field may be cut apart, unless that is all of the text.
    """
    quote = text.find('"')
    while quote >= 0:
        end = quote + 1
        if quote == 0 or text[quote - 1] in ("\r", "\n", dialect.delimiter):
            quoted = dialect.quoted.match(text, end)
            if quoted is None:
                return not is_all
            end = quoted.end()
            if not dialect.after.match(text, end):
                return False
        quote = text.find('"', end)
    return True


async def _check_rest(file: File, head: bytes) -> str:
    """The text at the end, when that and what is looked at before it are text. Raises `Mismatch`, `NotArrived`."""
    encodings, text = encodings_of(head), ""
    for start in _window_starts(len(head), file.length):
        window = await file.read(start, start + HEAD)
        text = decode_window(window, encodings, start=start, is_end=start + HEAD >= file.length)
    return text


def _window_starts(start: int, length: int) -> Iterable[int]:
    """Where windows begin, from the end of the start to the end of the file; even, for the sake of UTF-16."""
    way = max(0, length - HEAD - start + 1)
    return sorted({(start + way * index // WINDOW_COUNT) & ~1 for index in range(WINDOW_COUNT + 1)})
