"""What the commands want of the database, with its errors as one line that shows no password."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import click

from longshore.config import Settings


def make_ready(settings: Settings) -> None:
    """Migrate the embedded database; insist that any other one has been migrated.

    A cluster's database is not migrated on the way, because several processes start at once and the old ones are
    still running.
    """
    if settings.embedded:
        upgrade(settings)
        return
    with _explained(settings):
        from longshore.db import migrate

        if migrate.is_current(settings.sqlalchemy_url()):
            return
    raise click.ClickException("the database's schema is not up to date: run `longshore db upgrade` first")


def upgrade(settings: Settings) -> None:
    """Bring the schema up to date."""
    with _explained(settings):
        from longshore.db import migrate

        migrate.upgrade(settings.sqlalchemy_url())


def current(settings: Settings) -> str | None:
    """Return the schema's revision; None when there is none yet."""
    with _explained(settings):
        from longshore.db import migrate

        return migrate.current(settings.sqlalchemy_url())


@contextmanager
def _explained(settings: Settings) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if settings.log_level == "debug":
            raise
        raise click.ClickException(_reason(error, settings)) from None


def _reason(error: Exception, settings: Settings) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name == "psycopg":
        return "PostgreSQL needs a driver: pip install 'longshore[postgres]'"
    text = str(error).strip().partition("\n")[0] or type(error).__name__
    url = settings.sqlalchemy_url()
    for secret in (url, urlsplit(url).password):
        text = text.replace(secret or url, "...")
    return f"the database cannot be used: {text} (LONGSHORE_LOG_LEVEL=debug shows where)"
