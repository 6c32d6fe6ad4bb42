"""Whether the installed uvicorn still has the private parts that our protocol classes are built on."""

import inspect
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol


@dataclass(frozen=True, slots=True)
class Parts:
    """What we touch of one of uvicorn's classes."""

    cls: type
    methods: Mapping[str, Sequence[str]]
    """Those that we call, or stand in for, with the names of their parameters."""
    attributes: Collection[str] = ()
    """Those that its `__init__` sets."""

    def differences(self) -> Iterator[str]:
        """What is not as we know it, in words."""
        for name, parameters in self.methods.items():
            method = getattr(self.cls, name, None)
            if method is None or list(inspect.signature(method).parameters) != parameters:
                yield f"{self.cls.__name__}.{name} is missing or takes other parameters"
        set_by_init = set(vars(self.cls)["__init__"].__code__.co_names)
        for name in sorted(set(self.attributes) - set_by_init):
            yield f"{self.cls.__name__}.{name} is missing"


HTTP: Final = (
    Parts(
        HttpToolsProtocol,
        {
            "connection_made": ["self", "transport"],
            "connection_lost": ["self", "exc"],
            "data_received": ["self", "data"],
            "pause_writing": ["self"],
            "resume_writing": ["self"],
            "on_message_begin": ["self"],
            "on_header": ["self", "name", "value"],
            "on_headers_complete": ["self"],
            "on_body": ["self", "body"],
            "on_message_complete": ["self"],
            "_should_upgrade": ["self"],
            "handle_websocket_upgrade": ["self"],
            "send_400_response": ["self", "msg"],
            "_start_asgi_task": ["self", "cycle", "app"],
        },
        {"cycle", "headers", "loop", "parser", "pipeline", "scheme", "scope", "transport"},
    ),
    Parts(
        RequestResponseCycle,
        {},
        {
            "body",
            "disconnected",
            "expected_content_length",
            "flow",
            "keep_alive",
            "more_body",
            "response_complete",
            "response_started",
            "transport",
            "waiting_for_100_continue",
        },
    ),
    Parts(FlowControl, {"drain": ["self"], "pause_reading": ["self"], "resume_reading": ["self"]}),
)
"""What `server.protocol` touches."""

WEBSOCKET: Final = (
    Parts(
        WebSocketsSansIOProtocol,
        {
            "handle_connect": ["self", "event"],
            "keepalive_timeout": ["self"],
            "send": ["self", "message"],
            "shutdown": ["self"],
        },
        {"close_timer", "handshake_complete", "logger", "loop", "transport", "writable"},
    ),
)
"""What `server.websocket` touches."""


def differences() -> list[str]:
    """What is not as we know it, in words; empty when the protocol class can be used."""
    return [difference for parts in HTTP for difference in parts.differences()]


def socket_differences() -> list[str]:
    """The same for the protocol class of WebSockets."""
    return [difference for parts in WEBSOCKET for difference in parts.differences()]
