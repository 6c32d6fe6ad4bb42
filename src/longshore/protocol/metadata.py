"""Upload-Metadata: the grammar of the creation extension, read strictly."""

from base64 import b64encode
from collections.abc import Mapping

from longshore.protocol.encoding import decode_base64
from longshore.protocol.errors import InvalidMetadata, MetadataTooLarge


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
