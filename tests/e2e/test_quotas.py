"""Quotas on a real server: what is refused, what is kept, and what `GET /api/usage` says at each step."""

import hashlib
import sqlite3
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from tests.e2e import tus_js
from tests.e2e.accounts import PASSWORD, User, ask, command, read, register, sign_in
from tests.e2e.samples import Sample
from tests.e2e.wire import all_stored, await_answer, begin_patch, create, patch, poll, request, stored_hash
from tests.serving import OFFSET_STREAM, Answer, Connection, Server, serving

pytestmark = pytest.mark.e2e

MB = 1_000_000
DAILY = 10 * MB
LOCAL = {"auth": "local", "registration": "open", "admin_password": PASSWORD}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("server")
    with serving(directory / "data", **LOCAL, quota_daily="10MB", quota_monthly="50MB") as running:
        yield running


_numbers = count()


@pytest.fixture
def user(server: Server) -> User:
    """A user with nothing to their name."""
    return register(server, f"user-{next(_numbers)}")


def usage(server: Server, user: User) -> dict[str, Any]:
    answer = ask(server, "/api/usage", user.bearer)
    assert answer.status == 200, answer
    return read(answer)


def figures(server: Server, user: User) -> tuple[int, int, int, int]:
    """Used and reserved today, stored, and the number of unfinished uploads."""
    found = usage(server, user)
    for name in ("used", "reserved"):
        assert found["monthly"][name] == found["daily"][name]
    return found["daily"]["used"], found["daily"]["reserved"], found["stored"]["used"], found["unfinished"]["used"]


def assert_exceeded(answer: Answer, quota: str = "daily", **members: Any) -> None:
    assert answer.status == 413, answer
    problem = read(answer)
    assert (problem["code"], problem["quota"]) == ("quota-exceeded", quota)
    assert {name: problem[name] for name in members} == members


def next_midnight() -> str:
    return f"{(datetime.now(UTC) + timedelta(days=1)).date()}T00:00:00Z"


def try_to_create(server: Server, user: User, length: int | None, body: bytes = b"", **headers: str) -> Answer:
    size = {"Upload-Defer-Length": "1"} if length is None else {"Upload-Length": str(length)}
    return request(
        server, "POST", "/files", {**size, **user.bearer, **headers, **(OFFSET_STREAM if body else {})}, body
    )


def offset(server: Server, user: User, path: str) -> int:
    answer = request(server, "HEAD", path, user.bearer)
    assert answer.status == 200, answer
    return int(answer.headers["upload-offset"])


def delete(server: Server, user: User, path: str) -> None:
    assert request(server, "DELETE", path, user.bearer).status == 204


def patch_chunked(server: Server, user: User, path: str, offset: int, body: bytes, **headers: str) -> Answer | None:
    """PATCH with a chunked body, sent until it is answered."""
    with Connection(server.port) as connection:
        begin_patch(connection, path, offset, None, {**user.bearer, **headers})
        with suppress(ConnectionError):
            for start in range(0, len(body), 100_000):
                connection.send_chunk(body[start : start + 100_000])
            connection.send_chunk(b"")
        return await_answer(connection)


def sha1(data: bytes) -> dict[str, str]:
    return {"Upload-Checksum": f"sha1 {b64encode(hashlib.sha1(data).digest()).decode()}"}


# Lengths that are known


def test_more_than_the_quota_is_refused_with_all_there_is_to_know(server: Server, user: User) -> None:
    create(server, 4 * MB, user.bearer)
    answer = try_to_create(server, user, 6 * MB + 1)
    assert_exceeded(answer, limit=DAILY, used=4 * MB, resets_at=next_midnight())
    assert answer.headers["content-type"] == "application/problem+json"
    assert figures(server, user) == (0, 4 * MB, 4 * MB, 1)
    create(server, 6 * MB, user.bearer)
    assert figures(server, user) == (0, DAILY, DAILY, 2)
    assert_exceeded(try_to_create(server, user, 1), used=DAILY)
    create(server, 0, user.bearer)


def test_usage_follows_an_upload_to_its_end(server: Server, user: User) -> None:
    assert figures(server, user) == (0, 0, 0, 0)
    limits = {name: found["limit"] for name, found in usage(server, user).items()}
    assert limits == {"daily": DAILY, "monthly": 50 * MB, "stored": None, "size": None, "unfinished": None}
    assert usage(server, user)["daily"]["resets_at"] == next_midnight()

    path = create(server, MB, user.bearer)
    assert figures(server, user) == (0, MB, MB, 1)
    assert patch(server, path, 0, bytes(1000), user.bearer).status == 204
    assert figures(server, user) == (0, MB, MB, 1)
    assert patch(server, path, 1000, bytes(MB - 1000), user.bearer).status == 204
    assert figures(server, user) == (MB, 0, MB, 0)
    delete(server, user, path)
    assert figures(server, user) == (MB, 0, 0, 0)


