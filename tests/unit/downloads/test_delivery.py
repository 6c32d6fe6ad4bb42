"""What is answered, and which bytes: whole files, pieces of them, several pieces, and nothing but header fields."""

import base64
import email.policy
import hashlib
import re
from contextlib import closing
from dataclasses import replace

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.downloads.values import DONE_HTTP, upload_with

from longshore.downloads.conditions import PreconditionFailed, Validators
from longshore.downloads.delivery import Plan, open_delivery, plan_download
from longshore.downloads.ranges import RangeNotSatisfiable, Span
from longshore.stores.memory import MemoryStore

CONTENT = bytes(range(256)) * 8
UPLOAD = upload_with(len(CONTENT), filename="x.html", filetype="text/html")
ETAG = Validators.of(UPLOAD).etag


def plan(*, ranges: bool = True, **fields: str) -> Plan:
    return plan_download(UPLOAD, {name.replace("_", "-"): value for name, value in fields.items()}, ranges=ranges)


def body(planned: Plan) -> bytes:
    return b"".join(piece if isinstance(piece, bytes) else CONTENT[piece.start : piece.end] for piece in planned.pieces)


def test_the_whole_file() -> None:
    planned = plan()
    headers = dict(planned.headers)
    assert planned.status == 200
    assert body(planned) == CONTENT
    assert headers["Content-Length"] == str(len(CONTENT))
    assert headers["Accept-Ranges"] == "bytes"
    assert (headers["ETag"], headers["Last-Modified"]) == (ETAG, DONE_HTTP)
    assert headers["Cache-Control"] == "private, no-cache"
    assert headers["Content-Disposition"].startswith("attachment")
    assert "sandbox" in headers["Content-Security-Policy"]


def test_the_digest_of_the_whole_file_is_told_whatever_is_sent() -> None:
    digest = hashlib.sha256(CONTENT)
    known = replace(UPLOAD, sha256=digest.hexdigest())
    told = f"sha-256=:{base64.b64encode(digest.digest()).decode()}:"
    for asked in ({}, {"range": "bytes=1-2"}, {"range": "bytes=1-2,5-6"}):
        assert dict(plan_download(known, asked).headers)["Repr-Digest"] == told
        assert "Repr-Digest" not in dict(plan_download(UPLOAD, asked).headers)
    assert "Repr-Digest" not in dict(plan_download(known, {"if-none-match": ETAG}).headers)


def test_one_range() -> None:
    planned = plan(range="bytes=100-199")
    headers = dict(planned.headers)
    assert planned.status == 206
    assert body(planned) == CONTENT[100:200]
    assert headers["Content-Range"] == "bytes 100-199/2048"
    assert headers["Content-Length"] == "100"
    assert headers["Content-Type"] == "text/html"
    assert headers["Content-Disposition"].startswith("attachment")
    assert headers["ETag"] == ETAG


def test_several_ranges_are_parts_of_a_multipart() -> None:
    planned = plan(range="bytes=1000-1099,0-9,-5")
    headers = dict(planned.headers)
    sent = body(planned)
    assert planned.status == 206
    assert "Content-Range" not in headers
    assert headers["Content-Length"] == str(len(sent))
    assert headers["Content-Security-Policy"].startswith("sandbox")
    message = f"Content-Type: {headers['Content-Type']}\r\n\r\n".encode() + sent
    whole = email.message_from_bytes(message, policy=email.policy.HTTP)
    assert whole.get_content_type() == "multipart/byteranges"
    assert not whole.defects
    parts = [part for part in whole.walk() if part is not whole]
    told = [part["Content-Range"] for part in parts]
    assert told == ["bytes 1000-1099/2048", "bytes 0-9/2048", "bytes 2043-2047/2048"]
    assert {part["Content-Type"] for part in parts} == {"text/html"}
    boundary = headers["Content-Type"].partition("boundary=")[2]
    assert re.fullmatch("[0-9a-f]{32}", boundary)
    pieces = [piece.partition(b"\r\n\r\n")[2] for piece in (b"\r\n" + sent).split(f"\r\n--{boundary}".encode())[1:-1]]
    assert pieces == [CONTENT[1000:1100], CONTENT[:10], CONTENT[-5:]]
    assert sent.endswith(f"\r\n--{boundary}--\r\n".encode())


def test_boundaries_cannot_be_known_beforehand() -> None:
    one, other = (dict(plan(range="bytes=0-0,-1").headers)["Content-Type"] for _ in range(2))
    assert one != other


def test_ranges_that_become_one_are_no_multipart() -> None:
    assert dict(plan(range="bytes=0-9,5-19").headers)["Content-Range"] == "bytes 0-19/2048"


def test_range_of_another_file_is_the_whole_of_this_one() -> None:
    assert plan(range="bytes=5-", if_range='"other"').status == 200
    assert plan(range="bytes=5-", if_range=ETAG).status == 206
    assert plan(range="bytes=5-", if_range=DONE_HTTP).status == 206
    assert plan(range="bytes=99999-", if_range='"other"').status == 200


def test_range_counts_for_get_only() -> None:
    assert plan(ranges=False, range="bytes=5-").status == 200
    assert plan(ranges=False, range="bytes=99999-").status == 200


def test_range_outside_is_refused() -> None:
    with pytest.raises(RangeNotSatisfiable):
        plan(range="bytes=99999-")


def test_conditions_come_before_ranges() -> None:
    assert plan(range="bytes=99999-", if_none_match=ETAG).status == 304
    with pytest.raises(PreconditionFailed):
        plan(range="bytes=99999-", if_match='"other"')


def test_what_is_known_already_is_not_sent_but_named() -> None:
    planned = plan(if_none_match=ETAG)
    headers = dict(planned.headers)
    assert (planned.status, body(planned), planned.begins) == (304, b"", False)
    assert (headers["ETag"], headers["Cache-Control"]) == (ETAG, "private, no-cache")
    assert not headers.keys() & {"Content-Length", "Content-Type", "Content-Range"}


@pytest.mark.parametrize(
    ("asked", "begins"),
    [("bytes=0-", True), ("bytes=0-0", True), ("bytes=1-", False), ("bytes=5-9,0-1", True), ("nonsense", True)],
)
def test_what_has_the_first_byte_begins_a_download(asked: str, begins: bool) -> None:
    assert plan(range=asked).begins is begins


def test_an_empty_file_begins_too() -> None:
    assert plan_download(upload_with(0), {}).begins


@given(asked=st.text(alphabet="bytes=0123456789-, ") | st.from_regex(r"bytes=(\d{1,4}-\d{0,4},?){1,5}", fullmatch=True))
def test_length_is_what_is_sent(asked: str) -> None:
    try:
        planned = plan(range=asked)
    except RangeNotSatisfiable:
        return
    assert dict(planned.headers)["Content-Length"] == str(len(body(planned)))


def test_only_what_belongs_to_the_upload_is_delivered() -> None:
    async def read() -> bytes:
        store, upload = MemoryStore(), upload_with(3)
        await store.write(upload.id, 0, memoryview(b"abcdef"), durable=False)
        delivery = await open_delivery(plan_download(upload, {}), upload, store)
        with closing(delivery.reader) as reader:
            (span,) = delivery.plan.pieces
            assert isinstance(span, Span)
            return b"".join([piece async for piece in reader.read(span.start, span.end)])

    assert anyio.run(read) == b"abc"


def test_what_the_store_does_not_hold_cannot_be_delivered() -> None:
    async def read() -> None:
        upload = upload_with(3)
        await open_delivery(plan_download(upload, {}), upload, MemoryStore())

    with pytest.raises(EOFError):
        anyio.run(read)
