"""What a download consists of: a status, safe header fields, and which bytes, of the file and in between."""

import secrets
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from longshore.downloads.conditions import Validators, allows_ranges, is_known
from longshore.downloads.presentation import describe
from longshore.downloads.ranges import Span, parse_ranges
from longshore.ports import Reader, Store
from longshore.protocol.capabilities import VERSION
from longshore.protocol.reply import Fields, http_date
from longshore.protocol.upload import Upload

Piece = bytes | Span
"""A piece of a body: bytes as they are, or those of the file."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be sent."""

    status: int
    headers: Fields
    pieces: Sequence[Piece] = ()

    @property
    def begins(self) -> bool:
        """Whether the file's first byte is sent: a download that begins, and does not go on. An empty file begins."""
        spans = [piece for piece in self.pieces if isinstance(piece, Span)]
        return self.status == 200 or any(span.start == 0 for span in spans)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A file on its way to a client."""

    plan: Plan
    reader: Reader
    """The file, open; whoever sends it closes it."""


def plan_download(upload: Upload, headers: Mapping[str, str], *, ranges: bool = True, inline: bool = False) -> Plan:
    """What a completed upload is answered with: 200, 206 or 304; request `headers` are by lower-case name.

    Without `ranges` Range is ignored, as it is for every method but GET (RFC 9110, section 14.2). Raises
    `PreconditionFailed` and `RangeNotSatisfiable`.
    """
    validators = Validators.of(upload)
    kept = _kept(validators)
    if is_known(headers, validators):
        return Plan(304, kept)
    asked = headers.get("range") if ranges and allows_ranges(headers, validators) else None
    spans = parse_ranges(asked, upload.offset) if asked is not None else None
    described = (*describe(upload, inline=inline), *_digest(upload))
    if spans is None:
        whole = Span(0, upload.offset)
        return Plan(200, (*described, ("Content-Length", str(len(whole))), *kept), (whole,))
    if len(spans) == 1:
        length = ("Content-Length", str(len(spans[0])))
        return Plan(206, (*described, ("Content-Range", _content_range(spans[0], upload)), length, *kept), spans)
    return _plan_multipart(upload, spans, described, kept)


def _kept(validators: Validators) -> Fields:
    """The header fields that a 304 has as well.

    The file is nobody else's business than the client's, who may keep it and asks each time whether it may still have
    it.
    """
    return (
        ("ETag", validators.etag),
        ("Last-Modified", http_date(validators.last_modified)),
        ("Cache-Control", "private, no-cache"),
        ("Accept-Ranges", "bytes"),
        ("Tus-Resumable", VERSION),
    )


def _digest(upload: Upload) -> Fields:
    """The digest of the whole file, whichever part of it is sent (RFC 9530, section 3); nothing until it is known."""
    if upload.sha256 is None:
        return ()
    return (("Repr-Digest", f"sha-256=:{b64encode(bytes.fromhex(upload.sha256)).decode('ascii')}:"),)


def _plan_multipart(upload: Upload, spans: Sequence[Span], described: Fields, kept: Fields) -> Plan:
    """Several ranges, as multipart/byteranges (RFC 9110, section 14.6)."""
    (_, media_type), *others = described
    # Nobody who made the file can have known it.
    boundary = secrets.token_hex(16)
    pieces: list[Piece] = []
    for span in spans:
        head = f"--{boundary}\r\nContent-Type: {media_type}\r\nContent-Range: {_content_range(span, upload)}\r\n\r\n"
        pieces += [(b"\r\n" if pieces else b"") + head.encode("ascii"), span]
    pieces.append(f"\r\n--{boundary}--\r\n".encode("ascii"))
    fields = (
        ("Content-Type", f"multipart/byteranges; boundary={boundary}"),
        *others,
        ("Content-Length", str(sum(map(len, pieces)))),
    )
    return Plan(206, (*fields, *kept), pieces)


def _content_range(span: Span, upload: Upload) -> str:
    return f"bytes {span.start}-{span.end - 1}/{upload.offset}"


async def open_delivery(plan: Plan, upload: Upload, store: Store) -> Delivery:
    """Open the file. Raises `EOFError` when the store does not hold all of it, before anything has been sent."""
    return Delivery(plan, await store.open(upload.id, upload.offset))
