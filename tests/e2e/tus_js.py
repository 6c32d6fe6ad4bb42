"""tus-js-client in a Node process: see js/client.mjs for what a task holds."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

JS = Path(__file__).parent / "js"
TIMEOUT = 90.0


@dataclass(frozen=True)
class Run:
    """What a Node process told."""

    status: int
    events: list[dict[str, Any]]

    @property
    def url(self) -> str:
        """Where the file is, once it has been uploaded."""
        (success,) = self.named("success")
        return str(success["url"])

    @property
    def requests(self) -> list[tuple[str, int]]:
        """Method and status of each request that was answered."""
        return [(event["method"], event["status"]) for event in self.named("response")]

    def named(self, name: str) -> list[dict[str, Any]]:
        """The events of that name."""
        return [event for event in self.events if event["event"] == name]


def start(task: dict[str, Any]) -> subprocess.Popen[bytes]:
    """Start a task and go on."""
    assert shutil.which("node"), "the client tests need Node.js"
    assert (JS / "node_modules" / "tus-js-client").is_dir(), "the client tests need `make setup`"
    return subprocess.Popen(["node", JS / "client.mjs", json.dumps(task)], stdout=subprocess.PIPE)


def finish(process: subprocess.Popen[bytes]) -> Run:
    """Wait until a task is done."""
    with process:
        told, _ = process.communicate(timeout=TIMEOUT)
    return Run(process.returncode, [json.loads(line) for line in told.splitlines()])


def run(task: dict[str, Any]) -> Run:
    """Carry out a task."""
    return finish(start(task))
