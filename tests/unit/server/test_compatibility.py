"""With a uvicorn that is not as known, the server still serves: with uvicorn's own protocol class, and a warning."""

import logging

import pytest
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from longshore.server.compatibility import differences
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
