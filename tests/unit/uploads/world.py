"""A service over real adapters in memory, and clients whose every message the test decides on."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable, MutableMapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from anyio import CapacityLimiter
from tests.stateful.asgi import SOON, until

from longshore.db.database import Database
from longshore.db.migrate import upgrade_on
from longshore.db.quota_settings import SqlQuotas
from longshore.db.uploads import SqlUploads
from longshore.events import UploadCompleted, UploadEvent
from longshore.hooks.chain import Chain
from longshore.lockers.memory import MemoryLocker
from longshore.ports import Store, Uploads
from longshore.ports.quotas import Quotas
from longshore.protocol.capabilities import Limits
from longshore.protocol.checksum import Checksum
from longshore.protocol.intents import Append, BodyHead, Concatenate, Create
from longshore.protocol.upload import Upload
from longshore.stores.memory import MemoryStore
from longshore.uploads.allowances import Allowances
from longshore.uploads.bodies import AsgiBody
from longshore.uploads.budget import Budget
from longshore.uploads.caller import Caller
from longshore.uploads.service import Tuning, UploadService
from longshore.uploads.sweep import Sweep

DAY = timedelta(days=1)


@dataclass
class Time:
    """A clock that stands still until it is moved."""

    now: datetime = datetime(2026, 5, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


class Source:
    """The client's end of a request body: `receive` gives what it was fed, one message at a time."""

    def __init__(self) -> None:
        self.calls = 0
        self._messages: asyncio.Queue[MutableMapping[str, Any] | Exception] = asyncio.Queue()

    async def receive(self) -> MutableMapping[str, Any]:
        self.calls += 1
        message = await self._messages.get()
        if isinstance(message, Exception):
            raise message
        return message

    def feed(self, data: bytes, *, more: bool = True) -> None:
        self._messages.put_nowait({"type": "http.request", "body": data, "more_body": more})

    def end(self) -> None:
        self.feed(b"", more=False)

    def disconnect(self) -> None:
        self._messages.put_nowait({"type": "http.disconnect"})

    def give(self, message: MutableMapping[str, Any] | Exception) -> None:
        self._messages.put_nowait(message)

    def body(
        self, *, idle_timeout: float = 60.0, trailers: dict[str, str] | None = None, budget: Budget | None = None
    ) -> AsgiBody:
        return AsgiBody(
            self.receive,
            idle_timeout=idle_timeout,
            limiter=CapacityLimiter(8),
            budget=budget or Budget(64 * 1024**2),
            trailers=trailers,
        )


def body_of(data: bytes) -> AsgiBody:
    """A body that is all there."""
    source = Source()
    source.feed(data, more=False)
    return source.body()


