"""Somebody else's upload is one that does not exist; administrators see all."""

import os
import select
import time
from collections.abc import Iterator, Mapping

import pytest
from tests.e2e.accounts import PASSWORD, User, register, sign_in
from tests.e2e.samples import MEGABYTE
from tests.e2e.wire import (
    Sender,
    begin_patch,
    code_of,
    create,
    patch,
    poll,
    request,
    stored,
    stored_size,
)
from tests.serving import OFFSET_STREAM, Answer, Connection, Server, serving

pytestmark = pytest.mark.e2e

UNKNOWN = "/files/0123456789abcdef0123456789abcdef"

VARYING = {"date", "x-request-id"}
"""Header fields that differ each time."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("server")
    settings = {"registration": "open", "checkpoint_interval": "0.1", "lock_timeout": "2"}
    with serving(
        directory / "data", auth="local", admin_password=PASSWORD, visibility="private", **settings
    ) as running:
        yield running


@pytest.fixture(scope="module")
def owner(server: Server) -> User:
    return register(server, "owner")


@pytest.fixture(scope="module")
def stranger(server: Server) -> User:
    return register(server, "stranger")


@pytest.fixture(scope="module")
def admin(server: Server) -> User:
    return sign_in(server)


UPLOADS = ["new", "begun", "finished", "empty", "deferred", "part", "final", "final of unfinished", "terminated"]


@pytest.fixture(scope="module")
def uploads(server: Server, owner: User) -> Mapping[str, str]:
    """One of every kind, all the owner's."""
    part = create(server, 3, {**owner.bearer, "Upload-Concat": "partial"})
    whole = create(server, 3, {**owner.bearer, "Upload-Concat": "partial"})
    assert patch(server, whole, 0, b"abc", owner.bearer).status == 204
    paths = {
        "new": create(server, 10, owner.bearer),
        "begun": create(server, 10, owner.bearer),
        "finished": create(server, 3, owner.bearer),
        "empty": create(server, 0, owner.bearer),
        "deferred": create(server, None, owner.bearer),
        "part": part,
        "final": concatenate(server, owner, whole).headers["location"],
        "final of unfinished": concatenate(server, owner, part).headers["location"],
        "terminated": create(server, 10, owner.bearer),
    }
    for name in ("begun", "finished"):
        assert patch(server, paths[name], 0, b"abc", owner.bearer).status == 204
    assert request(server, "DELETE", paths["terminated"], owner.bearer).status == 204
    return paths


def concatenate(server: Server, user: User, *parts: str) -> Answer:
    return request(server, "POST", "/files", {**user.bearer, "Upload-Concat": f"final;{' '.join(parts)}"})


def whole(answer: Answer) -> tuple[int, Mapping[str, str], bytes]:
    """Everything of an answer but the time."""
    return answer.status, {name: value for name, value in answer.headers.items() if name not in VARYING}, answer.body


