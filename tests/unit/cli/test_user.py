import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click
import pytest
from tests.unit.cli.terminal import OTHER_PASSWORD, PASSWORD, Terminal

from longshore.cli.commands import longshore
from longshore.config import option

SECRETS = (
    "admin_password",
    "database_url",
    "signing_keys",
    "jwt_public_key",
    "jwt_jwks_url",
    "webhook_url",
    "webhook_secret",
)


@pytest.mark.parametrize("ending", ["\n", "\r\n", "", "\nand more lines\n"], ids=repr)
def test_a_user_is_added_with_the_first_line_of_standard_input_for_a_password(terminal: Terminal, ending: str) -> None:
    added = terminal.run("user add Ann", stdin=PASSWORD + ending)
    assert added.text == "Ann has been added with the role user"
    assert terminal.signs_in("ann", PASSWORD)


def test_the_spaces_of_a_password_belong_to_it(terminal: Terminal) -> None:
    terminal.add("ann", password=f"  {PASSWORD} ")
    assert terminal.signs_in("ann", f"  {PASSWORD} ")
    assert not terminal.signs_in("ann", PASSWORD)


def test_an_added_admin_is_the_first_user_and_no_other_is_made(terminal: Terminal) -> None:
    assert terminal.run("user add root --role admin", stdin=PASSWORD).text == "root has been added with the role admin"
    assert (terminal.me(terminal.token("root")) or {})["role"] == "admin"
    assert [line.split()[0] for line in terminal.run("user list").text.splitlines()] == ["root"]


def test_users_are_listed_by_name(terminal: Terminal) -> None:
    assert terminal.run("user list").text == ""
    terminal.add("Bob")
    terminal.add("ann", role="admin")
    terminal.run("user disable bob")

    first, second = terminal.run("user list").text.splitlines()

    assert re.fullmatch(r"ann {22}admin  enabled   \d{4}-\d\d-\d\d  local:[0-9a-f]{32}", first)
    assert re.fullmatch(r"Bob {22}user   disabled  \d{4}-\d\d-\d\d  local:[0-9a-f]{32}", second)


def test_users_are_listed_as_json(terminal: Terminal) -> None:
    terminal.add("ann", role="admin")
    terminal.add("bob")
    listed = [json.loads(line) for line in terminal.run("user list --json").text.splitlines()]
    assert [(user["username"], user["role"], user["disabled"]) for user in listed] == [
        ("ann", "admin", False),
        ("bob", "user", False),
    ]
    assert {frozenset(user) for user in listed} == {frozenset({"id", "username", "role", "disabled", "created_at"})}
    assert listed[0]["created_at"].endswith("+00:00")


def test_another_password_takes_the_place_of_the_old_one_and_ends_tokens(terminal: Terminal) -> None:
    terminal.add("ann")
    token = terminal.token("ann")
    assert terminal.me(token)
    assert terminal.run("user passwd ann", stdin=OTHER_PASSWORD).text == "ann has another password"
    assert terminal.signs_in("ann", OTHER_PASSWORD)
    assert not terminal.signs_in("ann", PASSWORD)
    assert terminal.me(token) is None


def test_a_disabled_user_is_locked_out_until_enabled(terminal: Terminal) -> None:
    terminal.add("ann")
    token = terminal.token("ann")
    assert terminal.run("user disable ann").text == "ann is disabled"
    assert not terminal.signs_in("ann", PASSWORD)
    assert terminal.me(token) is None
    assert terminal.run("token issue --user ann").complaint == "The user is disabled"
    assert terminal.run("user enable ann").text == "ann is enabled"
    assert terminal.signs_in("ann", PASSWORD)
    assert terminal.me(token) is None


def test_another_role_holds_for_the_tokens_there_are(terminal: Terminal) -> None:
    terminal.add("ann", role="admin")
    terminal.add("bob")
    token = terminal.token("bob")
    assert terminal.run("user role bob admin").text == "bob has the role admin"
    assert (terminal.me(token) or {})["role"] == "admin"
    assert terminal.run("user role ann user").text == "ann has the role user"


@pytest.mark.parametrize("role", ["user", "admin"])
def test_whoever_is_invited_can_register_once(terminal: Terminal, monkeypatch: pytest.MonkeyPatch, role: str) -> None:
    monkeypatch.setenv("LONGSHORE_REGISTRATION", "invite")
    terminal.add("root", role="admin")
    code = terminal.run(f"user invite --ttl 3d --role {role}").text
    statuses = []
    for name in ("ann", "bob"):
        account = {"username": name, "password": PASSWORD, "invitation": code}
        statuses.append(terminal.ask("POST", "/auth/register", json=account).status_code)
    assert statuses == [201, 403]
    assert (terminal.me(terminal.token("ann")) or {})["role"] == role


LIFETIME = "use a duration of more than 0, such as 30 (seconds), 90s, 15m, 12h or 7d"
HELP = " (longshore --help lists what there is)"
NO_PASSWORD = f"no password: type it, or give it on standard input{HELP}"


