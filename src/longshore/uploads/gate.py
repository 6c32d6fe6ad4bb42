"""What the hooks have to say about an upload: whether it may be created, and whether its content is taken."""

import asyncio
import re
import threading
from contextlib import aclosing
from dataclasses import dataclass, replace

from longshore.ports import Body, StopReason, Store
from longshore.ports.hooks import Changes, HookEvent, Hooks, PreHook
from longshore.protocol.append import WritePlan
from longshore.protocol.errors import TusError, Unavailable
from longshore.protocol.metadata import format_metadata
from longshore.protocol.upload import State, Upload
from longshore.uploads.caller import Caller

_PATIENCE = 0.25
"""Seconds that a transfer waits for its first bytes to be inspected, before it goes on beside that."""

_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


class HookAnswerInvalid(Unavailable):
    """A hook answered with something that cannot be done; the operator has to mend it."""

    status = 500
    code = "hook-answer-invalid"
    title = "A hook of this server is at fault"


@dataclass(frozen=True, slots=True)
class StoredContent:
    """The first `size` bytes of an upload, in its store; a `ports.hooks.Content`."""

    store: Store
    upload_id: str
    size: int

    async def read(self, start: int, end: int) -> bytes:
        """See `ports.hooks.Content.read`."""
        end = min(end, self.size)
        if start >= end:
            return b""
        async with aclosing(self.store.read(self.upload_id, start, end)) as pieces:
            return b"".join([piece async for piece in pieces])


class Gate:
    """Asks the hooks before something is committed. What they refuse is raised from here."""

    def __init__(self, hooks: Hooks, store: Store) -> None:
        self.hooks = hooks
        self._store = store

    async def admit(self, upload: Upload, caller: Caller) -> Upload:
        """Ask whether the upload may be created; return it as the hooks want it."""
        if not self.hooks.handles("pre_create"):
            return upload
        changes = await self._ask("pre_create", HookEvent(upload=upload, request=caller.request), caller)
        return _apply(changes, upload)

    async def admit_termination(self, upload: Upload, caller: Caller) -> None:
        """Ask whether the upload may be removed on request."""
        if self.hooks.handles("pre_terminate"):
            await self._ask("pre_terminate", HookEvent(upload=upload, request=caller.request), caller)

    async def admit_renaming(self, upload: Upload, caller: Caller) -> None:
        """Ask whether the upload may have the name that it is given here."""
        if self.hooks.handles("pre_rename"):
            content = StoredContent(self._store, upload.id, upload.offset) if upload.state is State.COMPLETED else None
            await self._ask("pre_rename", HookEvent(upload=upload, request=caller.request, content=content), caller)

    def inspects(self, upload: Upload) -> bool:
        """Whether anybody wants to see the first bytes. A part has no name, and is seen when its final is made."""
        return self.hooks.inspect_size > 0 and not upload.is_partial

    async def approve(self, before: Upload, after: Upload, caller: Caller) -> None:
        """Ask about the content that an append, or an assembly, has brought; all of it is in the store."""
        await self.approve_beginning(before, after, caller)
        await self.approve_whole(before, after, caller)

    async def approve_beginning(self, before: Upload, after: Upload, caller: Caller) -> None:
        """Ask about the first bytes, if they have come with this."""
        completes = after.state is State.COMPLETED
        if before.state is not State.COMPLETED and self._first_bytes_came(
            before.offset, after.offset, completes=completes
        ):
            await self.inspect(after, after.offset, caller)

    async def approve_whole(self, before: Upload, after: Upload, caller: Caller) -> None:
        """Ask about the whole content, if this has completed it."""
        completes = after.state is State.COMPLETED and before.state is not State.COMPLETED
        if completes and not after.is_partial and self.hooks.handles("pre_finish"):
            await self._ask("pre_finish", self._event(after, after.offset, caller), caller)

    def _first_bytes_came(self, before: int, after: int, *, completes: bool) -> bool:
        wanted = self.hooks.inspect_size
        return before < wanted <= after or (completes and before <= after < wanted)

    async def inspect(self, upload: Upload, size: int, caller: Caller) -> None:
        """Ask about the first bytes, of which `size` have come."""
        if self.inspects(upload):
            await self._ask("inspect", self._event(upload, size, caller), caller)

    def _event(self, upload: Upload, size: int, caller: Caller) -> HookEvent:
        content = StoredContent(self._store, upload.id, size)
        return HookEvent(upload=upload, request=caller.request, content=content)

    async def _ask(self, name: PreHook, event: HookEvent, caller: Caller) -> Changes:
        changes = await self.hooks.ask(name, event)
        caller.answer = changes.answer or caller.answer
        return changes


