"""Statements that run for every request: written in Core like all others, but on SQLite run by its driver alone.

SQLAlchemy takes several times as long over one of these as SQLite does, with the interpreter's lock held. What is
left of its work here is the text of the statement, made once, and the conversion of moments.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from sqlalchemy import Connection, CursorResult, Insert, Select, Update
from sqlalchemy.dialects import sqlite

from longshore.db.driver import as_sqlalchemy, driver_of, execute, fetch
from longshore.db.tables import UtcDateTime, moment_from_text, moment_to_text

_SQLITE: Final = sqlite.dialect()


class Direct:
    """A statement whose only types that need converting are moments. Raises what SQLAlchemy raises, on any database.

    Its parameters are all named (an INSERT's as the columns) and all given at each call.
    """

    def __init__(self, statement: Insert | Update | Select[*tuple[Any, ...]]) -> None:
        self._statement = statement
        compiled = statement.compile(dialect=_SQLITE)
        self._sql = compiled.string
        self._names = tuple(compiled.positiontup or ())
        self._moments_in = [
            position for position, name in enumerate(self._names) if isinstance(compiled.binds[name].type, UtcDateTime)
        ]
        columns = statement.selected_columns if isinstance(statement, Select) else ()
        self._moments_out = [
            position for position, column in enumerate(columns) if isinstance(column.type, UtcDateTime)
        ]

    def change(self, connection: Connection, values: Mapping[str, Any]) -> int:
        """Carry out an INSERT or UPDATE; return how many rows an UPDATE changed."""
        if connection.dialect.name != "sqlite":
            return cast(CursorResult[Any], connection.execute(self._statement, values)).rowcount
        return execute(driver_of(connection), self._sql, self._parameters(values))

    def rows(self, connection: Connection, values: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """Carry out a SELECT."""
        if connection.dialect.name != "sqlite":
            return connection.execute(self._statement, values).all()
        return [self._row(row) for row in fetch(driver_of(connection), self._sql, self._parameters(values))]

    def _parameters(self, values: Mapping[str, Any]) -> list[Any]:
        parameters = [values[name] for name in self._names]
        try:
            for position in self._moments_in:
                parameters[position] = moment_to_text(parameters[position])
        except ValueError as error:
            raise as_sqlalchemy(error, self._sql, values) from error
        return parameters

    def _row(self, row: Sequence[Any]) -> list[Any]:
        columns = list(row)
        for position in self._moments_out:
            columns[position] = moment_from_text(columns[position])
        return columns
