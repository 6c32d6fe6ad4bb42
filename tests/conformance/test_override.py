"""X-HTTP-Method-Override takes the place of any method."""

import pytest
from tests.conformance.client import Client, refused
from tests.serving import OFFSET_STREAM, TUS, Answer

METHODS = ["POST", "PATCH", "PUT", "GET", "HEAD", "DELETE", "OPTIONS"]


def send(tus: Client, actual: str, effective: str, path: str) -> Answer:
    """A request as one of its two methods would have it, with a body where the effective one takes one."""
    headers = {**TUS, "X-HTTP-Method-Override": effective}
    if effective == "PATCH":
        return tus.request(actual, path, {**headers, **OFFSET_STREAM, "Upload-Offset": "5"}, b"67890")
    if effective == "POST":
        return tus.request(actual, path, {**headers, "Upload-Length": "7"})
    return tus.request(actual, path, headers)


@pytest.mark.requirement("core-override-interpreted", "core-override-actual-ignored", "ls-override-any")
@pytest.mark.parametrize("actual", METHODS)
def test_patch(tus: Client, actual: str) -> None:
    upload = tus.new(10, b"12345")
    answer = send(tus, actual, "PATCH", upload)
    assert (answer.status, answer.headers["upload-offset"]) == (204, "10")
    assert tus.content(upload) == b"1234567890"


@pytest.mark.requirement("core-override-interpreted", "core-override-actual-ignored", "ls-override-any")
@pytest.mark.parametrize("actual", METHODS)
def test_head(tus: Client, actual: str) -> None:
    upload = tus.new(10, b"12345")
    answer = send(tus, actual, "HEAD", upload)
    assert (answer.status, answer.headers["upload-offset"], answer.body) == (200, "5", b"")
    assert tus.offset(upload) == 5


@pytest.mark.requirement("core-override-interpreted", "core-override-actual-ignored", "ls-override-any")
@pytest.mark.parametrize("actual", METHODS)
def test_delete(tus: Client, actual: str) -> None:
    upload = tus.new(10, b"12345")
    assert send(tus, actual, "DELETE", upload).status == 204
    assert tus.head(upload).status == 410


@pytest.mark.requirement("core-override-interpreted", "core-override-actual-ignored", "ls-override-any")
@pytest.mark.parametrize("actual", METHODS)
def test_get(tus: Client, actual: str) -> None:
    upload = tus.file(b"12345")
    answer = tus.request(actual, upload, {"X-HTTP-Method-Override": "GET"})
    assert answer.status == 200
    assert answer.headers["content-length"] == "5"
    assert answer.body == (b"" if actual == "HEAD" else b"12345")
    assert tus.head(upload).status == 200


@pytest.mark.requirement("core-override-interpreted", "core-override-actual-ignored", "ls-override-any")
@pytest.mark.parametrize("actual", METHODS)
def test_post(tus: Client, actual: str) -> None:
    answer = send(tus, actual, "POST", "/files")
    assert answer.status == 201
    assert tus.head(answer.headers["location"]).headers["upload-length"] == "7"


@pytest.mark.requirement("core-override-interpreted", "core-override-actual-ignored", "ls-override-any")
@pytest.mark.parametrize("actual", METHODS)
def test_options(tus: Client, actual: str) -> None:
    upload = tus.new(10, b"12345")
    for path in ("/files", upload):
        answer = tus.request(actual, path, {"X-HTTP-Method-Override": "OPTIONS"})
        assert (answer.status, answer.headers["tus-version"]) == (200, "1.0.0")
    assert tus.offset(upload) == 5


@pytest.mark.requirement("core-override-actual-ignored")
@pytest.mark.parametrize("actual", METHODS)
def test_an_unknown_method_does_nothing(tus: Client, actual: str) -> None:
    upload = tus.new(10, b"12345")
    answer = tus.request(
        actual, upload, {**TUS, **OFFSET_STREAM, "Upload-Offset": "5", "X-HTTP-Method-Override": "FROB"}, b"67890"
    )
    assert answer.status == 405
    assert tus.offset(upload) == tus.stored(upload) == 5


@pytest.mark.requirement("core-unsupported-unprocessed", "ls-version-412")
@pytest.mark.parametrize("actual", ["GET", "OPTIONS"])
@pytest.mark.parametrize("effective", ["PATCH", "DELETE"])
def test_the_version_is_asked_for_by_the_effective_method(tus: Client, actual: str, effective: str) -> None:
    upload = tus.new(10, b"12345")
    headers = {**OFFSET_STREAM, "Upload-Offset": "5", "X-HTTP-Method-Override": effective}
    refused(tus.request(actual, upload, headers, b"67890"), 412)
    assert tus.offset(upload) == tus.stored(upload) == 5
