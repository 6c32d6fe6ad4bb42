"""Creating uploads, with and without a body."""

import math
import re
from collections.abc import Iterable
from email.utils import parsedate_to_datetime

import pytest
from tests.conformance.client import UNKNOWN, Client, Serve, refused
from tests.serving import OFFSET_STREAM, TUS

IMF_FIXDATE = re.compile(
    r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d\d:\d\d:\d\d GMT"
)
WEEK = 7 * 86_400


@pytest.fixture(scope="module")
def limited(serve: Serve) -> Client:
    return serve(max_size="1000")


@pytest.fixture(scope="module")
def public(serve: Serve) -> Client:
    return serve(public_url="https://uploads.example.org/app")


# The answer


@pytest.mark.requirement(
    "creation-201", "creation-location", "ls-post-location", "ls-post-expires", "ls-files-slash", "creation-implemented"
)
@pytest.mark.parametrize("path", ["/files", "/files/"])
def test_a_new_upload(tus: Client, path: str) -> None:
    answer = tus.post({"Upload-Length": "10"}, path=path)
    assert answer.status == 201
    assert re.fullmatch(r"/files/[A-Za-z0-9_-]+", answer.headers["location"])
    assert "upload-expires" in answer.headers
    assert "upload-offset" not in answer.headers
    assert answer.body == b""
    assert tus.offset(answer.headers["location"]) == 0


@pytest.mark.requirement(
    "expiration-post", "expiration-patch", "expiration-format", "ls-post-expires", "ls-expiry-sliding"
)
def test_it_expires_a_week_from_now_and_says_so(tus: Client) -> None:
    created = tus.post({"Upload-Length": "10"})
    upload = created.headers["location"]
    for answer in (created, tus.head(upload), tus.patch(upload, 0, b"12345")):
        assert IMF_FIXDATE.fullmatch(answer.headers["upload-expires"])
        left = parsedate_to_datetime(answer.headers["upload-expires"]) - parsedate_to_datetime(answer.headers["date"])
        assert left.total_seconds() == pytest.approx(WEEK, abs=5)


@pytest.mark.requirement("expiration-patch")
@pytest.mark.parametrize(
    ("offset", "headers", "status"),
    [
        (4, {}, 409),
        (8, {}, 409),
        (5, {"Upload-Length": "9"}, 400),
        (5, {"Content-Length": "6"}, 413),
        (5, {"Upload-Checksum": "sha1 2jmj7l5rSw0yVb/vlWAYkK/YBwk="}, 460),
    ],
)
def test_a_refused_patch_tells_when_the_upload_expires(
    tus: Client, offset: int, headers: dict[str, str], status: int
) -> None:
    """The rule says "every PATCH response", so refusals too."""
    answer = tus.patch(tus.new(10, b"12345"), offset, b"xxxxxx" if "Content-Length" in headers else b"xxx", headers)
    assert answer.status == status
    assert "upload-expires" in answer.headers


@pytest.mark.requirement("expiration-patch")
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "text/plain"}, 415),
        ({"Upload-Checksum": "sha3 AAAA"}, 400),
        ({"Upload-Offset": "five"}, 400),
    ],
)
def test_a_patch_refused_for_its_headers_tells_so_too(tus: Client, headers: dict[str, str], status: int) -> None:
    """The rule says "every PATCH response"; strictly read, also where the headers alone are reason enough to refuse."""
    answer = tus.patch(tus.new(10, b"12345"), 5, b"xxx", headers)
    assert answer.status == status
    assert "upload-expires" in answer.headers


@pytest.mark.requirement("creation-location", "ls-post-location")
@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"},
        {"Forwarded": "host=evil.example;proto=https"},
    ],
)
def test_the_location_does_not_depend_on_the_request(tus: Client, headers: dict[str, str]) -> None:
    assert tus.post({**headers, "Upload-Length": "10"}).headers["location"].startswith("/files/")


@pytest.mark.requirement("creation-location", "ls-post-public-url")
def test_the_location_is_absolute_with_a_public_url(public: Client) -> None:
    prefix = "https://uploads.example.org/app"
    for answer in (
        public.post({"Upload-Length": "10"}),
        public.post({"Upload-Length": "5"}, b"12345"),
        public.final(public.part(b"12345").removeprefix(prefix)),
    ):
        assert answer.status == 201
        location = answer.headers["location"]
        assert re.fullmatch(re.escape(prefix) + "/files/[A-Za-z0-9_-]+", location)
        assert public.head(location.removeprefix(prefix)).status == 200


@pytest.mark.requirement("ls-concat-urls", "ls-post-public-url")
def test_parts_are_named_by_their_public_url(public: Client) -> None:
    answer = public.final(public.part(b"12345"), public.part(b"67890"))
    assert answer.status == 201
    assert public.content(answer.headers["location"].removeprefix("https://uploads.example.org/app")) == b"1234567890"


