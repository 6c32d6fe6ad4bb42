"""`/metrics`: what `longshore.metrics` has counted, as Prometheus reads it."""

import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from longshore.auth.policy import Action, require
from longshore.http.authentication import Identify
from longshore.http.endpoints import endpoint
from longshore.metrics import Counter, Gauge, Histogram, Labels, Metrics, Series
from longshore.protocol.errors import TusError

PATH = "/metrics"


class MetricsEndpoint:
    """Shows the metrics, and those of the process, to administrators; to everybody where `identify` is None."""

    def __init__(self, metrics: Metrics, identify: Identify | None, *, settle: Callable[[], None]) -> None:
        """`settle` is called before the metrics are shown, to bring them up to date."""
        self._metrics = metrics
        self._identify = identify
        self._settle = settle
        self._collector = _Numbers(metrics)
        # A registry of its own: the library's global one would mix the applications of a process.
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self._collector)
        ProcessCollector(registry=self._registry)

    def route(self) -> Route:
        """Where it is."""
        return endpoint(PATH, self.show, method="GET")

    async def show(self, request: Request) -> Response:
        """Answer in the text format, or in OpenMetrics for who prefers that. Raises `Unauthenticated`, `Forbidden`."""
        if self._identify is not None:
            require(await self._identify(request.scope), Action.READ_METRICS)
        self._settle()
        self._metrics.settle()
        self._collector.gauges = {gauge: await _read(gauge) for gauge in self._metrics.gauges}
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(self._registry), headers={"Content-Type": content_type, "Cache-Control": "no-store"})


async def _read(gauge: Gauge) -> float:
    """The gauge's number; not a number where it cannot be had just now, which leaves the others as they are."""
    try:
        value = gauge.read()
        return await value if inspect.isawaitable(value) else value
    except TusError:
        return math.nan


class _Numbers(Collector):
    """The metrics in the library's terms."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self.gauges: Mapping[Gauge, float] = {}

    def collect(self) -> Iterator[Metric]:
        yield from map(_counter, self._metrics.counters())
        yield from map(_histogram, self._metrics.histograms())
        for gauge, value in self.gauges.items():
            yield GaugeMetricFamily(gauge.name, gauge.text, value)


def _counter(counter: Counter) -> Metric:
    family = CounterMetricFamily(counter.name, counter.text, labels=counter.labels)
    for labels, value in counter.values.items():
        family.add_metric(labels, value)
    return family


def _histogram(histogram: Histogram) -> Metric:
    family = HistogramMetricFamily(histogram.name, histogram.text, labels=histogram.labels)
    for labels, series in histogram.series.items():
        _add(family, labels, series, [*map(floatToGoString, histogram.bounds), "+Inf"])
    return family


def _add(family: HistogramMetricFamily, labels: Labels, series: Series, bounds: list[str]) -> None:
    family.add_metric(labels, list(zip(bounds, accumulate(series.counts), strict=True)), series.sum)
