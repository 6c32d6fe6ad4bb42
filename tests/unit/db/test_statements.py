"""The statements that run often find what they look for by an index, never by looking through the table."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Delete, Select, Update
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from longshore.db import digests, event_statements, listing, quota_statements, statements
from longshore.db.engine import open_sqlite, parse_url
from longshore.ports.listing import Position, Query, Sort

NOW = datetime(2026, 2, 3, tzinfo=UTC)


def plan(connection: Connection, statement: Select[Any] | Update | Delete, values: Mapping[str, Any]) -> str:
    compiled = statement.compile(
        dialect=SQLiteDialect_pysqlite(paramstyle="named"), compile_kwargs={"render_postcompile": True}
    )
    rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}", written(compiled.params) | dict(values))
    return "\n".join(row[3] for row in rows)


PLACE = Position(NOW, "a")


def written(values: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as they are handed to the driver."""
    return {name: str(value) if isinstance(value, datetime) else value for name, value in values.items()}


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (Query(), "ix_uploads_created_at_id"),
        (Query(after=PLACE), "ix_uploads_created_at_id ((created_at,id)<(?,?))"),
        (Query(after=PLACE, descending=False), "ix_uploads_created_at_id ((created_at,id)>(?,?))"),
        (Query(viewer="ann", shared=True, name="a"), "ix_uploads_created_at_id"),
        (Query(viewer="ann"), "ix_uploads_owner_created_at_id (owner=?)"),
        (Query(owner="ann", after=PLACE), "ix_uploads_owner_created_at_id (owner=? AND (created_at,id)<(?,?))"),
        (Query(sort=Sort.COMPLETED_AT), "ix_uploads_completed_at_id"),
        (
            Query(sort=Sort.COMPLETED_AT, after=PLACE),
            "ix_uploads_completed_at_id (completed_at>? AND (completed_at,id)<(?,?))",
        ),
    ],
)
def test_lists_go_along_their_index(migrated_sqlite: Path, query: Query, index: str) -> None:
    engine = open_sqlite(parse_url(f"sqlite:///{migrated_sqlite}"), connections=1, durable=True, writes=False)
    with engine.connect() as connection:
        way = plan(connection, listing.page_statement(query, NOW), {})
    engine.dispose()
    assert index in way
    assert "TEMP B-TREE" not in way  # Nothing is sorted.


@pytest.mark.parametrize(
    ("statement", "values", "index"),
    [
        (statements.GET, {"upload_id": "a"}, "sqlite_autoindex_uploads_1"),
        (statements.SAVE, {}, "sqlite_autoindex_uploads_1"),
        (statements.CHECKPOINT, {}, "sqlite_autoindex_uploads_1"),
        (statements.EXPIRED, {"now": str(NOW), "limit": 10}, "ix_uploads_live_expires_at"),
        (statements.FORGET, {"now": str(NOW)}, "ix_uploads_gone_purged_expires_at"),
        (statements.UNPURGED, {"limit": 10}, "ix_uploads_gone_purged_expires_at"),
        (statements.OUTSTANDING, {}, "COVERING INDEX ix_uploads_unfinished_outstanding"),
        (statements.FINALS_OF, {"part_id": "p"}, "ix_parts_part_id"),
        (statements.EXTEND_FINALS_OF, {"part_id": "p"}, "ix_parts_part_id"),
        (quota_statements.DROP_RESERVATIONS, {}, "PRIMARY KEY (owner=? AND upload_id=?)"),
        (digests.MISSING, {"moment": str(NOW), "limit": 10}, "ix_uploads_undigested_completed_at_id (completed_at<?"),
        (
            digests.MISSING_AFTER,
            {"moment": str(NOW), "upload_id": "a", "limit": 10},
            "ix_uploads_undigested_completed_at_id ((completed_at,id)<(?,?)",
        ),
        (event_statements.FORGET, {"before": str(NOW), "limit": 10}, "ix_events_time"),
    ],
)
def test_uses_its_index(
    migrated_sqlite: Path, statement: Select[Any] | Update | Delete, values: Mapping[str, Any], index: str
) -> None:
    engine = open_sqlite(parse_url(f"sqlite:///{migrated_sqlite}"), connections=1, durable=True, writes=False)
    with engine.connect() as connection:
        assert index in plan(connection, statement, values)
    engine.dispose()