@pytest.mark.requirement("ls-files-slash")
@pytest.mark.parametrize("method", ["OPTIONS", "POST", "GET", "HEAD", "PATCH", "DELETE"])
def test_a_slash_at_the_end_makes_no_difference(tus: Client, method: str) -> None:
    headers = {**TUS, "Upload-Length": "5"}
    plain, slash = tus.request(method, "/files", headers), tus.request(method, "/files/", headers)
    assert plain.status == slash.status
    assert not 300 <= slash.status < 400
    assert plain.headers.keys() == slash.headers.keys()


@pytest.mark.requirement("ls-post-elsewhere")
@pytest.mark.parametrize("path", ["/files/x", UNKNOWN, "/files/x/", "/files/x/y", "/", "/file", "/filesx", "//files"])
def test_nothing_is_created_elsewhere(tus: Client, path: str) -> None:
    before = tus.live()
    answer = tus.post({"Upload-Length": "5"}, path=path)
    assert answer.status in (404, 405)
    assert tus.live() == before


@pytest.mark.requirement("ls-post-elsewhere")
def test_an_upload_is_no_place_to_create(tus: Client) -> None:
    upload = tus.new(10, b"12345")
    before = tus.live()
    refused(tus.post({"Upload-Length": "5"}, b"12345", path=upload), 405)
    assert tus.live() == before
    assert tus.offset(upload) == tus.stored(upload) == 5


@pytest.mark.requirement("ls-ids")
def test_ids_cannot_be_guessed(tus: Client) -> None:
    ids = [tus.new(1).removeprefix("/files/") for _ in range(100)]
    assert len(set(ids)) == 100
    # What a position has shown in a hundred ids bounds from below what it can show; a digit or so may not have come up.
    bits = sum(math.log2(len(set(position))) for position in zip(*ids, strict=True))
    assert bits >= 0.97 * 128
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", identifier) for identifier in ids)


# Its length


@pytest.mark.requirement(
    "creation-length-included", "creation-defer-value", "creation-defer-400", "core-length-value", "ls-post-one-length"
)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Upload-Length": "5", "Upload-Defer-Length": "1"},
        {"Upload-Defer-Length": "0"},
        {"Upload-Defer-Length": "2"},
        {"Upload-Defer-Length": "01"},
        {"Upload-Defer-Length": "true"},
        {"Upload-Defer-Length": ""},
        {"Upload-Defer-Length": "1,1"},
        {"Upload-Length": "5", "Upload-Defer-Length": "0"},
        {"Upload-Length": "-5"},
        {"Upload-Length": ""},
    ],
)
@pytest.mark.parametrize("data", [b"", b"12345"])
@pytest.mark.parametrize("partial", [False, True])
def test_exactly_one_length(tus: Client, partial: bool, data: bytes, headers: dict[str, str]) -> None:
    before = tus.live()
    refused(tus.post({**headers, **({"Upload-Concat": "partial"} if partial else {})}, data), 400)
    assert tus.live() == before


@pytest.mark.requirement("creation-too-large", "ls-post-too-large")
@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"Upload-Length": "1001"}, b""),
        ({"Upload-Length": str(10**30)}, b""),
        ({"Upload-Length": "1001", "Upload-Concat": "partial"}, b""),
        ({"Upload-Length": "1001"}, b"12345"),
        ({"Upload-Defer-Length": "1"}, b"x" * 1001),
        ({"Upload-Defer-Length": "1"}, [b"x" * 1001]),
    ],
)
def test_too_large_an_upload(limited: Client, headers: dict[str, str], body: bytes | Iterable[bytes]) -> None:
    before = limited.live()
    refused(limited.post(headers, body), 413, "max-size-exceeded")
    assert limited.live() == before


@pytest.mark.requirement("creation-too-large")
def test_the_maximum_itself_is_taken(limited: Client) -> None:
    assert limited.content(limited.file(b"x" * 1000)) == b"x" * 1000


@pytest.mark.requirement("core-length-value", "creation-too-large")
def test_a_length_that_cannot_be_is_refused_without_a_maximum_too(tus: Client) -> None:
    before = tus.live()
    assert tus.post({"Upload-Length": str(2**63)}).status in (413, 507)
    assert tus.post({"Upload-Length": str(2**63 - 1)}).status in (413, 507)
    assert tus.live() == before


