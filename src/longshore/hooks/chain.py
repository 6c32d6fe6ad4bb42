"""The hooks of a server, asked and told in order, each within a time limit."""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Final, get_args

from longshore.hooks.answers import BadAnswer, check_refusal, checked_changes
from longshore.hooks.calling import Method, Threads, TookTooLong
from longshore.ports.hooks import Changes, HookEvent, HookName, PostHook, PreHook
from longshore.protocol.errors import TusError, Unavailable
from longshore.protocol.metadata import format_metadata

logger = logging.getLogger(__name__)

NAMES: Final[tuple[HookName, ...]] = (*get_args(PreHook), *get_args(PostHook))

WAITING: Final = 10_000
"""Events that post-hooks may still have to be told of, those that they are being told of among them.

Beyond that the newest are dropped, and the log says so.
"""

_THREADS: Final = 4
"""Threads for hooks that are plain functions: so many for those that requests wait for, and as many for the others."""

_CLOSING: Final = 5.0
"""Seconds that post-hooks get to finish when the server stops."""


class HookFailed(Unavailable):
    """A hook raised something unforeseen or took too long; nobody can say whether it would have refused."""

    code = "hook-failed"
    title = "A hook of this server failed"


class Chain:
    """Every hook there is, as one; a `ports.hooks.Hooks`.

    `timeout` is in seconds, for each call of each hook; one with an attribute `time_limit` gets that instead.
    """

    def __init__(self, hooks: Sequence[object], *, timeout: float, inspect_size: int) -> None:
        self._methods = {
            name: [Method(hook, name, timeout) for hook in hooks if callable(getattr(hook, name, None))]
            for name in NAMES
        }
        self._inspect_size = inspect_size if self._methods["inspect"] else 0
        self._asking = Threads(_THREADS)
        self._telling = Threads(_THREADS)
        self._waiting: dict[str, deque[tuple[PostHook, HookEvent]]] = {}
        self._count = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def inspect_size(self) -> int:
        """How many of an upload's first bytes the hooks want to see."""
        return self._inspect_size

    @property
    def waiting(self) -> int:
        """How many events post-hooks have still to be told of, those that they are being told of among them."""
        return self._count

    def handles(self, name: HookName) -> bool:
        """Whether there is anybody to ask or tell."""
        return bool(self._methods[name])

    async def ask(self, name: PreHook, event: HookEvent) -> Changes:
        """See `ports.hooks.Hooks.ask`. Each hook sees what the ones before it have changed."""
        total = Changes()
        for method in self._methods[name]:
            changes = await self._ask_one(name, method, event)
            if changes is not None:
                total = _merge(total, changes)
                event = _changed(event, changes)
        return total

    async def _ask_one(self, name: PreHook, method: Method, event: HookEvent) -> Changes | None:
        try:
            return await _ask(method, event, self._asking)
        except TusError:
            raise
        except TookTooLong as error:
            logger.warning("hook %s failed on upload %s: %s", name, event.upload.id, error)
            raise HookFailed("A hook took too long.") from None
        except BadAnswer as error:
            logger.error("hook %s failed on upload %s: it answered with %s", name, event.upload.id, error)  # noqa: TRY400
            raise HookFailed("A hook answered with something unknown.") from None
        except Exception:
            logger.exception("hook %s failed on upload %s", name, event.upload.id)
            raise HookFailed("A hook failed.") from None

    def tell(self, name: PostHook, event: HookEvent) -> None:
        """See `ports.hooks.Hooks.tell`. Of `post_receive` only the newest waits."""
        if not self._methods[name] or self._closed:
            return
        upload_id = event.upload.id
        event = replace(event, stop=partial(_stop, event.stop))
        waiting = self._waiting.get(upload_id)
        if waiting and waiting[-1][0] == name == "post_receive":
            waiting[-1] = (name, event)
        elif self._count >= WAITING:
            logger.error("hook %s is not told of upload %s: %d events wait already", name, upload_id, WAITING)
        else:
            self._enqueue(upload_id, name, event)

    def _enqueue(self, upload_id: str, name: PostHook, event: HookEvent) -> None:
        self._count += 1
        if upload_id in self._waiting:
            self._waiting[upload_id].append((name, event))
            return
        self._waiting[upload_id] = deque([(name, event)])
        task = asyncio.create_task(self._tell_all(upload_id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell_all(self, upload_id: str) -> None:
        """Tell of one upload what waits to be told, in order."""
        waiting = self._waiting[upload_id]
        while waiting:
            name, event = waiting.popleft()
            try:
                for method in self._methods[name]:
                    await self._tell_one(name, method, event)
            finally:
                self._count -= 1
        del self._waiting[upload_id]

    async def _tell_one(self, name: PostHook, method: Method, event: HookEvent) -> None:
        try:
            await method(event, self._telling)
        except TookTooLong as error:
            logger.warning("hook %s failed on upload %s: %s", name, event.upload.id, error)
        except Exception:
            logger.exception("hook %s failed on upload %s", name, event.upload.id)

    async def close(self) -> None:
        """Let the post-hooks finish what waits, within a few seconds. They are told of nothing from now on."""
        self._closed = True
        if self._tasks:
            _, late = await asyncio.wait(set(self._tasks), timeout=_CLOSING)
            for task in late:
                task.cancel()
            if late:
                logger.warning("%d uploads were not told of to post-hooks: there was no more time", len(late))
                await asyncio.wait(late)


async def _ask(method: Method, event: HookEvent, threads: Threads) -> Changes | None:
    """Raises the refusal; what is neither an answer nor a refusal is an exception of another kind."""
    try:
        return checked_changes(await method(event, threads, patience=method.time_limit))
    except TusError as refusal:
        check_refusal(refusal)
        raise


def _stop(stop: Callable[[TusError], None], refusal: TusError) -> None:
    """Pass on what a post-hook refuses with. Raises `BadAnswer`, to the hook."""
    check_refusal(refusal)
    stop(refusal)


def _merge(total: Changes, changes: Changes) -> Changes:
    return Changes(
        upload_id=changes.upload_id if changes.upload_id is not None else total.upload_id,
        metadata=changes.metadata if changes.metadata is not None else total.metadata,
        answer=changes.answer or total.answer,
    )


def _changed(event: HookEvent, changes: Changes) -> HookEvent:
    """The event as the next hook is to see it; what cannot be is left for the service to refuse."""
    upload = event.upload
    if changes.upload_id is not None:
        upload = replace(upload, id=changes.upload_id)
    if changes.metadata is not None:
        with contextlib.suppress(ValueError):
            upload = replace(upload, metadata=format_metadata(changes.metadata))
    return replace(event, upload=upload)
