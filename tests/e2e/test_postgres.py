"""The whole server on PostgreSQL."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url
from tests.contracts.databases import PostgresServer
from tests.e2e.samples import Sample
from tests.e2e.wire import create, head, offset_of, patch, poll, request
from tests.serving import serving

pytestmark = [pytest.mark.e2e, pytest.mark.postgres]


def longshore(area: Path, url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "longshore", *arguments],
        env={
            **os.environ,
            "LONGSHORE_AUTH": "none",
            "LONGSHORE_DATABASE_URL": url,
            "LONGSHORE_DATA_DIR": str(area / "data"),
        },
        cwd=area,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def empty_url(postgres_server: PostgresServer) -> Iterator[str]:
    with postgres_server.fresh() as url:
        yield url


def test_a_database_that_is_not_migrated_stops_the_start_with_one_line(area: Path, empty_url: str) -> None:
    ended = longshore(area, empty_url, "serve", "--port", "0")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.count("\n") == 1
    assert "longshore db upgrade" in ended.stderr
    assert longshore(area, empty_url, "db", "upgrade").returncode == 0
    with serving(area / "data", database_url=empty_url) as server:
        assert offset_of(server, create(server, 1)) == 0


def test_an_upload_survives_kill_9_and_is_finished(area: Path, postgres_url: str, small: Sample) -> None:
    data = small.path.read_bytes()
    with serving(area / "data", database_url=postgres_url) as server:
        path = create(server, len(data))
        assert patch(server, path, 0, data[:1_000_000]).status == 204
        server.kill()
        server.start()
        assert offset_of(server, path) == 1_000_000
        assert patch(server, path, 1_000_000, data[1_000_000:]).status == 204
        assert request(server, "GET", path, {}).body == data


def test_concatenation_termination_and_expiry(area: Path, postgres_url: str) -> None:
    with serving(area / "data", database_url=postgres_url, unfinished_ttl="3s", sweep_interval="0.2s") as server:
        parts = [create(server, 3, {"Upload-Concat": "partial"}) for _ in "ab"]
        joined = {"Upload-Concat": f"final;{parts[0]} {parts[1]}"}
        final = request(server, "POST", "/files", joined).headers["location"]
        for path, data in zip(parts, (b"abc", b"def"), strict=True):
            assert patch(server, path, 0, data).status == 204
        assert request(server, "GET", final, {}).body == b"abcdef"
        assert request(server, "DELETE", final, {}).status == 204
        assert head(server, final).status == 410
        poll(lambda: head(server, parts[0]).status == 410)


def test_a_database_that_is_away_is_a_passing_trouble(
    area: Path, postgres_url: str, postgres_server: PostgresServer
) -> None:
    """HEAD must not say so with a 5xx: tus-js-client would forget the upload and start again."""
    name = make_url(postgres_url).database
    with serving(area / "data", database_url=postgres_url) as server:
        path = create(server, 6)
        assert patch(server, path, 0, b"abc").status == 204
        postgres_server.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        ours = f"datname = '{name}'"
        postgres_server.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {ours}")  # noqa: S608 - a name of our own making
        assert head(server, path).status == 423
        assert patch(server, path, 3, b"def").status == 503
        assert request(server, "POST", "/files", {"Upload-Length": "1"}).status == 503
        postgres_server.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
        assert poll(lambda: patch(server, path, 3, b"def").status == 204)
        assert request(server, "GET", path, {}).body == b"abcdef"
