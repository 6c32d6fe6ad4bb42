"""Upload-Metadata: what is taken, what is not, and what becomes of it."""

from base64 import b64encode

import pytest
from tests.conformance.client import Client, Serve, refused
from tests.serving import TUS

VALID = [
    "filename d29ybGRfZG9taW5hdGlvbl9wbGFuLnBkZg==,is_confidential",
    "a",
    "a,b,c",
    "a YQ==",
    "a,b YQ==,c",
    "a YQ==,A YQ==",
    "filename 8J+agA==,filetype aW1hZ2UvcG5n",
    "binary AAEC/f7/",
    "!#$%&'*+-.^_`|~:;=?@[]{}<>()/\\\" YQ==",
    "relativePath bnVsbA==,name YQ==,type YQ==,filetype YQ==,filename YQ==",
]
INVALID = [
    ",",
    "a,",
    ",a",
    "a,,b",
    "a YQ==,,b YQ==",
    "a YQ==,a Yg==",
    "a,a",
    "a,b,a YQ==",
    "a !!!",
    "a YQ",
    "a YQ=",
    "a YQ===",
    "a Y",
    "a =",
    "a YQ== YQ==",
    "a b c",
    "a  YQ==",
    "a\tYQ==",
    "a Y\tQ==",
    "a _-8=",
    "a YQ==;b",
    "\xe9 YQ==",
    "a \xe9",
]


@pytest.mark.requirement(
    "creation-head-metadata",
    "creation-metadata-pairs",
    "creation-metadata-space",
    "creation-metadata-key",
    "ls-metadata-echoed",
    "ls-metadata-empty",
    "ls-head",
)
@pytest.mark.parametrize("metadata", VALID)
def test_metadata_comes_back_as_it_was_sent(tus: Client, metadata: str) -> None:
    upload = tus.new(5, metadata=metadata)
    assert tus.head(upload).headers["upload-metadata"] == metadata
    tus.patch(upload, 0, b"12345")
    assert tus.head(upload).headers["upload-metadata"] == metadata


@pytest.mark.requirement("ls-metadata-empty", "ls-head-no-metadata")
@pytest.mark.parametrize("metadata", ["", None])
def test_no_metadata_is_fine(tus: Client, metadata: str | None) -> None:
    upload = tus.new(5, metadata=metadata)
    answer = tus.head(upload)
    assert answer.status == 200
    assert not answer.headers.get("upload-metadata")
    tus.patch(upload, 0, b"12345")
    assert tus.content(upload) == b"12345"


@pytest.mark.requirement(
    "creation-metadata-pairs",
    "creation-metadata-space",
    "creation-metadata-key",
    "creation-metadata-base64",
    "creation-metadata-unique",
    "ls-metadata-strict",
)
@pytest.mark.parametrize("metadata", INVALID)
@pytest.mark.parametrize("body", [b"", b"12345"])
def test_metadata_that_is_none_creates_nothing(tus: Client, body: bytes, metadata: str) -> None:
    before = tus.live()
    refused(tus.post({"Upload-Length": "5", "Upload-Metadata": metadata}, body), 400, "invalid-metadata")
    assert tus.live() == before


@pytest.mark.requirement("ls-metadata-strict", "creation-metadata-unique")
def test_metadata_of_a_final_upload_is_read_as_strictly(tus: Client) -> None:
    part = tus.part(b"12345")
    before = tus.live()
    refused(tus.final(part, headers={"Upload-Metadata": "a,a"}), 400, "invalid-metadata")
    assert tus.live() == before


@pytest.mark.requirement("creation-metadata-unique", "ls-metadata-strict")
def test_a_header_sent_twice_is_one_list(tus: Client) -> None:
    with tus.connect() as connection:
        for second, status in (("b YQ==", 201), ("a YQ==", 400)):
            metadata = ["Upload-Metadata: a Yg==", f"Upload-Metadata: {second}"]
            lines = ["POST /files HTTP/1.1", "Host: x", "Tus-Resumable: 1.0.0", "Upload-Length: 5", *metadata, "", ""]
            connection.send("\r\n".join(lines).encode())
            assert connection.read_answer().status == status


@pytest.mark.requirement("ls-metadata-size")
def test_metadata_has_a_limit(serve: Serve) -> None:
    tus = serve(max_metadata_size="100")
    longest = "key " + b64encode(b"x" * 72).decode()
    assert len(longest) == 100
    assert tus.head(tus.new(5, metadata=longest)).headers["upload-metadata"] == longest
    before = tus.live()
    answer = tus.post({"Upload-Length": "5", "Upload-Metadata": f"k{longest}"})
    assert 400 <= answer.status < 500
    assert answer.status not in (409, 423, 429)
    refused(answer, answer.status, "metadata-too-large")
    assert tus.live() == before


@pytest.mark.requirement("creation-metadata-smuggling")
@pytest.mark.parametrize(
    "injected", ["\r\nX-Injected: yes", "\nX-Injected: yes", "\r\n\r\n<html>", "\x00", "\u2028X-Injected: y"]
)
@pytest.mark.parametrize("key", ["filename", "name", "filetype", "type", "contentType", "X-Injected"])
def test_metadata_smuggles_no_header_in(tus: Client, key: str, injected: str) -> None:
    metadata = f"{key} {b64encode(f'text/html{injected}'.encode()).decode()}"
    upload = tus.file(b"12345", metadata=metadata)
    plain = tus.get(tus.file(b"12345"))
    answer = tus.get(upload)
    assert answer.status == 200
    # The checksum is computed in the background: one of them may have it already.
    assert answer.headers.keys() - {"repr-digest"} == plain.headers.keys() - {"repr-digest"}
    assert answer.body == b"12345"
    assert all(value.isascii() and value.isprintable() for value in answer.headers.values())
    assert tus.head(upload).headers["upload-metadata"] == metadata


@pytest.mark.requirement("creation-metadata-smuggling", "creation-metadata-base64")
@pytest.mark.parametrize(
    "raw", [b"a YQ==\rX-Injected: yes", b"a YQ==\nX-Injected: yes", b"a\x00b YQ==", b"a YQ==\r\n folded"]
)
def test_bare_line_ends_in_metadata_are_refused(tus: Client, raw: bytes) -> None:
    before = tus.live()
    head = b"POST /files HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nUpload-Length: 5\r\nUpload-Metadata: %s\r\n\r\n"
    with tus.connect() as connection:
        connection.send(head % raw)
        answer = connection.read_answer()
    if answer.status == 201:  # The parser may make two proper header fields of it; then it must be that, and no more.
        echoed = tus.request("HEAD", answer.headers["location"], TUS).headers
        assert echoed["upload-metadata"] == "a YQ=="
        assert "x-injected" not in echoed
    else:
        assert answer.status == 400
        assert tus.live() == before