def _apply(changes: Changes, upload: Upload) -> Upload:
    if changes.upload_id is not None:
        if not _ID.fullmatch(changes.upload_id):
            raise HookAnswerInvalid("A hook gave the upload an id that is not 1 to 128 letters, digits, _ and -.")
        upload = replace(upload, id=changes.upload_id)
    if changes.metadata is not None:
        try:
            upload = replace(upload, metadata=format_metadata(changes.metadata))
        except ValueError as error:
            raise HookAnswerInvalid(f"A hook gave the upload metadata that cannot be: {error}.") from error
    return upload


class Watch:
    """An eye on a transfer: has its first bytes inspected while the rest arrives, and can end it for good."""

    def __init__(self, gate: Gate, plan: WritePlan, body: Body, caller: Caller) -> None:
        self._gate = gate
        self._plan = plan
        self._body = body
        self.caller = caller
        self._size = gate.hooks.inspect_size
        self._pending = plan.upload.offset < self._size and gate.inspects(plan.upload)
        # A checked body counts only as a whole, and is looked at when it has been verified.
        self._at_once = self._pending and not plan.body.is_checked
        self._asked = False
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None
        self._answered = threading.Event()
        self._passed = False
        self.refusal: TusError | None = None
        self.was_stopped = False
        """Whether the refusal came from a hook that ended the transfer, and not from one that looked at the content."""

    async def approve(self, upload: Upload) -> None:
        """Ask about what the transfer has made of the upload. Raises what hooks do, the inspection's refusal first."""
        if self.refusal is not None:
            raise self.refusal
        if not self._passed:
            await self._gate.approve_beginning(self._plan.upload, upload, self.caller)
            self._passed = True
        await self._gate.approve_whole(self._plan.upload, upload, self.caller)

    def wrote(self, position: int) -> None:
        """Note where the upload stands; the bytes are in the store. Worker threads only: this may wait."""
        if self._at_once and not self._asked and position >= self._size:
            self._asked = True
            self._loop.call_soon_threadsafe(self._start, position)
            # Most answers take milliseconds, in which a fast client would send megabytes in vain.
            self._answered.wait(_PATIENCE)

    def bounded(self, position: int) -> int:
        """Where the upload may be committed at this position: not past bytes that nobody has been asked about."""
        if self._pending and not self._passed:
            return max(self._plan.upload.offset, min(position, self._size - 1))
        return position

    def refuse(self, refusal: TusError) -> None:
        """End the transfer for good, soon. Any thread."""
        self._loop.call_soon_threadsafe(self._stop, refusal)

    def _stop(self, refusal: TusError) -> None:
        self.was_stopped = self.refusal is None
        self._refuse(refusal)

    def _refuse(self, refusal: TusError) -> None:
        if self.refusal is None:
            self.refusal = refusal
            self._body.stop(StopReason.REFUSED)

    def _start(self, position: int) -> None:
        self._task = asyncio.create_task(self._inspect(position))

    async def _inspect(self, position: int) -> None:
        try:
            await self._gate.inspect(self._plan.upload, position, self.caller)
        except TusError as refusal:
            self._refuse(refusal)
        else:
            self._passed = True
        finally:
            self._answered.set()

    async def finish(self) -> None:
        """Wait for an inspection that is under way. Nothing is written any more."""
        if self._asked and self._task is None:
            # A worker thread has asked for it, and the loop has not come to it yet.
            await asyncio.sleep(0)
        if self._task is not None:
            await self._task
