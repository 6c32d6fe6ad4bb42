"""Putting together what is counted: parts of the application, each with somebody who counts what passes."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from anyio import CapacityLimiter
from starlette.middleware import Middleware
from starlette.routing import Route

from longshore.config import Settings
from longshore.db.database import Database
from longshore.events import UploadEvent
from longshore.hooks.chain import Chain
from longshore.http.authentication import Identify
from longshore.http.counting import Inflows
from longshore.http.request_log import RequestLog
from longshore.hub.fanout import Hub
from longshore.metrics import Metrics
from longshore.ports import Emit
from longshore.ports.hooks import Changes, HookEvent, HookName, Hooks, PostHook, PreHook
from longshore.protocol.errors import Unavailable
from longshore.uploads.budget import Budget

T = TypeVar("T")


class MeteredDatabase(Database):
    """A database that knows how many writes wait for it, those that are being carried out among them."""

    writing = 0

    async def write(self, fn: Callable[[Any], T]) -> T:
        self.writing += 1
        try:
            return await super().write(fn)
        finally:
            self.writing -= 1


class MeteredBudget(Budget):
    """A budget that knows how much of it has been taken, in bytes."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.size = size
        self.taken = 0

    def take(self, size: int) -> bool:
        taken = super().take(size)
        self.taken += size if taken else 0
        return taken

    def give_back(self, size: int) -> None:
        super().give_back(size)
        self.taken -= size


class MeteredHooks:
    """Hooks whose calls are counted; a `ports.hooks.Hooks`."""

    def __init__(self, hooks: Hooks, metrics: Metrics) -> None:
        self._hooks = hooks
        self._metrics = metrics
        self.asking = 0

    @property
    def inspect_size(self) -> int:
        return self._hooks.inspect_size

    def handles(self, name: HookName) -> bool:
        return self._hooks.handles(name)

    async def ask(self, name: PreHook, event: HookEvent) -> Changes:
        self._count(name)
        self.asking += 1
        try:
            return await self._hooks.ask(name, event)
        except Unavailable:
            # Anything else that is raised is the refusal that the hook is there for.
            self._metrics.hook_errors.add(_type(name))
            raise
        finally:
            self.asking -= 1

    def tell(self, name: PostHook, event: HookEvent) -> None:
        self._count(name)
        self._hooks.tell(name, event)

    def _count(self, name: HookName) -> None:
        if self._hooks.handles(name):
            self._metrics.hook_invocations.add(_type(name))


def _type(name: HookName) -> str:
    return name.replace("_", "-")


class Metering:
    """What the settings have counted, and the way to it. Without `metrics` nothing is counted."""

    def __init__(self, settings: Settings) -> None:
        self._access_log = settings.access_log
        self._is_open = settings.metrics == "open"
        self.metrics = None if settings.metrics == "off" else Metrics()
        self._inflows = None if self.metrics is None else Inflows(self.metrics)

    def middleware(self) -> Middleware:
        """What every request passes first."""
        return Middleware(RequestLog, access_log=self._access_log, metrics=self.metrics, inflows=self._inflows)

    def hooks(self, chain: Chain) -> Hooks:
        """The hooks, counted."""
        if self.metrics is None:
            return chain
        metered = MeteredHooks(chain, self.metrics)
        show = self.metrics.watch
        show("hooks_waiting", "Requests that wait for a hook.", lambda: metered.asking)
        show("hook_events_waiting", "Events that post-hooks are still to be told of.", lambda: chain.waiting)
        return metered

    def emit(self, emit: Emit) -> Emit:
        """The same, with the events counted."""
        if self.metrics is None:
            return emit
        metrics = self.metrics
        counters = {
            "created": metrics.created,
            "completed": metrics.finished,
            "terminated": metrics.terminated,
            "expired": metrics.expired,
            "rejected": metrics.rejected,
        }

        def count_and_emit(event: UploadEvent) -> None:
            if counter := counters.get(event.type):
                counter.add()
            emit(event)

        return count_and_emit

    def watch(self, database: MeteredDatabase, limiter: CapacityLimiter, budget: MeteredBudget, hub: Hub) -> None:
        """Have the queues and pools shown."""
        if self.metrics is None:
            return
        show = self.metrics.watch
        show("hub_subscribers", "Connections that events are sent to.", lambda: hub.subscribers)
        show("database_writes_waiting", "Writes waiting for the database or under way.", lambda: database.writing)
        show("worker_threads", "Threads for bodies, at most.", lambda: limiter.total_tokens)
        show("worker_threads_busy", "Threads that pass bodies on.", lambda: limiter.borrowed_tokens)
        show("worker_threads_wanted", "Bodies waiting for a thread.", lambda: limiter.statistics().tasks_waiting)
        show("buffer_bytes", "Memory for bodies that come through ASGI, at most.", lambda: budget.size)
        show("buffer_bytes_taken", "Memory that such bodies have taken.", lambda: budget.taken)

    def watch_webhooks(self, count: Callable[[], Awaitable[float]]) -> None:
        """Have the webhook deliveries shown that are open."""
        if self.metrics is not None:
            self.metrics.watch("webhooks_waiting", "Webhook deliveries that are not over.", count)

    def routes(self, identify: Identify) -> Sequence[Route]:
        """Where the metrics are shown."""
        if self.metrics is None or self._inflows is None:
            return []
        # Here, because the library takes a while to import.
        from longshore.http.metrics import MetricsEndpoint

        asked = None if self._is_open else identify
        return [MetricsEndpoint(self.metrics, asked, settle=self._inflows.settle).route()]
