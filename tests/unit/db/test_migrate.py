"""Migrations: they agree with the tables, go up and down, and may be run by several processes at once."""

import logging
import multiprocessing
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine, inspect, text

from longshore.db import migrate
from longshore.db.database import Database
from longshore.db.engine import is_sqlite, open_postgres, open_sqlite, parse_url
from longshore.db.tables import metadata

DEFINITIONS = {
    "sqlite": "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL",
    "postgresql": """
        SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace
        UNION ALL SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
        UNION ALL SELECT table_name || '.' || column_name, concat_ws(' ', ordinal_position, data_type, is_nullable,
            column_default) FROM information_schema.columns WHERE table_schema = 'public'
    """,
}


def open_engine(url: str) -> Engine:
    parsed = parse_url(url)
    if is_sqlite(parsed):
        return open_sqlite(parsed, connections=1, durable=True, writes=True)
    return open_postgres(parsed, connections=1, durable=True)


def definitions(connection: Connection) -> Mapping[str, str]:
    """Everything that was created, by name, as the database itself words it."""
    rows = connection.execute(text(DEFINITIONS[connection.dialect.name]))
    return {
        name: " ".join(sql.split()).replace("( ", "(").replace(" )", ")") for name, sql in rows if "alembic" not in name
    }


def tables(url: str) -> Sequence[str]:
    engine = open_engine(url)
    found = sorted(inspect(engine).get_table_names())
    engine.dispose()
    return found


def test_tables_and_migrations_agree(empty_database_url: str) -> None:
    migrate.upgrade(empty_database_url)
    engine = open_engine(empty_database_url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_tables_and_migrations_agree_word_for_word(empty_database_url: str) -> None:
    # compare_metadata looks at neither check constraints nor the conditions of partial indexes.
    engine = open_engine(empty_database_url)
    with engine.begin() as connection:
        metadata.create_all(connection)
        modelled = definitions(connection)
        metadata.drop_all(connection)
    engine.dispose()
    migrate.upgrade(empty_database_url)
    engine = open_engine(empty_database_url)
    with engine.connect() as connection:
        assert definitions(connection) == modelled
    engine.dispose()


def test_up_down_and_up_again(empty_database_url: str) -> None:
    migrate.upgrade(empty_database_url)
    assert tables(empty_database_url) == sorted(["alembic_version", *metadata.tables])
    migrate.downgrade(empty_database_url, "base")
    assert tables(empty_database_url) == ["alembic_version"]
    assert migrate.current(empty_database_url) is None
    migrate.upgrade(empty_database_url)
    migrate.upgrade(empty_database_url)
    assert tables(empty_database_url) == sorted(["alembic_version", *metadata.tables])


def test_tells_whether_the_database_is_current(empty_database_url: str) -> None:
    assert migrate.current(empty_database_url) is None
    assert not migrate.is_current(empty_database_url)
    migrate.upgrade(empty_database_url)
    assert migrate.current(empty_database_url) == migrate.newest()
    assert migrate.is_current(empty_database_url)


def test_uploads_that_are_there_get_their_names(empty_database_url: str) -> None:
    migrate.upgrade(empty_database_url)
    migrate.downgrade(empty_database_url, "0003")
    given = {
        "a": "filename Qzpcw4l0w6kuSVNP,filetype SW1hZ2UvUE5H",  # C:\\Été.ISO, Image/PNG
        "b": "name Yi5jc3Y=,type bm9uZQ==, filename",
        "c": "",
        "d": "filename /w==",
    }
    insert = text(
        "INSERT INTO uploads (id, state, upload_offset, metadata, concat, created_at, updated_at, purged)"
        " VALUES (:id, 'unfinished', 0, :metadata, '', '2026-01-01', '2026-01-01', :purged)"
    )
    with migrate.locked_connection(empty_database_url) as connection:
        connection.execute(insert, [{"id": key, "metadata": value, "purged": False} for key, value in given.items()])
    migrate.upgrade(empty_database_url)
    with migrate.locked_connection(empty_database_url) as connection:
        rows = connection.execute(text("SELECT name, name_key, media_type FROM uploads ORDER BY id"))
        filled = [tuple(row) for row in rows]
    assert filled == [
        ("Été.ISO", "été.iso", "image/png"),
        ("b.csv", "b.csv", ""),
        ("", "", ""),
        ("\ufffd",) * 2 + ("",),
    ]


def test_asking_creates_no_file(tmp_path: Path) -> None:
    assert not migrate.is_current(f"sqlite:///{tmp_path / 'none.db'}")
    assert list(tmp_path.iterdir()) == []


def test_several_processes_at_once(empty_database_url: str) -> None:
    fresh = multiprocessing.get_context("spawn")
    processes = [fresh.Process(target=migrate.upgrade, args=(empty_database_url,)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 4
    assert migrate.is_current(empty_database_url)


def test_works_from_anywhere_and_leaves_logging_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_database_url: str
) -> None:
    monkeypatch.chdir(tmp_path)
    logger = logging.getLogger("somebody.else")
    before = (logging.root.level, list(logging.root.handlers), logger.disabled)
    migrate.upgrade(empty_database_url)
    assert (logging.root.level, list(logging.root.handlers), logger.disabled) == before


def test_a_path_may_hold_a_percent_sign(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / '100%.db'}"
    migrate.upgrade(url)
    assert migrate.is_current(url)


def test_a_migration_that_would_leave_rows_without_their_upload_is_undone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'longshore.db'}"
    migrate.upgrade(url)

    def lose_an_upload() -> None:
        with migrate.locked_connection(url) as connection:
            connection.execute(text("INSERT INTO parts VALUES ('nobody', 0, 'p')"))
            connection.execute(text("UPDATE alembic_version SET version_num = 'another'"))

    with pytest.raises(RuntimeError, match="refer to nothing"):
        lose_an_upload()
    assert migrate.is_current(url)


def test_an_in_memory_database_is_migrated_from_within() -> None:
    for ask in (migrate.upgrade, migrate.current, migrate.is_current):
        with pytest.raises(ValueError, match="in-memory"):
            ask("sqlite://")


@pytest.mark.anyio
async def test_from_within() -> None:
    async with Database("sqlite://") as database:
        await database.write(migrate.upgrade_on)
        await database.write(migrate.upgrade_on)
        assert await database.read(lambda c: inspect(c).has_table("uploads"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_says_when_the_folder_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError):
        migrate.upgrade(f"sqlite:///{tmp_path / 'longshore.db'}")
