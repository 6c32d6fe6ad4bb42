"""Termination."""

import pytest
from tests.conformance.client import UNKNOWN, Client, problem, refused
from tests.serving import TUS


@pytest.mark.requirement("termination-204", "termination-frees", "termination-gone", "ls-delete", "ls-head-410")
@pytest.mark.parametrize("data", [b"", b"12345", b"1234567890"])
@pytest.mark.parametrize("partial", [False, True])
def test_a_terminated_upload_is_gone(tus: Client, partial: bool, data: bytes) -> None:
    upload = tus.new(10, data, partial=partial)
    answer = tus.delete(upload)
    assert (answer.status, answer.body) == (204, b"")
    assert tus.stored(upload) is None
    assert tus.head(upload).status == 410
    for answer in (tus.patch(upload, len(data), b""), tus.get(upload), tus.delete(upload)):
        refused(answer, 410, "upload-terminated")


@pytest.mark.requirement("termination-204", "termination-frees")
def test_a_terminated_final_leaves_its_parts(tus: Client) -> None:
    one = tus.part(b"one")
    final = tus.final(one, one).headers["location"]
    assert tus.delete(final).status == 204
    assert tus.stored(final) is None
    assert tus.get(final).status == 410
    assert tus.content(tus.final(one).headers["location"]) == b"one"


@pytest.mark.requirement("termination-gone", "core-implemented")
def test_nothing_cannot_be_terminated(tus: Client) -> None:
    refused(tus.delete(UNKNOWN), 404, "upload-not-found")
    refused(tus.request("DELETE", "/files", TUS), 405)


@pytest.mark.requirement("ls-delete-running", "termination-204", "termination-frees", "ls-delete")
def test_a_running_patch_is_ended(tus: Client) -> None:
    upload = tus.new(10)
    with tus.half_patch(upload, b"123", of=10) as connection:
        assert tus.delete(upload).status == 204
        answer = connection.read_answer()
        assert 400 <= answer.status < 500
        assert problem(answer)["code"]
    assert tus.head(upload).status == 410
    assert tus.stored(upload) is None
