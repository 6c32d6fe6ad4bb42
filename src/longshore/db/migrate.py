"""Migrations from inside the server: bring a database up to date, and tell whether it is.

Works from a source checkout and from an installed wheel, whatever the working directory, and touches neither
alembic.ini nor the process's logging. Everything here blocks; a coroutine should call it in a thread.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from longshore.db.engine import BEGIN_WRITING, is_memory, is_sqlite, open_postgres, open_sqlite, parse_url

_ONE_AT_A_TIME: Final = Lock()
"""Alembic keeps its context in module globals, so two threads cannot migrate at once."""


def upgrade(url: str) -> None:
    """Bring the database up to the newest migration, creating a SQLite file if there is none.

    All or nothing, and safe to be called by any number of processes at once: the first does the work, the others wait
    and find it done. Raises `ValueError` for an in-memory database, which has to be upgraded from within: see
    `upgrade_on`.
    """
    _refuse_memory(url)
    with locked_connection(url) as connection:
        upgrade_on(connection)


def downgrade(url: str, revision: str) -> None:
    """Take the database back to a revision, or to nothing with `"base"`. What the newer ones stored is lost."""
    _refuse_memory(url)
    with locked_connection(url) as connection, _ONE_AT_A_TIME:
        command.downgrade(_config(connection), revision)


def upgrade_on(connection: Connection) -> None:
    """Bring a database up to date inside the transaction of this connection: `await database.write(upgrade_on)`.

    For in-memory databases, which have one connection only. Foreign keys are enforced here, so a database that already
    holds rows is better served by `upgrade`.
    """
    with _ONE_AT_A_TIME:
        command.upgrade(_config(connection), "head")


def current(url: str) -> str | None:
    """The revision of the database; None when it was never migrated, or is a SQLite file that does not exist."""
    _refuse_memory(url)
    parsed = parse_url(url)
    if is_sqlite(parsed) and not Path(str(parsed.database)).exists():
        return None
    with _opened(url, writes=False) as engine, engine.connect() as connection:
        return _revision(connection)


def newest() -> str | None:
    """The newest revision that this version of the server knows."""
    return ScriptDirectory.from_config(_config(None)).get_current_head()


def is_current(url: str) -> bool:
    """Whether the database is at the newest migration."""
    return current(url) == newest()


@contextmanager
def locked_connection(url: str) -> Iterator[Connection]:
    """Open a transaction in which only we migrate the database; commit it at the end."""
    with _opened(url, writes=True) as engine, engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            # Any number will do that nobody else in this database takes.
            connection.execute(text("SELECT pg_advisory_xact_lock(7238114952)"))
        else:
            connection.exec_driver_sql(BEGIN_WRITING)
        before = _revision(connection)
        yield connection
        if engine.dialect.name == "sqlite" and _revision(connection) != before:
            _check_foreign_keys(connection)


@contextmanager
def _opened(url: str, *, writes: bool) -> Iterator[Engine]:
    parsed = parse_url(url)
    if is_sqlite(parsed):
        # A table that is rebuilt is dropped in between, which would take the rows that refer to it along.
        engine = open_sqlite(parsed, connections=1, durable=True, writes=writes, foreign_keys=False)
    else:
        engine = open_postgres(parsed, connections=1, durable=True, patient=True)
    try:
        yield engine
    finally:
        engine.dispose()


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _check_foreign_keys(connection: Connection) -> None:
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
    if broken:
        raise RuntimeError(f"{len(broken)} rows would refer to nothing; the database was left as it was")


def _refuse_memory(url: str) -> None:
    if is_memory(parse_url(url)):
        raise ValueError("an in-memory database can only be migrated from within: database.write(upgrade_on)")


def _config(connection: Connection | None) -> Config:
    config = Config(attributes={"connection": connection})
    # ConfigParser reads a % as the start of a reference.
    config.set_main_option("script_location", str(_migrations()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _migrations() -> Path:
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "migrations", package.parents[1] / "migrations"):
        if (folder / "env.py").is_file():
            return folder
    raise FileNotFoundError(f"no migrations beside {package}; is the installation complete?")
