"""The paths that the tus endpoint cannot have are those at which an application with everything has something."""

from pathlib import Path

import pytest
from starlette.routing import Route, WebSocketRoute

from longshore.app import build
from longshore.config import Settings
from longshore.config.values import OWN_PATHS
from longshore.http import web


def test_the_servers_own_paths_are_all_listed_and_no_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "index.html").write_text("page")
    monkeypatch.setattr(web, "BUILDS", (tmp_path,))
    app = build(Settings(data_dir=tmp_path / "data", base_path="/the-tus-endpoint"))
    paths = [route.path for route in app.routes if isinstance(route, Route | WebSocketRoute)]
    assert len(paths) == len(app.routes)
    firsts = {"/" + path.removeprefix("/").partition("/")[0].partition("{")[0] for path in paths}
    assert firsts == {*OWN_PATHS, "/", "/the-tus-endpoint"}
