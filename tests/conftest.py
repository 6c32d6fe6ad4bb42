"""What every test may ask for."""

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


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"
