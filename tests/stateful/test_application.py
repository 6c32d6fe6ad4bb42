"""Any sequence of requests, restarts and crashes leaves in the application what it leaves in a simple model."""

import asyncio
import random
import tempfile
import time
from collections import Counter
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)
from starlette.applications import Starlette
from tests.stateful.asgi import Exchange, Response, request, until
from tests.stateful.model import TTL, TUS, Bytes, Copy

from longshore.app import build
from longshore.config import Settings
from longshore.events import UploadCompleted, UploadCreated, UploadEvent, UploadExpired, UploadTerminated
from longshore.uploads import bodies
from longshore.uploads.service import UploadService
from longshore.uploads.sweep import Sweep

T = TypeVar("T")

PIECE = 600
"""The server gathers so many bytes at a time here, so that small bodies come in many pieces."""

SETTLE = 5.0
"""Seconds within which what the server does on its own must be done."""

ENOUGH = 10
"""Uploads after which no more are created: more would only make each step slower."""

METADATA = ["", "filename d29ybGRfZG9taW5hdGlvbl9wbGFuLnBkZg==,is_confidential", "name w6k=", "a,b,c ZA=="]

sizes = st.integers(0, 40) | st.sampled_from([0, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 5 * PIECE + 7])
checksums = st.sampled_from(["", "", "", "right", "wrong", "trailer right", "trailer wrong", "trailer missing"])
cuts = st.lists(st.integers(0, 1000), max_size=6)
seeds = st.integers(0, 2**32 - 1)
picks = st.integers(0, 7)
shares = st.integers(0, 1000)
"""Permille of a body after which the client goes away."""


def scribble(size: int, seed: int, chunked: bool, checksum: str, cuts: list[int]) -> Bytes:
    """A body of random bytes, so that none can stand in for another one; made here to keep failures readable."""
    return Bytes(random.Random(seed).randbytes(size), chunked=chunked, checksum=checksum, cuts=cuts)


bodies_sent = st.builds(scribble, sizes, seeds, st.booleans(), checksums, cuts)


