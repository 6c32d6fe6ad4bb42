"""The core protocol: OPTIONS, the version, HEAD and PATCH."""

import itertools
import select

import pytest
from tests.conformance.client import UNKNOWN, Client, Serve, refused, until
from tests.serving import OFFSET_STREAM, TUS

from longshore.protocol.capabilities import Capabilities
from longshore.protocol.reply import reply_options

EXTENSIONS = {
    "creation",
    "creation-with-upload",
    "creation-defer-length",
    "expiration",
    "checksum",
    "checksum-trailer",
    "termination",
    "concatenation",
    "concatenation-unfinished",
}
NOT_NUMBERS = ["-1", "+1", "1.0", "1e2", "abc", "", "0x0", "1_0", "0 0", "0,0", "\xb2"]


@pytest.fixture(scope="module")
def limited(serve: Serve) -> Client:
    return serve(max_size="1000")


# OPTIONS


@pytest.mark.requirement(
    "core-implemented",
    "core-options-version",
    "core-version-list",
    "core-version-order",
    "core-extension-list",
    "creation-implemented",
    "creation-advertised",
    "creation-defer-advertised",
    "creation-upload-advertised",
    "creation-upload-depends",
    "expiration-advertised",
    "checksum-advertised",
    "checksum-trailer-advertised",
    "termination-advertised",
    "concat-advertised",
    "concat-unfinished-advertised",
    "checksum-algorithm-included",
    "checksum-algorithm-list",
    "checksum-sha1",
    "checksum-names",
    "ls-options",
    "ls-extensions",
    "ls-checksum-algorithms",
)
@pytest.mark.parametrize("of", ["creation", "creation-slash", "upload", "unknown"])
def test_options_tells_what_the_server_can_do(tus: Client, of: str) -> None:
    urls = {"creation": "/files", "creation-slash": "/files/", "upload": tus.new(5), "unknown": UNKNOWN}
    answer = tus.request("OPTIONS", urls[of])
    assert answer.status == 200
    assert answer.headers["tus-version"] == "1.0.0"
    advertised = answer.headers["tus-extension"].split(",")
    assert set(advertised) == EXTENSIONS
    assert len(advertised) == len(EXTENSIONS)
    assert set(answer.headers["tus-checksum-algorithm"].split(",")) == {"md5", "sha1", "sha256", "sha512", "crc32"}
    assert "tus-max-size" not in answer.headers


@pytest.mark.requirement("core-options-ignores-resumable", "ls-version-412")
@pytest.mark.parametrize("version", ["1.0.0", "0.2.2", "nonsense"])
@pytest.mark.parametrize("path", ["/files", UNKNOWN])
def test_options_ignores_the_clients_version(tus: Client, path: str, version: str) -> None:
    own = {"X-Request-ID": "the-same"}
    plain = tus.request("OPTIONS", path, own)
    answer = tus.request("OPTIONS", path, {**own, "Tus-Resumable": version})
    assert answer.status == 200
    assert dict(answer.headers) | {"date": ""} == dict(plain.headers) | {"date": ""}


@pytest.mark.requirement("core-max-size-value", "core-max-size-set", "ls-options")
@pytest.mark.parametrize("path", ["/files", UNKNOWN])
def test_options_tells_the_maximum_if_there_is_one(limited: Client, path: str) -> None:
    assert limited.request("OPTIONS", path).headers["tus-max-size"] == "1000"


@pytest.mark.requirement("core-extension-omitted")
def test_without_extensions_no_header_for_them() -> None:
    assert "Tus-Extension" not in dict(reply_options(Capabilities(extensions=frozenset())).headers)


# Tus-Resumable


