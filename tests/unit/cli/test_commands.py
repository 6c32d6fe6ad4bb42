import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from longshore.cli import main
from longshore.cli.commands import longshore

PASSWORD = "tops3cret"


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("serve --auth basic", "--auth=basic is not valid: use one of local, external, none"),
        ("serve --registration on", "--registration=on is not valid: use one of off, open, invite"),
        ("serve --max-size 5G", "--max-size=5G is not valid: use a size of at least one byte, such as 500000, 64KiB, "),
        (
            "serve --allowed-extensions *.iso",
            "--allowed-extensions=*.iso is not valid: use file name extensions such as",
        ),
        ("serve --port=99999", "--port=99999 is not valid: use a number from 0 to 65535"),
        ("serve --port -1", "--port=-1 is not valid: use a number from 0 to 65535"),
        ("serve --prot 1", "No such option '--prot'."),
        ("serve now", "Got unexpected extra argument (now)"),
        ("serve --port", "Option '--port' requires an argument."),
        ("launch", "No such command 'launch'."),
        ("db", "Usage: longshore db"),
        ("user", "Usage: longshore user"),
        ("token", "Usage: longshore token"),
        ("webhook", "Usage: longshore webhook"),
    ],
)
def test_an_error_is_one_line_and_status_2(capsys: pytest.CaptureFixture[str], command: str, line: str) -> None:
    assert main(command.split()) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert line in output.err
    assert output.err.count("\n") == 1 or line.startswith("Usage")


def test_a_wrong_variable_is_one_line_and_status_2(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LONGSHORE_FSYNC", "sometimes")
    assert main(["serve"]) == 2
    assert capsys.readouterr().err == (
        "longshore: LONGSHORE_FSYNC='sometimes' is not valid: use one of finish, always, never\n"
    )


def test_help_tells_options_defaults_and_where_the_rest_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LONGSHORE_DATABASE_URL", f"postgresql://u:{PASSWORD}@h/d")
    assert main(["serve", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    for piece in (
        "--host HOST Address to listen on. [default: 127.0.0.1]",
        "--port PORT TCP port to listen on. [default: 8000]",
        "[default: ./data]",
        "--auth AUTH Who may upload. [default: local]",
        "--registration REGISTRATION Who may make themselves an account. [default: off]",
        "--access-log / --no-access-log",
        "Every setting is also an environment variable",
        "LONGSHORE_MAX_SIZE",
        "README",
    ):
        assert piece in text
    assert PASSWORD not in text


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    from longshore import __version__

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"longshore {__version__}\n"


def test_the_module_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "longshore", "serve", "--auth", "basic"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert done.stderr == "longshore: --auth=basic is not valid: use one of local, external, none\n"


def test_a_warning_is_a_line_on_standard_error(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "longshore", "db", "current"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env=os.environ | {"LONGSHORE_MAXSIZE": "1"},
    )
    assert done.stdout == "none\n"
    assert done.stderr == "LONGSHORE_MAXSIZE is not a setting and is ignored; did you mean LONGSHORE_MAX_SIZE?\n"


def test_upgrade_creates_the_database_and_current_names_its_revision(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--data-dir", str(tmp_path / "new")]
    assert main(["db", "current", *options]) == 0
    assert capsys.readouterr().out == "none\n"
    assert main(["db", "upgrade", *options]) == 0
    assert main(["db", "upgrade", *options]) == 0
    capsys.readouterr()
    assert main(["db", "current", *options]) == 0
    revision = capsys.readouterr().out.strip()
    connection = sqlite3.connect(tmp_path / "new" / "longshore.db")
    assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(revision,)]
    connection.close()


EVERY_COMMAND = [
    "db upgrade",
    "db current",
    "serve",
    "user add ann",
    "user list",
    "user passwd ann",
    "user disable ann",
    "user enable ann",
    "user role ann user",
    "user invite",
    "user quota ann",
    "token issue --user ann",
    "token rotate",
    "webhook list",
    "webhook redeliver 1",
]


CLIENT_COMMANDS = ["upload", "ls", "download", "watch"]
"""Those that work on a server, wherever it is, and not on a data dir."""


def test_every_command_is_known_to_the_tests_below() -> None:
    named = {tuple(command.split()[: 1 if command == "serve" else 2]) for command in EVERY_COMMAND}
    assert set(paths(longshore)) == named | {(command,) for command in CLIENT_COMMANDS}


@pytest.mark.parametrize("command", CLIENT_COMMANDS)
def test_every_client_command_has_help_that_names_the_server(capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert main([command, "--help"]) == 0
    output = capsys.readouterr()
    assert output.out.startswith(f"Usage: longshore {command} ")
    assert "--url" in output.out
    assert "LONGSHORE_TOKEN" in output.out
    assert output.err == ""


def test_a_client_s_variables_are_no_strangers(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("LONGSHORE_URL", "https://files.example.org/files/")
    monkeypatch.setenv("LONGSHORE_TOKEN", "secret")
    assert main(["db", "current", "--data-dir", str(tmp_path / "new")]) == 0
    assert caplog.text == ""
    assert capsys.readouterr().err == ""


def paths(group: click.Group) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from ((name, *rest) for rest in paths(command))
        else:
            yield (name,)


@pytest.mark.parametrize("command", EVERY_COMMAND)
def test_every_command_has_help_that_names_the_data_dir(capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert main([*command.split(), "--help"]) == 0
    output = capsys.readouterr()
    assert output.out.startswith("Usage: longshore ")
    assert "--data-dir" in output.out
    assert output.err == ""


@pytest.mark.parametrize("command", [command for command in EVERY_COMMAND if command != "db current"])
def test_a_data_dir_that_cannot_be_used(capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert main([*command.split(), "--data-dir", "/dev/null/x"]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("longshore: the data dir '/dev/null/x' cannot be used (Not a directory): ")
    assert output.err.count("\n") == 1


@pytest.mark.parametrize("command", EVERY_COMMAND)
def test_a_database_that_does_not_answer(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("LONGSHORE_DATABASE_URL", f"postgresql://u:{PASSWORD}@127.0.0.1:1/d")
    assert main(command.split()) == 2
    output = capsys.readouterr()
    assert output.err.startswith("longshore: the database cannot be used: ")
    assert output.err.count("\n") == 1
    assert PASSWORD not in output.out + output.err


def test_a_database_file_that_is_something_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "longshore.db").write_text("This is not a database, however long one looks at it.\n" * 100)
    assert main(["db", "upgrade", "--data-dir", str(tmp_path)]) == 2
    output = capsys.readouterr()
    assert output.err.startswith("longshore: the database cannot be used: ")
    assert output.err.count("\n") == 1
