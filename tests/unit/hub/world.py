"""A hub over real records in a database in memory, and subscribers that note what they are told."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from longshore.auth.policy import Visibility
from longshore.auth.principal import Principal, Role
from longshore.db.database import Database
from longshore.db.events import SqlEvents
from longshore.db.migrate import upgrade_on
from longshore.db.uploads import SqlUploads
from longshore.events import UploadCompleted, UploadCreated, UploadTerminated
from longshore.hub.fanout import Hub, Start
from longshore.hub.messages import Message
from longshore.hub.places import Places
from longshore.hub.subscription import EVERYTHING, Check, End, Subscription, Wanted
from longshore.protocol.upload import State, Upload

NOW = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
RETENTION = timedelta(days=30)
ANN = Principal("local:ann", Role.USER, "ann")
BOB = Principal("local:bob", Role.USER, "bob")
ROOT = Principal("local:root", Role.ADMIN, "root")


def upload(upload_id: str = "a", owner: str = ANN.subject, **changes: Any) -> Upload:
    return replace(Upload(id=upload_id, created_at=NOW, owner=owner, length=100), **changes)


def completed(unfinished: Upload) -> Upload:
    return replace(unfinished, offset=100, state=State.COMPLETED, completed_at=NOW)


@dataclass
class Listener:
    """A subscriber in the place of a connection; it takes messages as fast as they come."""

    hub: Hub
    subscription: Subscription
    heard: list[Message] = field(default_factory=list)
    start: Start | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    _task: asyncio.Task[None] | None = None

    @property
    def ids(self) -> list[int]:
        return [message.id for message in self.heard if message.id is not None]

    @property
    def told(self) -> list[Mapping[str, Any]]:
        return [json.loads(message.text) for message in self.heard]

    async def listen(self, after: int | None = None) -> "Listener":
        self.hub.join(self.subscription)
        self.subscription.on_end = self.ended.set
        self.start = await self.hub.begin(self.subscription, after)
        self._task = asyncio.create_task(self._listen(self.start.after if after is not None else None))
        return self

    async def _listen(self, after: int | None) -> None:
        if after is not None:
            async for message in self.hub.replay(self.subscription, after):
                self.heard.append(message)
        while True:
            self.heard.append(await self.subscription.next())

    async def leave(self) -> None:
        self.hub.leave(self.subscription)
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])


@dataclass
class World:
    """The hub, and the records that it reads of."""

    database: Database
    records: SqlUploads
    events: SqlEvents
    hub: Hub
    now: datetime = NOW

    def clock(self) -> datetime:
        return self.now

    def listener(self, principal: Principal = ROOT, wanted: Wanted = EVERYTHING) -> Listener:
        return Listener(self.hub, Subscription(principal, wanted))

    async def create(self, new: Upload) -> None:
        await self.records.add(new, free_space=None, events=[UploadCreated(new)])
        self.hub.wake()

    async def complete(self, unfinished: Upload) -> None:
        whole = completed(unfinished)
        assert await self.records.save(whole, events=[UploadCompleted(whole)])
        self.hub.wake()

    async def terminate(self, live: Upload) -> None:
        gone = replace(live, state=State.TERMINATED)
        assert await self.records.bury(gone, events=[UploadTerminated(gone)])
        self.hub.wake()

    async def stored_ids(self) -> list[int]:
        return [event.id for event in await self.events.events_after(0, 100_000)]


@asynccontextmanager
async def open_world(
    *,
    url: str = "sqlite://",
    visibility: Visibility = Visibility.SHARED,
    retention: timedelta | None = RETENTION,
    poll_interval: float = 3600,
    places: Places | None = None,
) -> AsyncIterator[World]:
    async with Database(url) as database:
        if database.is_memory:
            await database.write(upgrade_on)
        world: World

        def clock() -> datetime:
            return world.now

        events = SqlEvents(database)
        hub = Hub(
            events,
            visibility=visibility,
            source="/files",
            retention=retention,
            clock=clock,
            places=places or Places(per_user=10_000),
            poll_interval=poll_interval,
        )
        world = World(database, SqlUploads(database, clock=clock), events, hub)
        async with hub.running():
            yield world


__all__ = ["ANN", "BOB", "NOW", "ROOT", "Check", "End", "Listener", "World", "completed", "open_world", "upload"]
