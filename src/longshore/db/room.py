"""Room for new uploads: what the unfinished ones still have to receive, counted so that creation stays fast.

The sum over all unfinished uploads takes about 0.1 ms for every thousand of them. PostgreSQL forms it each time. On
SQLite one connection does all of a process's writing, so there a bound is kept with that connection: never less than
the true sum, since whatever may raise the sum is added to it and whatever lowers the sum is left out. As long as an
upload fits beside the bound it fits beside the sum; only when it does not is the sum formed, to begin again from there.
"""

from typing import Final

from sqlalchemy import Connection

from longshore.db import statements
from longshore.protocol.errors import InsufficientStorage
from longshore.protocol.upload import State, Upload

_BOUND: Final = "longshore.outstanding"


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
    known = connection.info.get(_BOUND)
    if known is not None and upload.state is State.UNFINISHED and upload.length is not None:
        version, bound = known
        connection.info[_BOUND] = version, bound + upload.length - upload.offset


def _fits_beside_bound(connection: Connection, length: int, free_space: int) -> bool:
    # Changes when another connection, and so another process, has written to the database.
    version = connection.exec_driver_sql("PRAGMA data_version").scalar_one()
    known = connection.info.get(_BOUND)
    if known is not None and known[0] == version and length + known[1] <= free_space:
        return True
    outstanding = _outstanding(connection)
    # The sum counts what this transaction has lowered so far. Should that be undone, the note goes with it.
    connection.info[_BOUND] = version, outstanding
    return length + outstanding <= free_space


def _outstanding(connection: Connection) -> int:
    # PostgreSQL sums bigints to a numeric.
    return int(connection.execute(statements.OUTSTANDING).scalar_one())
