"""Engines: how this server opens SQLite and PostgreSQL, and which of their errors pass by themselves."""

import os
import sqlite3
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from sqlalchemy import URL, Engine, StaticPool, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

BUSY_TIMEOUT: Final = 10.0
"""Seconds that a statement waits for another process's transaction before it is refused."""

BEGIN_WRITING: Final = "BEGIN IMMEDIATE"
"""How a transaction that may write begins on SQLite: with the write lock, for which the busy timeout counts.

One that reads first and writes later fails at once, without waiting, when another one wrote in between.
"""

BEGIN_READING: Final = "BEGIN"
"""How a transaction that only reads begins on SQLite."""

_STATEMENT_TIMEOUT: Final = 30
_LOCK_TIMEOUT: Final = 10
_IDLE_TIMEOUT: Final = 60
_CONNECT_TIMEOUT: Final = 10
_CACHE_KIB: Final = 16 * 1024
_WAL_LIMIT: Final = 64 * 1024 * 1024


def parse_url(url: str) -> URL:
    """Read a database URL. Raises `ValueError` unless it is one of the two databases this server runs on."""
    try:
        parsed = make_url(url)
    except SQLAlchemyError as error:
        raise ValueError("not a database URL") from error
    if parsed.drivername in ("postgresql", "postgres"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in ("sqlite", "sqlite+pysqlite", "postgresql+psycopg"):
        raise ValueError(f"cannot run on {parsed.drivername!r}: use sqlite:// or postgresql+psycopg://")
    if is_sqlite(parsed) and "uri" in parsed.query:
        raise ValueError("SQLite is opened by path: sqlite:////absolute/path, sqlite:///relative/path or sqlite://")
    return parsed


def is_sqlite(url: URL) -> bool:
    """Whether this is SQLite; otherwise it is PostgreSQL."""
    return url.get_backend_name() == "sqlite"


def is_memory(url: URL) -> bool:
    """Whether this is a SQLite database without a file, gone with its only connection."""
    return is_sqlite(url) and url.database in (None, "", ":memory:")


def open_sqlite(url: URL, *, connections: int, durable: bool, writes: bool, foreign_keys: bool = True) -> Engine:
    """Open SQLite in WAL mode, creating the file if need be, readable by its owner only.

    With `durable` a commit survives a power failure, otherwise only a crash of the process. Without `writes` a
    connection refuses to write. Nobody begins a transaction but who says so in SQL: see `BEGIN_WRITING`.
    """
    if is_memory(url):
        engine = create_engine(
            url, poolclass=StaticPool, hide_parameters=True, connect_args={"check_same_thread": False}
        )
    else:
        _create_private(str(url.database))
        engine = create_engine(
            url,
            pool_size=connections,
            max_overflow=0,
            pool_timeout=BUSY_TIMEOUT,
            # Among the parameters are hashes of passwords, and errors end up in logs.
            hide_parameters=True,
            connect_args={"check_same_thread": False, "timeout": BUSY_TIMEOUT},
        )
    pragmas = _pragmas(durable=durable, writes=writes, foreign_keys=foreign_keys)

    @event.listens_for(engine, "connect")
    def prepare(driver: sqlite3.Connection, _record: object) -> None:
        # The driver would begin transactions by its own lights: not before a SELECT or a SAVEPOINT.
        driver.isolation_level = None
        for pragma in pragmas:
            driver.execute(f"PRAGMA {pragma}")

    return engine


def _pragmas(*, durable: bool, writes: bool, foreign_keys: bool) -> tuple[str, ...]:
    return (
        "journal_mode = WAL",
        f"synchronous = {'FULL' if durable else 'NORMAL'}",
        f"foreign_keys = {'ON' if foreign_keys else 'OFF'}",
        f"cache_size = -{_CACHE_KIB}",
        f"journal_size_limit = {_WAL_LIMIT}",
        f"query_only = {'OFF' if writes else 'ON'}",
    )


def _create_private(path: str) -> None:
    # SQLite would create it as the umask says; the journals beside it take over whatever mode it has.
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def open_postgres(url: URL, *, connections: int, durable: bool, patient: bool = False) -> Engine:
    """Open PostgreSQL with a pool of that many connections.

    Without `durable` a commit may be lost, whole, when the database server crashes. With `patient` a statement may
    take as long as it takes (a migration's may). Connection options given in the URL win over the ones set here.
    """
    options = {"timezone": "UTC", "synchronous_commit": "on" if durable else "off"}
    if not patient:
        options |= {
            "statement_timeout": f"{_STATEMENT_TIMEOUT}s",
            "lock_timeout": f"{_LOCK_TIMEOUT}s",
            "idle_in_transaction_session_timeout": f"{_IDLE_TIMEOUT}s",
        }
    arguments = {
        "application_name": "longshore",
        "connect_timeout": _CONNECT_TIMEOUT,
        "options": " ".join(f"-c {name}={value}" for name, value in options.items()),
    }
    return create_engine(
        url,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=BUSY_TIMEOUT,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args=_unless_given(arguments, url.query),
    )


def _unless_given(arguments: Mapping[str, Any], query: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if name not in query}


_SQLITE_BUSY: Final = 5
_SQLITE_LOCKED: Final = 6
_SQLITE_FULL: Final = 13
_DISK_FULL: Final = "53100"
_RETRYABLE: Final = ("40001", "40P01")
# Connection trouble, too few resources, locks not available, the operator stopped something (timeouts among it).
_PASSING_CLASSES: Final = ("08", "40", "53", "55", "57")


def is_full(error: BaseException) -> bool:
    """Whether the database has no room to write."""
    if not isinstance(error, DBAPIError):
        return False
    if isinstance(error.orig, sqlite3.Error):
        return getattr(error.orig, "sqlite_errorcode", 0) & 0xFF == _SQLITE_FULL
    return getattr(error.orig, "sqlstate", None) == _DISK_FULL


def is_conflict(error: BaseException) -> bool:
    """Whether PostgreSQL undid the transaction for another's sake, so that the same again may well go through."""
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in _RETRYABLE


def is_passing(error: BaseException) -> bool:
    """Whether the database could not go on just now, rather than being asked for something wrong."""
    if isinstance(error, PoolTimeout):
        return True
    if not isinstance(error, DBAPIError):
        return False
    if isinstance(error.orig, sqlite3.Error):
        # The extended code carries the primary one in its low byte. Absent when the driver itself raised.
        return getattr(error.orig, "sqlite_errorcode", 0) & 0xFF in (_SQLITE_BUSY, _SQLITE_LOCKED)
    if error.connection_invalidated:
        return True
    state = getattr(error.orig, "sqlstate", None)
    # An OperationalError without a state: the server could not be reached.
    return isinstance(error, OperationalError) if state is None else state.startswith(_PASSING_CLASSES)
