"""What uploads take of their owners' quotas, kept inside the transactions that change the uploads.

- `uploads.charged` is what an upload counts for in what its owner stores: what was set aside for it while it is
  unfinished, its length afterwards, and nothing once it is gone. `totals.stored` is the sum of these.
- `usage` has what was set aside on each day, less what was given back of it: what lies in `reservations` still may be.
  So an unfinished upload's `charged` is the sum of its reservations.
- A final upload takes the place of its parts in what is stored, and counts towards no day. While it is unfinished it
  is charged with what it needs beyond its parts.

Days are UTC's. Uploads without an owner never come here. On PostgreSQL whoever changes what belongs to an owner locks
the owner's row of `totals` first, before any row of `uploads` and before `statements.LOCK_ADMISSION`: so what was
checked still holds at the commit, and nobody waits in a circle.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection

from longshore.db import quota_statements as statements
from longshore.db.direct import Direct
from longshore.db.statements import GET_PARTS, in_pieces
from longshore.ports.quotas import Quotas, Usage, Window
from longshore.protocol.errors import QuotaExceeded
from longshore.protocol.upload import State, Upload

_OPEN: Final = Direct(statements.OPEN)
_CLOSE: Final = Direct(statements.CLOSE)
_ADD_USAGE: Final = Direct(statements.ADD_USAGE)
_ADD_RESERVATION: Final = Direct(statements.ADD_RESERVATION)
_DROP_RESERVATIONS: Final = Direct(statements.DROP_RESERVATIONS)
_FIGURES: Final = Direct(statements.FIGURES)

_KINDS: Final = {
    "size": "One upload may have at most {limit} bytes.",
    "unfinished": "At most {limit} uploads may be unfinished at the same time; finish or delete one first.",
    "stored": "At most {limit} bytes are kept for you, and {used} are taken; delete something first.",
    "daily": "At most {limit} bytes may be uploaded in a day, and {used} are taken.",
    "monthly": "At most {limit} bytes may be uploaded in a month, and {used} are taken.",
}
"""The quotas in the order in which they are checked: those first that waiting does not help against."""


class Charge(NamedTuple):
    """How an upload stands in its owner's account."""

    state: str
    charged: int
    length: int | None
    concat: str


def lock_totals(connection: Connection, owner: str) -> None:
    """Keep everybody else out of the owner's account until the end of the transaction."""
    if connection.dialect.name == "postgresql":
        connection.execute(statements.LOCK, {"account": owner})


# The four changes


def charge_new(connection: Connection, upload: Upload, quotas: Quotas | None, day: date) -> int:
    """Charge a new upload to its owner; return its `charged`. Due before the record is added.

    Raises `protocol.errors.QuotaExceeded`.
    """
    if upload.is_gone:
        return 0
    opened = int(upload.state is State.UNFINISHED)
    length = upload.length or 0
    if upload.is_final:
        # Locks the account, before the parts are looked at.
        _open(connection, upload.owner, 0, opened)
        amount = max(0, length - _freed_by(connection, upload))
        _move_stored(connection, upload.owner, amount)
        wanted = {"size": length, "unfinished": opened, "stored": amount}
    else:
        amount = length
        _open(connection, upload.owner, amount, opened)
        _charge(connection, upload.owner, upload.id if opened else None, day, amount)
        wanted = {"size": length, "unfinished": opened, "stored": amount, "daily": amount, "monthly": amount}
    if quotas is not None:
        _require_within(connection, upload.owner, quotas, day, wanted)
    return amount


def charge_more(connection: Connection, upload_id: str, wanted: int, quotas: Quotas, day: date) -> int:
    """Charge an unfinished upload with more, up to `wanted` in total: see `ports.Uploads.reserve`."""
    owner = connection.execute(statements.OWNER, {"upload_id": upload_id}).scalar()
    if not owner:
        return wanted
    lock_totals(connection, owner)
    charge = read_charge(connection, upload_id)
    if charge is None or charge.state != State.UNFINISHED:
        return wanted
    if charge.concat.startswith("final;"):
        return _extend_final(connection, owner, upload_id, charge, wanted, quotas, day)
    more = (wanted if charge.length is None else min(wanted, charge.length)) - charge.charged
    if more <= 0:
        return charge.charged
    granted = _left(connection, owner, quotas, day, charge.charged, more)
    _charge(connection, owner, upload_id, day, granted)
    _recharge(connection, owner, upload_id, charge.charged, charge.charged + granted)
    return charge.charged + granted