def test_deleting_an_unfinished_upload_gives_everything_back(server: Server, user: User) -> None:
    path = create(server, DAILY, user.bearer)
    assert patch(server, path, 0, bytes(1000), user.bearer).status == 204
    assert_exceeded(try_to_create(server, user, 1))
    delete(server, user, path)
    assert figures(server, user) == (0, 0, 0, 0)
    create(server, DAILY, user.bearer)


def test_refused_creation_with_a_body_leaves_nothing(server: Server, user: User) -> None:
    before = len(all_stored(server))
    assert_exceeded(try_to_create(server, user, 11 * MB, bytes(11 * MB)))
    assert figures(server, user) == (0, 0, 0, 0)
    assert len(all_stored(server)) == before


def test_users_do_not_share_quotas(server: Server, user: User) -> None:
    other = register(server, f"user-{next(_numbers)}")
    create(server, DAILY, user.bearer)
    create(server, DAILY, other.bearer)
    assert figures(server, other) == (0, DAILY, DAILY, 1)


@pytest.mark.parametrize("length", [MB, 3 * MB])
def test_parallel_creations_never_overshoot(server: Server, user: User, length: int) -> None:
    with ThreadPoolExecutor(32) as threads:
        answers = list(threads.map(lambda _: try_to_create(server, user, length), range(32)))
    created = [answer for answer in answers if answer.status == 201]
    assert len(created) == DAILY // length
    for answer in answers:
        if answer.status != 201:
            assert_exceeded(answer)
    assert figures(server, user) == (0, len(created) * length, len(created) * length, len(created))


def test_parallel_uploads_of_unknown_length_never_overshoot(server: Server, user: User) -> None:
    paths = [create(server, None, user.bearer) for _ in range(8)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda path: patch_chunked(server, user, path, 0, bytes(2 * MB)), paths))
    total = sum(offset(server, user, path) for path in paths)
    assert total <= DAILY
    assert figures(server, user) == (0, total, total, 8)


# Lengths that are not


