"""Checksums, as header fields and as trailers."""

import hashlib
import zlib
from base64 import b64encode
from collections.abc import Callable

import pytest
from tests.conformance.client import Client, Serve, refused, until
from tests.serving import OFFSET_STREAM, TUS, Answer

ALGORITHMS: dict[str, Callable[[bytes], bytes]] = {
    "md5": lambda data: hashlib.md5(data).digest(),
    "sha1": lambda data: hashlib.sha1(data).digest(),
    "sha256": lambda data: hashlib.sha256(data).digest(),
    "sha512": lambda data: hashlib.sha512(data).digest(),
    "crc32": lambda data: zlib.crc32(data).to_bytes(4, "big"),
}
MALFORMED = [
    "",
    "sha1",
    "sha1 !!!",
    "sha1 AAAA",
    "sha1 2jmj7l5rSw0yVb/vlWAYkK/YBw",
    "sha1  2jmj7l5rSw0yVb/vlWAYkK/YBwk=",
    "sha1 2jmj7l5rSw0yVb/vlWAYkK/YBwk= x",
    "sha1 da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "sha1,2jmj7l5rSw0yVb/vlWAYkK/YBwk=",
    "sha256 2jmj7l5rSw0yVb/vlWAYkK/YBwk=",
    "crc32 AAA=",
    "2jmj7l5rSw0yVb/vlWAYkK/YBwk=",
]
UNSUPPORTED = ["SHA1 2jmj7l5rSw0yVb/vlWAYkK/YBwk=", "sha-1 2jmj7l5rSw0yVb/vlWAYkK/YBwk=", "sha384 AAAA", "none AAAA"]


def checksum(algorithm: str, data: bytes) -> str:
    return f"{algorithm} {b64encode(ALGORITHMS[algorithm](data)).decode()}"


def with_trailer(
    tus: Client,
    method: str,
    path: str,
    headers: dict[str, str],
    chunks: list[bytes],
    trailers: dict[str, str],
    *,
    announced: str = "Upload-Checksum",
) -> Answer:
    """A chunked request with trailers, and another one behind it on the same connection."""
    with tus.connect() as connection:
        chunked = {"Transfer-Encoding": "chunked", "Trailer": announced}
        connection.send_head(method, path, {**TUS, **OFFSET_STREAM, **chunked, **headers})
        for chunk in chunks:
            connection.send_chunk(chunk)
        fields = "".join(f"{name}: {value}\r\n" for name, value in trailers.items())
        connection.send(f"0\r\n{fields}\r\n".encode())
        answer = connection.read_answer()
        if "connection" not in answer.headers:
            assert connection.request("OPTIONS", "/files", {}).status == 200
        return answer


# Header


@pytest.mark.requirement(
    "checksum-verified", "checksum-sha1", "checksum-syntax", "checksum-algorithm-list", "ls-checksum-algorithms"
)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("chunked", [False, True])
def test_bytes_that_match_are_kept(tus: Client, chunked: bool, algorithm: str) -> None:
    upload = tus.new(10, b"12345")
    body = iter([b"67", b"890"]) if chunked else b"67890"
    answer = tus.patch(upload, 5, body, {"Upload-Checksum": checksum(algorithm, b"67890")})
    assert (answer.status, answer.headers["upload-offset"]) == (204, "10")
    assert tus.content(upload) == b"1234567890"


@pytest.mark.requirement(
    "checksum-verified", "checksum-discarded", "checksum-not-updated", "ls-checksum-460", "ls-checksum-algorithms"
)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("chunked", [False, True])
def test_bytes_that_do_not_match_are_discarded(tus: Client, chunked: bool, algorithm: str) -> None:
    upload = tus.new(10, b"12345")
    body = iter([b"67", b"899"]) if chunked else b"67899"
    refused(tus.patch(upload, 5, body, {"Upload-Checksum": checksum(algorithm, b"67890")}), 460, "checksum-mismatch")
    assert tus.offset(upload) == 5
    refused(tus.get(upload), 409)
    assert tus.patch(upload, 5, b"67890").status == 204
    assert tus.content(upload) == b"1234567890"


@pytest.mark.requirement("checksum-not-updated", "ls-checksum-460")
def test_a_mismatch_sets_no_length_either(tus: Client) -> None:
    upload = tus.new(None, b"12345")
    headers = {"Upload-Length": "10", "Upload-Checksum": checksum("sha1", b"67890")}
    refused(tus.patch(upload, 5, b"67899", headers), 460)
    assert tus.head(upload).headers["upload-defer-length"] == "1"
    assert tus.patch(upload, 5, b"6789", {"Upload-Length": "9"}).status == 204


