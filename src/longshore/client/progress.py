"""How far things are: bars with speed and time left on a terminal, and nothing where there is none."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, Protocol

from longshore.client.printing import printable
from longshore.client.requirements import require

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_EVERY: Final = 0.1
"""Seconds between changes of a bar: more of them nobody sees."""


class Bar(Protocol):
    """One file on its way. May be told by another thread than the one that made it."""

    def at(self, position: int) -> None:
        """Say how many of its bytes are there."""

    def note(self, text: str) -> None:
        """Say why nothing happens; empty when it goes on."""

    def close(self) -> None:
        """Say that nothing more comes."""


Begin = Callable[[str, int, int], Bar]
"""Makes the bar of a file of this name and size, of which so many bytes are there already."""


class NoBar:
    """Where nobody looks."""

    def at(self, position: int) -> None:
        pass

    def note(self, text: str) -> None:
        pass

    def close(self) -> None:
        pass


class _RichBar:
    def __init__(self, progress: "Progress", task: "TaskID", name: str) -> None:
        self._progress = progress
        self._task = task
        self._name = name
        self._shown_at = 0.0
        self._has_note = False

    def at(self, position: int) -> None:
        if (now := time.monotonic()) - self._shown_at >= _EVERY:
            self._shown_at = now
            self._progress.update(self._task, completed=position)
            if self._has_note:
                self.note("")

    def note(self, text: str) -> None:
        self._has_note = bool(text)
        self._progress.update(self._task, description=f"{self._name} ({printable(text)})" if text else self._name)

    def close(self) -> None:
        # What is done is printed by its URL, and many bars would leave no room for those that move.
        self._progress.remove_task(self._task)


@contextlib.contextmanager
def bars(shown: bool) -> Iterator[Begin]:
    """Draw bars on standard error while this lasts. Raises `ClientError` where what draws is not installed."""
    if not shown:
        yield lambda name, total, position: NoBar()
        return
    with _progress() as progress:

        def begin(name: str, total: int, position: int) -> Bar:
            shown_name = printable(name)
            return _RichBar(progress, progress.add_task(shown_name, total=total, completed=position), shown_name)

        yield begin


def _progress() -> "Progress":
    require("rich")
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        # What is printed comes above the bars, where both are on the terminal; else it is none of their business.
        redirect_stdout=sys.stdout.isatty(),
    )
