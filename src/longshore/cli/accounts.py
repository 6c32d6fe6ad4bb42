"""What the commands do with accounts: open them and do one thing."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO, TypeVar

import click

from longshore.cli import database
from longshore.config import Settings, load, prepare_data_dir

if TYPE_CHECKING:
    # Takes long to import, and --help is to be quick.
    from longshore.auth.accounts import Accounts

T = TypeVar("T")


def now() -> datetime:
    """The time in UTC."""
    return datetime.now(UTC)


def ready(data_dir: str | None) -> Settings:
    """Read the settings, and see that the database is there and up to date."""
    settings = load(data_dir=data_dir)
    prepare_data_dir(settings)
    database.make_ready(settings)
    return settings


def with_accounts(settings: Settings, work: Callable[["Accounts"], Awaitable[T]]) -> T:
    """Do something with the accounts. Raises `TusError`, which `main` makes a line."""
    return asyncio.run(_with_accounts(settings, work))


async def _with_accounts(settings: Settings, work: Callable[["Accounts"], Awaitable[T]]) -> T:
    from longshore.app.access import open_accounts

    async with open_accounts(settings, now) as accounts:
        return await work(accounts)


def read_password() -> str:
    """Ask for a password twice on a terminal; take one line of standard input where there is none."""
    # There is no standard input at all where it was closed.
    stdin: TextIO | None = sys.stdin
    if stdin and stdin.isatty():
        entered: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
        return entered
    try:
        password = stdin.readline().rstrip("\r\n") if stdin else ""
    except UnicodeDecodeError:
        raise click.UsageError("the password is not text in this system's encoding") from None
    if not password:
        raise click.UsageError("no password: type it, or give it on standard input")
    return password
