"""Replies: the status and the header fields of each answer."""

import json
import re
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.protocol.values import NOW, upload, without

from longshore.protocol.capabilities import CHECKSUM_ALGORITHMS, EXTENSIONS, Capabilities
from longshore.protocol.errors import (
    InvalidMetadata,
    OffsetConflict,
    TooLarge,
    TusError,
    UploadNotFound,
    VersionUnsupported,
)
from longshore.protocol.reply import (
    Reply,
    http_date,
    reply_appended,
    reply_created,
    reply_error,
    reply_inspected,
    reply_options,
    reply_terminated,
)
from longshore.protocol.upload import State, Upload

RESUMABLE = {"Tus-Resumable": "1.0.0"}
EXPIRES = {"Upload-Expires": "Fri, 20 Nov 2026 12:00:00 GMT"}
NO_STORE = {"Cache-Control": "no-store"}


def fields(reply: Reply) -> dict[str, str]:
    """The header fields, each of which is there once."""
    found = dict(reply.headers)
    assert len({name.lower() for name in found}) == len(reply.headers)
    return found


def test_options_tells_everything() -> None:
    reply = reply_options(Capabilities(max_size=1073741824))
    assert reply.status == 200
    assert reply.body == b""
    assert fields(reply) == RESUMABLE | {
        "Tus-Version": "1.0.0",
        "Tus-Extension": "creation,creation-with-upload,creation-defer-length,expiration,checksum,checksum-trailer,"
        "termination,concatenation,concatenation-unfinished",
        "Tus-Max-Size": "1073741824",
        "Tus-Checksum-Algorithm": "md5,sha1,sha256,sha512,crc32",
    }


def test_options_leaves_out_what_there_is_not() -> None:
    assert fields(reply_options(Capabilities(extensions=frozenset()))) == RESUMABLE | {"Tus-Version": "1.0.0"}
    assert "Tus-Max-Size" not in fields(reply_options(Capabilities()))
    assert fields(reply_options(Capabilities(max_size=0)))["Tus-Max-Size"] == "0"


@given(st.sets(st.sampled_from(EXTENSIONS)))
def test_options_tells_the_extensions_that_are_offered(missing: set[str]) -> None:
    found = fields(reply_options(without(*missing)))
    told = found["Tus-Extension"].split(",") if "Tus-Extension" in found else []
    assert told == [name for name in EXTENSIONS if name not in missing]
    assert ("Tus-Checksum-Algorithm" in found) is ("checksum" in told)
    assert found.get("Tus-Checksum-Algorithm", "sha1").split(",").count("sha1") == 1
    assert all(name in CHECKSUM_ALGORITHMS for name in found.get("Tus-Checksum-Algorithm", "sha1").split(","))


@pytest.mark.parametrize("location", ["/files/u", "https://tus.example.org/files/u"])
@pytest.mark.parametrize(
    ("target", "with_body", "more"),
    [
        (upload(), False, {}),
        (upload(expires_at=NOW), False, EXPIRES),
        (upload(offset=5), True, {"Upload-Offset": "5"}),
        (upload(), True, {"Upload-Offset": "0"}),
        (upload(offset=10, expires_at=NOW), True, {"Upload-Offset": "10"} | EXPIRES),
    ],
)
def test_created(target: Upload, with_body: bool, more: dict[str, str], location: str) -> None:
    reply = reply_created(target, location, with_body=with_body)
    assert (reply.status, reply.body) == (201, b"")
    assert fields(reply) == RESUMABLE | {"Location": location} | more


@pytest.mark.parametrize(
    ("target", "more"),
    [
        (upload(), {"Upload-Offset": "0"}),
        (upload(offset=2**62), {"Upload-Offset": str(2**62)}),
        (upload(offset=5, expires_at=NOW), {"Upload-Offset": "5"} | EXPIRES),
    ],
)
def test_appended(target: Upload, more: dict[str, str]) -> None:
    reply = reply_appended(target)
    assert (reply.status, reply.body) == (204, b"")
    assert fields(reply) == RESUMABLE | more


FINAL = "final;/files/a /files/b"


