"""What is counted and measured while the server runs: plain numbers, kept on the event loop and without locks.

A set of them belongs to one application, so that several in one process do not mix. How they are shown is a matter of
the edge (`http.metrics`). Names and meanings are tusd's, with our prefix, wherever tusd has them.
"""

from bisect import bisect_left
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

OTHER: Final = "other"
"""The label of what is not told apart."""

_COMBINATIONS: Final = 500
"""Combinations of labels that a metric has at most: hooks may answer with codes of any number."""

Labels = tuple[str, ...]
"""Values of a metric's labels, in their order."""

_DURATIONS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0)
_SPEEDS: Final = tuple(1024.0 * 1024.0 * size for size in (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000))


class Counter:
    """Numbers that only grow, one for each combination of labels."""

    def __init__(self, name: str, text: str, *labels: str) -> None:
        self.name = name
        self.text = text
        self.labels = labels
        self.values: dict[Labels, float] = {} if labels else {(): 0.0}

    def add(self, *labels: str, amount: float = 1) -> None:
        """Count so many more."""
        try:
            self.values[labels] += amount
        except KeyError:
            labels = _bounded(labels, self.values)
            self.values[labels] = self.values.get(labels, 0.0) + amount


class Histogram:
    """How many observations fell below each of some bounds, for each combination of labels."""

    def __init__(self, name: str, text: str, bounds: Sequence[float], *labels: str) -> None:
        self.name = name
        self.text = text
        self.bounds = bounds
        self.labels = labels
        self.series: dict[Labels, Series] = {} if labels else {(): Series(bounds)}

    def observe(self, value: float, *labels: str) -> None:
        """Take an observation down."""
        series = self.series.get(labels)
        if series is None:
            series = self.series.setdefault(_bounded(labels, self.series), Series(self.bounds))
        series.counts[bisect_left(self.bounds, value)] += 1
        series.sum += value


class Series:
    """The observations of a histogram that have the same labels."""

    __slots__ = ("counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.counts = [0] * (len(bounds) + 1)
        """Observations up to each bound and beyond the one before it; in the end those beyond all."""
        self.sum = 0.0


@dataclass(frozen=True, slots=True)
class Gauge:
    """A number that is looked up when somebody wants to see it."""

    name: str
    text: str
    read: Callable[[], float | Awaitable[float]]


def _bounded(labels: Labels, known: Mapping[Labels, object]) -> Labels:
    """The labels, or those of everything else where there are too many combinations already."""
    return labels if len(known) < _COMBINATIONS else (OTHER,) * len(labels)


class Metrics:
    """The metrics of one application. Event loop only."""

    def __init__(self) -> None:
        self.requests = Counter("longshore_requests", "Requests answered, by method.", "method")
        """Brought up to date by `settle`: each has been observed for `duration` anyway."""
        self.errors = Counter(
            "longshore_errors",
            "Requests answered with a status of 400 or more, by status and code; HEAD has no code. What is refused"
            " before it is a request, such as what is no HTTP, is counted here alone.",
            "status",
            "code",
        )
        self.bytes_received = Counter("longshore_bytes_received", "Bytes received for uploads.")
        self.created = Counter("longshore_uploads_created", "Uploads created, partial ones among them.")
        self.finished = Counter("longshore_uploads_finished", "Uploads finished; partial ones are not files.")
        self.terminated = Counter("longshore_uploads_terminated", "Uploads deleted by clients.")
        self.expired = Counter("longshore_uploads_expired", "Uploads removed because their time had passed.")
        self.rejected = Counter("longshore_uploads_rejected", "Uploads removed because of what they held.")
        self.hook_invocations = Counter("longshore_hook_invocations", "Hooks asked or told, by type.", "hooktype")
        self.hook_errors = Counter(
            "longshore_hook_errors", "Hooks that requests waited for and that failed, by type.", "hooktype"
        )
        self.duration = Histogram(
            "longshore_request_duration_seconds",
            "Seconds from a request's head to the head of its answer, by method.",
            _DURATIONS,
            "method",
        )
        self.latency = Histogram(
            "longshore_patch_latency_seconds",
            "Seconds from the last byte of a PATCH to the head of its answer: flushing, hooks and the commit.",
            _DURATIONS,
        )
        self.throughput = Histogram(
            "longshore_patch_throughput_bytes_per_second",
            "Bytes per second at which the body of a PATCH of 1 MiB or more came in.",
            _SPEEDS,
        )
        self.gauges: list[Gauge] = []

    def watch(self, name: str, text: str, read: Callable[[], float | Awaitable[float]]) -> None:
        """Show a number that is looked up each time; `name` is without the prefix."""
        self.gauges.append(Gauge(f"longshore_{name}", text, read))

    def settle(self) -> None:
        """Bring up to date what is not counted by itself; due before the metrics are looked at."""
        self.requests.values = {labels: sum(series.counts) for labels, series in self.duration.series.items()}

    def counters(self) -> Iterator[Counter]:
        """Every counter."""
        return (metric for metric in vars(self).values() if isinstance(metric, Counter))

    def histograms(self) -> Iterator[Histogram]:
        """Every histogram."""
        return (metric for metric in vars(self).values() if isinstance(metric, Histogram))
