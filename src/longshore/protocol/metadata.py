"""Upload-Metadata: the grammar of the creation extension, read strictly; and what clients say in it by convention."""

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Final

from longshore.protocol.encoding import decode_base64
from longshore.protocol.errors import InvalidMetadata, MetadataTooLarge

_NAME_KEYS: Final = ("filename", "name")
_TYPE_KEYS: Final = ("filetype", "type", "contentType")
_MEDIA_TYPE: Final = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,100}/[A-Za-z0-9!#$&^_.+-]{1,100}")

MAX_NAME: Final = 255
"""Characters of a file name that are given back: as many as common file systems take."""


def parse_metadata(raw: str, *, max_size: int) -> Mapping[str, bytes]:
    """Read an Upload-Metadata value; an empty one is a mapping without entries.

    "one or more comma-separated key-value pairs. The key and value MUST be separated by a space. The key MUST NOT
    contain spaces and commas and MUST NOT be empty. The key SHOULD be ASCII encoded and the value MUST be Base64
    encoded. All keys MUST be unique. The value MAY be empty." Raises `InvalidMetadata`, or `MetadataTooLarge` when
    the header is longer than max_size bytes.
    """
    if len(raw) > max_size:
        raise MetadataTooLarge(f"Upload-Metadata takes at most {max_size} bytes.", limit=max_size)
    pairs: dict[str, bytes] = {}
    for pair in raw.split(",") if raw.strip() else ():
        key, value = _parse_pair(pair.strip(" \t"))
        if key in pairs:
            raise InvalidMetadata(f"The key {key!r} appears twice.")
        pairs[key] = value
    return pairs


def format_metadata(pairs: Mapping[str, bytes]) -> str:
    """Write an Upload-Metadata value. Raises `ValueError` when a key is not what the grammar allows."""
    for key in pairs:
        if not key or not key.isascii() or not key.isprintable() or " " in key or "," in key:
            raise ValueError(f"{key!r} is no key for metadata")
    return ",".join(f"{key} {b64encode(value).decode()}".rstrip() for key, value in pairs.items())


def _parse_pair(pair: str) -> tuple[str, bytes]:
    key, _, value = pair.partition(" ")
    if not key:
        raise InvalidMetadata("A key is empty.")
    if not key.isascii() or not key.isprintable():
        raise InvalidMetadata("A key has characters that are not printable ASCII.")
    return key, _decode(key, value)


def _decode(key: str, value: str) -> bytes:
    try:
        return decode_base64(value)
    except ValueError:
        raise InvalidMetadata(f"The value of {key!r} is not Base64.") from None


# The specification leaves the keys to clients; these are what they have settled on.


def given_name(raw: str) -> bytes:
    """The file's name, or path, as the client gave it: the value of `filename`, else of `name`, else nothing."""
    return _first(_pairs(raw), _NAME_KEYS)


def last_component(path: str) -> str:
    """What comes after the last slash or backslash: some clients send a path."""
    return re.split(r"[/\\]", path)[-1]


def file_name(raw: str) -> str:
    """The last component of the given name without what is not printable, for people; empty when there is none."""
    return _file_name(_pairs(raw))


def media_type(raw: str) -> str:
    """The media type that the client gave, if it is one without parameters; else empty."""
    return _media_type(_pairs(raw))


def name_and_type(raw: str) -> tuple[str, str]:
    """Both of them, for half the work."""
    pairs = _pairs(raw)
    return _file_name(pairs), _media_type(pairs)


def _file_name(pairs: Mapping[str, bytes]) -> str:
    name = last_component(_first(pairs, _NAME_KEYS).decode("utf-8", "replace"))
    if not name.isprintable():
        name = "".join(char for char in name if char.isprintable())
    return name.strip(" .")[:MAX_NAME]


def _media_type(pairs: Mapping[str, bytes]) -> str:
    given = _first(pairs, _TYPE_KEYS).decode("utf-8", "replace")
    return given if _MEDIA_TYPE.fullmatch(given) else ""


def renamed(raw: str, name: str) -> str:
    """The same metadata with another file name, under each key that had one; `filename` where none had."""
    pairs = dict(_pairs(raw))
    keys = [key for key in _NAME_KEYS if key in pairs] or _NAME_KEYS[:1]
    return format_metadata(pairs | dict.fromkeys(keys, name.encode()))


def _first(pairs: Mapping[str, bytes], keys: Sequence[str]) -> bytes:
    return next((pairs[key] for key in keys if pairs.get(key)), b"")


def _pairs(raw: str) -> Mapping[str, bytes]:
    return parse_metadata(raw, max_size=len(raw))
