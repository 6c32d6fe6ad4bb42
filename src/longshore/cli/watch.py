"""`longshore watch`."""

import json
from collections.abc import Sequence
from pathlib import Path

import click

from longshore.cli import remote
from longshore.cli.complaining import complain

_BIGGEST_ID = 10**18 - 1


@click.command(epilog=remote.EPILOG)
@click.option(
    "--after",
    metavar="ID",
    type=click.IntRange(0, _BIGGEST_ID),
    help="Begin behind this event; 0 is all.  [default: now]",
)
@click.option(
    "--type", "types", metavar="TYPE", multiple=True, help="Only such as `completed` or `progress`; repeatable."
)
@click.option("--upload", "uploads", metavar="ID", multiple=True, help="Only of this upload; repeatable.")
@remote.server
@remote.json_option
def watch(
    after: int | None,
    types: Sequence[str],
    uploads: Sequence[str],
    url: str | None,
    user: str | None,
    token_file: Path | None,
    token: str | None,
    as_json: bool,
) -> None:
    """Print what happens to uploads, until interrupted.

    When the connection is lost it is made anew, and goes on behind the last event. --json prints CloudEvents, whose
    `id` is for --after.
    """
    from longshore.client.watching import Wanted, Watch, line

    with remote.connected(url, user, token_file, token) as connection:
        position = None if after is None else str(after)
        for event in Watch(connection, Wanted(types, uploads), position, complain).events():
            click.echo(json.dumps(event) if as_json else line(event))