REQUESTS: Mapping[str, tuple[str, Mapping[str, str], bytes]] = {
    "HEAD": ("HEAD", {}, b""),
    "GET": ("GET", {}, b""),
    "DELETE": ("DELETE", {}, b""),
    "PATCH at the start": ("PATCH", {**OFFSET_STREAM, "Upload-Offset": "0"}, b"x"),
    "PATCH where it stands": ("PATCH", {**OFFSET_STREAM, "Upload-Offset": "3"}, b"x"),
    "PATCH of nothing": ("PATCH", {**OFFSET_STREAM, "Upload-Offset": "3"}, b""),
    "PATCH elsewhere": ("PATCH", {**OFFSET_STREAM, "Upload-Offset": "999"}, b"x"),
    "PATCH with too much": ("PATCH", {**OFFSET_STREAM, "Upload-Offset": "0"}, b"x" * 1000),
    "PATCH with a length": ("PATCH", {**OFFSET_STREAM, "Upload-Offset": "0", "Upload-Length": "4"}, b"x"),
    "PATCH of another type": ("PATCH", {"Upload-Offset": "0"}, b"x"),
    "PATCH of another version": ("PATCH", {**OFFSET_STREAM, "Upload-Offset": "0", "Tus-Resumable": "2"}, b"x"),
    "POST": ("POST", {"Upload-Length": "5"}, b""),
    "override": ("POST", {**OFFSET_STREAM, "Upload-Offset": "0", "X-HTTP-Method-Override": "PATCH"}, b"x"),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_somebody_elses_upload_answers_like_none(
    server: Server, uploads: Mapping[str, str], stranger: User, name: str
) -> None:
    method, headers, body = REQUESTS[name]
    expected = whole(request(server, method, UNKNOWN, {**headers, **stranger.bearer}, body))
    if name in ("HEAD", "GET", "DELETE", "PATCH at the start", "PATCH where it stands", "override"):
        assert expected[0] == 404
    for kind in UPLOADS:
        answer = request(server, method, uploads[kind], {**headers, **stranger.bearer}, body)
        assert whole(answer) == expected, kind


@pytest.mark.parametrize("kind", UPLOADS)
def test_somebody_elses_upload_is_no_part(
    server: Server, uploads: Mapping[str, str], stranger: User, kind: str
) -> None:
    mine = create(server, 0, {**stranger.bearer, "Upload-Concat": "partial"})
    for parts in ([None], [mine, None], [None, mine]):
        answers = [
            concatenate(server, stranger, *(part or there for part in parts)) for there in (uploads[kind], UNKNOWN)
        ]
        assert answers[0].status == 404
        assert whole(answers[0]) == whole(answers[1])


def test_the_owner_sees_what_a_stranger_does_not(server: Server, uploads: Mapping[str, str], owner: User) -> None:
    seen = {kind: request(server, "HEAD", path, owner.bearer) for kind, path in uploads.items()}

    assert {kind: answer.status for kind, answer in seen.items()} == dict.fromkeys(UPLOADS, 200) | {"terminated": 410}
    assert seen["begun"].headers["upload-offset"] == seen["finished"].headers["upload-offset"] == "3"
    assert request(server, "GET", uploads["finished"], owner.bearer).body == b"abc"
    assert request(server, "GET", uploads["final"], owner.bearer).body == b"abc"


def test_a_stranger_does_not_disturb_a_running_patch(server: Server, owner: User, stranger: User) -> None:
    data = os.urandom(3 * MEGABYTE)
    path = create(server, len(data), owner.bearer)
    with Sender(server, path, data, rate=len(data) / 3, headers=owner.bearer) as sender:
        poll(lambda: sender.sent > len(data) // 4)
        while sender.sent < len(data) * 3 // 4:
            stands = int(request(server, "HEAD", path, owner.bearer).headers["upload-offset"])
            for offset in (0, stands, sender.sent):
                answer = patch(server, path, offset, b"x" * 1000, stranger.bearer)
                assert (answer.status, code_of(answer)) == (404, "upload-not-found")
            assert request(server, "DELETE", path, stranger.bearer).status == 404
            assert request(server, "HEAD", path, stranger.bearer).status == 404
        answer_to_owner = sender.finished()

    assert answer_to_owner is not None
    assert (answer_to_owner.status, answer_to_owner.headers["upload-offset"]) == (204, str(len(data)))
    assert stored(server, path).read_bytes() == data


def test_a_stranger_does_not_end_a_patch_that_pauses(server: Server, owner: User, stranger: User) -> None:
    path = create(server, 10, owner.bearer)
    with Connection(server.port) as connection:
        begin_patch(connection, path, 0, 10, owner.bearer)
        connection.send(b"01234")
        poll(lambda: stored_size(server, path) == 5)
        time.sleep(0.7)  # Beyond the stall threshold, after which the owner's own HEAD would end it.
        for method, headers in (("HEAD", {}), ("PATCH", {**OFFSET_STREAM, "Upload-Offset": "5"}), ("DELETE", {})):
            started = time.monotonic()
            assert request(server, method, path, {**headers, **stranger.bearer}).status == 404
            assert time.monotonic() - started < 1.5, "a stranger does not wait for the lock either"
        assert not select.select([connection.socket], [], [], 0.2)[0]
        connection.send(b"56789")
        assert connection.read_answer().status == 204


def test_an_administrator_sees_and_does_all(
    server: Server, uploads: Mapping[str, str], owner: User, stranger: User, admin: User
) -> None:
    for kind, path in uploads.items():
        assert request(server, "HEAD", path, admin.bearer).status == (410 if kind == "terminated" else 200)
    assert request(server, "GET", uploads["finished"], admin.bearer).body == b"abc"
    path = create(server, 6, {**owner.bearer, "Upload-Concat": "partial"})
    assert patch(server, path, 0, b"abc", admin.bearer).status == 204
    assert patch(server, path, 3, b"def", owner.bearer).status == 204
    final = concatenate(server, admin, path)
    assert final.status == 201
    # The whole is whose who had it made; the part stays its owner's.
    assert request(server, "HEAD", final.headers["location"], owner.bearer).status == 404
    assert request(server, "DELETE", path, stranger.bearer).status == 404
    assert request(server, "DELETE", path, admin.bearer).status == 204
    assert request(server, "HEAD", path, owner.bearer).status == 410
    assert request(server, "HEAD", path, stranger.bearer).status == 404


def test_uploads_of_nobody_are_the_administrators(server: Server) -> None:
    directory = server.data_dir.parent / "handed-over"
    settings = {"admin_password": PASSWORD, "registration": "open"}
    with serving(directory, auth="none") as open_to_all:
        path = create(open_to_all, 10)
        assert patch(open_to_all, path, 0, b"abc").status == 204
        assert open_to_all.stop() == 0
    with serving(directory, auth="local", **settings) as closed:
        user, admin = register(closed, "user"), sign_in(closed)
        for method, (verb, headers, body) in REQUESTS.items():
            answers = [request(closed, verb, where, {**headers, **user.bearer}, body) for where in (path, UNKNOWN)]
            assert whole(answers[0]) == whole(answers[1]), method
        assert request(closed, "HEAD", path, admin.bearer).headers["upload-offset"] == "3"
        mine = create(closed, 5, user.bearer)
        assert closed.stop() == 0
    with serving(directory, auth="none") as open_to_all:
        assert request(open_to_all, "HEAD", mine, {}).status == 200
        assert request(open_to_all, "DELETE", path, {}).status == 204