@dataclass
class Time:
    """The application's clock, which stands still until it is moved."""

    now: datetime = datetime(2026, 5, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Underway:
    """A PATCH whose client has not finished sending."""

    exchange: Exchange
    upload: Copy
    body: Bytes
    declared: int | None
    pieces: list[bytes]
    delivered: bytes = b""

    @property
    def room(self) -> int | None:
        return self.upload.room if self.declared is None else self.declared - len(self.upload.data)

    @property
    def kept(self) -> bytes:
        """What is kept of it if nothing more comes: of a checked body nothing is."""
        return b"" if self.body.checksum else self.delivered

    @property
    def is_full(self) -> bool:
        """Whether the upload is complete even if nothing more comes, the end of the body included."""
        return len(self.kept) == self.room

    @property
    def position(self) -> int:
        """Where the upload would stand if the server made the request stop."""
        return len(self.upload.data) + len(self.kept) - (self.is_full and bool(self.kept))


@dataclass
class Incarnation:
    """One life of the server: an event loop, and the application in it."""

    app: Starlette
    runner: asyncio.Runner = field(default_factory=lambda: asyncio.Runner(debug=False))
    lifespan: AbstractAsyncContextManager[Any] | None = None

    @property
    def service(self) -> UploadService:
        service: UploadService = self.app.state.service
        return service

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def start(self) -> None:
        self.lifespan = self.app.router.lifespan_context(self.app)
        self.run(self._start(self.lifespan))

    async def _start(self, lifespan: AbstractAsyncContextManager[Any]) -> None:
        """Enter the lifespan, and wait until the sweep that it begins with is over."""
        await lifespan.__aenter__()
        coroutines: list[Any] = [task.get_coro() for task in asyncio.all_tasks()]
        sweeping = next(coroutine for coroutine in coroutines if coroutine.__qualname__ == Sweep.run.__qualname__)
        await until(lambda: getattr(sweeping.cr_await, "__qualname__", "") == asyncio.sleep.__qualname__)

    def stop(self) -> None:
        if self.lifespan:
            self.run(self.lifespan.__aexit__(None, None, None))
            self.lifespan = None

    def held_position(self, upload_id: str) -> int | None:
        """Where the request that holds the upload says it stands. The locker has no public way to ask."""
        locker: Any = self.service._locker
        lease = locker._held.get(upload_id)
        return lease.position if lease else None

    async def come_to_rest(self) -> None:
        """Wait until no thread is at work: then abandoning the loop is as good as a kill."""
        # Behind everything that was queued before: the writer takes one after the other.
        await self.service.records.uploads.purged("nothing")
        limiter = self.service._appender._limiter
        deadline = time.monotonic() + SETTLE
        while limiter.borrowed_tokens:
            assert time.monotonic() < deadline
            await asyncio.sleep(0)


class Application(RuleBasedStateMachine):
    """Drives the application and the model side by side."""

    regulars: Bundle[Copy] = Bundle("regulars")
    partials: Bundle[Copy] = Bundle("partials")
    finals: Bundle[Copy] = Bundle("finals")
    uploads = regulars | partials | finals
    appendable = regulars | partials

    def __init__(self) -> None:
        super().__init__()
        self.exits = ExitStack()
        patch = self.exits.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(bodies, "PIECE_SIZE", PIECE)
        patch.setattr(bodies, "FLUSH_INTERVAL", 0.001)
        self.data_dir = Path(self.exits.enter_context(tempfile.TemporaryDirectory()))
        self.time = Time()
        self.events: list[UploadEvent] = []
        self.copies: list[Copy] = []
        self.underway: dict[Copy, Underway] = {}
        self.dead: list[Incarnation] = []
        self.life: Incarnation

    def _build(self) -> None:
        options = Settings(
            data_dir=self.data_dir,
            auth="none",
            sweep_interval=86400,
            checkpoint_interval=0.01,
            stall_threshold=3600,
            fsync="never",
        )
        self.life = Incarnation(build(options, emit=self.events.append, clock=self.time))
        self.life.start()

    def teardown(self) -> None:
        if hasattr(self, "life"):
            self._quit()
        for life in self.dead:
            life.stop()
            life.runner.close()
        self.exits.close()

    def _quit(self) -> None:
        self.life.stop()
        for underway in self.underway.values():
            underway.exchange.disconnect()
            self.life.run(underway.exchange.response())
        self.life.runner.close()

    @initialize(target=regulars, lengths=st.lists(sizes | st.none(), min_size=2, max_size=2))
    def start(self, lengths: list[int | None]) -> MultipleResults[Copy]:
        if not hasattr(self, "life"):
            self._build()
        return multiple(*(self._created_empty(length, "") for length in lengths))

    @initialize(target=partials, lengths=st.lists(sizes | st.none(), min_size=2, max_size=2))
    def start_parts(self, lengths: list[int | None]) -> MultipleResults[Copy]:
        if not hasattr(self, "life"):
            self._build()
        return multiple(*(self._created_empty(length, "partial") for length in lengths))

    def _created_empty(self, length: int | None, concat: str) -> Copy:
        copy = self._create(length, "", concat, None)
        assert isinstance(copy, Copy)
        return copy

    # Asking

    def _ask(self, method: str, path: str, headers: Mapping[str, str], body: Bytes | None = None) -> Response:
        async def ask() -> Response:
            exchange = self._begin(method, path, headers, body)
            for piece in body.pieces if body else ():
                exchange.feed(piece)
            exchange.feed(b"", more=False)
            return await exchange.response()

        return self.life.run(ask())

    def _begin(self, method: str, path: str, headers: Mapping[str, str], body: Bytes | None) -> Exchange:
        fields = TUS | dict(headers) | (body.headers if body else {})
        extensions = {"longshore.trailers": body.trailers if body else {}}
        return Exchange(self.life.app, method, path, fields, extensions=extensions)

    def _ask_and_leave(
        self, method: str, path: str, headers: Mapping[str, str], body: Bytes, arriving: bytes
    ) -> Response:
        """Send so much of the body and go away; the answer is what would have been answered."""

        async def ask() -> Response:
            exchange = self._begin(method, path, headers, body)
            for piece in Bytes(arriving, cuts=body.cuts).pieces:
                exchange.feed(piece)
            exchange.disconnect()
            return await exchange.response()

        return self.life.run(ask())

    def _add(self, copy: Copy) -> Copy:
        assert copy.id not in {other.id for other in self.copies}
        self.copies.append(copy)
        return copy

    # Creating

    @precondition(lambda self: len(self.copies) < ENOUGH)
    @rule(
        target=regulars,
        length=sizes | st.none(),
        metadata=st.sampled_from(METADATA),
        body=st.none() | bodies_sent,
        fits=st.booleans(),
    )
    def create(self, length: int | None, metadata: str, body: Bytes | None, fits: bool) -> Copy | MultipleResults[Copy]:
        return self._create(length, metadata, "", body.fitting(length) if body and fits else body)

    @precondition(lambda self: len(self.copies) < ENOUGH)
    @rule(target=partials, length=sizes | st.none(), body=st.none() | bodies_sent)
    def create_partial(self, length: int | None, body: Bytes | None) -> Copy | MultipleResults[Copy]:
        return self._create(length, "", "partial", body.fitting(length) if body else None)

    def _create(
        self, length: int | None, metadata: str, concat: str, body: Bytes | None
    ) -> Copy | MultipleResults[Copy]:
        answer = self._ask("POST", "/files", _creation(length, metadata, concat), body)
        refusal = None
        if body and (body.chunked or body.content):  # Otherwise there is none, and no checksum of it either.
            refusal = 413 if body.overruns(length) else body.verdict
        assert answer.status == (refusal or 201), answer
        if refusal:
            return multiple()
        return self._created(answer, length, metadata, concat, body.content if body else b"")

    def _created(self, answer: Response, length: int | None, metadata: str, concat: str, data: bytes) -> Copy:
        copy = Copy(answer.headers["location"], length, metadata, concat, data=data)
        copy.touch(self.time.now)
        return self._add(copy)

    @precondition(lambda self: len(self.copies) < ENOUGH)
    @rule(target=regulars, length=sizes | st.none(), body=bodies_sent, share=shares)
    def create_and_leave(self, length: int | None, body: Bytes, share: int) -> Copy | MultipleResults[Copy]:
        """A client that never learns the URL leaves nothing behind, unless all of its file has come."""
        arriving = body.content[: len(body.content) * share // 1000]
        answer = self._ask_and_leave("POST", "/files", _creation(length, "", ""), body, arriving)
        if not body.chunked and (body.overruns(length) or not body.content):
            assert answer.status == (413 if body.content else 201)
            if body.content:
                return multiple()
            return self._created(answer, length, "", "", b"")
        if length is not None and len(arriving) > length:
            assert answer.status == 413
            return multiple()
        kept = b"" if body.checksum else arriving
        if len(kept) != length:
            return multiple()
        return self._created(answer, length, "", "", kept)

    # Appending

    @rule(
        upload=uploads,
        body=bodies_sent,
        shift=st.sampled_from([0, 0, 0, 0, -1, 1, 7]),
        declared=st.none() | st.sampled_from([-1, 0, 3, "all"]),
        fits=st.booleans(),
    )
    def append(self, upload: Copy, body: Bytes, shift: int, declared: int | str | None, fits: bool) -> None:
        if upload in self.underway:
            return
        body = body.fitting(upload.room) if fits else body
        length = _declared(upload, body, declared)
        offset = max(0, len(upload.data) + shift)
        answer = self._ask("PATCH", upload.location, _appending(offset, length), body)
        self._appended(upload, body, offset, length, answer)

    def _appended(self, upload: Copy, body: Bytes, offset: int, declared: int | None, answer: Response) -> None:
        refusal = self._refusal(upload, body, offset, declared)
        if refusal:
            assert answer.status == refusal, answer
            if refusal == 409:
                assert answer.headers["upload-offset"] == str(len(upload.data))
            return
        room = upload.room if declared is None else declared - len(upload.data)
        if body.overruns(room):
            assert answer.status == 413
            if not body.checksum and body.content:
                # What a checkpoint has committed of a body before it turned out to be too long stays.
                self._adopt(upload, upload.data + body.content[:room])
            return
        assert answer.status == (body.verdict or 204), answer
        if not body.verdict:
            assert answer.headers["upload-offset"] == str(len(upload.data) + len(body.content))
            self._keep(upload, body.content, declared)

    def _refusal(self, upload: Copy, body: Bytes, offset: int, declared: int | None) -> int | None:
        """How the request is refused before a byte of it is read."""
        if gone := upload.refusal(self.time.now):
            return gone
        if upload.is_final:
            return 403
        if offset != len(upload.data):
            return 409
        if declared is not None and (declared < offset if upload.length is None else declared != upload.length):
            return 400
        length = upload.length if declared is None else declared
        room = None if length is None else length - offset
        return 413 if not body.chunked and body.overruns(room) else None

    def _keep(self, upload: Copy, content: bytes, declared: int | None) -> None:
        upload.data += content
        upload.length = upload.length if declared is None else declared
        upload.touch(self.time.now)
        self._complete_finals()

    def _complete_finals(self) -> None:
        for final in self.copies:
            is_ready = all(part.completed and not part.fate for part in final.parts)
            if final.is_final and not final.fate and not final.completed and is_ready:
                final.data = b"".join(part.data for part in final.parts)
                final.length = len(final.data)
                final.completed, final.expires = True, None

    def _adopt(self, upload: Copy, possible: bytes) -> None:
        """Ask where the upload stands; never before what was acknowledged, never beyond what was sent."""
        answer = self._ask("HEAD", upload.location, {})
        assert answer.status == 200, answer
        offset = int(answer.headers["upload-offset"])
        assert len(upload.data) <= offset <= len(possible)
        assert offset != upload.length or upload.completed
        if offset != len(upload.data):
            upload.data = possible[:offset]
        upload.expires = _expires(answer)

    @rule(upload=uploads, body=bodies_sent, share=shares, fits=st.booleans())
    def append_and_leave(self, upload: Copy, body: Bytes, share: int, fits: bool) -> None:
        """What has come of a body before the client left is kept, to the byte; of a checked one nothing is."""
        if upload in self.underway:
            return
        body = body.fitting(upload.room) if fits else body
        arriving = body.content[: len(body.content) * share // 1000]
        offset = len(upload.data)
        answer = self._ask_and_leave("PATCH", upload.location, _appending(offset, None), body, arriving)
        refusal = self._refusal(upload, body, offset, None)
        if refusal:
            assert answer.status == refusal
        elif upload.room is not None and len(arriving) > upload.room:
            assert answer.status == 413
            if not body.checksum:
                self._adopt(upload, upload.data + arriving[: upload.room])
        elif not body.content and not body.chunked:
            if not body.verdict:  # An empty body is there as soon as its head is.
                self._keep(upload, b"", None)
        else:
            self._keep(upload, b"" if body.checksum else arriving, None)

    # Appending over several steps

    @rule(upload=appendable, body=bodies_sent, declare=st.booleans())
    def begin(self, upload: Copy, body: Bytes, declare: bool) -> None:
        """Open a PATCH, and keep it open."""
        if upload in self.underway or upload.refusal(self.time.now) or upload.completed:
            return
        body = body.fitting(upload.room)
        if not body.content and not body.chunked:
            return
        declared = len(upload.data) + len(body.content) if declare and upload.length is None else None
        self._open(upload, body, declared)

    def _open(self, upload: Copy, body: Bytes, declared: int | None) -> None:
        async def begin() -> Exchange:
            headers = _appending(len(upload.data), declared)
            exchange = self._begin("PATCH", upload.location, headers, body)
            await until(lambda: self.life.held_position(upload.id) is not None)
            return exchange

        exchange = self.life.run(begin())
        self.underway[upload] = Underway(exchange, upload, body, declared, body.pieces)

    def _pick(self, which: int) -> Underway:
        return list(self.underway.values())[which % len(self.underway)]

    @precondition(lambda self: self.underway)
    @rule(which=picks)
    def deliver(self, which: int) -> None:
        """One more message of the body of an open PATCH comes in, and is written."""
        underway = self._pick(which)
        upload = underway.upload
        if not underway.pieces:
            return
        piece = underway.pieces.pop(0)
        underway.delivered += piece

        async def deliver() -> None:
            underway.exchange.feed(piece)
            await until(lambda: self.life.held_position(upload.id) == underway.position)

        self.life.run(deliver())

    @precondition(lambda self: self.underway)
    @rule(which=picks)
    def finish(self, which: int) -> None:
        """The rest of an open PATCH comes in."""
        underway = self._pick(which)
        upload = underway.upload
        del self.underway[upload]

        async def finish() -> Response:
            for piece in underway.pieces:
                underway.exchange.feed(piece)
            underway.exchange.feed(b"", more=False)
            return await underway.exchange.response()

        answer = self.life.run(finish())
        self._appended(upload, underway.body, len(upload.data), underway.declared, answer)

    @precondition(lambda self: self.underway)
    @rule(which=picks)
    def leave(self, which: int) -> None:
        """The client of an open PATCH goes away."""
        underway = self._pick(which)
        del self.underway[underway.upload]
        underway.exchange.disconnect()
        self.life.run(underway.exchange.response())
        self._keep_delivered(underway)

    def _keep_delivered(self, underway: Underway) -> None:
        self._keep(underway.upload, underway.kept, underway.declared)

    @precondition(lambda self: self.underway)
    @rule(which=picks, body=bodies_sent)
    def take_over(self, which: int, body: Bytes) -> None:
        """A PATCH where an open one stands ends that one and goes on."""
        underway = self._pick(which)
        upload = underway.upload
        if underway.is_full:
            return  # Nothing but the end is missing; there is nothing to go on with.
        del self.underway[upload]
        body = body.fitting(None if underway.room is None else underway.room - len(underway.kept))
        answer = self._ask("PATCH", upload.location, _appending(underway.position, None), body)
        assert self.life.run(underway.exchange.response()).status == 400
        self._keep_delivered(underway)
        self._appended(upload, body, len(upload.data), None, answer)

    @precondition(lambda self: self.underway)
    @rule(which=picks, body=bodies_sent, shift=st.sampled_from([-3, -1, 1, 5]))
    def fail_to_take_over(self, which: int, body: Bytes, shift: int) -> None:
        """A PATCH anywhere else is refused at once and leaves the open one alone."""
        underway = self._pick(which)
        if underway.position + shift >= 0:
            answer = self._ask("PATCH", underway.upload.location, _appending(underway.position + shift, None), body)
            assert answer.status == 409
            assert not underway.exchange.task.done()

    # Concatenating, terminating

    @precondition(lambda self: len(self.copies) < ENOUGH)
    @rule(
        target=finals,
        parts=st.lists(partials, min_size=1, max_size=4),
        stranger=st.none() | uploads,
        absolute=st.booleans(),
        metadata=st.sampled_from(METADATA),
    )
    def concatenate(
        self, parts: Sequence[Copy], stranger: Copy | None, absolute: bool, metadata: str
    ) -> Copy | MultipleResults[Copy]:
        members = (*parts, stranger) if stranger and len(parts) > 2 else tuple(parts)
        host = "https://files.example" if absolute else ""
        concat = "final;" + " ".join(host + part.location for part in members)
        fields = {"Upload-Concat": concat} | ({"Upload-Metadata": metadata} if metadata else {})
        answer = self._ask("POST", "/files", fields)
        refusals = [part.refusal(self.time.now) or (None if part.is_partial else 400) for part in members]
        refusal = next((status for status in refusals if status), None)
        assert answer.status == (refusal or 201), answer
        if refusal:
            return multiple()
        final = Copy(answer.headers["location"], None, metadata, concat, members, expires=self.time.now + TTL)
        final.length = final.total
        self._add(final)
        self._complete_finals()
        return final

    @rule(upload=uploads)
    def terminate(self, upload: Copy) -> None:
        refusal = upload.refusal(self.time.now)
        answer = self._ask("DELETE", upload.location, {})
        assert answer.status == (refusal or 204), answer
        underway = self.underway.pop(upload, None)
        if underway:
            status = self.life.run(underway.exchange.response()).status
            assert status == (204 if underway.is_full else 400)
            self._keep_delivered(underway)
        if not refusal:
            upload.bury("terminated", self.time.now)

    # Time, restarts and crashes

    @rule(hours=st.sampled_from([1, 24, 72, 96, 168]))
    def wait(self, hours: int) -> None:
        if not self.underway:
            self.time.now += timedelta(hours=hours)

    @rule(how=st.sampled_from(["sweep", "sweep", "restart", "crash"]))
    def tidy_up(self, how: str) -> None:
        {"sweep": self._sweep, "restart": self._restart, "crash": self._crash}[how]()

    def _sweep(self) -> None:
        service = self.life.service
        sweep = Sweep(service.records, service._locker, service.assembly)
        self.life.run(sweep.once())
        self._swept()

    def _swept(self) -> None:
        now = self.time.now
        for copy in self.copies:
            if not copy.fate and copy.expires is not None and copy.expires <= now and copy not in self.underway:
                copy.bury("expired", now)
            elif copy.fate and copy.expires is not None and copy.expires <= now:
                copy.fate = "forgotten"

    def _restart(self) -> None:
        """A clean stop commits what open requests have received."""
        stopped = list(self.underway.values())
        self.life.stop()
        for underway in stopped:
            status = self.life.run(underway.exchange.response()).status
            assert status == (204 if underway.is_full else 503)
            self._keep_delivered(underway)
        self.underway.clear()
        self.life.runner.close()
        self._build()
        self._swept()

    def _crash(self) -> None:
        """The loop stops for good: nothing that was under way is ever settled."""
        cut_short = list(self.underway.values())
        self.life.run(self.life.come_to_rest())
        self.dead.append(self.life)
        self.underway.clear()
        self._build()
        self._swept()
        for underway in cut_short:
            self._adopt(underway.upload, underway.upload.data + underway.kept)

    # What always holds

    @invariant()
    def server_agrees(self) -> None:
        if hasattr(self, "life"):
            self.life.run(self._agrees())

    async def _agrees(self) -> None:
        await asyncio.gather(*(self._check(copy) for copy in self.copies))
        self._check_events()
        self._check_files()

    async def _check(self, copy: Copy) -> None:
        head = await request(self.life.app, "HEAD", copy.location, TUS)
        get = await request(self.life.app, "GET", copy.location)
        if refusal := copy.refusal(self.time.now):
            assert (head.status, get.status) == (refusal, refusal), copy
            return
        assert (head.status, head.body) == (200, b""), copy
        self._check_offset(copy, head)
        self._check_fields(copy, head)
        assert get.status == (200 if copy.completed else 409), copy
        assert not copy.completed or get.body == copy.data, copy

    def _check_offset(self, copy: Copy, head: Response) -> None:
        offset = head.headers.get("upload-offset")
        if copy.is_final and not copy.completed:
            assert offset is None
        elif underway := self.underway.get(copy):
            assert len(copy.data) <= int(offset or -1) <= underway.position
        else:
            assert offset == str(len(copy.data)), copy
            assert copy.is_final or _expires(head) == copy.expires

    def _check_fields(self, copy: Copy, head: Response) -> None:
        fields = head.headers
        length = copy.total if copy.is_final and copy.length is None else copy.length
        assert fields.get("upload-length") == (None if length is None else str(length))
        assert fields.get("upload-defer-length") == ("1" if length is None and not copy.is_final else None)
        assert fields.get("upload-metadata", "") == copy.metadata
        assert fields.get("upload-concat", "") == copy.concat
        if copy.is_final:
            copy.expires = _expires(head)

    def _check_events(self) -> None:
        told = Counter((type(event), event.upload.id) for event in self.events)
        assert all(count == 1 for count in told.values()), told
        known = {copy.id: copy for copy in self.copies}
        for strange in {upload_id for _, upload_id in told} - set(known):
            # A creation that was refused, or cut short, with its body: the client never heard of it.
            assert {kind for kind, upload_id in told if upload_id == strange} == {UploadCreated, UploadTerminated}
        for copy in self.copies:
            assert (UploadCreated, copy.id) in told
            assert ((UploadCompleted, copy.id) in told) == (copy.completed and not copy.is_partial), copy
            assert ((UploadTerminated, copy.id) in told) + ((UploadExpired, copy.id) in told) == bool(copy.fate), copy

    def _check_files(self) -> None:
        files = {path.name for path in (self.data_dir / "uploads").glob("*/*")}
        assert files <= {copy.id for copy in self.copies if not copy.fate}


def _creation(length: int | None, metadata: str, concat: str) -> dict[str, str]:
    fields = {"Upload-Defer-Length": "1"} if length is None else {"Upload-Length": str(length)}
    if metadata:
        fields["Upload-Metadata"] = metadata
    return fields | ({"Upload-Concat": concat} if concat else {})


def _appending(offset: int, declared: int | None) -> dict[str, str]:
    return {"Upload-Offset": str(offset)} | ({} if declared is None else {"Upload-Length": str(declared)})


def _declared(upload: Copy, body: Bytes, declared: int | str | None) -> int | None:
    """What the request says the length is: nothing, one that is some bytes off the current end, or all that comes."""
    if declared is None:
        return None
    if isinstance(declared, int):
        return max(0, len(upload.data) + declared)
    return len(upload.data) + len(body.content)


def _expires(answer: Response) -> datetime | None:
    field = answer.headers.get("upload-expires")
    return parsedate_to_datetime(field) if field else None


IS_THOROUGH = settings.get_current_profile_name() == "thorough"

pytestmark = pytest.mark.timeout(0 if IS_THOROUGH else 120)

TestApplication = Application.TestCase
TestApplication.settings = (
    settings()
    if IS_THOROUGH
    else settings(
        max_examples=50,
        stateful_step_count=30,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
)
