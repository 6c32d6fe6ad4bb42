"""What a download consists of: safe header fields, and the bytes."""

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from urllib.parse import quote

from longshore.ports import Store
from longshore.protocol.capabilities import VERSION
from longshore.protocol.metadata import parse_metadata
from longshore.protocol.reply import Fields
from longshore.protocol.upload import Upload

_MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,100}/[A-Za-z0-9!#$&^_.+-]{1,100}")
_NAME_KEYS = ("filename", "name")
_TYPE_KEYS = ("filetype", "type", "contentType")
_MAX_NAME = 255
"""Characters of a name that are given back: as many as common file systems take."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A file on its way to a client."""

    headers: Fields
    first: bytes
    """The first piece, read already: what cannot be read is refused before anything has been sent."""
    rest: AsyncGenerator[bytes, None]


async def deliver(upload: Upload, store: Store) -> Delivery:
    """The whole of a completed upload.

    Always an attachment of a type that is not sniffed, in a sandbox: nothing that somebody uploaded may run as a page
    of this origin. Raises `EOFError` when the store does not hold all of it.
    """
    fields = (
        ("Content-Type", content_type(upload)),
        ("Content-Length", str(upload.offset)),
        ("Content-Disposition", content_disposition(upload)),
        ("X-Content-Type-Options", "nosniff"),
        ("Content-Security-Policy", "sandbox; default-src 'none'"),
        ("Tus-Resumable", VERSION),
    )
    pieces = _read(upload, store)
    return Delivery(fields, await anext(pieces, b""), pieces)


async def _read(upload: Upload, store: Store) -> AsyncGenerator[bytes, None]:
    async with aclosing(store.read(upload.id, 0, upload.offset)) as pieces:
        async for piece in pieces:
            yield piece


def content_type(upload: Upload) -> str:
    """The media type that the client gave, if it is one; else application/octet-stream."""
    given = _metadata_text(upload, _TYPE_KEYS)
    return given if _MEDIA_TYPE.fullmatch(given) else "application/octet-stream"


def content_disposition(upload: Upload) -> str:
    """An attachment with the client's file name, as RFC 6266 has it: an ASCII form, and UTF-8 where that is not all."""
    name = file_name(upload)
    if not name:
        return "attachment"
    plain = "".join(char if char.isascii() and char not in '"\\%' else "_" for char in name)
    extended = "" if plain == name else f"; filename*=UTF-8''{quote(name, safe='')}"
    return f'attachment; filename="{plain}"{extended}'


def file_name(upload: Upload) -> str:
    """The last component of the client's file name, without control characters; empty when there is none."""
    given = _metadata_text(upload, _NAME_KEYS)
    last = re.split(r"[/\\]", given)[-1]
    return "".join(char for char in last if char.isprintable()).strip(" .")[:_MAX_NAME]


def _metadata_text(upload: Upload, keys: tuple[str, ...]) -> str:
    values = parse_metadata(upload.metadata, max_size=len(upload.metadata))
    return next((values[key].decode("utf-8", "replace") for key in keys if values.get(key)), "")
