"""Commands run in an empty directory and an environment without settings."""

import os
from pathlib import Path

import pytest
from tests.unit.cli.terminal import Terminal


@pytest.fixture(autouse=True)
def bare_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.upper().startswith("LONGSHORE_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def terminal(
    tmp_path: Path,
    migrated_sqlite: Path,
    bare_environment: None,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Terminal:
    return Terminal(tmp_path / "data", migrated_sqlite, capsys, monkeypatch)
