"""Tables of medians and ratios, the figures to reach, and the JSON with everything that was measured."""

import json
import os
import platform
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from tests.bench.measure import MIB, Measurement
from tests.bench.servers import REPOSITORY
from tests.bench.workloads import Workload

OURS = "longshore"
FLOORS = ("bare loop", "hash and write")
OTHERS = ("tusd", "rustus", "@tus/server", "tuspyserver", "resumable-upload")


@dataclass
class Result:
    """What came of one workload: each server's measurements by the number of the round, and who was not measured."""

    workload: Workload
    measured: dict[str, dict[int, Measurement]] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    """Why a server was left out."""
    failed: dict[str, str] = field(default_factory=dict)
    """How a server broke under the load, in one round at least."""

    def add(self, name: str, number: int, measurement: Measurement) -> None:
        """Note the measurement of a round."""
        self.measured.setdefault(name, {})[number] = measurement

    @property
    def sound(self) -> bool:
        """Whether every server did what it was asked to."""
        return not self.failed and not any(self.errors(name) for name in self.measured)

    def errors(self, name: str) -> int:
        """How often a server did not do what it was asked to."""
        return sum(measurement.errors for measurement in self.measured[name].values())

    def value(self, name: str) -> float:
        """The median of a server's figures."""
        return median(measurement.value for measurement in self.measured[name].values())

    def cpu(self, name: str) -> float:
        """The median of a server's CPU time for a unit of work."""
        return median(measurement.cpu for measurement in self.measured[name].values())

    def peak_rss(self, name: str) -> int:
        """The most memory that a server has held, in bytes."""
        return max(measurement.peak_rss for measurement in self.measured[name].values())

    def ratio(self, name: str, other: str) -> float | None:
        """The median, over the rounds, of one server's figure divided by another's in the same round."""
        ours, theirs = self.measured.get(name, {}), self.measured.get(other, {})
        ratios = [ours[number].value / theirs[number].value for number in ours.keys() & theirs if theirs[number].value]
        return median(ratios) if ratios else None

    def others(self, name: str) -> float | None:
        """The median share of the machine that was busy with something else meanwhile, where that was measured."""
        known = [share for measurement in self.measured[name].values() if (share := measurement.others) is not None]
        return median(known) if known else None

    @property
    def floor(self) -> str | None:
        """The name of the floor, if it was measured."""
        return next((name for name in FLOORS if name in self.measured), None)


# Tables

LEGEND = """\
Medians of the rounds; the ratios are medians of the ratios within each round. CPU and peak RSS are the server's, its
children counted. "others" is how much of the machine was busy with something else: the less, the better the figures."""


def table(result: Result) -> str:
    """A table of one workload, the best first, and below it the servers that are not in it."""
    workload, floor = result.workload, result.floor
    head = ["server", workload.unit, "least to most", "of longshore", f"of {floor}" if floor else ""]
    head += [f"CPU {workload.cpu_unit}", "peak RSS", "others", "errors", ""]
    names = sorted(result.measured, key=result.value, reverse=workload.more_is_better)
    rows = [_row(result, name, floor) for name in names]
    failed = [f"  {name} FAILED: {error}" for name, error in result.failed.items()]
    absent = [f"  {name} is left out: {reason}" for name, reason in result.absent.items()]
    return "\n".join([f"\n{workload.key}. {workload.title}", *_aligned([head, *rows]), *failed, *absent])


def _row(result: Result, name: str, floor: str | None) -> list[str]:
    values = [measurement.value for measurement in result.measured[name].values()]
    others = result.others(name)
    return [
        name,
        _figure(result.value(name)),
        f"{_figure(min(values))} to {_figure(max(values))}",
        _written_ratio(result.ratio(name, OURS)),
        _written_ratio(result.ratio(name, floor)) if floor else "",
        f"{result.cpu(name):.3f}",
        f"{result.peak_rss(name) / MIB:.0f} MiB",
        "" if others is None else f"{others:.0%}",
        str(result.errors(name)),
        _remark(result.measured[name].values()),
    ]


def _remark(measured: Iterable[Measurement]) -> str:
    details = [measurement.detail for measurement in measured]
    remarks = []
    if any(detail.get("requests", 1) > 1 for detail in details):
        remarks.append("POST + PATCH")
    if any("p99_ms" in detail for detail in details):
        remarks.append(f"p99 {median(detail['p99_ms'] for detail in details):.1f} ms")
    if errors := [detail["first_error"] for detail in details if detail.get("first_error")]:
        remarks.append(str(errors[0])[:60])
    return ", ".join(remarks)


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}"


def _written_ratio(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}"


