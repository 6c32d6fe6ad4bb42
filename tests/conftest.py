"""What every test may ask for."""

import signal

import pytest
from tests.contracts.databases import (
    database,
    database_url,
    empty_database_url,
    migrated_sqlite,
    postgres_server,
    postgres_url,
    uploads,
)

__all__ = [
    "anyio_backend",
    "database",
    "database_url",
    "empty_database_url",
    "migrated_sqlite",
    "postgres_server",
    "postgres_url",
    "uploads",
]

# A shell that runs the tests in the background has them ignore it, and so would every process they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"