def settle_charge(connection: Connection, upload: Upload, charged: int, day: date) -> None:
    """Bring the account in line with an upload that has just been saved, and was charged so much before."""
    if upload.is_final:
        if upload.state is State.COMPLETED:
            _settle_final(connection, upload, charged)
        return
    due = upload.offset if upload.length is None else upload.length
    if due < charged:
        _give_back(connection, upload.owner, upload.id, charged - due)
    elif due > charged:
        _charge(connection, upload.owner, upload.id, day, due - charged)
    if due != charged:
        _recharge(connection, upload.owner, upload.id, charged, due)
    if upload.state is State.COMPLETED:
        _DROP_RESERVATIONS.change(connection, {"account": upload.owner, "reserved_for": upload.id})
        _close(connection, upload.owner, 0)


def release_charge(connection: Connection, upload: Upload, before: Charge) -> None:
    """Give back what an upload that has just been buried had set aside, and its place in what is stored."""
    if before.state == State.UNFINISHED:
        connection.execute(statements.GIVE_BACK_ALL, {"account": upload.owner, "reserved_for": upload.id})
        _DROP_RESERVATIONS.change(connection, {"account": upload.owner, "reserved_for": upload.id})
        _close(connection, upload.owner, -before.charged)
    elif before.charged:
        _move_stored(connection, upload.owner, -before.charged)


# Reading


def read_charge(connection: Connection, upload_id: str) -> Charge | None:
    """How an upload stands in its owner's account; None when it is unknown."""
    row = connection.execute(statements.CHARGE, {"upload_id": upload_id}).one_or_none()
    return None if row is None else Charge(*row)


def read_usage(connection: Connection, owner: str, day: date) -> Usage:
    """What the owner has used of quotas, as of that day."""
    row = connection.execute(statements.USAGE, _window(owner, day)).one()
    daily, monthly, stored, unfinished, daily_reserved, monthly_reserved = (int(figure) for figure in row)
    return Usage(
        daily=Window(used=daily - daily_reserved, reserved=daily_reserved, resets_at=_midnight(_next_day(day))),
        monthly=Window(
            used=monthly - monthly_reserved, reserved=monthly_reserved, resets_at=_midnight(_next_month(day))
        ),
        stored=stored,
        unfinished=unfinished,
    )


def forget_usage(connection: Connection, day: date) -> int:
    """Delete what was used before the month that ended last; return how many days of users it was."""
    last_month = (day.replace(day=1) - timedelta(days=1)).replace(day=1)
    return connection.execute(statements.FORGET_USAGE, {"first": last_month}).rowcount


# Limits


def _require_within(connection: Connection, owner: str, quotas: Quotas, day: date, wanted: Mapping[str, int]) -> None:
    """Raise `QuotaExceeded` where an account is over a quota by what was just charged to it."""
    limits = _limits(quotas, wanted)
    if not limits:
        return
    after = _read_figures(connection, owner, day) | {"size": wanted["size"]}
    for name, limit in limits.items():
        # What adds nothing is never refused, however far a quota was lowered meanwhile.
        if wanted[name] > 0 and after[name] > limit:
            raise _exceeded(name, limit, after[name] - wanted[name], day)


def _left(connection: Connection, owner: str, quotas: Quotas, day: date, charged: int, more: int) -> int:
    """How many of so many more bytes an upload may have. Raises `QuotaExceeded` when it is none."""
    limits = _limits(quotas, ("size", "stored", "daily", "monthly"))
    if not limits:
        return more
    used = _read_figures(connection, owner, day) | {"size": charged}
    for name, limit in limits.items():
        if used[name] >= limit:
            raise _exceeded(name, limit, used[name], day)
    return min(more, *(limit - used[name] for name, limit in limits.items()))


def _limits(quotas: Quotas, names: Mapping[str, int] | Sequence[str]) -> dict[str, int]:
    given = ((name, getattr(quotas, name)) for name in _KINDS if name in names)
    return {name: limit for name, limit in given if limit is not None}