@pytest.mark.requirement(
    "core-unsupported-412", "core-unsupported-version", "core-unsupported-unprocessed", "ls-version-412"
)
@pytest.mark.parametrize("version", [None, "", "0.2.2", "1.0", "1.0.1", "2.0.0", "1.0.0,1.0.0", "v1.0.0"])
@pytest.mark.parametrize("method", ["POST", "HEAD", "PATCH", "DELETE", "PUT"])
def test_another_version_is_refused_and_nothing_done(tus: Client, method: str, version: str | None) -> None:
    upload = tus.new(10, b"12345")
    before = tus.live()
    headers = {} if version is None else {"Tus-Resumable": version}
    if method == "POST":
        answer = tus.request("POST", "/files", {**headers, **OFFSET_STREAM, "Upload-Length": "5"}, b"abcde")
    elif method in ("PATCH", "PUT"):
        answer = tus.request(method, upload, {**headers, **OFFSET_STREAM, "Upload-Offset": "5"}, b"67890")
    else:
        answer = tus.request(method, upload, headers)
    assert answer.status == 412
    assert answer.headers["tus-version"] == "1.0.0"
    assert tus.live() == before
    assert tus.offset(upload) == 5
    assert tus.stored(upload) == 5


@pytest.mark.requirement("core-resumable-included", "core-resumable-value")
def test_every_response_names_the_version(tus: Client) -> None:
    half, whole = tus.new(10, b"12345"), tus.file(b"12345")
    mismatch = {"Upload-Checksum": "sha1 2jmj7l5rSw0yVb/vlWAYkK/YBwk="}
    answers = {
        "create": tus.post({"Upload-Length": "5"}),
        "create with body": tus.post({"Upload-Length": "5"}, b"12345"),
        "head": tus.head(half),
        "mismatch": tus.patch(half, 5, b"67890", mismatch),
        "patch": tus.patch(half, 5, b"67"),
        "download": tus.get(whole),
        "options": tus.request("OPTIONS", "/files"),
        "bad request": tus.post({}),
        "unknown": tus.head(UNKNOWN),
        "no method": tus.request("PUT", "/files", TUS),
        "conflict": tus.patch(half, 0, b"12345"),
        "unfinished": tus.get(half),
        "delete": tus.delete(half),
        "gone": tus.head(half),
        "version": tus.head(half, {"Tus-Resumable": "0.1"}),
        "too long": tus.patch(whole, 5, b"6"),
        "type": tus.patch(whole, 5, b"", {"Content-Type": "text/plain"}),
        "no page": tus.get("/elsewhere"),
    }
    assert {name: answer.headers.get("tus-resumable") for name, answer in answers.items()} == dict.fromkeys(
        answers, "1.0.0"
    )


@pytest.mark.requirement("core-resumable-included", "ls-errors", "ls-cors-everywhere")
@pytest.mark.parametrize("fields", [70, 200])
def test_a_head_that_is_too_large_is_refused_like_everything_else(tus: Client, fields: int) -> None:
    before = tus.live()
    filler = {f"X-Filler-{number}": "x" * 1000 for number in range(fields)}
    answer = tus.post({"Upload-Length": "5", "Origin": "https://app.example", **filler})
    refused(answer, 431)
    assert answer.headers.get("tus-resumable") == "1.0.0"
    assert answer.headers.get("access-control-allow-origin") == "*"
    assert tus.live() == before


@pytest.mark.requirement("core-resumable-included", "ls-errors")
def test_a_head_that_does_not_end_is_refused_while_it_comes(tus: Client) -> None:
    with tus.connect() as connection:
        connection.send(b"POST /files HTTP/1.1\r\nHost: localhost\r\n")
        # The answer comes as soon as there is too much, and nothing is left unread then that would drop it.
        while not select.select([connection.socket], [], [], 0.005)[0]:
            connection.send(b"X-Filler: %s\r\n" % (b"x" * 4000))
        answer = connection.read_answer()
    refused(answer, 431)
    assert answer.headers.get("tus-resumable") == "1.0.0"


# HEAD


@pytest.mark.requirement(
    "core-head-offset",
    "core-head-length",
    "core-head-no-store",
    "core-offset-value",
    "core-length-value",
    "creation-defer-omitted",
    "ls-head",
)
@pytest.mark.parametrize("data", [b"", b"12345", b"1234567890"])
def test_head_tells_where_the_upload_stands(tus: Client, data: bytes) -> None:
    answer = tus.head(tus.new(10, data))
    assert answer.status == 200
    assert answer.headers["upload-offset"] == str(len(data))
    assert answer.headers["upload-length"] == "10"
    assert answer.headers["cache-control"] == "no-store"
    assert "upload-defer-length" not in answer.headers
    assert "upload-metadata" not in answer.headers
    assert "upload-concat" not in answer.headers
    assert ("upload-expires" in answer.headers) is (len(data) < 10)
    assert answer.body == b""