@pytest.mark.parametrize(
    ("target", "more"),
    [
        (upload(), {"Upload-Offset": "0", "Upload-Length": "10"}),
        (upload(offset=4), {"Upload-Offset": "4", "Upload-Length": "10"}),
        (upload(offset=10, state=State.COMPLETED), {"Upload-Offset": "10", "Upload-Length": "10"}),
        (upload(length=0, state=State.COMPLETED), {"Upload-Offset": "0", "Upload-Length": "0"}),
        (upload(length=None, offset=4), {"Upload-Offset": "4", "Upload-Defer-Length": "1"}),
        (upload(expires_at=NOW), {"Upload-Offset": "0", "Upload-Length": "10"} | EXPIRES),
        (
            upload(offset=10, state=State.COMPLETED, expires_at=NOW),
            {"Upload-Offset": "10", "Upload-Length": "10"} | EXPIRES,
        ),
        (
            upload(metadata="a YQ==, b"),
            {"Upload-Offset": "0", "Upload-Length": "10", "Upload-Metadata": "a YQ==, b"},
        ),
        (
            upload(offset=4, concat="partial"),
            {"Upload-Offset": "4", "Upload-Length": "10", "Upload-Concat": "partial"},
        ),
        (
            upload(length=None, concat="partial"),
            {"Upload-Offset": "0", "Upload-Defer-Length": "1", "Upload-Concat": "partial"},
        ),
        (upload(concat=FINAL), {"Upload-Length": "10", "Upload-Concat": FINAL}),
        (upload(concat=FINAL, length=None), {"Upload-Concat": FINAL}),
        (
            upload(concat=FINAL, offset=10, state=State.COMPLETED),
            {"Upload-Offset": "10", "Upload-Length": "10", "Upload-Concat": FINAL},
        ),
        (
            upload(concat=FINAL, length=0, state=State.COMPLETED),
            {"Upload-Offset": "0", "Upload-Length": "0", "Upload-Concat": FINAL},
        ),
    ],
)
def test_inspected(target: Upload, more: dict[str, str]) -> None:
    reply = reply_inspected(target)
    assert (reply.status, reply.body) == (200, b"")
    assert fields(reply) == RESUMABLE | NO_STORE | more


def test_terminated() -> None:
    reply = reply_terminated()
    assert (reply.status, reply.body, fields(reply)) == (204, b"", RESUMABLE)


@pytest.mark.parametrize(
    ("error", "more", "problem"),
    [
        (
            UploadNotFound(),
            {},
            {
                "type": "urn:longshore:problem:upload-not-found",
                "title": "No such upload",
                "status": 404,
                "code": "upload-not-found",
                "detail": "No such upload",
            },
        ),
        (
            OffsetConflict(4),
            {"Upload-Offset": "4"},
            {
                "type": "urn:longshore:problem:offset-conflict",
                "title": "Upload-Offset does not match",
                "status": 409,
                "code": "offset-conflict",
                "detail": "The upload stands at offset 4.",
                "offset": 4,
            },
        ),
        (
            VersionUnsupported("Send it.", headers=(("Tus-Version", "1.0.0"),)),
            {"Tus-Version": "1.0.0"},
            {
                "type": "urn:longshore:problem:version-unsupported",
                "title": "Tus-Resumable is missing or names an unsupported version",
                "status": 412,
                "code": "version-unsupported",
                "detail": "Send it.",
            },
        ),
        (
            TooLarge("At most 5 bytes are taken.", limit=5),
            {},
            {
                "type": "urn:longshore:problem:max-size-exceeded",
                "title": "The upload is too large",
                "status": 413,
                "code": "max-size-exceeded",
                "detail": "At most 5 bytes are taken.",
                "limit": 5,
            },
        ),
    ],
)
def test_a_refusal(error: TusError, more: dict[str, str], problem: dict[str, object]) -> None:
    reply = reply_error(error)
    assert reply.status == problem["status"]
    assert fields(reply) == RESUMABLE | NO_STORE | {"Content-Type": "application/problem+json"} | more
    assert json.loads(reply.body) == problem


def test_a_refusal_of_a_head_request_has_the_same_fields_and_no_document() -> None:
    reply = reply_error(OffsetConflict(4), with_body=False)
    assert (reply.status, reply.body) == (409, b"")
    assert fields(reply) == RESUMABLE | NO_STORE | {"Upload-Offset": "4"}


@given(st.text())
def test_a_refusal_can_say_anything(detail: str) -> None:
    body = reply_error(InvalidMetadata(detail)).body
    assert body.isascii()
    assert json.loads(body)["detail"] == (detail or InvalidMetadata.title)


@pytest.mark.parametrize(
    ("moment", "date"),
    [
        (datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC), "Sun, 06 Nov 1994 08:49:37 GMT"),
        (datetime(2014, 6, 25, 16, 0, 0, tzinfo=UTC), "Wed, 25 Jun 2014 16:00:00 GMT"),
        (datetime(2014, 6, 25, 16, 0, 0, 999999, tzinfo=UTC), "Wed, 25 Jun 2014 16:00:00 GMT"),
        (datetime(2026, 1, 1, 1, 30, tzinfo=timezone(timedelta(hours=2))), "Wed, 31 Dec 2025 23:30:00 GMT"),
        (datetime(2025, 12, 31, 19, 30, tzinfo=timezone(timedelta(hours=-4.5))), "Thu, 01 Jan 2026 00:00:00 GMT"),
    ],
)
def test_dates(moment: datetime, date: str) -> None:
    assert http_date(moment) == date


offsets = st.integers(-12 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(datetime(1970, 1, 2), datetime(9999, 12, 30), timezones=offsets))
def test_any_date_is_an_imf_fixdate(moment: datetime) -> None:
    date = http_date(moment)
    assert re.fullmatch(r"[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT", date)
    assert parsedate_to_datetime(date) == moment.replace(microsecond=0)
