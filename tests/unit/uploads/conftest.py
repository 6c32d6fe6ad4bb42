"""What tests of the service share: a world of its own for each of them."""

from collections.abc import AsyncIterator

import pytest
from tests.unit.uploads.world import World, open_world

from longshore.uploads import bodies


@pytest.fixture
def prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bodies pass on what they have at once, so that tests which wait for every byte are quick."""
    monkeypatch.setattr(bodies, "FLUSH_INTERVAL", 0.001)


@pytest.fixture
async def world(anyio_backend: str, prompt: None) -> AsyncIterator[World]:
    async with open_world() as world:
        yield world
