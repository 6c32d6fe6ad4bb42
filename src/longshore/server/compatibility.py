"""Whether the installed uvicorn still has the private parts that our protocol class is built on."""

import inspect
from collections.abc import Iterator

from uvicorn.protocols.http import flow_control, httptools_impl

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


def differences() -> list[str]:
    """What is not as we know it, in words; empty when the protocol class can be used."""
    return [*_method_differences(), *_attribute_differences()]


def _method_differences() -> Iterator[str]:
    methods = {name: getattr(httptools_impl.HttpToolsProtocol, name, None) for name in _PROTOCOL_METHODS}
    for name, parameters in _PROTOCOL_METHODS.items():
        method = methods[name]
        if method is None or list(inspect.signature(method).parameters) != parameters:
            yield f"HttpToolsProtocol.{name} is missing or takes other parameters"
    for name in ("pause_reading", "resume_reading"):
        if not hasattr(flow_control.FlowControl, name):
            yield f"FlowControl.{name} is missing"


def _attribute_differences() -> Iterator[str]:
    for cls, attributes in (
        (httptools_impl.HttpToolsProtocol, _PROTOCOL_ATTRIBUTES),
        (httptools_impl.RequestResponseCycle, _CYCLE_ATTRIBUTES),
    ):
        set_by_init = set(cls.__init__.__code__.co_names)
        for name in sorted(attributes - set_by_init):
            yield f"{cls.__name__}.{name} is missing"
