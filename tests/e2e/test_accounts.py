"""Accounts on a running server: registering, commands beside it, attempts, and what the log says of all that."""

import json
import re
import time
from collections.abc import Iterator

import pytest
from tests.e2e.accounts import PASSWORD, ask, bearer, command, read, register, sign_in
from tests.e2e.wire import code_of, create, head, patch, poll, request
from tests.serving import Answer, Connection, Server, serving

pytestmark = pytest.mark.e2e

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
OTHER = "another correct horse"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that logs as much as it can."""
    directory = tmp_path_factory.mktemp("server")
    settings = {"registration": "open", "log_level": "debug", "access_log": "true", "login_attempts": "5"}
    with serving(directory / "data", auth="local", admin_password=PASSWORD, **settings) as running:
        yield running


def is_good(server: Server, token: str) -> bool:
    return ask(server, "/auth/me", bearer(token)).status == 200


def test_a_user_registers_signs_in_and_uploads(server: Server) -> None:
    made = ask(server, "/auth/register", username="First", password=PASSWORD)
    assert (made.status, set(read(made))) == (201, {"id", "username", "role"})
    first = sign_in(server, "first")
    assert read(ask(server, "/auth/me", first.bearer)) == read(made)

    path = create(server, 5, first.bearer)
    assert patch(server, path, 0, b"hello", first.bearer).status == 204
    assert request(server, "GET", path, first.bearer).body == b"hello"
    assert read(ask(server, "/api/usage", first.bearer))["stored"]["used"] == 5


def test_signing_in_with_a_form(server: Server) -> None:
    with Connection(server.port) as connection:
        body = b"grant_type=password&username=admin&password=" + PASSWORD.replace(" ", "+").encode()
        answer = connection.request("POST", "/auth/token", FORM, body)
        assert (answer.status, answer.headers["cache-control"]) == (200, "no-store")
        assert read(answer).keys() == {"access_token", "token_type", "expires_in", "refresh_token"}
        twice = connection.request("POST", "/auth/token", FORM, body + b"&username=admin")
        assert (twice.status, code_of(twice)) == (422, "invalid-request")


def test_a_body_that_is_refused_leaves_the_connection_usable_or_closed(server: Server) -> None:
    large = json.dumps({"username": "admin", "password": "x" * 1_000_000}).encode()
    with Connection(server.port) as connection:
        answer = connection.request("POST", "/auth/token", {"Content-Type": "application/json"}, large)
    assert (answer.status, code_of(answer)) == (413, "body-too-large")
    with Connection(server.port) as connection:
        connection.send_head("POST", "/auth/token", {"Content-Type": "text/plain", "Transfer-Encoding": "chunked"})
        connection.send_chunk(b"x" * 10_000)
        connection.send(b"0\r\n\r\n")
        assert connection.read_answer().status == 415


def test_an_unknown_user_and_a_wrong_password_take_the_same_answer_and_time(server: Server) -> None:
    def attempt(name: str) -> tuple[int, bytes, float]:
        started = time.perf_counter()
        answer = ask(server, "/auth/token", username=name, password=OTHER)
        return answer.status, answer.body, time.perf_counter() - started

    register(server, "timed")
    known = [attempt("timed") for _ in range(4)]
    unknown = [attempt(f"nobody{number}") for number in range(4)]

    assert {(status, body) for status, body, _ in known + unknown} == {(401, known[0][1])}
    fastest_known, fastest_unknown = (min(took for *_, took in some) for some in (known, unknown))
    # Without a hash to compute it would be less than a tenth.
    assert 0.25 < fastest_unknown / fastest_known < 4


def test_attempts_are_limited_and_the_answer_says_for_how_long(server: Server) -> None:
    register(server, "guessed")
    answers = [ask(server, "/auth/token", username="guessed", password=OTHER) for _ in range(6)]

    assert [answer.status for answer in answers] == [401] * 5 + [429]
    assert code_of(answers[-1]) == "too-many-attempts"
    assert 290 <= int(answers[-1].headers["retry-after"]) <= 300
    assert ask(server, "/auth/token", username="guessed", password=PASSWORD).status == 429
    sign_in(server, "admin")


@pytest.mark.slow
def test_a_user_who_is_disabled_beside_the_server_is_out_within_seconds(server: Server) -> None:
    user = register(server, "disabled")
    path = create(server, 5, user.bearer)
    script = command(server.data_dir, "token", "issue", "--user", "disabled", "--ttl", "30d")
    assert is_good(server, script)

    command(server.data_dir, "user", "disable", "disabled")

    poll(lambda: not is_good(server, user.access_token), within=8, every=0.2)
    poll(lambda: not is_good(server, script), within=8, every=0.2)
    assert patch(server, path, 0, b"hello", user.bearer).status == 401
    assert ask(server, "/auth/refresh", refresh_token=user.refresh_token).status == 401
    assert ask(server, "/auth/token", username="disabled", password=PASSWORD).status == 401
    command(server.data_dir, "user", "enable", "disabled")
    assert not is_good(server, script)
    again = sign_in(server, "disabled")
    assert patch(server, path, 0, b"hello", again.bearer).status == 204


def test_a_password_that_the_operator_sets_ends_what_was_before(server: Server) -> None:
    user = register(server, "forgetful")

    command(server.data_dir, "user", "passwd", "forgetful", given=f"{OTHER}\n")

    poll(lambda: not is_good(server, user.access_token), within=8, every=0.2)
    assert ask(server, "/auth/token", username="forgetful", password=PASSWORD).status == 401
    sign_in(server, "forgetful", OTHER)


@pytest.mark.slow
def test_a_new_role_holds_for_tokens_that_are_there(server: Server) -> None:
    user, other = register(server, "promoted"), register(server, "other")
    path = create(server, 5, other.bearer)
    assert request(server, "HEAD", path, user.bearer).status == 404

    command(server.data_dir, "user", "role", "promoted", "admin")

    poll(lambda: request(server, "HEAD", path, user.bearer).status == 200, within=8, every=0.2)


def test_tokens_of_a_key_that_signs_no_more_stay_good(server: Server) -> None:
    before = sign_in(server)
    command(server.data_dir, "token", "rotate")
    after = command(server.data_dir, "token", "issue", "--user", "admin")

    assert is_good(server, after)
    assert is_good(server, before.access_token)


def test_an_invitation_is_good_once(server: Server) -> None:
    directory = server.data_dir.parent / "invited"
    with serving(directory, auth="local", admin_password=PASSWORD, registration="invite") as inviting:
        code = command(directory, "user", "invite", "--role", "admin")

        def attempt(name: str) -> Answer:
            return ask(inviting, "/auth/register", username=name, password=PASSWORD, invitation=code)

        taken, made, again = attempt("admin"), attempt("guest"), attempt("another")

        assert (taken.status, code_of(taken)) == (422, "username-taken")
        assert (made.status, read(made)["role"]) == (201, "admin")
        assert (again.status, code_of(again)) == (403, "invitation-invalid")
        assert code not in inviting.said()


def test_the_first_password_is_printed_once_and_signs_in(server: Server) -> None:
    with serving(server.data_dir.parent / "first", auth="local") as first:
        (password,) = re.findall(r"Password \(shown only this once\): (\S+)", first.said())
        sign_in(first, "admin", password)
        assert first.stop() == 0
        first.start()
        assert first.said().count(password) == 1


def test_no_secret_is_in_the_log_or_a_url(server: Server) -> None:
    user = register(server, "secretive")
    renewed = ask(server, "/auth/refresh", refresh_token=user.refresh_token)
    script = command(server.data_dir, "token", "issue", "--user", "secretive")
    path = create(server, 5, user.bearer)
    request(server, "HEAD", path, bearer(script))
    request(server, "HEAD", path, bearer(f"{script[:-4]}AAAA"))
    ask(server, "/auth/register", username="secretive", password=PASSWORD)
    ask(server, "/auth/token", username="secretive", password=OTHER)
    ask(server, "/auth/password", user.bearer, current_password=OTHER, new_password=OTHER)
    with Connection(server.port) as connection:
        connection.request("POST", "/auth/token", FORM, f"username={PASSWORD}&password={PASSWORD}%FF".encode())

    said = server.said()
    assert path in said, "the log is not the one with the requests"
    assert head(server, path).status == 401
    tokens = [user.access_token, user.refresh_token, script, *map(str, read(renewed).values())]
    for secret in [PASSWORD, OTHER, *(token for token in tokens if len(token) > 10)]:
        assert secret not in said
        # Nor a part of one: the signature of an access token, the secret of a refresh token.
        assert secret.rpartition(".")[2] not in said
    assert "$argon2" not in said