@pytest.mark.requirement(
    "core-head-offset", "core-head-no-store", "creation-head-deferred", "creation-defer-value", "ls-head"
)
@pytest.mark.parametrize("data", [b"", b"12345"])
def test_head_of_a_deferred_length(tus: Client, data: bytes) -> None:
    answer = tus.head(tus.new(None, data))
    assert answer.status == 200
    assert answer.headers["upload-offset"] == str(len(data))
    assert answer.headers["upload-defer-length"] == "1"
    assert "upload-length" not in answer.headers
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.requirement("core-head-not-found", "ls-head-404", "ls-errors-head")
@pytest.mark.parametrize(
    "path", [UNKNOWN, "/files/x", "/files/%2e%2e", "/files/..%2f..%2fetc", "/files/\xe9", "/files/%00"]
)
def test_head_of_nothing_is_404(tus: Client, path: str) -> None:
    answer = tus.request("HEAD", path.replace("\xe9", "%C3%A9"), TUS)
    assert answer.status == 404
    assert "upload-offset" not in answer.headers


@pytest.mark.requirement("core-head-not-found", "ls-head-410")
def test_head_of_a_terminated_upload_is_410(tus: Client) -> None:
    upload = tus.new(5)
    tus.delete(upload)
    answer = tus.head(upload)
    assert answer.status == 410
    assert "upload-offset" not in answer.headers


# PATCH


@pytest.mark.requirement(
    "core-implemented",
    "core-patch-accepted",
    "core-patch-204",
    "core-patch-offset-included",
    "core-patch-offset-sum",
    "core-patch-offset-equal",
    "ls-patch-204",
)
@pytest.mark.parametrize("chunked", [False, True])
def test_patches_add_up(tus: Client, chunked: bool) -> None:
    pieces = [b"1", b"", b"2345", b"67890"]
    upload = tus.new(10)
    for piece, before in zip(pieces, itertools.accumulate(map(len, pieces), initial=0), strict=False):
        answer = tus.patch(upload, before, iter([piece]) if chunked else piece)
        assert answer.status == 204
        assert answer.headers["upload-offset"] == str(before + len(piece))
        assert ("upload-expires" in answer.headers) is (before + len(piece) < 10)
        assert answer.body == b""
        assert tus.offset(upload) == before + len(piece)
    assert tus.content(upload) == b"1234567890"


@pytest.mark.requirement("core-patch-offset-equal", "core-patch-conflict", "ls-patch-409", "ls-refused-unwritten")
@pytest.mark.parametrize("offset", [0, 4, 6, 10, 11, 10**30])
@pytest.mark.parametrize("body", [b"", b"xxxx"])
def test_another_offset_is_a_conflict(tus: Client, offset: int, body: bytes) -> None:
    upload = tus.new(10, b"12345")
    answer = tus.patch(upload, offset, body)
    refused(answer, 409, "offset-conflict")
    assert answer.headers["upload-offset"] == "5"
    assert tus.offset(upload) == tus.stored(upload) == 5
    tus.patch(upload, 5, b"67890")
    assert tus.content(upload) == b"1234567890"


@pytest.mark.requirement("core-patch-415", "ls-patch-415", "ls-refused-unwritten")
@pytest.mark.parametrize("content_type", [None, "", "text/plain", "application/octet-stream", "application/offset"])
def test_another_content_type_is_415(tus: Client, content_type: str | None) -> None:
    upload = tus.new(10, b"12345")
    headers = {} if content_type is None else {"Content-Type": content_type}
    answer = tus.request("PATCH", upload, {**TUS, **headers, "Upload-Offset": "5"}, b"67890")
    refused(answer, 415, "content-type-unsupported")
    assert tus.offset(upload) == tus.stored(upload) == 5


@pytest.mark.requirement("core-offset-value", "ls-refused-unwritten")
@pytest.mark.parametrize("offset", [None, *NOT_NUMBERS])
def test_an_offset_is_a_non_negative_integer(tus: Client, offset: str | None) -> None:
    upload = tus.new(10)
    headers = {} if offset is None else {"Upload-Offset": offset}
    refused(tus.request("PATCH", upload, {**TUS, **OFFSET_STREAM, **headers}, b"12345"), 400)
    assert tus.offset(upload) == 0
    assert not tus.stored(upload)