@pytest.mark.requirement("checksum-verified")
@pytest.mark.parametrize(("of", "status"), [(b"", 204), (b"x", 460)])
def test_an_empty_body_has_a_checksum_too(tus: Client, of: bytes, status: int) -> None:
    upload = tus.new(10, b"12345")
    assert tus.patch(upload, 5, b"", {"Upload-Checksum": checksum("sha1", of)}).status == status
    assert tus.offset(upload) == 5


@pytest.mark.requirement("checksum-syntax", "checksum-discarded", "checksum-not-updated", "ls-refused-unwritten")
@pytest.mark.parametrize("value", MALFORMED)
def test_a_malformed_checksum_is_refused(tus: Client, value: str) -> None:
    upload = tus.new(10, b"12345")
    refused(tus.patch(upload, 5, b"67890", {"Upload-Checksum": value}), 400)
    assert tus.offset(upload) == tus.stored(upload) == 5


@pytest.mark.requirement("checksum-discarded", "checksum-not-updated", "checksum-names", "ls-checksum-unknown")
@pytest.mark.parametrize("value", UNSUPPORTED)
@pytest.mark.parametrize("method", ["PATCH", "POST"])
def test_an_unknown_algorithm_is_refused_before_the_body(tus: Client, method: str, value: str) -> None:
    upload = tus.new(10, b"12345")
    before = tus.live()
    headers = {"Upload-Offset": "5"} if method == "PATCH" else {"Upload-Length": "5"}
    with tus.connect() as connection:
        checked = {"Content-Length": "5", "Upload-Checksum": value}
        path = upload if method == "PATCH" else "/files"
        connection.send_head(method, path, {**TUS, **OFFSET_STREAM, **headers, **checked})
        refused(connection.read_answer(), 400, "checksum-algorithm-unsupported")
    assert tus.live() == before
    assert tus.offset(upload) == tus.stored(upload) == 5


@pytest.mark.requirement("checksum-verified", "checksum-discarded", "ls-checksum-460")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_body_of_a_creation_is_checked_too(tus: Client, algorithm: str) -> None:
    headers = {"Upload-Length": "5", "Upload-Checksum": checksum(algorithm, b"12345")}
    good = tus.post(headers, b"12345")
    assert (good.status, good.headers["upload-offset"]) == (201, "5")
    assert tus.content(good.headers["location"]) == b"12345"
    before = tus.live()
    refused(tus.post(headers, b"12344"), 460, "checksum-mismatch")
    assert tus.live() == before


@pytest.mark.requirement("checksum-syntax", "checksum-discarded")
@pytest.mark.parametrize("value", MALFORMED)
def test_a_malformed_checksum_creates_nothing(tus: Client, value: str) -> None:
    before = tus.live()
    refused(tus.post({"Upload-Length": "5", "Upload-Checksum": value}, b"12345"), 400)
    assert tus.live() == before


@pytest.mark.requirement("checksum-verified", "checksum-not-updated")
def test_of_a_checked_body_that_breaks_off_nothing_is_kept(tus: Client) -> None:
    upload = tus.new(10)
    headers = {"Upload-Checksum": checksum("sha1", b"1234567890")}
    tus.half_patch(upload, b"123", of=10, headers=headers).close()
    assert tus.offset(upload) == 0
    assert tus.patch(upload, 0, b"abcdefghij").status == 204
    assert tus.content(upload) == b"abcdefghij"


@pytest.mark.requirement("checksum-not-updated", "ls-checksum-killed")
def test_a_server_killed_halfway_has_not_moved_the_offset(serve: Serve) -> None:
    tus = serve(checkpoint_interval="0.01")
    checked, plain = tus.new(20), tus.new(20)
    headers = {"Upload-Checksum": checksum("sha1", b"x" * 20)}
    with (
        tus.half_patch(checked, b"1234567890", of=20, headers=headers),
        tus.half_patch(plain, b"1234567890", of=20),
    ):
        # The other one, begun later, shows that offsets are being committed while bodies are on their way.
        until(lambda: tus.committed(plain) == 10)
        tus.server.kill()
    tus.server.start()
    assert tus.offset(plain) == 10
    assert tus.offset(checked) == 0
    assert tus.patch(checked, 0, b"x" * 20, headers).status == 204
    assert tus.content(checked) == b"x" * 20


