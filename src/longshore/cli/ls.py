"""`longshore ls`."""

import json
from collections.abc import Sequence
from pathlib import Path

import click

from longshore.cli import remote

_STATES = ("unfinished", "completed", "terminated", "expired")


@click.command(epilog=remote.EPILOG)
@click.option("--state", type=click.Choice(_STATES), multiple=True, help="Only those; repeatable.")
@click.option("--name", help="Only those with this in their name.")
@click.option("--owner", metavar="ID", help="Only those of a user, by id, or your own with `me`.")
@click.option(
    "--limit", metavar="N", type=click.IntRange(1), default=50, show_default=True, help="At most so many, the newest."
)
@remote.server
@remote.json_option
def ls(
    state: Sequence[str],
    name: str | None,
    owner: str | None,
    limit: int,
    url: str | None,
    user: str | None,
    token_file: Path | None,
    token: str | None,
    as_json: bool,
) -> None:
    """List uploads, the newest first: your own, and what others have finished where that is for everybody."""
    from longshore.client import listing

    given = {"state": list(state), "name": name, "owner": owner}
    query = {key: value for key, value in given.items() if value}
    with remote.connected(url, user, token_file, token) as connection:
        for upload in listing.uploads(connection, query, limit):
            click.echo(json.dumps(upload) if as_json else listing.line(upload))
