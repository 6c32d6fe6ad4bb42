"""The statements behind the upload records, each built once: what SQLAlchemy compiles of one is cached with it."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from sqlalchemy import and_, bindparam, case, delete, func, literal_column, not_, or_, select, text, update

# SQLite has ON CONFLICT from PostgreSQL, and SQLAlchemy compiles this one for both.
from sqlalchemy.dialects.postgresql import insert

from longshore.db.tables import IS_GONE, IS_LIVE, IS_UNFINISHED, parts, uploads

_IDS_AT_ONCE: Final = 500
"""Ids in one statement; both databases bound the parameters of one (SQLite 32,766, PostgreSQL 65,535)."""


def in_pieces(upload_ids: Iterable[str]) -> Iterator[list[str]]:
    """Divide ids into as many at a time as go into one statement."""
    ids = iter(upload_ids)
    while piece := list(islice(ids, _IDS_AT_ONCE)):
        yield piece


_ID = uploads.c.id == bindparam("upload_id")
_IDS = uploads.c.id.in_(bindparam("upload_ids", expanding=True))
_OFFSET = bindparam("offset", type_=uploads.c.upload_offset.type)
_NOW = bindparam("now", type_=uploads.c.updated_at.type)
_EXPIRY = bindparam("expiry", type_=uploads.c.expires_at.type)

_UPLOAD = select(
    uploads.c.id,
    uploads.c.created_at,
    uploads.c.owner,
    uploads.c.upload_offset,
    uploads.c.upload_length,
    uploads.c.metadata,
    uploads.c.concat,
    uploads.c.state,
    uploads.c.expires_at,
    uploads.c.completed_at,
    uploads.c.sha256,
)
_FINALS_OF_PART = uploads.c.id.in_(select(parts.c.final_id).where(parts.c.part_id == bindparam("part_id")))

# Changes no row when the id is taken: nothing else about a new upload is unique.
INSERT = insert(uploads).on_conflict_do_nothing(index_elements=[uploads.c.id])
INSERT_PARTS = insert(parts)

# One creation with a free_space at a time, or two would each count the other out. On SQLite that goes without saying.
# The number is this lock's alone; nobody else takes it.
LOCK_ADMISSION = text("SELECT pg_advisory_xact_lock(7238114951)")

OUTSTANDING = select(func.coalesce(func.sum(uploads.c.upload_length - uploads.c.upload_offset), 0)).where(IS_UNFINISHED)

GET = _UPLOAD.where(_ID)
GET_MANY = _UPLOAD.where(_IDS)
GET_PARTS = (
    select(parts.c.final_id, parts.c.part_id)
    .where(parts.c.final_id.in_(bindparam("upload_ids", expanding=True)))
    .order_by(parts.c.final_id, parts.c.position)
)
KNOWN = select(uploads.c.id).where(_IDS, IS_LIVE)

CHECKPOINT = (
    update(uploads)
    .where(_ID, IS_UNFINISHED)
    .values(
        upload_offset=case(
            (uploads.c.upload_offset >= _OFFSET, uploads.c.upload_offset),
            (uploads.c.upload_length < _OFFSET, uploads.c.upload_length),
            else_=_OFFSET,
        ),
        expires_at=_EXPIRY,
        updated_at=_NOW,
    )
)

_CHANGE = update(uploads).values(
    upload_offset=_OFFSET,
    upload_length=bindparam("length", type_=uploads.c.upload_length.type),
    state=bindparam("new_state", type_=uploads.c.state.type),
    expires_at=_EXPIRY,
    completed_at=bindparam("completion", type_=uploads.c.completed_at.type),
    updated_at=_NOW,
)
SAVE = _CHANGE.where(_ID, IS_UNFINISHED)
SAVE_CHARGED = SAVE.returning(uploads.c.charged)
BURY = _CHANGE.where(_ID, IS_LIVE).values(
    metadata=bindparam("new_metadata", type_=uploads.c.metadata.type), purged=False, charged=0
)

RENAME = (
    update(uploads)
    .where(_ID, IS_LIVE)
    .values(
        metadata=bindparam("new_metadata", type_=uploads.c.metadata.type),
        name=bindparam("new_name", type_=uploads.c.name.type),
        name_key=bindparam("new_name_key", type_=uploads.c.name.type),
        media_type=bindparam("new_media_type", type_=uploads.c.media_type.type),
        updated_at=_NOW,
    )
)

PURGED = update(uploads).where(_ID, IS_GONE).values(purged=True, updated_at=_NOW)
UNPURGED = select(uploads.c.id).where(IS_GONE, not_(uploads.c.purged)).limit(bindparam("limit"))

FINALS_OF = _UPLOAD.where(_FINALS_OF_PART, IS_UNFINISHED)
EXTEND_FINALS_OF = update(uploads).where(_FINALS_OF_PART, IS_UNFINISHED).values(expires_at=_EXPIRY, updated_at=_NOW)

_part = uploads.alias("part")
_MISSING_PART = (
    select(parts.c.part_id)
    .select_from(parts.outerjoin(_part, _part.c.id == parts.c.part_id))
    .where(parts.c.final_id == uploads.c.id, or_(_part.c.id.is_(None), _part.c.state != literal_column("'completed'")))
    .correlate(uploads)
)
UNFINISHED_FINALS = (
    _UPLOAD.where(
        text("uploads.state = 'unfinished'"),
        uploads.c.id.in_(select(parts.c.final_id)),
        not_(_MISSING_PART.exists()),
    )
    .order_by(uploads.c.created_at)
    .limit(bindparam("limit"))
)

EXPIRED = (
    _UPLOAD.where(and_(IS_LIVE, uploads.c.expires_at <= _NOW)).order_by(uploads.c.expires_at).limit(bindparam("limit"))
)
FORGET = delete(uploads).where(
    uploads.c.id.in_(
        select(uploads.c.id)
        .where(and_(IS_GONE, uploads.c.purged, uploads.c.expires_at <= _NOW))
        .limit(bindparam("limit"))
    )
)
