"""What a browser is told to make of a file: its type and its name, and never that it is a page of ours. Pure."""

import re
from typing import Final
from urllib.parse import quote

from longshore.protocol.metadata import parse_metadata
from longshore.protocol.reply import Fields
from longshore.protocol.upload import Upload

_MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,100}/[A-Za-z0-9!#$&^_.+-]{1,100}")
_NAME_KEYS = ("filename", "name")
_TYPE_KEYS = ("filetype", "type", "contentType")
_MAX_NAME = 255
"""Characters of a name that are given back: as many as common file systems take."""

SHOWN: Final = frozenset(
    {
        *("audio/aac", "audio/flac", "audio/mp4", "audio/mpeg", "audio/ogg", "audio/wav", "audio/webm"),
        *("image/avif", "image/bmp", "image/gif", "image/jpeg", "image/png", "image/webp"),
        *("video/mp4", "video/ogg", "video/webm"),
        "text/plain",
    }
)
"""Types that may be shown in the browser on request, because they can run nothing.

PDF is not among them: browsers' viewers do not work in a sandbox, and they do run scripts.
"""

_ATTACHED_POLICY = "sandbox; default-src 'none'"
_SHOWN_POLICY = "sandbox; default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'"
"""What browsers need to show a picture or a film by itself: the file once more, and their own styles."""


def describe(upload: Upload, *, inline: bool) -> Fields:
    """The header fields that say what the file is.

    An attachment, of a type that is not sniffed, in a sandbox, that other sites cannot embed and that tells nobody its
    URL. With `inline` it is shown, where its type is one of `SHOWN`.
    """
    media_type = content_type(upload)
    shown = inline and media_type.lower() in SHOWN
    return (
        ("Content-Type", media_type),
        ("Content-Disposition", content_disposition(upload, inline=shown)),
        ("X-Content-Type-Options", "nosniff"),
        ("Content-Security-Policy", _SHOWN_POLICY if shown else _ATTACHED_POLICY),
        ("Cross-Origin-Resource-Policy", "same-origin"),
        ("Referrer-Policy", "no-referrer"),
    )


def content_type(upload: Upload) -> str:
    """The media type that the client gave, if it is one; else application/octet-stream."""
    given = _metadata_text(upload, _TYPE_KEYS)
    # In parts of a multipart a type of several parts would nest.
    is_single = _MEDIA_TYPE.fullmatch(given) and not given.lower().startswith("multipart/")
    return given if is_single else "application/octet-stream"


def content_disposition(upload: Upload, *, inline: bool = False) -> str:
    """The client's file name as RFC 6266 has it: an ASCII form, and UTF-8 where that is not all."""
    kind = "inline" if inline else "attachment"
    name = file_name(upload)
    if not name:
        return kind
    plain = "".join(char if char.isascii() and char not in '"\\%' else "_" for char in name)
    extended = "" if plain == name else f"; filename*=UTF-8''{quote(name, safe='')}"
    return f'{kind}; filename="{plain}"{extended}'


def file_name(upload: Upload) -> str:
    """The last component of the client's file name, without control characters; empty when there is none."""
    given = _metadata_text(upload, _NAME_KEYS)
    last = re.split(r"[/\\]", given)[-1]
    return "".join(char for char in last if char.isprintable()).strip(" .")[:_MAX_NAME]


def _metadata_text(upload: Upload, keys: tuple[str, ...]) -> str:
    values = parse_metadata(upload.metadata, max_size=len(upload.metadata))
    return next((values[key].decode("utf-8", "replace") for key in keys if values.get(key)), "")