@pytest.mark.requirement("core-length-value")
@pytest.mark.parametrize("length", NOT_NUMBERS)
def test_a_length_is_a_non_negative_integer(tus: Client, length: str) -> None:
    before = tus.live()
    refused(tus.post({"Upload-Length": length}), 400)
    assert tus.live() == before
    upload = tus.new(None)
    refused(tus.patch(upload, 0, b"12345", {"Upload-Length": length}), 400)
    assert tus.head(upload).headers["upload-defer-length"] == "1"
    assert tus.offset(upload) == 0


@pytest.mark.requirement("core-patch-404", "core-head-not-found")
def test_a_patch_to_nothing_is_404(tus: Client) -> None:
    refused(tus.patch(UNKNOWN, 0, b"12345"), 404, "upload-not-found")


@pytest.mark.requirement("termination-gone")
def test_a_patch_to_a_terminated_upload_is_410(tus: Client) -> None:
    upload = tus.new(5)
    tus.delete(upload)
    refused(tus.patch(upload, 0, b"12345"), 410)
    assert tus.stored(upload) is None


@pytest.mark.requirement("ls-patch-413", "ls-refused-unwritten", "ls-overlong-harmless")
def test_too_long_a_body_is_refused_before_it_is_sent(tus: Client) -> None:
    upload = tus.new(10, b"12345")
    with tus.connect() as connection:
        headers = {**TUS, **OFFSET_STREAM, "Upload-Offset": "5", "Content-Length": "6"}
        connection.send_head("PATCH", upload, headers)
        refused(connection.read_answer(), 413, "length-exceeded")
    assert tus.offset(upload) == tus.stored(upload) == 5


@pytest.mark.requirement("ls-patch-413", "ls-overlong-harmless", "ls-refused-unwritten")
def test_too_long_a_body_leaves_the_upload_alone(tus: Client) -> None:
    upload = tus.new(10, b"12345")
    refused(tus.patch(upload, 5, b"xxxxxx"), 413, "length-exceeded")
    assert tus.offset(upload) == tus.stored(upload) == 5
    refused(tus.get(upload), 409)
    assert tus.patch(upload, 5, b"67890").status == 204
    assert tus.content(upload) == b"1234567890"


@pytest.mark.requirement("ls-patch-413")
def test_a_completed_upload_takes_no_more(tus: Client) -> None:
    upload = tus.file(b"12345")
    refused(tus.patch(upload, 5, b"6"), 413, "length-exceeded")
    assert tus.content(upload) == b"12345"


@pytest.mark.requirement("ls-patch-413-chunked", "ls-overlong-harmless")
@pytest.mark.parametrize("chunks", [[b"abcdef"], [b"abcde", b"f"], [b"a", b"b" * 100_000], [b"ab"] * 4])
def test_a_chunked_body_that_overruns_completes_nothing(tus: Client, chunks: list[bytes]) -> None:
    upload = tus.new(10, b"12345")
    refused(tus.patch(upload, 5, iter(chunks)), 413, "length-exceeded")
    refused(tus.get(upload), 409, "upload-unfinished")
    offset = tus.offset(upload)
    assert 5 <= offset < 10
    assert tus.patch(upload, offset, b"1234567890"[offset:]).status == 204
    assert tus.content(upload)[:5] == b"12345"
    assert tus.content(upload)[offset:] == b"1234567890"[offset:]


@pytest.mark.requirement("ls-patch-413", "core-max-size-value")
def test_an_upload_of_unknown_length_stays_below_the_maximum(limited: Client) -> None:
    upload = limited.new(None, b"x" * 990)
    refused(limited.patch(upload, 990, b"x" * 11), 413, "max-size-exceeded")
    refused(limited.patch(upload, 990, iter([b"x" * 11])), 413, "max-size-exceeded")
    refused(limited.patch(upload, 990, b"", {"Upload-Length": "1001"}), 413, "max-size-exceeded")
    assert limited.head(upload).headers["upload-defer-length"] == "1"
    assert limited.patch(upload, limited.offset(upload), b"", {"Upload-Length": "1000"}).status == 204