# Trailer


@pytest.mark.requirement("checksum-verified", "checksum-trailer-advertised", "ls-checksum-trailer")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("name", ["Upload-Checksum", "upload-checksum", "UPLOAD-CHECKSUM"])
def test_a_trailer_that_matches(tus: Client, name: str, algorithm: str) -> None:
    upload = tus.new(10, b"12345")
    trailers = {name: checksum(algorithm, b"67890")}
    answer = with_trailer(tus, "PATCH", upload, {"Upload-Offset": "5"}, [b"67", b"890"], trailers, announced=name)
    assert (answer.status, answer.headers["upload-offset"]) == (204, "10")
    assert tus.content(upload) == b"1234567890"


@pytest.mark.requirement("checksum-verified", "checksum-discarded", "checksum-not-updated", "ls-checksum-trailer")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_trailer_that_does_not_match(tus: Client, algorithm: str) -> None:
    upload = tus.new(10, b"12345")
    trailers = {"Upload-Checksum": checksum(algorithm, b"67899")}
    refused(with_trailer(tus, "PATCH", upload, {"Upload-Offset": "5"}, [b"67", b"890"], trailers), 460)
    assert tus.offset(upload) == 5
    assert tus.patch(upload, 5, b"67890").status == 204


@pytest.mark.requirement("checksum-syntax", "checksum-discarded", "checksum-not-updated", "ls-checksum-trailer")
@pytest.mark.parametrize("value", [None, *MALFORMED, *UNSUPPORTED])
def test_a_trailer_that_is_none(tus: Client, value: str | None) -> None:
    upload = tus.new(10, b"12345")
    trailers = {} if value is None else {"Upload-Checksum": value}
    refused(with_trailer(tus, "PATCH", upload, {"Upload-Offset": "5"}, [b"67890"], trailers), 400)
    assert tus.offset(upload) == 5
    refused(tus.get(upload), 409)


@pytest.mark.requirement("checksum-verified", "ls-checksum-trailer")
def test_a_trailer_among_others(tus: Client) -> None:
    upload = tus.new(5)
    trailers = {"X-Other": "1", "Upload-Checksum": checksum("sha1", b"12345"), "X-More": "2"}
    announced = "X-Other, Upload-Checksum , X-More"
    answer = with_trailer(tus, "PATCH", upload, {"Upload-Offset": "0"}, [b"12345"], trailers, announced=announced)
    assert answer.status == 204


@pytest.mark.requirement("checksum-syntax", "ls-checksum-trailer")
def test_a_checksum_comes_once(tus: Client) -> None:
    upload = tus.new(5)
    value = checksum("sha1", b"12345")
    headers = {"Upload-Offset": "0", "Upload-Checksum": value}
    refused(with_trailer(tus, "PATCH", upload, headers, [b"12345"], {"Upload-Checksum": value}), 400)
    assert tus.offset(upload) == 0


@pytest.mark.requirement("checksum-verified", "checksum-discarded", "ls-checksum-trailer")
@pytest.mark.parametrize(("of", "status"), [(b"12345", 201), (b"12344", 460)])
def test_a_creation_with_a_trailer(tus: Client, of: bytes, status: int) -> None:
    before = tus.live()
    trailers = {"Upload-Checksum": checksum("sha256", of)}
    answer = with_trailer(tus, "POST", "/files", {"Upload-Length": "5"}, [b"123", b"45"], trailers)
    assert answer.status == status
    assert len(tus.live() - before) == (1 if status == 201 else 0)


@pytest.mark.requirement("creation-metadata-smuggling", "ls-checksum-trailer")
@pytest.mark.parametrize(
    "trailers",
    [
        {"Upload-Offset": "3"},
        {"Upload-Length": "5"},
        {"X-HTTP-Method-Override": "DELETE"},
        {"Tus-Resumable": "0.1"},
        {"Content-Type": "text/plain"},
    ],
)
def test_nothing_else_is_taken_from_trailers(tus: Client, trailers: dict[str, str]) -> None:
    upload = tus.new(10)
    announced = ", ".join(trailers)
    answer = with_trailer(tus, "PATCH", upload, {"Upload-Offset": "0"}, [b"12345"], trailers, announced=announced)
    assert (answer.status, answer.headers["upload-offset"]) == (204, "5")
    assert tus.head(upload).headers["upload-length"] == "10"
