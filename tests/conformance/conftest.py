"""The marker that ties tests to requirements, and the servers that they run against."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.conformance.client import Client, Serve
from tests.serving import Server

BODIES: dict[str, dict[str, str]] = {"socket": {}, "asgi": {"socket_bodies": "false"}}
"""The ways in which a body gets from the socket to the store, with the settings that choose each.

By default the server chooses; that a chunked body may go another way than one with a Content-Length is why tests send
both.
"""


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "requirement(*ids): the requirements in requirements.py that a test checks")


@pytest.fixture(scope="session", params=sorted(BODIES))
def body_source(request: pytest.FixtureRequest) -> str:
    """How bodies are read."""
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def tus(body_source: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A client of a server with default settings, which all tests share: none may stop or empty it."""
    with Server(tmp_path_factory.mktemp("server") / "data", port=0, **BODIES[body_source]) as server:
        yield Client(server)


@pytest.fixture(scope="module")
def serve(body_source: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Starts servers with settings of their own, which end with the module."""
    with ExitStack() as servers:

        def start(**settings: str) -> Client:
            data_dir: Path = tmp_path_factory.mktemp("server") / "data"
            return Client(servers.enter_context(Server(data_dir, port=0, **BODIES[body_source], **settings)))

        yield start