@pytest.mark.parametrize("chunked", [False, True])
def test_upload_of_unknown_length_is_cut_and_what_fits_is_kept(server: Server, user: User, chunked: bool) -> None:
    content = bytes(range(250)) * (15 * MB // 250)
    path = create(server, None, user.bearer)
    if chunked:
        answer = patch_chunked(server, user, path, 0, content)
        assert answer is not None
    else:
        answer = patch(server, path, 0, content, user.bearer)
    assert_exceeded(answer, limit=DAILY, used=DAILY, resets_at=next_midnight())
    told = request(server, "HEAD", path, user.bearer).headers
    assert (told["upload-offset"], told["upload-defer-length"]) == (str(DAILY), "1")
    assert stored_hash(server, path) == hashlib.sha256(content[:DAILY]).hexdigest()
    assert figures(server, user) == (0, DAILY, DAILY, 1)

    assert_exceeded(patch(server, path, DAILY, b"more", user.bearer), used=DAILY)
    with Connection(server.port) as connection:
        begin_patch(connection, path, DAILY, 15 * MB, user.bearer)
        connection.send(bytes(300_000))
        at_once = await_answer(connection, within=5)
    assert at_once is not None
    assert_exceeded(at_once, used=DAILY)
    assert offset(server, user, path) == DAILY
    delete(server, user, path)
    assert figures(server, user) == (0, 0, 0, 0)


def test_of_a_checked_body_that_does_not_fit_nothing_is_kept(server: Server, user: User) -> None:
    content = bytes(11 * MB)
    path = create(server, None, user.bearer)
    assert_exceeded(patch(server, path, 0, content, {**user.bearer, **sha1(content)}))
    assert offset(server, user, path) == 0
    assert figures(server, user) == (0, 0, 0, 1)
    fitting = content[:DAILY]
    assert patch(server, path, 0, fitting, {**user.bearer, **sha1(fitting)}).status == 204
    assert figures(server, user) == (0, DAILY, DAILY, 1)


def test_creation_whose_body_does_not_fit_leaves_nothing(server: Server, user: User) -> None:
    before = len(all_stored(server))
    assert_exceeded(try_to_create(server, user, None, bytes(11 * MB)))
    assert figures(server, user) == (0, 0, 0, 0)
    assert len(all_stored(server)) == before
    answer = try_to_create(server, user, None, bytes(9 * MB))
    assert (answer.status, answer.headers["upload-offset"]) == (201, str(9 * MB))
    assert figures(server, user) == (0, 9 * MB, 9 * MB, 1)


def test_small_appends_are_cut_as_well(server: Server, user: User) -> None:
    filler = create(server, DAILY - 1500, user.bearer)
    path = create(server, None, user.bearer)
    assert patch(server, path, 0, bytes(1000), user.bearer).status == 204
    assert_exceeded(patch(server, path, 1000, bytes(1000), user.bearer), used=DAILY)
    kept = offset(server, user, path)
    assert 1000 <= kept <= 1500
    assert figures(server, user) == (0, DAILY - 1500 + kept, DAILY - 1500 + kept, 2)
    assert patch(server, path, kept, bytes(1500 - kept), user.bearer).status == 204
    delete(server, user, filler)
    assert figures(server, user) == (0, 1500, 1500, 1)


@pytest.mark.parametrize("chunked", [False, True])
def test_length_that_is_declared_later_and_does_not_fit_is_refused(server: Server, user: User, chunked: bool) -> None:
    path = create(server, None, user.bearer)
    assert patch(server, path, 0, bytes(MB), user.bearer).status == 204
    too_long = {"Upload-Length": str(DAILY + 1)}
    if chunked:
        answer = patch_chunked(server, user, path, MB, b"x", **too_long)
        assert answer is not None
        assert_exceeded(answer)
    else:
        assert_exceeded(patch(server, path, MB, b"x", {**user.bearer, **too_long}))
    assert "upload-length" not in request(server, "HEAD", path, user.bearer).headers
    assert figures(server, user) == (0, MB, MB, 1)
    fitting = {**user.bearer, "Upload-Length": str(DAILY)}
    assert patch(server, path, MB, b"x", fitting).status == 204
    assert figures(server, user) == (0, DAILY, DAILY, 1)


def test_upload_of_unknown_length_is_counted_when_it_is_finished(server: Server, user: User) -> None:
    path = create(server, None, user.bearer)
    assert patch(server, path, 0, bytes(MB), user.bearer).status == 204
    assert patch(server, path, MB, b"", {**user.bearer, "Upload-Length": str(MB)}).status == 204
    assert figures(server, user) == (MB, 0, MB, 0)


# Parts and finals


def test_parallel_upload_counts_once(server: Server, user: User, small: Sample) -> None:
    options = {"endpoint": server.url, "retryDelays": None, "parallelUploads": 3, "headers": user.bearer}
    run = tus_js.run({"path": str(small.path), "options": options})
    assert stored_hash(server, run.url) == small.sha256
    assert figures(server, user) == (small.size, 0, small.size, 0)
    delete(server, user, run.url)
    assert figures(server, user)[0] == small.size
    assert figures(server, user)[2] == 0


def test_final_that_waits_for_its_parts_counts_once(server: Server, user: User) -> None:
    partial = {**user.bearer, "Upload-Concat": "partial"}
    one, two = create(server, MB, partial), create(server, MB, partial)
    assert figures(server, user) == (0, 2 * MB, 2 * MB, 2)
    concat = {"Upload-Concat": f"final;{one} {two}", **user.bearer}
    answer = request(server, "POST", "/files", concat)
    assert answer.status == 201
    assert figures(server, user) == (0, 2 * MB, 2 * MB, 3)
    assert patch(server, one, 0, bytes(MB), user.bearer).status == 204
    assert figures(server, user) == (MB, MB, 2 * MB, 2)
    assert patch(server, two, 0, bytes(MB), user.bearer).status == 204
    assert figures(server, user) == (2 * MB, 0, 2 * MB, 0)
    delete(server, user, one)
    delete(server, user, answer.headers["location"])
    delete(server, user, two)
    assert figures(server, user) == (2 * MB, 0, 0, 0)


# Other quotas, and changes to them


def test_size_unfinished_and_stored_have_their_own_refusals(area: Path) -> None:
    with serving(area / "data", **LOCAL, quota_unfinished="2", quota_stored="3MB") as server:
        user = register(server, "somebody")
        command(server.data_dir, "user", "quota", "somebody", "--size", "2MB")
        poll(lambda: usage(server, user)["size"]["limit"] == 2 * MB)
        assert_exceeded(try_to_create(server, user, 2 * MB + 1), "size", limit=2 * MB, resets_at=None)
        finished = create(server, MB, user.bearer)
        assert patch(server, finished, 0, bytes(MB), user.bearer).status == 204
        assert_exceeded(try_to_create(server, user, 2 * MB + 1), "size")
        assert_exceeded(try_to_create(server, user, None, bytes(2 * MB + 1)), "size")
        create(server, MB, user.bearer)
        create(server, None, user.bearer)
        assert_exceeded(try_to_create(server, user, 1), "unfinished", limit=2, used=2, resets_at=None)
        assert_exceeded(try_to_create(server, user, None), "unfinished")
        delete(server, user, finished)
        command(server.data_dir, "user", "quota", "somebody", "--unfinished", "none")
        poll(lambda: usage(server, user)["unfinished"]["limit"] is None)
        assert try_to_create(server, user, 2 * MB).status == 201
        assert_exceeded(try_to_create(server, user, 1), "stored", limit=3 * MB, used=3 * MB)


def test_changes_by_the_operator_hold_within_five_seconds(area: Path) -> None:
    with serving(area / "data", **LOCAL, quota_daily="1MB") as server:
        user, admin = register(server, "somebody"), sign_in(server)
        assert_exceeded(try_to_create(server, user, 2 * MB))
        assert_exceeded(try_to_create(server, admin, 2 * MB))

        said = command(server.data_dir, "user", "quota", "--role", "user", "--daily", "3MB")
        assert "3MB" in said
        poll(lambda: try_to_create(server, user, 2 * MB).status == 201, within=6, every=0.2)
        assert_exceeded(try_to_create(server, admin, 2 * MB))

        command(server.data_dir, "user", "quota", "somebody", "--daily", "none")
        poll(lambda: try_to_create(server, user, 90 * MB).status == 201, within=6, every=0.2)
        assert usage(server, user)["daily"]["limit"] is None

        command(server.data_dir, "user", "quota", "somebody", "--daily", "default")
        poll(lambda: usage(server, user)["daily"]["limit"] == 3 * MB, within=6, every=0.2)
        assert_exceeded(try_to_create(server, user, 1), limit=3 * MB, used=92 * MB)


def test_quota_that_is_lowered_does_not_stop_what_was_set_aside(area: Path) -> None:
    with serving(area / "data", **LOCAL) as server:
        user = register(server, "somebody")
        known, unknown = create(server, MB, user.bearer), create(server, None, user.bearer)
        assert patch(server, unknown, 0, bytes(1000), user.bearer).status == 204
        command(server.data_dir, "user", "quota", "somebody", "--daily", "10")
        poll(lambda: usage(server, user)["daily"]["limit"] == 10)
        assert patch(server, known, 0, bytes(MB), user.bearer).status == 204
        assert_exceeded(patch(server, unknown, 1000, b"x", user.bearer))
        assert patch(server, unknown, 1000, b"", {**user.bearer, "Upload-Length": "1000"}).status == 204
        assert figures(server, user) == (MB + 1000, 0, MB + 1000, 0)


def test_expired_upload_gives_everything_back(area: Path) -> None:
    with serving(area / "data", **LOCAL, unfinished_ttl="1s", sweep_interval="0.1", quota_daily="10MB") as server:
        user = register(server, "somebody")
        create(server, DAILY, user.bearer)
        assert_exceeded(try_to_create(server, user, 1))
        poll(lambda: figures(server, user) == (0, 0, 0, 0))
        assert try_to_create(server, user, DAILY).status == 201


# kill -9


@pytest.mark.parametrize("ending", ["finish", "declare", "delete"])
def test_usage_is_right_again_after_a_kill(area: Path, ending: str) -> None:
    with serving(area / "data", **LOCAL, checkpoint_interval="0.05", quota_daily="10MB") as server:
        user = register(server, "somebody")
        path = create(server, None, user.bearer)
        with Connection(server.port) as connection:
            begin_patch(connection, path, 0, None, user.bearer)
            for _ in range(20):
                connection.send_chunk(bytes(100_000))
            poll(lambda: committed(server, path) == 2 * MB)
            server.kill()
        server.start()
        used, reserved, stored, unfinished = figures(server, user)
        assert (used, unfinished) == (0, 1)
        assert 2 * MB <= reserved == stored <= DAILY
        at = offset(server, user, path)
        assert at == 2 * MB
        match ending:
            case "finish":
                last = {**user.bearer, "Upload-Length": str(3 * MB)}
                assert patch(server, path, at, bytes(3 * MB - at), last).status == 204
                assert figures(server, user) == (3 * MB, 0, 3 * MB, 0)
            case "declare":
                assert patch(server, path, at, b"", {**user.bearer, "Upload-Length": str(at)}).status == 204
                assert figures(server, user) == (2 * MB, 0, 2 * MB, 0)
            case _:
                delete(server, user, path)
                assert figures(server, user) == (0, 0, 0, 0)


def committed(server: Server, path: str) -> int:
    """The offset that would survive the server."""
    with closing(sqlite3.connect(server.data_dir / "longshore.db", timeout=10)) as connection:
        rows = connection.execute("SELECT upload_offset FROM uploads WHERE id = ?", (path.rpartition("/")[2],))
        found: int = rows.fetchone()[0]
        return found


def test_nobody_sees_usage_without_a_token(server: Server) -> None:
    assert ask(server, "/api/usage").status == 401


def test_there_is_no_usage_where_nobody_is_known(area: Path) -> None:
    with serving(area / "data") as server:
        assert ask(server, "/api/usage").status == 404