@pytest.mark.requirement("ls-post-zero", "core-head-offset", "core-head-length")
@pytest.mark.parametrize("headers", [{}, OFFSET_STREAM])
def test_nothing_at_all_is_complete_at_once(tus: Client, headers: dict[str, str]) -> None:
    answer = tus.post({**headers, "Upload-Length": "0"})
    assert answer.status == 201
    upload = answer.headers["location"]
    assert tus.head(upload).headers["upload-offset"] == tus.head(upload).headers["upload-length"] == "0"
    assert tus.content(upload) == b""
    assert tus.patch(upload, 0, b"").status == 204


# Its body


@pytest.mark.requirement(
    "creation-upload-offset",
    "creation-upload-offset-value",
    "creation-upload-accepts",
    "ls-post-offset",
    "creation-201",
)
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("length", [10, 5, None])
def test_a_body_is_the_beginning(tus: Client, length: int | None, chunked: bool) -> None:
    headers = {"Upload-Defer-Length": "1"} if length is None else {"Upload-Length": str(length)}
    answer = tus.post(headers, iter([b"123", b"45"]) if chunked else b"12345")
    assert (answer.status, answer.headers["upload-offset"]) == (201, "5")
    assert ("upload-expires" in answer.headers) is (length != 5)
    upload = answer.headers["location"]
    assert tus.offset(upload) == 5
    if length != 5:
        tus.patch(upload, 5, b"67890", {"Upload-Length": "10"})
    assert tus.content(upload) == b"1234567890"[: length or 10]


@pytest.mark.requirement("ls-post-type")
@pytest.mark.parametrize("content_type", [None, "", "text/plain", "application/octet-stream", "multipart/form-data"])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_of_another_type_creates_nothing(tus: Client, chunked: bool, content_type: str | None) -> None:
    before = tus.live()
    headers = {**TUS, "Upload-Length": "5"} | ({} if content_type is None else {"Content-Type": content_type})
    answer = tus.request("POST", "/files", headers, iter([b"12345"]) if chunked else b"12345")
    refused(answer, 415, "content-type-unsupported")
    assert tus.live() == before


@pytest.mark.requirement("creation-201")
@pytest.mark.parametrize("content_type", ["text/plain", "application/json"])
def test_the_type_of_no_body_is_nobodys_business(tus: Client, content_type: str) -> None:
    assert tus.post({"Upload-Length": "5", "Content-Type": content_type}).status == 201


@pytest.mark.requirement("ls-patch-413", "ls-patch-413-chunked")
@pytest.mark.parametrize("body", [b"123456", [b"123456"], [b"12345", b"6"]])
def test_a_body_longer_than_the_upload_creates_nothing(tus: Client, body: bytes | Iterable[bytes]) -> None:
    before = tus.live()
    refused(tus.post({"Upload-Length": "5"}, body), 413, "length-exceeded")
    assert tus.live() == before


@pytest.mark.requirement("ls-post-expect")
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Upload-Length": "4"}, 413),
        ({"Upload-Length": "5", "Content-Type": "text/plain"}, 415),
        ({"Upload-Length": "5", "Upload-Checksum": "sha3 AAAA"}, 400),
        ({"Upload-Length": "5", "Upload-Metadata": "a,a"}, 400),
        ({"Upload-Length": "5", "Tus-Resumable": "0.1"}, 412),
        ({}, 400),
    ],
)
def test_a_client_that_asks_first_is_refused_before_it_sends(tus: Client, headers: dict[str, str], status: int) -> None:
    before = tus.live()
    with tus.connect() as connection:
        expecting = {"Content-Length": "5", "Expect": "100-continue"}
        connection.send_head("POST", "/files", {**TUS, **OFFSET_STREAM, **expecting, **headers})
        refused(connection.read_answer(), status)
    assert tus.live() == before


@pytest.mark.requirement("ls-post-expect", "creation-upload-accepts")
def test_a_client_that_asks_first_is_told_to_go_on(tus: Client) -> None:
    with tus.connect() as connection:
        expecting = {"Content-Length": "5", "Expect": "100-continue"}
        connection.send_head("POST", "/files", {**TUS, **OFFSET_STREAM, **expecting, "Upload-Length": "5"})
        assert connection.read_answer().status == 100
        connection.send(b"12345")
        answer = connection.read_answer()
    assert (answer.status, answer.headers["upload-offset"]) == (201, "5")


@pytest.mark.requirement("ls-lock-stale", "ls-post-expect")
@pytest.mark.parametrize(("offset", "status"), [("4", 409), ("5", 100)])
def test_patch_with_expect(tus: Client, offset: str, status: int) -> None:
    upload = tus.new(10, b"12345")
    with tus.connect() as connection:
        expecting = {"Content-Length": "5", "Expect": "100-continue", "Upload-Offset": offset}
        connection.send_head("PATCH", upload, {**TUS, **OFFSET_STREAM, **expecting})
        assert connection.read_answer().status == status
