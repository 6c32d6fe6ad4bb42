"""The upload service: each method carries out one intent and returns the upload as committed, or raises a TusError."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from anyio import CapacityLimiter

from longshore.auth.policy import Action, Visibility, is_shared
from longshore.ports import Body, Clock, Emit, Fsync, Holder, Lease, Locker, StopReason, Store, Uploads
from longshore.ports.hooks import Hooks
from longshore.ports.quotas import Quotas
from longshore.protocol.append import WritePlan, decide_append, plan_write, require_appendable
from longshore.protocol.capabilities import Limits
from longshore.protocol.concat import decide_concatenate, total_length
from longshore.protocol.create import decide_create
from longshore.protocol.errors import (
    BodyStalled,
    InsufficientStorage,
    OffsetConflict,
    ShuttingDown,
    TusError,
    UploadLocked,
    UploadTakenOver,
    UploadUnfinished,
)
from longshore.protocol.intents import Append, BodyHead, Concatenate, Create
from longshore.protocol.lifetime import require_live
from longshore.protocol.reply import tell_expiry
from longshore.protocol.upload import State, Upload
from longshore.uploads.allowances import Allowances
from longshore.uploads.appending import Appender
from longshore.uploads.assembly import Assembly
from longshore.uploads.caller import Caller
from longshore.uploads.gate import Gate, HookAnswerInvalid
from longshore.uploads.grants import Grant
from longshore.uploads.leases import leased, leave_alone, take_over
from longshore.uploads.records import Records
from longshore.uploads.work import Work

logger = logging.getLogger(__name__)

_FREE_SPACE_AGE = 1.0
"""Seconds for which a reading of the free space is used: what is written meanwhile is counted by the records."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """How the service goes about its work; all times in seconds."""

    fsync: Fsync = "finish"
    checkpoint_interval: float = 1.0
    lock_timeout: float = 10.0
    stall_threshold: float = 0.5
    """A holder that has received nothing for this long is taken for dead by a HEAD request."""


class UploadService:
    """Creates, appends to, inspects, concatenates and terminates uploads.

    Every method first sees to it that the caller may do that: somebody else's upload is one that does not exist
    (`auth.policy`).
    """

    def __init__(
        self,
        *,
        uploads: Uploads,
        store: Store,
        locker: Locker,
        limits: Limits,
        tuning: Tuning,
        clock: Clock,
        emit: Emit,
        hooks: Hooks,
        allowances: Allowances,
        new_id: Callable[[], str],
        limiter: CapacityLimiter,
        visibility: Visibility = Visibility.PRIVATE,
        progressed: Callable[[Upload], None] = lambda upload: None,
    ) -> None:
        self.records = Records(uploads, store, limits, clock, emit, progressed)
        self._gate = Gate(hooks, store)
        self.assembly = Assembly(
            self.records,
            locker,
            self._gate,
            allowances,
            durable=tuning.fsync != "never",
            lock_timeout=tuning.lock_timeout,
        )
        self._appender = Appender(
            self.records,
            self._gate,
            fsync=tuning.fsync,
            checkpoint_interval=tuning.checkpoint_interval,
            limiter=limiter,
        )
        self._locker = locker
        self._limits = limits
        self._tuning = tuning
        self._clock = clock
        self._allowances = allowances
        self._new_id = new_id
        self._visibility = visibility
        self._free_space: tuple[float, int | None] = (float("-inf"), None)
        self.work = Work()

    # Creating

    async def create(self, intent: Create, body: Body | None, caller: Caller) -> Upload:
        """Create an upload, and append the body if there is one.

        Raises `TooLarge`, `LengthExceeded`, `QuotaExceeded`, `InsufficientStorage`, what hooks raise, and for a body
        what `append` raises; nothing is left then. A client that never learns the URL cannot go on, so of a body that
        it cut short nothing is kept.
        """
        caller.require(Action.CREATE)
        upload = decide_create(intent, self._new_id(), owner=caller.owner, limits=self._limits, now=self._clock())
        return await self.work.see_through(self._create(upload, intent.body, body, caller), body)

    async def _create(self, upload: Upload, body_head: BodyHead | None, body: Body | None, caller: Caller) -> Upload:
        upload = await self._gate.admit(upload, caller)
        if upload.state is State.COMPLETED:
            unfinished = replace(upload, state=State.UNFINISHED, completed_at=None)
            if body_head is None:
                await self._gate.approve(unfinished, upload, caller)
            else:
                # Nobody may be told that an empty upload is complete whose body then turns out not to be.
                upload = unfinished
        await self._add(upload, caller)
        if body_head is None or body is None:
            return upload
        appended = await self._append_first(upload, body_head, body, caller)
        if body.stopped is StopReason.DISCONNECTED and appended.state is not State.COMPLETED:
            await self.records.remove(appended, State.TERMINATED, caller.request)
        return appended

    async def _append_first(self, upload: Upload, body_head: BodyHead, body: Body, caller: Caller) -> Upload:
        stop = partial(body.stop, StopReason.TAKEN_OVER)
        async with leased(self._locker, upload.id, stop=stop, timeout=self._tuning.lock_timeout) as lease:
            try:
                plan = plan_write(upload, body_head, limits=self._limits)
                grant = await self._grant(upload, plan, caller)
                return await self._appender.append(plan, body, lease, caller, grant)
            except Exception:
                await self.records.remove(upload, State.TERMINATED, caller.request)
                raise

    async def _add(self, upload: Upload, caller: Caller) -> None:
        quotas = await self._allowances.of(caller.principal)
        try:
            await self.records.add(upload, caller.request, free_space=await self._read_free_space(), quotas=quotas)
        except ValueError as error:
            raise HookAnswerInvalid("A hook gave the upload an id that is taken.") from error

    async def _read_free_space(self) -> int | None:
        read_at, free = self._free_space
        if time.monotonic() - read_at > _FREE_SPACE_AGE:
            free = await self.records.store.free_space()
            self._free_space = (time.monotonic(), free)
        return free

    async def concatenate(self, intent: Concatenate, caller: Caller) -> Upload:
        """Create a final upload; it is put together at once when its parts are all there, else when the last one is.

        Raises `UploadNotFound`, `UploadGone`, `InvalidConcat`, `TooLarge`, `QuotaExceeded`, `InsufficientStorage`, and
        what hooks raise; nothing is left then.
        """
        caller.require(Action.CREATE)
        return await self.work.see_through(self._concatenate(intent, caller), None)

    async def _concatenate(self, intent: Concatenate, caller: Caller) -> Upload:
        found = await self.records.uploads.get_many(set(intent.parts))
        parts = {part.id: part for part in found.values() if caller.may(Action.CONCATENATE, part.owner)}
        final = decide_concatenate(
            intent, self._new_id(), parts, owner=caller.owner, limits=self._limits, now=self._clock()
        )
        final = await self._gate.admit(final, caller)
        await self._add(final, caller)
        try:
            # Also if parts were unfinished above: one that was finished since has looked for its finals in vain.
            return await self.assembly.assemble(final, caller, created_now=True)
        except InsufficientStorage:
            await self.records.remove(final, State.TERMINATED, caller.request)
            raise

    # Appending

    async def append(self, intent: Append, body: Body, caller: Caller) -> Upload:
        """Append the body at the offset; what arrives is kept whatever happens to the client, or to this call.

        Raises `UploadNotFound`, what `decide_append` and `settle_append` raise, `UploadLocked`, `QuotaExceeded`,
        `InsufficientStorage`, what hooks raise; and when the body was stopped, after what had arrived was committed,
        `UploadTakenOver`, `ShuttingDown` or `BodyStalled`.
        """
        return await self.work.see_through(self._append(intent, body, caller), body)

    async def _append(self, intent: Append, body: Body, caller: Caller) -> Upload:
        try:
            # Nobody holds the lease, mostly, and one look at the record is enough.
            lease = await self._acquire(intent, body, may_take=leave_alone, timeout=0)
        except UploadLocked:
            return await self._append_after_holder(intent, body, caller)
        return await self._append_with(lease, intent, body, caller)

    async def _append_after_holder(self, intent: Append, body: Body, caller: Caller) -> Upload:
        seen = await self._load(intent.resource, caller, Action.APPEND)
        require_appendable(seen, self._clock())
        if seen.state is State.COMPLETED and intent.body.length == 0 and not intent.body.is_checked:
            # Nothing can come of it, so it need not wait for whoever copies the upload.
            return decide_append(intent, seen, limits=self._limits, now=self._clock()).upload
        may_take = partial(self._may_take_over, intent, seen)
        lease = await self._acquire(intent, body, may_take=may_take, timeout=self._tuning.lock_timeout)
        return await self._append_with(lease, intent, body, caller)

    async def _acquire(
        self, intent: Append, body: Body, *, may_take: Callable[[Holder], bool], timeout: float
    ) -> Lease:
        stop = partial(body.stop, StopReason.TAKEN_OVER)
        return await self._locker.acquire(intent.resource, position=None, stop=stop, may_take=may_take, timeout=timeout)

    async def _append_with(self, lease: Lease, intent: Append, body: Body, caller: Caller) -> Upload:
        try:
            upload = await self._load(intent.resource, caller, Action.APPEND)
            plan = decide_append(intent, upload, limits=self._limits, now=self._clock())
            lease.admit(upload.offset)
            grant = await self._grant(upload, plan, caller)
            appended = await self._appender.append(plan, body, lease, caller, grant)
        finally:
            await lease.release()
        if upload.state is State.UNFINISHED and appended.is_partial:
            await self._tell_finals(appended, caller)
        if appended.state is not State.COMPLETED:
            _raise_stop(body.stopped)
        return appended

    async def _grant(self, upload: Upload, plan: WritePlan, caller: Caller) -> Grant | None:
        """What bounds an upload that was created without a length; None for one whose length has been set aside.

        A length that this append declares is set aside here. Raises `QuotaExceeded`.
        """
        if upload.length is not None or not upload.owner:
            return None
        quotas = await self._allowances.of(caller.principal) if upload.owner == caller.owner else None
        grant = Grant(self.records.uploads, upload, quotas or Quotas(), body_length=plan.body.length)
        if plan.upload.length is None:
            return grant
        await grant.cover_all(plan.upload.length)
        return None

    def _may_take_over(self, intent: Append, seen: Upload, holder: Holder) -> bool:
        """Whether this append would succeed where the holder now stands.

        At any other offset it is refused at once, so that a request that cannot succeed never disturbs one that can.
        """
        if intent.offset != holder.position:
            raise OffsetConflict(seen.offset)
        decide_append(intent, replace(seen, offset=holder.position), limits=self._limits, now=self._clock())
        return True

    async def _tell_finals(self, part: Upload, caller: Caller) -> None:
        await self.records.uploads.extend_finals_of(part.id, part.expires_at)
        if part.state is State.COMPLETED:
            for final in await self.records.uploads.finals_of(part.id):
                await self.assembly.assemble_quietly(final, Caller(principal=caller.principal, request=caller.request))

    # The rest

    async def _load(self, upload_id: str, caller: Caller, action: Action) -> Upload:
        upload = await self.records.load(upload_id)
        caller.require(action, upload.owner)
        return upload

    async def inspect(self, upload_id: str, caller: Caller) -> Upload:
        """The upload with its committed offset.

        Takes no lock; but a writer that has received nothing for a while is taken for dead and made to commit first.
        Raises `UploadNotFound`, `UploadGone`, `UploadLocked`.
        """
        upload = await self._load(upload_id, caller, Action.INSPECT)
        if upload.is_final and upload.length is None:
            parts = await self.records.uploads.get_many(set(upload.parts))
            upload = replace(upload, length=total_length(upload, parts))
        elif upload.state is State.UNFINISHED and not upload.is_final:
            waited = await self._locker.quiesce(
                upload_id, quiet_for=self._tuning.stall_threshold, timeout=self._tuning.lock_timeout
            )
            if waited:
                upload = await self.records.load(upload_id)
        require_live(upload, self._clock())
        return upload

    async def tell_expiry(self, refusal: TusError, upload_id: str, caller: Caller) -> None:
        """Add Upload-Expires to the refusal of an append, if the upload is there; what goes wrong is left at that."""
        try:
            upload = await self._load(upload_id, caller, Action.APPEND)
        except TusError:
            return
        except Exception:
            logger.exception("upload %s: could not find out when it expires", upload_id)
            return
        if not upload.is_gone:
            tell_expiry(refusal, upload)

    async def finished(self, upload_id: str, caller: Caller) -> Upload:
        """The upload, if all its bytes are there. Raises `UploadNotFound`, `UploadGone`, `UploadUnfinished`."""
        upload = await self.records.load(upload_id)
        caller.require(Action.DOWNLOAD, upload.owner, shared=is_shared(upload, self._visibility))
        require_live(upload, self._clock())
        if upload.state is not State.COMPLETED:
            raise UploadUnfinished
        return upload

    async def terminate(self, upload_id: str, caller: Caller) -> None:
        """Remove the upload, ending a running append first.

        Raises `UploadNotFound`, `UploadGone`, `UploadLocked`, and what hooks raise.
        """
        upload = await self._load(upload_id, caller, Action.TERMINATE)
        require_live(upload, self._clock())
        await self._gate.admit_termination(upload, caller)
        await self.work.see_through(self._terminate(upload_id, caller), None)

    async def _terminate(self, upload_id: str, caller: Caller) -> None:
        async with leased(self._locker, upload_id, may_take=take_over, timeout=self._tuning.lock_timeout):
            upload = await self.records.load(upload_id)
            require_live(upload, self._clock())
            await self.records.remove(upload, State.TERMINATED, caller.request)


def _raise_stop(reason: StopReason | None) -> None:
    match reason:
        case StopReason.TAKEN_OVER:
            raise UploadTakenOver
        case StopReason.SHUTTING_DOWN:
            raise ShuttingDown
        case StopReason.STALLED:
            raise BodyStalled
