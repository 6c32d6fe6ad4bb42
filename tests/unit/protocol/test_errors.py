"""The tree of refusals, held against what clients make of a status."""

import json
import re

import pytest

from longshore.protocol import errors
from longshore.protocol.errors import OffsetConflict, TusError
from longshore.protocol.reply import reply_error

PASSING = {"offset-conflict", "upload-unfinished", "upload-locked", "unavailable", "shutting-down", "body-stalled"} | {
    "insufficient-storage"
}
"""What may be different in a moment: clients wait, ask for the offset, and go on."""

PERMANENT = {
    "bad-request",
    "invalid-header",
    "invalid-metadata",
    "metadata-too-large",
    "invalid-concat",
    "invalid-checksum",
    "checksum-algorithm-unsupported",
    "length-conflict",
    "upload-taken-over",
    "extension-unsupported",
    "final-upload",
    "upload-not-found",
    "method-not-allowed",
    "upload-gone",
    "upload-expired",
    "upload-terminated",
    "version-unsupported",
    "max-size-exceeded",
    "length-exceeded",
    "content-type-unsupported",
    "checksum-mismatch",
    "unauthenticated",
    "invalid-token",
    "forbidden",
    "quota-exceeded",
    "format-not-allowed",
}
"""What sending it again does not change: clients give up."""


def family(root: type[TusError]) -> list[type[TusError]]:
    """The class and all classes below it."""
    return [root, *(member for child in root.__subclasses__() for member in family(child))]


# Only what the protocol defines: other rooms and other tests may have refusals of their own.
EVERY = sorted({one for one in family(TusError) if one.__module__ == errors.__name__}, key=lambda one: one.__name__)


def example(kind: type[TusError]) -> TusError:
    """A refusal of this kind."""
    return OffsetConflict(4) if kind is OffsetConflict else kind()


def test_every_code_is_unique_and_known() -> None:
    codes = [kind.code for kind in EVERY]
    assert len(codes) == len(set(codes))
    assert set(codes) == PASSING | PERMANENT
    assert not PASSING & PERMANENT


@pytest.mark.parametrize("kind", EVERY)
def test_every_class_names_its_own_problem(kind: type[TusError]) -> None:
    assert "code" in vars(kind)
    assert "title" in vars(kind)
    assert kind.__doc__
    assert re.fullmatch("[a-z]+(-[a-z]+)*", kind.code)


@pytest.mark.parametrize("kind", EVERY)
def test_clients_understand_every_status(kind: type[TusError]) -> None:
    if kind.code in PASSING:
        assert kind.status in (409, 423) or 500 <= kind.status < 600
    else:
        assert 400 <= kind.status < 500
        assert kind.status not in (409, 423, 429)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("offset-conflict", 409),
        ("version-unsupported", 412),
        ("max-size-exceeded", 413),
        ("content-type-unsupported", 415),
        ("checksum-algorithm-unsupported", 400),
        ("checksum-mismatch", 460),
        ("final-upload", 403),
        ("upload-not-found", 404),
        ("upload-expired", 410),
        ("upload-terminated", 410),
        ("upload-locked", 423),
        ("upload-taken-over", 400),
    ],
)
def test_the_statuses_of_the_specification(code: str, status: int) -> None:
    assert {kind.status for kind in EVERY if kind.code == code} == {status}


@pytest.mark.parametrize("kind", EVERY)
def test_every_refusal_is_a_problem_document(kind: type[TusError]) -> None:
    error = example(kind)
    reply = reply_error(error)
    problem = json.loads(reply.body)
    assert reply.status == problem["status"] == kind.status
    assert problem["code"] == kind.code
    assert problem["type"].endswith(kind.code)
    assert problem["title"] == kind.title
    assert problem["detail"] == error.detail == str(error)
    assert problem["detail"]
    assert ("Content-Type", "application/problem+json") in reply.headers


def test_a_detail_and_members_are_passed_on() -> None:
    error = TusError("Because.", headers=(("X-Reason", "y"),), limit=5, header=None)
    reply = reply_error(error)
    assert ("X-Reason", "y") in reply.headers
    assert json.loads(reply.body) | {"detail": "Because.", "limit": 5, "header": None} == json.loads(reply.body)
