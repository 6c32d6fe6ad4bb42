"""The quotas that were set for users and roles, other than those in the settings."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Final

from sqlalchemy import Connection

from longshore.db import quota_statements as statements
from longshore.db.database import Database
from longshore.ports.quotas import Quotas

NAMES: Final = tuple(field.name for field in fields(Quotas))
"""The quotas there are."""


class SqlQuotas:
    """Quotas by holder: `user:<subject>` or `role:<role>`. Where None is set, that is no limit.

    Each method raises `protocol.errors.Unavailable` while the database cannot answer.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, subject: str, role: str) -> Mapping[str, int | None]:
        """The quotas that were set for a user, and for the role where there is none for the user; by name."""
        user = f"user:{subject}"

        def select(connection: Connection) -> Mapping[str, int | None]:
            rows = connection.execute(statements.QUOTAS_OF, {"holders": [user, f"role:{role}"]}).all()
            # The user's last, so that they win.
            return {row.name: row.allowed for row in sorted(rows, key=lambda row: row.holder == user)}

        return await self._database.read(select)

    async def held_by(self, holder: str) -> Mapping[str, int | None]:
        """The quotas that were set for a holder itself, by name."""

        def select(connection: Connection) -> Mapping[str, int | None]:
            return {row.name: row.allowed for row in connection.execute(statements.QUOTAS_OF, {"holders": [holder]})}

        return await self._database.read(select)

    async def replace(self, holder: str, quotas: Mapping[str, int | None]) -> None:
        """Set these quotas for a holder, and have all others be the defaults again. Raises like `put`."""
        rows = [_row(holder, name, allowed) for name, allowed in quotas.items()]

        def change(connection: Connection) -> None:
            for name in NAMES:
                connection.execute(statements.REMOVE_QUOTA, {"of": holder, "called": name})
            if rows:
                connection.execute(statements.PUT_QUOTA, rows)

        await self._database.write(change)

    async def put(self, holder: str, name: str, allowed: int | None) -> None:
        """Set a quota. Raises `ValueError` for a holder, a name or a number that is none."""
        row = _row(holder, name, allowed)
        await self._database.write(lambda connection: connection.execute(statements.PUT_QUOTA, row).rowcount)

    async def remove(self, holder: str, name: str) -> bool:
        """Have a quota be the default again; return whether one was set."""
        parameters = {"of": holder, "called": name}
        return await self._database.write(
            lambda connection: connection.execute(statements.REMOVE_QUOTA, parameters).rowcount == 1
        )

    async def all(self) -> Mapping[str, Mapping[str, int | None]]:
        """Every quota that was set, by holder and name."""

        def select(connection: Connection) -> Mapping[str, Mapping[str, int | None]]:
            found: dict[str, dict[str, int | None]] = {}
            for row in connection.execute(statements.QUOTAS):
                found.setdefault(row.holder, {})[row.name] = row.allowed
            return found

        return await self._database.read(select)


def _row(holder: str, name: str, allowed: int | None) -> dict[str, str | int | None]:
    kind, _, who = holder.partition(":")
    if kind not in ("user", "role") or not who:
        raise ValueError(f"{holder!r} holds no quotas: it is user:<subject> or role:<role>")
    if name not in NAMES:
        raise ValueError(f"there is no quota {name!r}: there are {', '.join(NAMES)}")
    if allowed is not None and not 0 <= allowed < 2**63:
        raise ValueError(f"a quota is at least 0 and below 2^63, and not {allowed}")
    return {"holder": holder, "name": name, "allowed": allowed}
