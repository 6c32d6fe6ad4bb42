"""What the commands do with accounts: open them, do one thing, and make errors a line."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeVar

import click

from longshore.auth.accounts import Accounts
from longshore.cli import database
from longshore.config import Settings, load, prepare_data_dir
from longshore.protocol.errors import TusError

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


def with_accounts(settings: Settings, work: Callable[[Accounts], Awaitable[T]]) -> T:
    """Do something with the accounts. Their refusals become one line."""
    try:
        return asyncio.run(_with_accounts(settings, work))
    except TusError as error:
        raise click.ClickException(error.detail.rstrip(".")) from None


async def _with_accounts(settings: Settings, work: Callable[[Accounts], Awaitable[T]]) -> T:
    # Imported here, so that --help is quick.
    from longshore.app.access import open_accounts

    async with open_accounts(settings, now) as accounts:
        return await work(accounts)


def read_password() -> str:
    """Ask for a password twice on a terminal; take one line where there is none."""
    stream = click.get_text_stream("stdin")
    if stream.isatty():
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    password: str = stream.readline().rstrip("\r\n")
    if not password:
        raise click.UsageError("no password: type it, or give it on standard input")
    return password
