"""Room for new uploads: what the unfinished ones still have to receive, counted so that creation stays fast.

The sum over all unfinished uploads takes about 0.1 ms for every thousand of them. PostgreSQL forms it each time. On
SQLite one connection does all of a process's writing, so there a bound is kept with that connection: never less than
the true sum, since whatever may raise the sum is added to it and whatever lowers the sum is left out. As long as an
upload fits beside the bound it fits beside the sum; only when it does not is the sum formed, to begin again from there.
"""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from longshore.db import statements
from longshore.db.driver import driver_of, fetch
from longshore.db.transactions import transaction_of
from longshore.protocol.errors import InsufficientStorage
from longshore.protocol.upload import State, Upload

_BOUND: Final = "longshore.outstanding"


@dataclass(slots=True)
class _Bound:
    bytes: int
    version: int
    """Changes when another connection, and so another process, has written to the database."""
    transaction: object
    """The last in which the version was looked up. Within one it stays, since nobody else can write meanwhile."""


def ensure_room(connection: Connection, length: int, free_space: int) -> None:
    """Raise `protocol.errors.InsufficientStorage` unless length bytes fit beside what is still to come.

    Nobody else can add an upload between this and the end of the transaction.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(statements.LOCK_ADMISSION)
        fits = length + _outstanding(connection) <= free_space
    else:
        fits = _fits_beside_bound(connection, length, free_space)
    if not fits:
        raise InsufficientStorage("There is not enough room for the upload beside those still under way.")


def note_outstanding(connection: Connection, upload: Upload) -> None:
    """Take down that the upload may have raised the sum. Due after whatever writes an unfinished upload's length."""
    if upload.state is not State.UNFINISHED or upload.length is None:
        return
    bound: _Bound | None = connection.info.get(_BOUND)
    if bound is not None:
        bound.bytes += upload.length - upload.offset


def _fits_beside_bound(connection: Connection, length: int, free_space: int) -> bool:
    bound: _Bound | None = connection.info.get(_BOUND)
    if bound is not None and _holds(bound, connection) and length + bound.bytes <= free_space:
        return True
    outstanding = _outstanding(connection)
    # The sum counts what this transaction has lowered so far. Should that be undone, the note goes with it.
    connection.info[_BOUND] = _Bound(outstanding, _version(connection), transaction_of(connection))
    return length + outstanding <= free_space


def _holds(bound: _Bound, connection: Connection) -> bool:
    transaction = transaction_of(connection)
    if bound.transaction is not transaction:
        if bound.version != _version(connection):
            return False
        bound.transaction = transaction
    return True


def _version(connection: Connection) -> int:
    return int(fetch(driver_of(connection), "PRAGMA data_version")[0][0])


def _outstanding(connection: Connection) -> int:
    # PostgreSQL sums bigints to a numeric.
    return int(connection.execute(statements.OUTSTANDING).scalar_one())
