"""Command-line options made from the settings, so that names, help and defaults are written once.

Values are passed on as the strings they are: `config.load` checks them, and its errors name the option.
"""

from collections.abc import Callable
from typing import Any

import click

from longshore.config import PREFIX, default, kinds, option, summary

Command = Callable[..., Any]


def settings(*names: str) -> Callable[[Command], Command]:
    """Give a command the option of each of these settings, in this order."""

    def decorate(command: Command) -> Command:
        for name in reversed(names):
            command = _decorator(name)(command)
        return command

    return decorate


def _decorator(name: str) -> Callable[[Command], Command]:
    text = f"{summary(name)}.  [{f'default: {default(name)}' if default(name) else 'optional'}]"
    flag = option(name)
    if default(name) in ("true", "false"):
        return click.option(f"{flag}/--no-{flag[2:]}", name, default=None, help=text)
    return click.option(flag, name, metavar=name.rpartition("_")[2].upper(), help=text)


def parsed(flag: str, text: str, kind: Any) -> Any:
    """Read an option as a setting of that kind is read. Raises `click.UsageError`."""
    try:
        return kinds.read(kind, text)
    except ValueError as error:
        raise click.UsageError(f"{flag}={text} is not valid: use {error}") from None


EPILOG = (
    f"Every setting is also an environment variable, {PREFIX} and its name in capitals ({PREFIX}MAX_SIZE), or a line in"
    " the file .env. The README lists them all."
)
