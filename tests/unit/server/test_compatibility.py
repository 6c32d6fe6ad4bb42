"""With a uvicorn that is not as known, the server still serves: with uvicorn's own protocol class, and a warning."""

import ast
import inspect
import logging
from collections.abc import Iterable, Iterator
from types import ModuleType

import pytest
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from longshore.server import body, protocol, sending, websocket
from longshore.server.compatibility import HTTP, WEBSOCKET, differences
from longshore.server.protocol import AsgiOnlyProtocol, UploadProtocol
from longshore.server.run import protocol_class


def test_a_method_that_has_gone_is_told_and_done_without(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delattr(HttpToolsProtocol, "_start_asgi_task")
    assert differences() == ["HttpToolsProtocol._start_asgi_task is missing or takes other parameters"]
    with caplog.at_level(logging.WARNING):
        assert protocol_class(socket_bodies=True) == "httptools"
    assert "_start_asgi_task" in caplog.text


def test_a_parameter_that_has_changed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HttpToolsProtocol, "on_body", lambda self, body, offset: None)
    assert differences() == ["HttpToolsProtocol.on_body is missing or takes other parameters"]


def test_an_attribute_that_has_gone_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def init(self: RequestResponseCycle) -> None:
        self.body = bytearray()

    monkeypatch.setattr(RequestResponseCycle, "__init__", init)
    assert "RequestResponseCycle.keep_alive is missing" in differences()
    assert "RequestResponseCycle.body is missing" not in differences()


@pytest.mark.parametrize(("socket_bodies", "expected"), [(True, UploadProtocol), (False, AsgiOnlyProtocol)])
def test_where_all_is_as_known_our_own_class_serves(socket_bodies: bool, expected: type) -> None:
    assert protocol_class(socket_bodies=socket_bodies) is expected


# The lists of what is touched


def test_every_part_that_is_touched_is_listed_and_no_other() -> None:
    for listed, modules in ((HTTP, (protocol, body, sending)), (WEBSOCKET, (websocket,))):
        for parts in listed:
            expected = {*parts.methods, *parts.attributes}
            assert touched(parts.cls, modules) == expected, parts.cls.__name__


def test_a_touch_is_seen_wherever_the_object_comes_from() -> None:
    code = """
        class Sub(HttpToolsProtocol):
            def shutdown(self): super().on_url(b"")
            def ours(self): return self.tasks, self.cycle.on_response, self.flow.write_paused
        class Other:
            def see(self): return self._protocol.app, self._cycle.logger, self._cycle.flow.resume_writing(), self.url
    """
    tree = ast.parse(inspect.cleandoc(code))
    assert found(HttpToolsProtocol, tree) == {"shutdown", "on_url", "tasks", "cycle", "flow", "app"}
    assert found(RequestResponseCycle, tree) == {"on_response", "logger", "flow"}
    assert found(FlowControl, tree) == {"write_paused", "resume_writing"}


def touched(cls: type, modules: Iterable[ModuleType]) -> set[str]:
    """The names of what the modules' code touches of a class of uvicorn's."""
    return {name for module in modules for name in found(cls, ast.parse(inspect.getsource(module)))}


def found(cls: type, tree: ast.Module) -> set[str]:
    """The same for one piece of code, which calls the objects by what they are: `cycle`, `self._protocol`."""
    known = {*dir(cls), *vars(cls)["__init__"].__code__.co_names} - {*dir(object)}
    return known & {name for top in tree.body for name in _names(cls, top)}


def _names(cls: type, top: ast.stmt) -> Iterator[str]:
    receivers = RECEIVERS[cls]
    if isinstance(top, ast.ClassDef) and cls.__name__ in map(ast.unparse, top.bases):
        receivers = {*receivers, "self", "super()"}
        yield from (item.name for item in top.body if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef))
    for node in ast.walk(top):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value).rpartition(".")[2].lstrip("_") in receivers:
            yield node.attr


RECEIVERS = {parts.cls: set[str]() for parts in (*HTTP, *WEBSOCKET)} | {
    HttpToolsProtocol: {"protocol"},
    RequestResponseCycle: {"cycle"},
    FlowControl: {"flow"},
}
