"""What the commands that are clients of a server have in common: which server, and who asks."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from longshore.config.clients import DEFAULT_URL, TOKEN_VARIABLE, URL_VARIABLE, default_token, default_url

if TYPE_CHECKING:
    # Takes long to import, and --help is to be quick.
    from longshore.client.connection import Connection

Command = Callable[..., Any]

EPILOG = (
    f"{URL_VARIABLE} and {TOKEN_VARIABLE} are environment variables. With --user the password is asked for, or taken"
    " from standard input, and tokens are renewed however long it takes."
)

ATTEMPTS = 10
"""How often in a row to try again when nothing comes of it: for about three minutes."""

_OPTIONS = (
    click.option(
        "--url", metavar="URL", help=f"The server's tus endpoint.  [default: {URL_VARIABLE}, or {DEFAULT_URL}]"
    ),
    click.option("--user", metavar="NAME", help="Sign in with a name and a password."),
    click.option(
        "--token-file",
        metavar="FILE",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="A file with the token; it is read again when the token has ended.",
    ),
    click.option(
        "--token",
        metavar="TOKEN",
        help=f"The token. Other users of this machine can see it here: {TOKEN_VARIABLE} is better.",
    ),
)

progress_option = click.option(
    "--progress/--no-progress", default=None, help="Show bars.  [default: where standard error is a terminal]"
)
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")


def server(command: Command) -> Command:
    """Give a command the options that name a server and say who asks."""
    for decorate in reversed(_OPTIONS):
        command = decorate(command)
    return command


@contextmanager
def connected(url: str | None, user: str | None, token_file: Path | None, token: str | None) -> Iterator["Connection"]:
    """The server that is meant, and whoever asks. Raises `ClientError`, which `main` makes a line."""
    if sum(value is not None for value in (user, token_file, token)) > 1:
        raise click.UsageError("give one of --user, --token-file and --token")
    from longshore.client.address import Address
    from longshore.client.connection import Connection
    from longshore.client.credentials import FixedToken, TokenFile, read_token

    with Connection(Address.read(url or default_url())) as connection:
        if user is not None:
            connection.sign_in(user, _read_password())
        elif token_file is not None:
            connection.credentials = TokenFile(token_file)
        else:
            connection.credentials = FixedToken(read_token(token or default_token()))
        yield connection


def shows_progress(asked: bool | None) -> bool:
    """Whether to draw bars."""
    return sys.stderr.isatty() if asked is None else asked


def _read_password() -> str:
    """Ask for a password on a terminal; take one line of standard input where there is none."""
    stdin: TextIO | None = sys.stdin
    if stdin and stdin.isatty():
        entered: str = click.prompt("Password", hide_input=True, err=True)
        return entered
    password = stdin.readline().rstrip("\r\n") if stdin else ""
    if not password:
        raise click.UsageError("no password: type it, or give it on standard input")
    return password
