"""Requests, uploads and generated values that the protocol's tests are written with."""

import base64
import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

from longshore.protocol.append import Receipt, WritePlan
from longshore.protocol.capabilities import CHECKSUM_ALGORITHMS, EXTENSIONS, Capabilities, Limits
from longshore.protocol.checksum import Checksum, Digests
from longshore.protocol.intents import Append, BodyHead, RequestHead
from longshore.protocol.upload import Upload

NOW = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
UNFINISHED_TTL = timedelta(days=3)
FINISHED_TTL = timedelta(days=30)

EVERYTHING = Capabilities()
UNLIMITED = Limits(unfinished_ttl=None, finished_ttl=None)
EXPIRING = Limits(unfinished_ttl=UNFINISHED_TTL, finished_ttl=FINISHED_TTL)

STREAM = "application/offset+octet-stream"
SHA1_OF_HELLO_WORLD = "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0="
"""The example of the specification."""


def without(*extensions: str) -> Capabilities:
    """What a server can do that lacks these extensions."""
    return Capabilities(extensions=frozenset(EXTENSIONS) - set(extensions))


def request(method: str, resource: str | None = None, **fields: str | None) -> RequestHead:
    """A tus request; fields are named with underscores, and None leaves one out."""
    given = {"tus_resumable": "1.0.0"} | fields
    headers = {name.replace("_", "-"): value for name, value in given.items() if value is not None}
    return RequestHead(method=method, headers=headers, resource=resource)


def post(**fields: str | None) -> RequestHead:
    """A request to create an upload; its length has to be given."""
    return request("POST", None, **fields)


def post_body(**fields: str | None) -> RequestHead:
    """A request to create an upload of 100 bytes with the first five of them."""
    given: dict[str, str | None] = {"upload_length": "100", "content_length": "5", "content_type": STREAM}
    return post(**(given | fields))


def patch(**fields: str | None) -> RequestHead:
    """A request to append five bytes at the beginning of an upload."""
    given: dict[str, str | None] = {"upload_offset": "0", "content_length": "5", "content_type": STREAM}
    return request("PATCH", "u", **(given | fields))


def chunked(**fields: str | None) -> RequestHead:
    """A request to append a body of unknown length."""
    given: dict[str, str | None] = {"content_length": None, "transfer_encoding": "chunked"}
    return patch(**(given | fields))


def upload(**changes: Any) -> Upload:
    """An upload of 10 bytes that has none of them."""
    return replace(Upload(id="u", created_at=NOW, length=10), **changes)


def append(offset: int = 0, length: int | None = None, **body: Any) -> Append:
    """What a PATCH asks for; without more, its body is chunked."""
    return Append(resource="u", offset=offset, length=length, body=BodyHead(**body))


def receive(plan: WritePlan, data: bytes, *, complete: bool = True, trailers: dict[str, str] | None = None) -> Receipt:
    """What comes of a body when a server follows the plan."""
    taken = data[: plan.limit]
    digests = Digests(plan.algorithms)
    digests.update(memoryview(taken))
    return Receipt(received=len(taken), complete=complete, digests=digests, trailers=trailers or {})


def b64(data: bytes) -> str:
    """Base64 with padding."""
    return base64.b64encode(data).decode("ascii")


def digest(algorithm: str, data: bytes) -> bytes:
    """The digest of the data, computed at once."""
    if algorithm == "crc32":
        return zlib.crc32(data).to_bytes(4, "big")
    return hashlib.new(algorithm, data).digest()


def checksum_field(algorithm: str, data: bytes) -> str:
    """Upload-Checksum as a client sends it."""
    return f"{algorithm} {b64(digest(algorithm, data))}"


def pieces(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    """The data cut at these places, in any order, within it or not."""
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(places)]


FIELD_NAMES = (
    "tus-resumable",
    "x-http-method-override",
    "content-type",
    "content-length",
    "transfer-encoding",
    "trailer",
    "upload-offset",
    "upload-length",
    "upload-defer-length",
    "upload-metadata",
    "upload-concat",
    "upload-checksum",
)

TELLING_VALUES = (
    "",
    "0",
    "1",
    "5",
    "-1",
    "1.0.0",
    "chunked",
    STREAM,
    "text/plain",
    "Upload-Checksum",
    SHA1_OF_HELLO_WORLD,
    "sha1",
    "partial",
    "final;/files/a /files/b",
    "final;",
    "final;//[",
    "filename d29ybGQ=,flag",
    "a YQ==,a YQ==",
    "PATCH",
)
"""Values that get a request past one check and on to the next."""

field_values = st.sampled_from(TELLING_VALUES) | st.text(max_size=40) | st.text(st.characters(codec="latin-1"))
heads = st.builds(
    RequestHead,
    method=st.sampled_from(["POST", "HEAD", "PATCH", "DELETE", "OPTIONS", "PUT"]) | st.text(max_size=10),
    headers=st.one_of(
        st.dictionaries(st.sampled_from(FIELD_NAMES), field_values),
        # The right version, so that most of them get further than that.
        st.dictionaries(st.sampled_from(FIELD_NAMES), field_values).map(
            lambda fields: (
                {name: value for name, value in fields.items() if name != "x-http-method-override"}
                | {"tus-resumable": "1.0.0"}
            )
        ),
    ),
    resource=st.none() | st.text(max_size=10),
)

metadata_keys = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters=","), min_size=1)
metadata_pairs = st.dictionaries(metadata_keys, st.binary(max_size=40), min_size=1, max_size=6)

sizes = st.integers(min_value=0, max_value=40)
algorithms = st.sampled_from(CHECKSUM_ALGORITHMS)
body_heads = st.builds(
    BodyHead,
    length=st.none() | sizes,
    checksum=st.none() | st.builds(Checksum, algorithms, st.binary(min_size=4, max_size=64)),
)
