"""Databases to run tests on: SQLite in a file, SQLite in memory, and PostgreSQL.

PostgreSQL is the server that LONGSHORE_TEST_POSTGRES names (a URL whose user may create databases), or else a private
one, started from the programs on this machine and stopped at the end. Where there is neither, its tests are skipped;
on CI they fail.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from uuid import uuid4

import pytest
from sqlalchemy import URL, NullPool, create_engine, make_url, text

from longshore.db import migrate
from longshore.db.database import Database
from longshore.db.uploads import SqlUploads

EVERY_DATABASE = ["sqlite-file", "sqlite-memory", pytest.param("postgres", marks=pytest.mark.postgres)]
EVERY_SERVED_DATABASE = ["sqlite-file", pytest.param("postgres", marks=pytest.mark.postgres)]
"""Those that outlive a connection, and so can be migrated from outside."""

MEMORY_URL = "sqlite://"


@dataclass(frozen=True)
class PostgresServer:
    """A server on which databases come and go."""

    admin: URL
    template: str
    """A database that is migrated already, to be copied."""

    @contextmanager
    def fresh(self, *, template: str = "template0") -> Iterator[str]:
        """Make a database of its own name; drop it afterwards, whoever is still connected."""
        name = f"longshore_{uuid4().hex}"
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        try:
            yield self.admin.set(database=name).render_as_string(hide_password=False)
        finally:
            self.execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    def execute(self, statement: str) -> None:
        engine = create_engine(self.admin, isolation_level="AUTOCOMMIT", poolclass=NullPool)
        with engine.connect() as connection:
            connection.execute(text(statement))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    with _admin_url() as admin:
        bare = PostgresServer(admin, template="template0")
        with bare.fresh() as migrated:
            migrate.upgrade(migrated)
            yield PostgresServer(admin, template=str(make_url(migrated).database))


@contextmanager
def _admin_url() -> Iterator[URL]:
    if given := os.environ.get("LONGSHORE_TEST_POSTGRES"):
        yield make_url(given).set(drivername="postgresql+psycopg")
        return
    programs = _programs()
    if programs is None:
        _do_without("no PostgreSQL: set LONGSHORE_TEST_POSTGRES or install the server (Debian: postgresql)")
    with _private_cluster(programs) as admin:
        yield admin


def _do_without(reason: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def _programs() -> Path | None:
    candidates = [*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/usr").glob("pgsql-*/bin")]
    candidates.sort(key=lambda folder: [int(part) for part in folder.parent.name.split("-")[-1:] if part.isdigit()])
    if found := shutil.which("pg_ctl"):
        candidates.append(Path(found).parent)
    return next((folder for folder in reversed(candidates) if (folder / "initdb").exists()), None)


@contextmanager
def _private_cluster(programs: Path) -> Iterator[URL]:
    # Not under tmp_path: the path of a Unix socket must stay under 108 bytes, and another user must get there.
    folder = Path(tempfile.mkdtemp(prefix="longshore-pg-"))
    account = _account(folder)
    data = folder / "data"
    run = [str(programs / "pg_ctl"), "-D", str(data), "-w", "-s"]
    try:
        initdb = [str(programs / "initdb"), "-D", str(data), "-U", "longshore", "-A", "trust", "-E", "UTF8", "-N"]
        _run([*initdb, "--locale=C"], folder, account)
        options = f"-c listen_addresses='' -c unix_socket_directories='{folder}' -c max_connections=200 -F"
        _run([*run, "-l", str(folder / "log"), "-o", options, "start"], folder, account)
        try:
            yield URL.create("postgresql+psycopg", "longshore", database="postgres", query={"host": str(folder)})
        finally:
            _run([*run, "-m", "immediate", "stop"], folder, account)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _account(folder: Path) -> Mapping[str, Any]:
    """Choose whom to run the server as: it refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    try:
        entry = pwd.getpwnam("postgres")
    except KeyError:
        _do_without("PostgreSQL does not run as root, and there is no user postgres to run it as")
    os.chown(folder, entry.pw_uid, entry.pw_gid)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _run(command: Sequence[str], folder: Path, account: Mapping[str, Any]) -> None:
    # Into a file: the server would inherit a pipe and hold it open for as long as it runs.
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT, check=False, **account)
        if done.returncode:
            output.seek(0)
            raise RuntimeError(f"{command[0]} failed:\n{output.read().decode()}")


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """Yield the URL of a migrated PostgreSQL database of this test's own."""
    with postgres_server.fresh(template=postgres_server.template) as url:
        yield url


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a SQLite file that is migrated already, to be copied."""
    path = tmp_path_factory.mktemp("database") / "migrated.db"
    migrate.upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture(params=EVERY_DATABASE)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Name a migrated database of this test's own; the in-memory one is migrated by `database`."""
    match request.param:
        case "sqlite-file":
            path = tmp_path / "longshore.db"
            shutil.copy(request.getfixturevalue("migrated_sqlite"), path)
            return f"sqlite:///{path}"
        case "sqlite-memory":
            return MEMORY_URL
        case _:
            return str(request.getfixturevalue("postgres_url"))


@pytest.fixture(params=EVERY_SERVED_DATABASE)
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Name a database of this test's own with nothing in it; the SQLite file is not there yet."""
    if request.param == "sqlite-file":
        yield f"sqlite:///{tmp_path / 'longshore.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    with server.fresh() as url:
        yield url


@pytest.fixture
async def database(database_url: str, anyio_backend: object) -> AsyncIterator[Database]:
    """Yield a started, migrated database."""
    async with Database(database_url) as started:
        if started.is_memory:
            await started.write(migrate.upgrade_on)
        yield started


@pytest.fixture
async def uploads(database: Database, anyio_backend: object) -> SqlUploads:
    """Give the upload records in that database."""
    return SqlUploads(database)
