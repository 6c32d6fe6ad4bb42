"""Statements that run for every request: written in Core like all others, but on SQLite run by its driver alone.

SQLAlchemy takes several times as long over one of these as SQLite does, with the interpreter's lock held. What is
left of its work here is the text of the statement, made once, and the conversion of moments and days.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from sqlalchemy import Connection, CursorResult, Date, Delete, Insert, Select, Update
from sqlalchemy.dialects import sqlite

from longshore.db.driver import as_sqlalchemy, driver_of, execute, fetch
from longshore.db.tables import UtcDateTime, moment_from_text, moment_to_text

_SQLITE: Final = sqlite.dialect()

# Of an INSERT, SQLAlchemy would not keep it.
_COUNTED: Final = {"preserve_rowcount": True}


class Direct:
    """A statement whose only types that need converting are moments and days: moments both ways, days on the way in.

    Raises what SQLAlchemy raises, on any database. Its parameters are all named (an INSERT's as the columns) and all
    given at each call. An INSERT sets all columns, or those given.
    """

    def __init__(
        self,
        statement: Insert | Update | Delete | Select[*tuple[Any, ...]],
        *,
        columns: Sequence[str] | None = None,
    ) -> None:
        self._statement = statement
        compiled = statement.compile(dialect=_SQLITE, column_keys=columns)
        self._sql = compiled.string
        self._names = tuple(compiled.positiontup or ())
        self._moments_in = [
            position for position, name in enumerate(self._names) if isinstance(compiled.binds[name].type, UtcDateTime)
        ]
        self._days_in = [
            position for position, name in enumerate(self._names) if isinstance(compiled.binds[name].type, Date)
        ]
        selected = statement.selected_columns if isinstance(statement, Select) else ()
        self._moments_out = [
            position for position, column in enumerate(selected) if isinstance(column.type, UtcDateTime)
        ]

    def change(self, connection: Connection, values: Mapping[str, Any]) -> int:
        """Carry out an INSERT, UPDATE or DELETE; return how many rows it changed."""
        if connection.dialect.name != "sqlite":
            result = connection.execute(self._statement, values, execution_options=_COUNTED)
            return cast(CursorResult[Any], result).rowcount
        return execute(driver_of(connection), self._sql, self._parameters(values))

    def rows(self, connection: Connection, values: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """Carry out a SELECT, or what has a RETURNING (whose moments, on SQLite, are not converted)."""
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
        for position in self._days_in:
            parameters[position] = parameters[position].isoformat()
        return parameters

    def _row(self, row: Sequence[Any]) -> list[Any]:
        columns = list(row)
        for position in self._moments_out:
            columns[position] = moment_from_text(columns[position])
        return columns
