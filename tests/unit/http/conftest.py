"""The whole application without a server: the edge is what is looked at."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from starlette.applications import Starlette

from longshore.app import build
from longshore.config import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", auth="none", fsync="never")


@pytest.fixture
async def app(anyio_backend: str, settings: Settings) -> AsyncIterator[Starlette]:
    settings.data_dir.mkdir()
    app = build(settings, emit=lambda _: None)
    async with app.router.lifespan_context(app):
        yield app
