"""The statements behind `quotas`, each built once: what SQLAlchemy compiles of one is cached with it."""

from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, bindparam, delete, func, literal_column, not_, select, text, update

# SQLite has ON CONFLICT from PostgreSQL, and SQLAlchemy compiles this one for both.
from sqlalchemy.dialects.postgresql import insert

from longshore.db.tables import IS_LIVE, parts, quotas, reservations, totals, uploads, usage

# "account" is an owner, and "reserved_for" an upload: a parameter of an UPDATE cannot be called as a column is.
_ACCOUNT = bindparam("account", type_=totals.c.owner.type)
_ID = uploads.c.id == bindparam("upload_id")
_MORE = bindparam("more", type_=totals.c.stored.type)
_TODAY = bindparam("today", type_=usage.c.day.type)
_MONTH = bindparam("month", type_=usage.c.day.type)

LOCK = select(totals.c.owner).where(totals.c.owner == _ACCOUNT).with_for_update()
OWNER = select(uploads.c.owner).where(_ID)
CHARGE = select(uploads.c.state, uploads.c.charged, uploads.c.upload_length, uploads.c.concat).where(_ID)

_new_totals = insert(totals)
OPEN = _new_totals.on_conflict_do_update(
    index_elements=[totals.c.owner],
    set_={
        "stored": totals.c.stored + _new_totals.excluded.stored,
        "unfinished": totals.c.unfinished + _new_totals.excluded.unfinished,
    },
)
MOVE_STORED = update(totals).where(totals.c.owner == _ACCOUNT).values(stored=totals.c.stored + _MORE)
CLOSE = MOVE_STORED.values(unfinished=totals.c.unfinished - literal_column("1"))
SET_CHARGED = update(uploads).where(_ID).values(charged=bindparam("amount", type_=uploads.c.charged.type))

_new_usage = insert(usage)
ADD_USAGE = _new_usage.on_conflict_do_update(
    index_elements=[usage.c.owner, usage.c.day], set_={"bytes": usage.c.bytes + _new_usage.excluded.bytes}
)
_new_reservation = insert(reservations)
ADD_RESERVATION = _new_reservation.on_conflict_do_update(
    index_elements=[reservations.c.owner, reservations.c.upload_id, reservations.c.day],
    set_={"bytes": reservations.c.bytes + _new_reservation.excluded.bytes},
)

_OF_UPLOAD = (reservations.c.owner == _ACCOUNT) & (reservations.c.upload_id == bindparam("reserved_for"))
_ON_DAY = bindparam("on", type_=usage.c.day.type)
_BACK = bindparam("back", type_=usage.c.bytes.type)
_reserved = select(reservations.c.bytes).where(_OF_UPLOAD, reservations.c.day == usage.c.day).correlate(usage)

RESERVATIONS = select(reservations.c.day, reservations.c.bytes).where(_OF_UPLOAD).order_by(reservations.c.day.desc())
DROP_RESERVATIONS = delete(reservations).where(_OF_UPLOAD)
GIVE_BACK_ALL = (
    update(usage)
    .where(usage.c.owner == _ACCOUNT, usage.c.day.in_(select(reservations.c.day).where(_OF_UPLOAD)))
    .values(bytes=usage.c.bytes - _reserved.scalar_subquery())
)
TAKE_FROM_USAGE = (
    update(usage).where(usage.c.owner == _ACCOUNT, usage.c.day == _ON_DAY).values(bytes=usage.c.bytes - _BACK)
)
TAKE_FROM_RESERVATION = (
    update(reservations).where(_OF_UPLOAD, reservations.c.day == _ON_DAY).values(bytes=reservations.c.bytes - _BACK)
)
FORGET_USAGE = delete(usage).where(usage.c.day < bindparam("first", type_=usage.c.day.type))


def _sum(column: ColumnElement[int], *where: ColumnElement[bool]) -> ScalarSelect[Any]:
    return select(func.coalesce(func.sum(column), literal_column("0"))).where(*where).scalar_subquery()


_USED_TODAY = _sum(usage.c.bytes, usage.c.owner == _ACCOUNT, usage.c.day == _TODAY)
_USED_THIS_MONTH = _sum(usage.c.bytes, usage.c.owner == _ACCOUNT, usage.c.day.between(_MONTH, _TODAY))
_RESERVED_TODAY = _sum(reservations.c.bytes, reservations.c.owner == _ACCOUNT, reservations.c.day == _TODAY)
_RESERVED_THIS_MONTH = _sum(
    reservations.c.bytes, reservations.c.owner == _ACCOUNT, reservations.c.day.between(_MONTH, _TODAY)
)
_STORED = _sum(totals.c.stored, totals.c.owner == _ACCOUNT)
_UNFINISHED = _sum(totals.c.unfinished, totals.c.owner == _ACCOUNT)

# One statement each, so that PostgreSQL answers with what was true at one moment. Either has exactly one row.
FIGURES = select(_USED_TODAY, _USED_THIS_MONTH, _STORED, _UNFINISHED)
USAGE = select(_USED_TODAY, _USED_THIS_MONTH, _STORED, _UNFINISHED, _RESERVED_TODAY, _RESERVED_THIS_MONTH)

_PARTS = (uploads.c.id.in_(bindparam("part_ids", expanding=True))) & (uploads.c.owner == _ACCOUNT)
_IS_COMPLETED = text("state = 'completed'")
_other = uploads.alias("other")
_PROMISED = (
    select(parts.c.part_id)
    .join(_other, _other.c.id == parts.c.final_id)
    .where(
        parts.c.part_id == uploads.c.id,
        parts.c.final_id != bindparam("final_id"),
        text("other.state = 'unfinished'"),
    )
    .correlate(uploads)
)
FREED = select(func.coalesce(func.sum(uploads.c.charged), 0)).where(_PARTS, IS_LIVE, not_(_PROMISED.exists()))
CHARGED_PARTS = select(func.coalesce(func.sum(uploads.c.charged), 0)).where(_PARTS, _IS_COMPLETED)
RELEASE_PARTS = update(uploads).where(_PARTS, _IS_COMPLETED).values(charged=0)

# The quotas that were set

_new_quota = insert(quotas)
PUT_QUOTA = _new_quota.on_conflict_do_update(
    index_elements=[quotas.c.holder, quotas.c.name], set_={"allowed": _new_quota.excluded.allowed}
)
REMOVE_QUOTA = delete(quotas).where(quotas.c.holder == bindparam("of"), quotas.c.name == bindparam("called"))
QUOTAS = select(quotas.c.holder, quotas.c.name, quotas.c.allowed).order_by(quotas.c.holder, quotas.c.name)
QUOTAS_OF = QUOTAS.where(quotas.c.holder.in_(bindparam("holders", expanding=True)))
