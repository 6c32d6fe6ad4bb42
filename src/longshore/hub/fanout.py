"""The hub: reads the table of events on, and passes each event to everybody who may hear of it."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from longshore.auth.policy import Visibility
from longshore.events import UploadCreated
from longshore.hub.attendance import Review, all_stay, check_attendance, watch_accounts
from longshore.hub.messages import Message, event_message, progress_message
from longshore.hub.places import Places
from longshore.hub.progress import Progress
from longshore.hub.subscription import End, Subscription
from longshore.ports import Clock
from longshore.ports.events import Events, StoredEvent
from longshore.protocol.errors import ShuttingDown, TusError
from longshore.protocol.upload import Upload

logger = logging.getLogger(__name__)

POLL_INTERVAL: Final = 1.0
"""Seconds after which the table is looked at although nobody said that there is something: others may write to it."""

PAGE: Final = 256
"""Events that are read at once."""

_SLICE: Final = 64
"""Subscribers who are passed a message before others on the event loop have their turn."""


@dataclass(frozen=True, slots=True)
class Start:
    """Where a subscription starts."""

    after: int
    """Every event behind this one is told of."""
    current: int
    """The newest event at that moment."""
    is_complete: bool
    """Whether all events behind the one that was asked for are still kept."""


class Hub:
    """Every subscriber of this process. Belongs to one event loop; works while `running`."""

    def __init__(
        self,
        events: Events,
        *,
        visibility: Visibility,
        source: str,
        retention: timedelta | None,
        clock: Clock,
        review: Review = all_stay,
        places: Places | None = None,
        poll_interval: float = POLL_INTERVAL,
    ) -> None:
        """`source` is that of the CloudEvents; `retention` how long events are kept at least, None for good.

        `review` tells what has become of subscribers' accounts, `places` how many subscribers there may be.
        """
        self._events = events
        self._visibility = visibility
        self._source = source
        self._retention = retention
        self._clock = clock
        self._review = review
        self._places = places or Places()
        self._poll_interval = poll_interval
        self._position = 0
        self._woken = asyncio.Event()
        self._reading = asyncio.Lock()
        self._present: set[Subscription] = set()
        self._live: set[Subscription] = set()
        self._idle = True
        self._stopping = False
        self.progress = Progress(self._pass_on_progress)
        """A hook, to be told of the progress of uploads; and of what was saved, by its `note`."""

    @property
    def position(self) -> int:
        """The id of the last event that was passed on, or while nobody was here, of the last that there was before."""
        return self._position

    @property
    def subscribers(self) -> int:
        """How many there are."""
        return len(self._present)

    def wake(self) -> None:
        """Say that something has been committed. Event loop only; never blocks."""
        self._woken.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Pass events on for the length of a block. The database is open by then, and longer."""
        self._position = await self._events.last_id()
        works = (
            self._run(),
            self.progress.run(),
            watch_accounts(self._present, self._review),
            check_attendance(self._present),
        )
        tasks = [asyncio.create_task(work) for work in works]
        try:
            yield
        finally:
            self.stop()
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    def stop(self) -> None:
        """End every subscription, and take no new ones."""
        self._stopping = True
        for subscription in list(self._present):
            subscription.end(End.STOPPING)

    def join(self, subscription: Subscription) -> None:
        """Let somebody in, who hears nothing yet: see `begin`.

        Raises `ShuttingDown`, and where there are too many `TooManySubscriptions` or `NoPlaceLeft`.
        """
        if self._stopping:
            raise ShuttingDown
        self._places.take(subscription.principal.subject)
        self._present.add(subscription)

    def leave(self, subscription: Subscription) -> None:
        """Forget a subscription; fine when that has been done already."""
        if subscription in self._present:
            self._present.remove(subscription)
            self._places.give_back(subscription.principal.subject)
        self._live.discard(subscription)
        self._idle = self._idle or not self._present

    # Where to start, and what was missed

    async def begin(self, subscription: Subscription, after: int | None) -> Start:
        """Decide where a subscription starts: behind the event `after`, or with None behind the newest one.

        With None it is live from then on; else `replay` has to be gone through. Raises `Unavailable`.
        """
        await self._catch_up()
        if after is None:
            self._live.add(subscription)
            return Start(self._position, self._position, True)
        if after > self._position:
            # Another process may have passed it on already.
            await self._read_on()
        if after > self._position:
            return Start(self._position, self._position, False)
        return Start(after, self._position, await self._has_all_behind(after))

    async def _catch_up(self) -> None:
        """Go to the newest event, after a time in which nobody was here to be told of any."""
        async with self._reading:
            if self._idle:
                self._position = max(self._position, await self._events.last_id())
                self.progress.forget_all()
                self._idle = False

    async def _has_all_behind(self, after: int) -> bool:
        """Whether nothing behind that event has been forgotten; where that cannot be told, it counts as forgotten.

        The ones that are old enough may have been, all but those that are still to be delivered.
        """
        if self._retention is None or after == self._position:
            return True
        first = await self._events.events_after(max(0, after - 1), 1)
        return bool(first) and first[0].id <= after + 1 and first[0].time >= self._clock() - self._retention

    async def replay(self, subscription: Subscription, after: int) -> AsyncGenerator[Message, None]:
        """What the subscriber has missed; they are live once this has come to its end. Raises `Unavailable`."""
        while after < self._position:
            # Those up to here are all there; what is behind may have been read only in part.
            position = self._position
            page = await self._events.events_after(after, PAGE)
            for message in (self._message(event) for event in page if event.id <= position):
                if subscription.hears(message):
                    yield message
            after = position if len(page) < PAGE else min(position, page[-1].id)
        # Nothing is awaited between the comparison and this, so the next event is the next one for them, too.
        self._live.add(subscription)

    # Passing on

    async def _run(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._poll_interval):
                    await self._woken.wait()
            except TimeoutError:
                pass
            self._woken.clear()
            # Reading and encoding every event for nobody would cost small uploads a fifth of their throughput.
            if not self._idle:
                await self._read_on_quietly()

    async def _read_on_quietly(self) -> None:
        try:
            await self._read_on()
        except TusError as passing:
            logger.warning("events could not be read just now: %s", passing.detail)
        except Exception:
            logger.exception("events could not be passed on")

    async def _read_on(self) -> None:
        """Pass on every event that is new. One at a time does so, which keeps them in order."""
        async with self._reading:
            while page := await self._events.events_after(self._position, PAGE):
                for event in page:
                    await self._pass_on(event)

    async def _pass_on(self, event: StoredEvent) -> None:
        # Together: whoever becomes live from now on has had this one.
        self._position = event.id
        live = list(self._live)
        if event.type != UploadCreated.type:
            self.progress.forget(event.upload_id)
        message = self._message(event)
        for some in _slices(live):
            for subscription in some:
                if subscription.hears(message):
                    subscription.offer(message)
            await asyncio.sleep(0)

    async def _pass_on_progress(self, uploads: Collection[Upload]) -> None:
        now = self._clock()
        for upload in uploads:
            message = progress_message(upload, now, source=self._source)
            for some in _slices(list(self._live)):
                for subscription in some:
                    if subscription.hears(message):
                        subscription.offer_progress(message)
                await asyncio.sleep(0)

    def _message(self, event: StoredEvent) -> Message:
        return event_message(event, source=self._source, visibility=self._visibility)


def _slices(live: Sequence[Subscription]) -> Iterator[Sequence[Subscription]]:
    """One slice at least, empty perhaps: so the loop has its turn between two events however few hear them."""
    for first in range(0, max(1, len(live)), _SLICE):
        yield live[first : first + _SLICE]
