"""The file in which background jobs are kept where the database is SQLite."""

from pathlib import Path

from sqlalchemy.engine import URL

from longshore.db.engine import open_sqlite


def prepare_jobs_file(path: Path) -> str:
    """Create the file if there is none, readable by its owner only and in WAL mode; return its URL. Blocks.

    The mode stays with the file: DBOS, which uses it, would keep SQLite's default, several times as slow.
    """
    url = URL.create("sqlite", database=str(path))
    engine = open_sqlite(url, connections=1, durable=True, writes=True)
    try:
        engine.connect().close()
    finally:
        engine.dispose()
    return url.render_as_string()
