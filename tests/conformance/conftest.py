"""The marker that ties tests to requirements, and the servers that they run against."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conformance.client import Client
from tests.serving import Server

BODIES: dict[str, dict[str, str]] = {"asgi": {}}
"""The ways in which a body gets from the socket to the store, with the settings that choose each."""

Serve = Callable[..., Client]
"""Starts a server with settings, and gives a client for it."""


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "requirement(*ids): the requirements in requirements.py that a test checks")


@pytest.fixture(scope="session", params=sorted(BODIES))
def body(request: pytest.FixtureRequest) -> str:
    """How bodies are read."""
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def tus(body: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A client of a server with default settings, which all tests share: nobody may stop it or count on its being empty."""
    with Server(tmp_path_factory.mktemp("server") / "data", **BODIES[body]) as server:
        yield Client(server)


@pytest.fixture(scope="module")
def serve(body: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Starts servers with settings of their own, which end with the module."""
    with ExitStack() as servers:

        def start(**settings: str) -> Client:
            data_dir: Path = tmp_path_factory.mktemp("server") / "data"
            return Client(servers.enter_context(Server(data_dir, **BODIES[body], **settings)))

        yield start