@pytest.mark.requirement("ls-patch-empty")
@pytest.mark.parametrize("chunked", [False, True])
def test_an_empty_patch_at_the_end_is_welcome(tus: Client, chunked: bool) -> None:
    upload = tus.file(b"12345")
    for _ in range(2):
        answer = tus.patch(upload, 5, iter(()) if chunked else b"")
        assert answer.status == 204
        assert answer.headers["upload-offset"] == "5"
    assert tus.content(upload) == b"12345"


@pytest.mark.requirement("ls-patch-length", "core-patch-offset-included")
@pytest.mark.parametrize("chunked", [False, True])
def test_a_deferred_length_comes_with_any_patch(tus: Client, chunked: bool) -> None:
    upload = tus.new(None, b"12345")
    answer = tus.patch(upload, 5, iter([b"67"]) if chunked else b"67", {"Upload-Length": "10"})
    assert (answer.status, answer.headers["upload-offset"]) == (204, "7")
    assert tus.head(upload).headers["upload-length"] == "10"
    assert "upload-defer-length" not in tus.head(upload).headers
    assert tus.patch(upload, 7, b"890").status == 204
    assert tus.content(upload) == b"1234567890"


@pytest.mark.requirement("ls-patch-length")
@pytest.mark.parametrize("length", [5, 10])
def test_a_deferred_length_comes_with_an_empty_patch(tus: Client, length: int) -> None:
    upload = tus.new(None, b"12345")
    answer = tus.patch(upload, 5, b"", {"Upload-Length": str(length)})
    assert (answer.status, answer.headers["upload-offset"]) == (204, "5")
    assert tus.head(upload).headers["upload-length"] == str(length)
    assert tus.get(upload).status == (200 if length == 5 else 409)


@pytest.mark.requirement("creation-length-fixed", "ls-patch-length-conflict")
@pytest.mark.parametrize("length", ["9", "11", "6"])
@pytest.mark.parametrize("body", [b"", b"67"])
@pytest.mark.parametrize("deferred", [False, True])
def test_a_second_length_is_refused(tus: Client, deferred: bool, body: bytes, length: str) -> None:
    upload = tus.new(None if deferred else 10, b"12345")
    if deferred:
        tus.patch(upload, 5, b"", {"Upload-Length": "10"})
    refused(tus.patch(upload, 5, body, {"Upload-Length": length}), 400, "length-conflict")
    assert tus.head(upload).headers["upload-length"] == "10"
    assert tus.offset(upload) == tus.stored(upload) == 5
    assert tus.patch(upload, 5, b"67890", {"Upload-Length": "10"}).status == 204


@pytest.mark.requirement("ls-patch-length-conflict")
@pytest.mark.parametrize("body", [b"", b"67"])
def test_a_length_below_the_offset_is_refused(tus: Client, body: bytes) -> None:
    upload = tus.new(None, b"12345")
    refused(tus.patch(upload, 5, body, {"Upload-Length": "4"}), 400, "length-conflict")
    assert tus.head(upload).headers["upload-defer-length"] == "1"
    assert tus.offset(upload) == tus.stored(upload) == 5


@pytest.mark.requirement("core-patch-stores-much", "core-patch-network-errors", "ls-cut-kept")
@pytest.mark.parametrize("reset", [False, True])
def test_what_came_before_the_connection_broke_is_kept(tus: Client, reset: bool) -> None:
    upload = tus.new(10)
    connection = tus.half_patch(upload, b"123", of=10)
    connection.reset() if reset else connection.close()
    until(lambda: tus.offset(upload) == 3)
    assert tus.patch(upload, 3, b"4567890").status == 204
    assert tus.content(upload) == b"1234567890"


@pytest.mark.requirement("core-patch-timeout", "core-patch-stores-much", "ls-cut-kept")
def test_a_client_that_stalls_is_let_go(serve: Serve) -> None:
    tus = serve(body_idle_timeout="0.2")
    upload = tus.new(10)
    with tus.half_patch(upload, b"123", of=10) as connection:
        refused(connection.read_answer(), 503, "body-stalled")
        assert connection.socket.recv(1) == b""
    assert tus.offset(upload) == 3
