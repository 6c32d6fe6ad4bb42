"""What a server process costs: CPU seconds and resident memory, read from /proc, its children counted."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

TICKS = os.sysconf("SC_CLK_TCK")
"""Units of utime and stime in a second."""

KIB, MIB, GIB = 1024, 1024**2, 1024**3


@dataclass(frozen=True)
class Measurement:
    """One run of one workload against one server."""

    value: float
    """The figure of the workload, in its unit."""
    cpu: float
    """CPU seconds of the server, for each unit of work: GiB, or thousand requests."""
    peak_rss: int
    """Bytes."""
    errors: int = 0
    others: float | None = None
    """Share of the machine's CPU time that neither the server nor the load took: what disturbed the measurement."""
    detail: dict[str, Any] = field(default_factory=dict)


class Gauge:
    """Measures a process and its children from `with` to the end of the block.

    `cpu_seconds`, `peak_rss` in bytes, and `others`, as in `Measurement`. CPU of children that were waited for within
    the block is counted too, through their parent.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.cpu_seconds = 0.0
        self.peak_rss = 0
        self.rss_before = 0
        self.others = 0.0

    def __enter__(self) -> Self:
        for pid in family(self._pid):
            _reset_peak(pid)
        self.rss_before = rss(self._pid)
        self._before = cpu_seconds(self._pid)
        self._own_before = sum(os.times()[:4])
        self._machine_before = _machine_seconds()
        return self

    def __exit__(self, *_: object) -> None:
        self.cpu_seconds = cpu_seconds(self._pid) - self._before
        self.peak_rss = peak_rss(self._pid)
        busy, total = (after - before for after, before in zip(_machine_seconds(), self._machine_before, strict=True))
        others = busy - self.cpu_seconds - (sum(os.times()[:4]) - self._own_before)
        self.others = max(0.0, others / total) if total else 0.0


def family(pid: int) -> Iterator[int]:
    """The process and everything it has started that still runs."""
    yield pid
    for task in _tasks(pid):
        for child in _read(task / "children").split():
            yield from family(int(child))


def cpu_seconds(pid: int) -> float:
    """User and system time of the family since it started."""
    return sum(_ticks(member) for member in family(pid)) / TICKS


def rss(pid: int) -> int:
    """Resident bytes of the family."""
    return sum(_status(member, "VmRSS") for member in family(pid))


def peak_rss(pid: int) -> int:
    """The most resident bytes that the members of the family have had."""
    return sum(_status(member, "VmHWM") for member in family(pid))


def _machine_seconds() -> tuple[float, float]:
    """CPU seconds of the machine since it started: the busy ones, and all."""
    # user, nice, system, idle, iowait, irq, softirq, steal
    ticks = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / TICKS, sum(ticks) / TICKS


def _tasks(pid: int) -> list[Path]:
    try:
        return list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return []


def _read(path: Path) -> str:
    """A file of a process, empty when that has ended."""
    try:
        return path.read_text()
    except OSError:
        return ""


def _ticks(pid: int) -> int:
    # The name, in parentheses, may hold spaces. Behind it, from field 3 on: utime, stime, cutime, cstime are 14 to 17.
    fields = _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return sum(map(int, fields[11:15]))


def _status(pid: int, name: str) -> int:
    for line in _read(Path(f"/proc/{pid}/status")).splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * KIB
    return 0


def _reset_peak(pid: int) -> None:
    Path(f"/proc/{pid}/clear_refs").write_text("5")