def _aligned(rows: Sequence[Sequence[str]]) -> Iterable[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            cell.ljust(width) if n in (0, len(row) - 1) else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  " + "  ".join(cells).rstrip()


# Figures to reach


@dataclass(frozen=True)
class Goal:
    """A figure that Longshore is to reach in one workload."""

    key: str
    what: str
    wanted: float
    at_least: bool
    figure: Callable[[Result], float | None]

    def verdict(self, result: Result) -> str | None:
        """A line that says how it stands; None when it could not be measured."""
        figure = self.figure(result)
        if figure is None:
            return None
        reached = figure >= self.wanted if self.at_least else figure <= self.wanted
        sign = "≥" if self.at_least else "≤"
        return (
            f"  {'reached' if reached else 'MISSED '}  {self.key}: {self.what}: {figure:.2f} ({sign} {self.wanted:g})"
        )


def _of_floor(result: Result) -> float | None:
    return result.ratio(OURS, result.floor) if result.floor else None


def _of(*others: str) -> Callable[[Result], float | None]:
    """Ours divided by the best of these."""

    def figure(result: Result) -> float | None:
        ratios = [ratio for other in others if (ratio := result.ratio(OURS, other)) is not None]
        return min(ratios) if ratios else None

    return figure


def _cpu_of_floor(result: Result) -> float | None:
    if result.floor is None or OURS not in result.measured:
        return None
    return result.cpu(OURS) / result.cpu(result.floor)


def _cpu_of_nginx(result: Result) -> float | None:
    if not {OURS, "nginx"} <= result.measured.keys():
        return None
    return result.cpu(OURS) / result.cpu("nginx")


def _own(result: Result) -> float | None:
    return result.value(OURS) if OURS in result.measured else None


def _of_usual_speed(result: Result) -> float | None:
    """How fast a large upload still was."""
    measured = result.measured.get(OURS, {}).values()
    return median(measurement.detail["of_usual_speed"] for measurement in measured) if measured else None


_MANAGED = ("@tus/server", "tuspyserver", "resumable-upload")

GOALS: Sequence[Goal] = (
    Goal("a", "throughput of the bare loop's", 0.85, True, _of_floor),
    Goal("a", "throughput of the best other server's", 2, True, _of(*OTHERS)),
    Goal("a", "CPU of the bare loop's", 1.3, False, _cpu_of_floor),
    Goal("b", "throughput of the bare loop's", 0.75, True, _of_floor),
    Goal("c", "uploads of the best of @tus/server, tuspyserver and resumable-upload", 1, True, _of(*_MANAGED)),
    Goal("c", "uploads of tusd's", 1, True, _of("tusd")),
    Goal("d", "requests of the best of @tus/server, tuspyserver and resumable-upload", 1, True, _of(*_MANAGED)),
    Goal("d", "requests of tusd's", 1, True, _of("tusd")),
    Goal("e", "KiB for each stalled upload", 64, False, _own),
    Goal("f", "MiB of growth", 32, False, _own),
    Goal("i", "KiB for each idle subscriber", 40, False, _own),
    Goal("j", "ms until the last subscriber has heard", 1000, False, _own),
    Goal("j", "of its usual speed for an upload meanwhile", 0.8, True, _of_usual_speed),
    Goal("h", "throughput of nginx's", 0.8, True, _of("nginx")),
    Goal("h", "CPU of nginx's", 1.5, False, _cpu_of_nginx),
    Goal("g", "throughput of hashing and writing alone", 0.8, True, _of_floor),
)


def verdicts(results: Sequence[Result]) -> str:
    """How the figures to reach stand."""
    by_key = {result.workload.key: result for result in results}
    lines = [line for goal in GOALS if goal.key in by_key and (line := goal.verdict(by_key[goal.key]))]
    return "\n".join(["\nFigures to reach", *lines]) if lines else ""


# JSON


def write_json(path: Path, results: Sequence[Result], settings: Mapping[str, object]) -> None:
    """Write everything that was measured."""
    document = {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": _machine(),
        "settings": dict(settings),
        "workloads": {result.workload.key: _described(result) for result in results},
    }
    path.write_text(json.dumps(document, indent=2) + "\n")


def _described(result: Result) -> dict[str, object]:
    return {
        "title": result.workload.title,
        "unit": result.workload.unit,
        "cpu_unit": result.workload.cpu_unit,
        "absent": result.absent,
        "failed": result.failed,
        "servers": {
            name: {
                "median": result.value(name),
                "of_longshore": result.ratio(name, OURS),
                "of_floor": result.ratio(name, result.floor) if result.floor else None,
                "cpu": result.cpu(name),
                "peak_rss": result.peak_rss(name),
                "rounds": {number: asdict(measurement) for number, measurement in measured.items()},
            }
            for name, measured in result.measured.items()
        },
    }


def _machine() -> dict[str, object]:
    return {
        "system": platform.platform(),
        "python": platform.python_version(),
        "cores": len(os.sched_getaffinity(0)),
        "load": os.getloadavg()[0],
        "commit": _commit(),
    }


def _commit() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    return done.stdout.strip()
