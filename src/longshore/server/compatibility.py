"""Whether the installed uvicorn still has the private parts that our protocol classes are built on."""

import inspect
from collections.abc import Collection, Iterator, Mapping, Sequence

from uvicorn.protocols.http import flow_control, httptools_impl
from uvicorn.protocols.websockets import websockets_sansio_impl

_PROTOCOL_METHODS = {
    "connection_made": ["self", "transport"],
    "connection_lost": ["self", "exc"],
    "data_received": ["self", "data"],
    "on_message_begin": ["self"],
    "on_header": ["self", "name", "value"],
    "on_headers_complete": ["self"],
    "on_body": ["self", "body"],
    "on_message_complete": ["self"],
    "_should_upgrade": ["self"],
    "handle_websocket_upgrade": ["self"],
    "send_400_response": ["self", "msg"],
    "_start_asgi_task": ["self", "cycle", "app"],
}
_PROTOCOL_ATTRIBUTES = {"loop", "transport", "scope", "headers", "scheme", "parser", "cycle"}
_CYCLE_ATTRIBUTES = {
    "body",
    "disconnected",
    "flow",
    "keep_alive",
    "more_body",
    "response_complete",
    "transport",
    "waiting_for_100_continue",
}

_SOCKET_METHODS = {
    "handle_connect": ["self", "event"],
    "keepalive_timeout": ["self"],
    "send": ["self", "message"],
    "shutdown": ["self"],
}
_SOCKET_ATTRIBUTES = {"close_timer", "logger", "loop", "transport", "writable"}


def differences() -> list[str]:
    """What is not as we know it, in words; empty when the protocol class can be used."""
    return [*_method_differences(), *_attribute_differences()]


def socket_differences() -> list[str]:
    """The same for the protocol class of WebSockets."""
    known = websockets_sansio_impl.WebSocketsSansIOProtocol
    return [*_differing_methods(known, _SOCKET_METHODS), *_missing_attributes(known, _SOCKET_ATTRIBUTES)]


def _method_differences() -> Iterator[str]:
    yield from _differing_methods(httptools_impl.HttpToolsProtocol, _PROTOCOL_METHODS)
    for name in ("pause_reading", "resume_reading"):
        if not hasattr(flow_control.FlowControl, name):
            yield f"FlowControl.{name} is missing"


def _attribute_differences() -> Iterator[str]:
    yield from _missing_attributes(httptools_impl.HttpToolsProtocol, _PROTOCOL_ATTRIBUTES)
    yield from _missing_attributes(httptools_impl.RequestResponseCycle, _CYCLE_ATTRIBUTES)


def _differing_methods(cls: type, known: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for name, parameters in known.items():
        method = getattr(cls, name, None)
        if method is None or list(inspect.signature(method).parameters) != parameters:
            yield f"{cls.__name__}.{name} is missing or takes other parameters"


def _missing_attributes(cls: type, known: Collection[str]) -> Iterator[str]:
    set_by_init = set(vars(cls)["__init__"].__code__.co_names)
    for name in sorted(set(known) - set_by_init):
        yield f"{cls.__name__}.{name} is missing"