class GatedStore(MemoryStore):
    """A store whose removals and concatenations wait at a gate while it is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def _pass_through(self) -> None:
        if not self.gate.is_set():
            self.reached.set()
        await self.gate.wait()

    async def remove(self, upload_id: str) -> None:
        await self._pass_through()
        await super().remove(upload_id)

    async def concatenate(self, upload_id: str, parts: Sequence[tuple[str, int]], *, durable: bool) -> int:
        await self._pass_through()
        return await super().concatenate(upload_id, parts, durable=durable)


@dataclass
class Sending:
    """An append under way, and the client that sends it."""

    source: Source
    body: AsgiBody
    task: "asyncio.Task[Upload]"


@dataclass
class World:
    """The service with everything around it."""

    database: Database
    uploads: Uploads
    store: Store
    service: UploadService
    locker: MemoryLocker
    sweep: Sweep
    time: Time
    events: list[UploadEvent] = field(default_factory=list)
    caller: Caller = field(default_factory=Caller)

    @property
    def completed(self) -> list[str]:
        return [event.upload.id for event in self.events if isinstance(event, UploadCompleted)]

    def position(self, upload_id: str) -> int | None:
        """Where the holder of the lease says the upload stands; None when nobody holds it."""
        holder = self.locker._held.get(upload_id)
        return holder.position if holder else None

    async def create(self, length: int | None = None, *, partial: bool = False, data: bytes = b"") -> Upload:
        upload = await self.service.create(Create(length=length, partial=partial), None, self.caller)
        return await self.append(upload, data) if data else upload

    async def append(self, upload: Upload, data: bytes, offset: int | None = None) -> Upload:
        """A whole PATCH."""
        return await self.service.append(
            _append(upload, offset, BodyHead(length=len(data))), body_of(data), self.caller
        )

    def send(
        self,
        upload: Upload,
        *pieces: bytes,
        offset: int | None = None,
        length: int | None = None,
        checksum: Checksum | None = None,
        idle_timeout: float = 60.0,
    ) -> Sending:
        """Begin a PATCH, chunked unless a Content-Length is given."""
        source = Source()
        body = source.body(idle_timeout=idle_timeout)
        for piece in pieces:
            source.feed(piece)
        intent = _append(upload, offset, BodyHead(length=length, checksum=checksum))
        return Sending(source, body, asyncio.create_task(self.service.append(intent, body, self.caller)))

    async def sent(self, upload: Upload, *pieces: bytes, position: int | None = None, **options: Any) -> Sending:
        """Begin a PATCH, and wait until its pieces have been written."""
        sending = self.send(upload, *pieces, **options)
        expected = upload.offset + len(b"".join(pieces)) if position is None else position
        await until(lambda: self.position(upload.id) == expected)
        return sending

    async def concatenate(self, *parts: Upload) -> Upload:
        concat = "final;" + " ".join(f"/files/{part.id}" for part in parts)
        intent = Concatenate(parts=tuple(part.id for part in parts), concat=concat)
        return await self.service.concatenate(intent, self.caller)

    async def held(self, upload: Upload) -> bytes:
        """What the store holds."""
        size = await self.store.size(upload.id)
        return b"".join([piece async for piece in self.store.read(upload.id, 0, size)])

    async def load(self, upload: Upload) -> Upload:
        loaded = await self.uploads.get(upload.id)
        assert loaded is not None
        return loaded


def _append(upload: Upload, offset: int | None, body: BodyHead) -> Append:
    return Append(resource=upload.id, offset=upload.offset if offset is None else offset, body=body)


@asynccontextmanager
async def open_world(
    *,
    store: Store | None = None,
    limits: Limits | None = None,
    tuning: Tuning | None = None,
    wrap: Callable[[SqlUploads], Uploads] | None = None,
    now: Callable[[], float] = time.monotonic,
    hooks: Sequence[object] = (),
    inspect_size: int = 8,
    quotas: Quotas | None = None,
) -> AsyncIterator[World]:
    """A world; `wrap` may put something around the records, `now` is the locker's clock."""
    clock = Time()
    locker = MemoryLocker(now=now)
    store = MemoryStore() if store is None else store
    events: list[UploadEvent] = []
    numbers = itertools.count()
    async with Database("sqlite://") as database:
        await database.write(upgrade_on)
        records = SqlUploads(database, clock=clock)
        uploads: Uploads = wrap(records) if wrap else records
        service = UploadService(
            uploads=uploads,
            store=store,
            locker=locker,
            limits=limits or Limits(),
            tuning=tuning or Tuning(checkpoint_interval=3600, stall_threshold=3600, lock_timeout=SOON),
            clock=clock,
            emit=events.append,
            hooks=Chain(hooks, timeout=SOON, inspect_size=inspect_size),
            allowances=Allowances(quotas or Quotas(), SqlQuotas(database)),
            new_id=lambda: f"{next(numbers):032x}",
            limiter=CapacityLimiter(8),
        )
        sweep = Sweep(service.records, locker, service.assembly)
        yield World(database, uploads, store, service, locker, sweep, clock, events)
        await service.work.drain()
