"""The private parts of uvicorn that server/ is built on. A failure here means: read uvicorn's changes before upgrading.

What is checked below is what `server/protocol.py` and `server/run.py` call, override or set; the behaviour itself is in
test_protocol.py.
"""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from longshore.server.compatibility import differences
from longshore.server.protocol import UploadProtocol

OVERRIDDEN: list[tuple[Callable[..., Any], list[str]]] = [
    (HttpToolsProtocol.__init__, ["self", "config", "server_state", "app_state", "_loop"]),
    (HttpToolsProtocol.data_received, ["self", "data"]),
    (HttpToolsProtocol.on_message_begin, ["self"]),
    (HttpToolsProtocol.on_header, ["self", "name", "value"]),
    (HttpToolsProtocol.on_headers_complete, ["self"]),
    (HttpToolsProtocol.on_body, ["self", "body"]),
    (HttpToolsProtocol.on_message_complete, ["self"]),
    (HttpToolsProtocol._start_asgi_task, ["self", "cycle", "app"]),
    (RequestResponseCycle.receive, ["self"]),
    (RequestResponseCycle.run_asgi, ["self", "app"]),
    (uvicorn.Server.startup, ["self", "sockets"]),
    (uvicorn.Server.shutdown, ["self", "sockets"]),
    (FlowControl.pause_reading, ["self"]),
    (FlowControl.resume_reading, ["self"]),
]


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Never called."""


@pytest.fixture
async def protocol(anyio_backend: str) -> UploadProtocol:
    config = uvicorn.Config(app, log_config=None)
    config.load()
    return UploadProtocol(config=config, server_state=ServerState(), app_state={})


@pytest.mark.parametrize(
    ("method", "parameters"), [pytest.param(*pair, id=pair[0].__qualname__) for pair in OVERRIDDEN]
)
def test_method_is_called_as_before(method: Callable[..., Any], parameters: list[str]) -> None:
    assert list(inspect.signature(method).parameters) == parameters


def test_installed_uvicorn_is_found_to_be_as_known() -> None:
    """Else the server starts with uvicorn's own protocol class, without trailers and without the fast path."""
    assert differences() == []


@pytest.mark.anyio
async def test_connection_has_the_attributes_that_we_use(protocol: UploadProtocol) -> None:
    for name in ("transport", "scope", "headers", "cycle", "scheme", "parser", "flow", "pipeline", "loop"):
        assert hasattr(protocol, name), name


@pytest.mark.anyio
async def test_cycle_has_the_attributes_that_we_use() -> None:
    cycle = RequestResponseCycle(
        scope={},  # type: ignore[typeddict-item]
        transport=asyncio.Transport(),
        flow=FlowControl(asyncio.Transport()),
        logger=None,  # type: ignore[arg-type]
        access_logger=None,  # type: ignore[arg-type]
        access_log=False,
        default_headers=[],
        message_event=asyncio.Event(),
        expect_100_continue=True,
        keep_alive=True,
        on_response=lambda: None,
    )
    assert isinstance(cycle.body, bytearray)
    assert (cycle.more_body, cycle.response_complete, cycle.disconnected) == (True, False, False)
    assert (cycle.keep_alive, cycle.waiting_for_100_continue) == (True, True)
    assert cycle.transport is not None
    assert cycle.flow is not None


@pytest.mark.anyio
async def test_new_message_makes_a_new_scope_and_new_headers(protocol: UploadProtocol) -> None:
    protocol.on_message_begin()
    first, headers = protocol.scope, protocol.headers
    assert protocol.scope["headers"] is headers
    protocol.on_message_begin()
    assert protocol.scope is not first
    assert protocol.headers is not headers


def test_parser_is_httptools() -> None:
    source = inspect.getsource(HttpToolsProtocol.__init__)
    assert "httptools.HttpRequestParser(self)" in source
