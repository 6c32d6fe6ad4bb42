"""Settings are read in an empty directory and an environment without any."""

import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def bare_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.upper().startswith("LONGSHORE_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