@pytest.mark.parametrize(
    ("command", "stdin", "line"),
    [
        ("user add ANN", PASSWORD, "The user name is taken"),
        ("user add bob", "1234567", "A password has 8 to 1024 characters"),
        ("user add bob", "x" * 1025, "A password has 8 to 1024 characters"),
        ("user add bob", "", NO_PASSWORD),
        ("user add bob", "\n", NO_PASSWORD),
        ("user add bob", b"p\xe4ssword\n", f"the password is not text in this system's encoding{HELP}"),
        ("user add b/b", PASSWORD, "A user name consists of letters, digits and ._@+-"),
        (
            "user add bob --role root",
            PASSWORD,
            f"Invalid value for '--role': 'root' is not one of 'user', 'admin'.{HELP}",
        ),
        ("user add", PASSWORD, f"Missing argument 'NAME'.{HELP}"),
        ("user add bob --password x", PASSWORD, f"No such option '--password'.{HELP}"),
        ("user passwd nobody", PASSWORD, "No such user"),
        ("user passwd ann", "short", "A password has 8 to 1024 characters"),
        ("user passwd ann", "", NO_PASSWORD),
        ("user disable nobody", "", "No such user"),
        ("user disable a/b", "", "No such user"),
        ("user enable nobody", "", "No such user"),
        ("user role nobody admin", "", "No such user"),
        ("user role ann root", "", f"Invalid value for '{{user|admin}}': 'root' is not one of 'user', 'admin'.{HELP}"),
        ("user disable ann", "", "This is the last admin"),
        ("user role ann user", "", "This is the last admin"),
        ("user invite --ttl soon", "", f"--ttl=soon is not valid: {LIFETIME}{HELP}"),
        ("user invite --ttl 0", "", f"--ttl=0 is not valid: {LIFETIME}{HELP}"),
    ],
)
def test_what_is_refused_is_one_line_and_changes_nothing(
    terminal: Terminal, command: str, stdin: str | bytes, line: str
) -> None:
    terminal.add("ann", role="admin")
    before = terminal.run("user list --json").text
    assert terminal.run(command, stdin=stdin).complaint == line
    assert terminal.run("user list --json").text == before
    assert terminal.signs_in("ann", PASSWORD)


def test_a_closed_standard_input_is_no_password(terminal: Terminal) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", f"exec {sys.executable} -m longshore user add ann <&-"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"longshore: {NO_PASSWORD}\n")


@contextmanager
def on_a_terminal(*command: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A command whose standard input and output are a terminal, and the terminal's other end."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "longshore", *command],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        # Of its own, so that it does not ask on the terminal that the tests run on.
        start_new_session=True,
    )
    os.close(theirs)
    try:
        yield process, ours
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def read_until(terminal: int, text: str) -> str:
    said = ""
    while text not in said:
        readable, _, _ = select.select([terminal], [], [], 30)
        assert readable, f"only this was said: {said!r}"
        said += os.read(terminal, 4096).decode()
    return said


def test_on_a_terminal_the_password_is_asked_for_twice_and_not_shown(terminal: Terminal) -> None:
    with on_a_terminal("user", "add", "ann") as (process, keyboard):
        said = read_until(keyboard, "Password: ")
        os.write(keyboard, f"{PASSWORD}\n".encode())
        said += read_until(keyboard, "Repeat for confirmation: ")
        os.write(keyboard, b"something else\n")
        said += read_until(keyboard, "Password: ")
        os.write(keyboard, f"{PASSWORD}\n".encode())
        said += read_until(keyboard, "Repeat for confirmation: ")
        os.write(keyboard, f"{PASSWORD}\n".encode())
        said += read_until(keyboard, "role user")
        assert process.wait(30) == 0
    assert "do not match" in said
    assert PASSWORD not in said
    assert terminal.signs_in("ann", PASSWORD)


@pytest.mark.parametrize("way", ["Ctrl-C", "Ctrl-D"])
def test_a_prompt_that_is_left_adds_nobody_and_is_no_success(terminal: Terminal, way: str) -> None:
    with on_a_terminal("user", "add", "ann") as (process, keyboard):
        read_until(keyboard, "Password: ")
        if way == "Ctrl-C":
            process.send_signal(signal.SIGINT)
        else:
            os.write(keyboard, b"\x04")
        read_until(keyboard, "longshore: stopped")
        assert process.wait(30) == 2
    assert terminal.run("user list").text == ""


def commands(group: click.Group) -> Iterator[click.Command]:
    for command in group.commands.values():
        if isinstance(command, click.Group):
            yield from commands(command)
        else:
            yield command


def test_no_command_takes_a_secret_as_an_option() -> None:
    found = {flag for command in commands(longshore) for parameter in command.params for flag in parameter.opts}
    assert "--data-dir" in found
    assert found.isdisjoint(map(option, SECRETS))
    assert not [flag for flag in found if "password" in flag or "secret" in flag or "key" in flag]
