"""Transactions on SQLite with many calls in each, begun and ended on the driver's own connection."""

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, Engine

from longshore.db.calls import Call
from longshore.db.driver import driver_of, execute

_TRANSACTION: Final = "longshore.transaction"


def transaction_of(connection: Connection) -> object:
    """Give what stands for the transaction under way: the same as long as that lasts, then never again."""
    return connection.info[_TRANSACTION]


class Transactions:
    """A connection, kept from one transaction to the next for as long as all goes well. For one thread.

    `begin` is how a transaction begins. What calls note in `connection.info` is dropped with a transaction that fails.
    """

    def __init__(self, engine: Engine, *, begin: str) -> None:
        self._engine = engine
        self._begin = begin
        self._kept: Connection | None = None

    def carry_out(self, calls: Sequence[Call]) -> None:
        """Carry out the calls and commit. What this raises undid them all; of a single call, that is its own error."""
        connection = self._connection()
        # Asked for now: a connection that SQLAlchemy found to be broken no longer gives it.
        info = connection.info
        try:
            driver = driver_of(connection)
            self._begin_anew(driver, info)
            if len(calls) == 1:
                # The whole transaction is its savepoint.
                calls[0].result = calls[0].fn(connection)
            elif not _all_succeed(calls, connection):
                if driver.in_transaction:
                    execute(driver, "ROLLBACK")
                # What was noted may be of what is undone.
                info.clear()
                self._begin_anew(driver, info)
                for call in calls:
                    _attempt(call, connection, driver)
            execute(driver, "COMMIT")
        except BaseException:
            info.clear()
            # A connection that cannot even undo its transaction is replaced by the pool.
            self.close()
            raise

    def _begin_anew(self, driver: sqlite3.Connection, info: dict[Any, Any]) -> None:
        execute(driver, self._begin)
        info[_TRANSACTION] = object()

    def _connection(self) -> Connection:
        if self._kept is None:
            self._kept = self._engine.connect()
            # Does nothing to the driver, but lets whoever asks SQLAlchemy know that there is a transaction already:
            # Alembic would begin, and commit, one of its own.
            self._kept.begin()
        return self._kept

    def close(self) -> None:
        """Let go of the connection, undoing what was not committed."""
        connection, self._kept = self._kept, None
        if connection is not None:
            with connection:
                connection.rollback()


def _all_succeed(calls: Sequence[Call], connection: Connection) -> bool:
    """Carry out the calls without savepoints, which would cost as much as the writes; False when one of them raised.

    That is rare, and then all of them are carried out once more. Any call can be: on PostgreSQL, too, a transaction
    that collides with another is tried again.
    """
    try:
        for call in calls:
            call.result = call.fn(connection)
    except BaseException:
        return False
    return True


def _attempt(call: Call, connection: Connection, driver: sqlite3.Connection) -> None:
    # Straight to the driver: as savepoints of SQLAlchemy's these would cost more than the writes in them.
    execute(driver, "SAVEPOINT call")
    try:
        call.result = call.fn(connection)
    except BaseException as error:
        call.error = error
        if not driver.in_transaction:
            # A full disk, say: SQLite has undone everything, and the neighbours must not be told otherwise.
            raise
        execute(driver, "ROLLBACK TO call")
    execute(driver, "RELEASE call")
