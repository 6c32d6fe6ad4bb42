import base64
import json
import stat
from datetime import timedelta

import jwt
import pytest
from tests.unit.cli.terminal import PASSWORD, Terminal

KEY = base64.b64encode(b"k" * 32).decode()
NEWER_KEY = base64.b64encode(b"n" * 32).decode()
HELP = " (longshore --help lists what there is)"
LIFETIME = "use a duration of more than 0, such as 30 (seconds), 90s, 15m, 12h or 7d"


@pytest.fixture
def ann(terminal: Terminal) -> Terminal:
    terminal.add("ann")
    return terminal


def kid(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


def lifetime(token: str) -> timedelta:
    claims = jwt.decode(token, options={"verify_signature": False})
    return timedelta(seconds=claims["exp"] - claims["iat"])


def test_a_token_is_the_users(ann: Terminal) -> None:
    token = ann.run("token issue --user ANN").text
    assert {**(ann.me(token) or {}), "id": ""} == {"id": "", "username": "ann", "role": "user"}
    assert lifetime(token) == timedelta(hours=1)


def test_a_token_opens_what_is_closed_without_one(ann: Terminal) -> None:
    creation = {"Tus-Resumable": "1.0.0", "Upload-Length": "1"}
    assert ann.ask("POST", "/files", headers=creation).status_code == 401
    assert ann.ask("POST", "/files", headers=creation, token=ann.token("ann")).status_code == 201


@pytest.mark.parametrize(
    ("ttl", "length"), [("90", timedelta(seconds=90)), ("15m", timedelta(minutes=15)), ("365d", timedelta(days=365))]
)
def test_a_token_lives_as_long_as_it_is_told(ann: Terminal, ttl: str, length: timedelta) -> None:
    assert lifetime(ann.run(f"token issue --user ann --ttl {ttl}").text) == length


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ("--user nobody", "No such user"),
        ("--user a/b", "No such user"),
        ("", f"Missing option '--user'.{HELP}"),
        ("--user ann --ttl 0", f"--ttl=0 is not valid: {LIFETIME}{HELP}"),
        ("--user ann --ttl never", f"--ttl=never is not valid: {LIFETIME}{HELP}"),
        ("--user ann --ttl 400d", f"--ttl: a token lives a year at most{HELP}"),
    ],
)
def test_what_is_refused_is_one_line(ann: Terminal, arguments: str, line: str) -> None:
    assert ann.run(f"token issue {arguments}").complaint == line


def test_tokens_of_old_keys_stay_good_after_rotations(ann: Terminal) -> None:
    oldest = ann.token("ann")
    said = ann.run("token rotate").text
    newer = ann.token("ann")
    assert said == f"key {kid(newer)} signs from now on"
    ann.run("token rotate")
    newest = ann.token("ann")
    assert len({kid(oldest), kid(newer), kid(newest)}) == 3
    assert ann.me(oldest) == ann.me(newer) == ann.me(newest) is not None


def test_a_rotation_of_keys_that_are_not_there_yet_makes_them(terminal: Terminal) -> None:
    said = terminal.run("token rotate").text
    terminal.add("ann")
    assert said == f"key {kid(terminal.token('ann'))} signs from now on"


def test_the_keys_are_their_owners_alone_and_never_printed(ann: Terminal) -> None:
    said = ann.run("token rotate").text
    path = ann.data_dir / "signing-keys.json"
    keys = json.loads(path.read_text())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(keys) == 2
    assert not [key for key in keys if key["secret"] in said]


def test_keys_of_the_settings_sign_and_are_not_rotated_here(ann: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONGSHORE_SIGNING_KEYS", f"first:{KEY}")
    token = ann.token("ann")
    assert kid(token) == "first"
    assert ann.run("token rotate").complaint == (
        "the keys are those of LONGSHORE_SIGNING_KEYS: put a new one in front there"
    )
    monkeypatch.setenv("LONGSHORE_SIGNING_KEYS", f"second:{NEWER_KEY}, first:{KEY}")
    assert kid(ann.token("ann")) == "second"
    assert ann.me(token)
    monkeypatch.setenv("LONGSHORE_SIGNING_KEYS", f"second:{NEWER_KEY}")
    assert ann.me(token) is None


@pytest.mark.parametrize("command", ["token issue --user ann", "token rotate", "user list"])
def test_keys_that_others_can_read_are_not_used(ann: Terminal, command: str) -> None:
    path = ann.data_dir / "signing-keys.json"
    path.chmod(0o644)
    assert ann.run(command).complaint == (
        f"the signing keys cannot be used: {path} is open to others than its owner: chmod 600 {path}"
    )


@pytest.mark.parametrize("command", ["token issue --user ann", "token rotate"])
def test_a_file_that_holds_no_keys_is_left_as_it_is(ann: Terminal, command: str) -> None:
    path = ann.data_dir / "signing-keys.json"
    path.write_text(PASSWORD)
    assert ann.run(command).complaint == f"the signing keys cannot be used: {path} does not hold signing keys"
    assert path.read_text() == PASSWORD
