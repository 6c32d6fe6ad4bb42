"""The name that a client gave: what its extension is, and which names are refused because they could mislead."""

import re
import unicodedata
from collections.abc import Collection

from longshore.protocol.metadata import given_name, last_component
from longshore.protocol.upload import Upload

MAX_NAME = 255
"""Characters: what is longer would be cut by somebody, and the extension with it."""

_EXTENSION = re.compile(r"(\.[a-z0-9_+~-]{1,32}){1,4}")
_CONTROLS = frozenset({"Cc", "Zl", "Zp"})
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Unicode's Bidi_Control: they make a name look as if it ended otherwise (UTR 36, section 2.5)."""


class MisleadingName(ValueError):
    """The name is missing, or could be read by somebody as another one; the text says why."""


def normal_extension(extension: str) -> str:
    """An extension in lower case, with its dot; `.tar.gz` is one as well. Raises `ValueError` for what is none."""
    normal = "." + extension.strip().lower().removeprefix(".")
    if not extension.isascii() or not _EXTENSION.fullmatch(normal):
        raise ValueError(f"{extension!r} is not a file name extension")
    return normal


def extension_of(name: str, allowed: Collection[str]) -> str:
    """The longest of the allowed extensions that the name ends in; else what follows the last dot, if anything does.

    Letters outside ASCII never match: some have an ASCII lower case (the Kelvin sign), some only look like it. A name
    that is nothing but an extension has none: a leading dot hides a file, and is dropped when the file is given back.
    """
    for dot in re.finditer(r"\.", name):
        stem, ending = name[: dot.start()], name[dot.start() :]
        if ending.isascii() and ending.lower() in allowed and _is_stem(stem):
            return ending.lower()
    stem, _, ending = name.rpartition(".")
    return "." + (ending.lower() if ending.isascii() else ending) if _is_stem(stem) else ""


def _is_stem(stem: str) -> bool:
    """Whether anything is left of it when the file is given back, without invisible characters and dots in front."""
    return any(char.isprintable() and char not in " ." for char in stem)


def file_name(upload: Upload) -> str:
    """The last component of the name in the metadata: `filename`, else `name`. Raises `MisleadingName`."""
    name = _last_component(_decoded(given_name(upload.metadata)))
    _refuse_misleading(name)
    return name


def _decoded(given: bytes) -> str:
    try:
        return given.decode()
    except UnicodeDecodeError:
        raise MisleadingName("The file name is not UTF-8.") from None


def _last_component(path: str) -> str:
    if any(unicodedata.category(char) in _CONTROLS or char in _BIDI for char in path):
        raise MisleadingName("The file name has control characters.")
    return last_component(path)


def _refuse_misleading(name: str) -> None:
    if not name:
        raise MisleadingName("The upload has no file name; the metadata key is filename.")
    if len(name) > MAX_NAME:
        raise MisleadingName(f"The file name is longer than {MAX_NAME} characters.")
    if name.endswith((".", " ")):
        raise MisleadingName("The file name ends in a dot or a space, which some systems drop.")
    # On Windows, a.exe:b.csv is a stream named b.csv of the file a.exe.
    if ":" in name and "." in name.split(":")[0]:
        raise MisleadingName("The file name has a colon after a dot; Windows takes what comes before it for the name.")
