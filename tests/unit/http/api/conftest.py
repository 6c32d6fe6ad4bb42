"""One server for each test, where completed uploads are shared."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.unit.http.api.world import World, opened


@pytest.fixture
async def world(anyio_backend: str, tmp_path: Path) -> AsyncIterator[World]:
    async with opened(tmp_path) as world:
        yield world
