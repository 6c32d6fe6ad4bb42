"""`/healthz` and `/readyz`: whether the process answers, and whether it can do its work. For probes, without a token.

They tell which part is at fault and nothing more of it; why it is stands in the log.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from longshore.http.endpoints import answer_json, endpoint

logger = logging.getLogger(__name__)

Check = Callable[[], Awaitable[None]]
"""Raises where a part of the server cannot do its work; what it raises goes into the log."""

TIME_LIMIT = 3.0
"""Seconds that a check may take: probes wait for about as long."""

MAX_AGE = 1.0
"""Seconds for which what was found is answered again, so that asking often costs nothing."""


class Health:
    """The two endpoints. Belongs to one event loop."""

    def __init__(
        self,
        checks: Mapping[str, Check],
        *,
        time_limit: float = TIME_LIMIT,
        max_age: float = MAX_AGE,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take what is to be checked, by its name in the answer. Times are in seconds."""
        self._checks = checks
        self._time_limit = time_limit
        self._max_age = max_age
        self._monotonic = monotonic
        self._looking = asyncio.Lock()
        self._found: Mapping[str, bool] = {}
        self._found_at = float("-inf")
        self._running: dict[str, asyncio.Task[None]] = {}

    def routes(self) -> list[Route]:
        """Where they are."""
        return [endpoint("/healthz", self.live, method="GET"), endpoint("/readyz", self.ready, method="GET")]

    async def live(self, _: Request) -> Response:
        """Answer, which is all."""
        return answer_json({"status": "ok"})

    async def ready(self, _: Request) -> Response:
        """Answer 200 when every check passes, otherwise 503; and how each of them went."""
        found = await self._look()
        ready = all(found.values())
        checks = {name: "ok" if passed else "failed" for name, passed in found.items()}
        return answer_json({"status": "ready" if ready else "unready", "checks": checks}, status=200 if ready else 503)

    async def _look(self) -> Mapping[str, bool]:
        async with self._looking:
            if self._monotonic() - self._found_at >= self._max_age:
                passed = await asyncio.gather(*[self._passes(name) for name in self._checks])
                self._found = dict(zip(self._checks, passed, strict=True))
                self._found_at = self._monotonic()
            return self._found

    async def _passes(self, name: str) -> bool:
        """Whether the check passes in time. One that hangs is not begun again beside itself, however often we ask."""
        task = self._running.get(name)
        if task is None:
            self._running[name] = task = asyncio.ensure_future(self._checks[name]())
        await asyncio.wait([task], timeout=self._time_limit)
        if not task.done():
            self._note(name, TimeoutError(f"no answer within {self._time_limit:g} s"))
            return False
        del self._running[name]
        self._note(name, task.exception())
        return task.exception() is None

    def _note(self, name: str, error: BaseException | None) -> None:
        """Say in the log when it has changed."""
        before, now = self._found.get(name, True), error is None
        if before and error is not None:
            logger.warning("not ready: %s: %s", name, str(error) or type(error).__name__)
        elif now and not before:
            logger.info("ready again: %s", name)

    async def close(self) -> None:
        """Wait for checks that are still under way, or break them off."""
        for task in self._running.values():
            task.cancel()
        if self._running:
            await asyncio.wait(self._running.values())