def _read_figures(connection: Connection, owner: str, day: date) -> dict[str, int]:
    daily, monthly, stored, unfinished = _FIGURES.rows(connection, _window(owner, day))[0]
    return {"daily": int(daily), "monthly": int(monthly), "stored": int(stored), "unfinished": int(unfinished)}


def _exceeded(name: str, limit: int, used: int, day: date) -> QuotaExceeded:
    resets = {"daily": _next_day(day), "monthly": _next_month(day)}.get(name)
    return QuotaExceeded(
        _KINDS[name].format(limit=limit, used=used),
        quota=name,
        limit=limit,
        used=used,
        resets_at=None if resets is None else f"{resets.isoformat()}T00:00:00Z",
    )


def _window(owner: str, day: date) -> dict[str, Any]:
    return {"account": owner, "today": day, "month": day.replace(day=1)}


def _next_day(day: date) -> date:
    return day + timedelta(days=1)


def _next_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


# Final uploads


def _freed_by(connection: Connection, final: Upload) -> int:
    """What the parts are charged with that no other unfinished final will take the place of."""
    parameters = {"account": final.owner, "final_id": final.id}
    return sum(
        int(connection.execute(statements.FREED, parameters | {"part_ids": ids}).scalar_one())
        for ids in in_pieces(set(final.parts))
    )


def _extend_final(
    connection: Connection, owner: str, final_id: str, charge: Charge, length: int, quotas: Quotas, day: date
) -> int:
    """Charge a final upload whose length has become known, all or nothing."""
    rows = connection.execute(GET_PARTS, {"upload_ids": [final_id]})
    final = Upload(id=final_id, created_at=_midnight(day), owner=owner, parts=tuple(row.part_id for row in rows))
    due = max(charge.charged, length - _freed_by(connection, final))
    _recharge(connection, owner, final_id, charge.charged, due)
    _require_within(connection, owner, quotas, day, {"size": length, "stored": due - charge.charged})
    return length


def _settle_final(connection: Connection, final: Upload, charged: int) -> None:
    """Let a final upload that is there now take the place of its parts."""
    length = final.length or 0
    taken = 0
    for ids in in_pieces(set(final.parts)):
        parts = {"account": final.owner, "part_ids": ids}
        taken += int(connection.execute(statements.CHARGED_PARTS, parts).scalar_one())
        connection.execute(statements.RELEASE_PARTS, parts)
    connection.execute(statements.SET_CHARGED, {"upload_id": final.id, "amount": length})
    _close(connection, final.owner, length - charged - taken)


# Bookkeeping


def _open(connection: Connection, owner: str, stored: int, unfinished: int) -> None:
    _OPEN.change(connection, {"owner": owner, "stored": stored, "unfinished": unfinished})


def _move_stored(connection: Connection, owner: str, more: int) -> None:
    connection.execute(statements.MOVE_STORED, {"account": owner, "more": more})


def _close(connection: Connection, owner: str, stored: int) -> None:
    _CLOSE.change(connection, {"account": owner, "more": stored})


def _recharge(connection: Connection, owner: str, upload_id: str, before: int, amount: int) -> None:
    connection.execute(statements.SET_CHARGED, {"upload_id": upload_id, "amount": amount})
    _move_stored(connection, owner, amount - before)


def _charge(connection: Connection, owner: str, upload_id: str | None, day: date, amount: int) -> None:
    """Count bytes towards a day, and note for which unfinished upload."""
    if not amount:
        return
    row = {"owner": owner, "day": day, "bytes": amount}
    _ADD_USAGE.change(connection, row)
    if upload_id is not None:
        _ADD_RESERVATION.change(connection, row | {"upload_id": upload_id})


def _give_back(connection: Connection, owner: str, upload_id: str, amount: int) -> None:
    """Give bytes back to the days on which they were set aside, the newest first."""
    rows = connection.execute(statements.RESERVATIONS, {"account": owner, "reserved_for": upload_id}).all()
    for day, reserved in rows:
        back = min(amount, reserved)
        amount -= back
        parameters = {"account": owner, "reserved_for": upload_id, "on": day, "back": back}
        connection.execute(statements.TAKE_FROM_USAGE, parameters)
        connection.execute(statements.TAKE_FROM_RESERVATION, parameters)
        if not amount:
            return
