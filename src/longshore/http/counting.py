"""Counting what comes in: the bodies of requests, as they are read by whichever way."""

import time
from collections.abc import Callable, Mapping

from anyio import CapacityLimiter
from starlette.types import Message, Receive, Scope

from longshore.metrics import Metrics
from longshore.ports import BODY, Body, Sink, StopReason

_LEAST_MEASURED = 1024 * 1024
"""Bytes from which on a body's speed says something."""


class Inflow:
    """What one request has brought so far. Written by one thread at a time, read on the event loop."""

    __slots__ = ("began_at", "ended_at", "received")

    def __init__(self) -> None:
        self.received = 0
        """Bytes."""
        self.began_at = time.perf_counter()
        self.ended_at: float | None = None
        """When there was nothing more to be read."""

    def took(self, count: int) -> None:
        """Take so many bytes down."""
        self.received += count

    def ended(self) -> None:
        """Take down that this was all."""
        self.ended_at = time.perf_counter()


class Inflows:
    """The bodies of uploads that are coming in, and the count of what all have brought. Event loop only."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._open: dict[Inflow, int] = {}
        metrics.watch("transfers_open", "Bodies of uploads that are coming in now.", lambda: len(self._open))

    def begin(self, inflow: Inflow) -> None:
        """A body begins to come in."""
        self._open[inflow] = 0

    def settle(self) -> None:
        """Count what has come in since the last time."""
        for inflow in self._open:
            self._count(inflow)

    def end(self, inflow: Inflow, method: str) -> None:
        """A request is being answered, and nothing more is wanted of its body. Fine when it was ended before."""
        if inflow not in self._open:
            return
        self._count(inflow)
        del self._open[inflow]
        if method == "PATCH" and inflow.ended_at is not None:
            now, seconds = time.perf_counter(), inflow.ended_at - inflow.began_at
            self._metrics.latency.observe(now - inflow.ended_at)
            if inflow.received >= _LEAST_MEASURED and seconds > 0:
                self._metrics.throughput.observe(inflow.received / seconds)

    def _count(self, inflow: Inflow) -> None:
        received = inflow.received
        self._metrics.bytes_received.add(amount=received - self._open[inflow])
        self._open[inflow] = received


def counted(scope: Scope, receive: Receive, inflow: Inflow) -> Receive:
    """The request's `receive`, and the body that its server offers in the scope, so that they are counted."""
    extensions = scope.get("extensions") or {}
    if BODY in extensions:
        offered = extensions[BODY]
        # A mapping of its own: the server's may be shared.
        scope["extensions"] = {**extensions, BODY: lambda **arguments: CountedBody(offered, inflow, **arguments)}

    async def receive_counted() -> Message:
        message = await receive()
        if message["type"] == "http.request":
            inflow.took(len(message.get("body", b"")))
            if not message.get("more_body", False):
                inflow.ended()
        else:
            inflow.ended()
        return message

    return receive_counted


class CountedBody:
    """A body of the server's, counted; a `ports.Body`."""

    def __init__(
        self, offered: Callable[..., Body], inflow: Inflow, *, idle_timeout: float, limiter: CapacityLimiter
    ) -> None:
        self._body = offered(idle_timeout=idle_timeout, limiter=limiter)
        self._inflow = inflow

    @property
    def stopped(self) -> StopReason | None:
        return self._body.stopped

    @property
    def begun(self) -> bool:
        return self._body.begun

    @property
    def complete(self) -> bool:
        return self._body.complete

    @property
    def trailers(self) -> Mapping[str, str]:
        return self._body.trailers

    def stop(self, reason: StopReason) -> None:
        self._body.stop(reason)

    def take_whole(self) -> memoryview | None:
        whole = self._body.take_whole()
        if whole is not None:
            self._inflow.took(len(whole))
            self._inflow.ended()
        return whole

    async def feed(
        self, sink: Sink, *, limit: int | None, heard: Callable[[], None] = lambda: None, keeps: bool = False
    ) -> int:
        took = self._inflow.took

        def counting(data: memoryview) -> None:
            took(len(data))
            sink(data)

        try:
            return await self._body.feed(counting, limit=limit, heard=heard, keeps=keeps)
        finally:
            self._inflow.ended()
