"""The examples in the README work when they are pasted."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.e2e import tus_js
from tests.e2e.samples import Sample
from tests.e2e.wire import assert_holds
from tests.serving import Server

pytestmark = pytest.mark.e2e

README = Path(__file__).parents[2] / "README.md"
ORIGIN = "http://127.0.0.1:8000"


def paste(language: str, directory: Path, server: Server) -> Path:
    """Write the README's example in that language to the file that its first line names."""
    (text,) = re.findall(rf"^```{language}\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)
    first_line = text.partition("\n")[0]
    found = re.fullmatch(r"(?:#|//) (\w+\.\w+)", first_line)
    assert found, first_line
    assert ORIGIN in text
    file = directory / found[1]
    file.write_text(text.replace(ORIGIN, server.origin))
    return file


def test_python(server: Server, area: Path, medium: Sample) -> None:
    script = paste("python", area, server)

    said = subprocess.run([sys.executable, script, medium.path], cwd=area, check=True, capture_output=True, text=True)

    assert_holds(server, said.stdout.split()[-1], medium.size, medium.sha256)
    assert said.stderr == ""


def test_javascript(server: Server, area: Path, medium: Sample) -> None:
    script = paste("js", area, server)
    (area / "node_modules").symlink_to(tus_js.JS / "node_modules")

    said = subprocess.run(["node", script, medium.path], cwd=area, check=True, capture_output=True, text=True)

    assert_holds(server, said.stdout.split()[-1], medium.size, medium.sha256)
    assert said.stderr == ""
