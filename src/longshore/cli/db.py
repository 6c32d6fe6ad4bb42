"""`longshore db`: the database's schema."""

import click

from longshore.cli import database, options
from longshore.config import load, prepare_data_dir


@click.group(epilog=options.EPILOG)
def db() -> None:
    """Look after the database: `longshore.db` in the data dir, or what LONGSHORE_DATABASE_URL names."""


@db.command(epilog=options.EPILOG)
@options.settings("data_dir")
def upgrade(**given: str | None) -> None:
    """Bring the database's schema up to date; create it when there is none."""
    settings = load(**given)
    prepare_data_dir(settings)
    database.upgrade(settings)


@db.command(epilog=options.EPILOG)
@options.settings("data_dir")
def current(**given: str | None) -> None:
    """Print the revision of the database's schema; `none` where there is none yet."""
    click.echo(database.current(load(**given)) or "none")
