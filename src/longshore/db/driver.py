"""SQLite's own driver, for what runs so often that SQLAlchemy would cost more than the database.

Errors come out as SQLAlchemy's all the same, so that nobody above has to know which way a statement went.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, cast

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, StatementError


def driver_of(connection: Connection) -> sqlite3.Connection:
    """Give the driver's connection below a connection to SQLite."""
    return cast(sqlite3.Connection, connection.connection.dbapi_connection)


def execute(driver: sqlite3.Connection, sql: str, parameters: Sequence[Any] = ()) -> int:
    """Execute SQL; return how many rows it changed. Raises `sqlalchemy.exc.DBAPIError`."""
    try:
        return driver.execute(sql, parameters).rowcount
    except sqlite3.Error as error:
        raise as_sqlalchemy(error, sql, parameters) from error


def fetch(driver: sqlite3.Connection, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """Execute SQL; return the rows it found. Raises `sqlalchemy.exc.DBAPIError`."""
    try:
        return driver.execute(sql, parameters).fetchall()
    except sqlite3.Error as error:
        raise as_sqlalchemy(error, sql, parameters) from error


def as_sqlalchemy(error: Exception, sql: str, parameters: Sequence[Any] | Mapping[str, Any]) -> StatementError:
    """Turn an error into what SQLAlchemy would have raised for it: an `IntegrityError` of the driver into its own."""
    return DBAPIError.instance(sql, cast(Any, parameters), error, sqlite3.Error, hide_parameters=True)
