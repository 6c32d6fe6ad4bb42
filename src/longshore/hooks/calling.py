"""Calling one method of a hook, whatever it does: sleep for ever, swallow a cancellation, raise anything at all."""

import asyncio
import contextlib
import inspect
import threading
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from typing import Any

from longshore.ports.hooks import HookEvent, HookName


class TookTooLong(Exception):
    """The method did not return within its time limit."""


class Threads:
    """Threads for methods that are plain functions: at most so many at a time.

    Nobody can end a thread. One whose method never returns keeps its place for good, so that there are never more; and
    it is a daemon, so that the process can still come to its end.
    """

    def __init__(self, most: int) -> None:
        self._places = asyncio.Semaphore(most)

    async def start(
        self, call: Callable[[HookEvent], Any], event: HookEvent, *, patience: float | None
    ) -> "asyncio.Future[Any]":
        """Call in a thread; return what will hold the answer. Raises `TookTooLong` when none is free in time."""
        try:
            async with asyncio.timeout(patience):
                await self._places.acquire()
        except TimeoutError:
            raise TookTooLong("all threads for hooks are taken") from None
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        context = copy_context()

        def work() -> None:
            outcome: tuple[object, BaseException | None]
            try:
                outcome = (context.run(call, event), None)
            except BaseException as error:
                outcome = (None, error)
            # The loop may be gone by now.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._finish, answer, *outcome)

        threading.Thread(target=work, name="longshore-hook", daemon=True).start()
        return answer

    def _finish(self, answer: "asyncio.Future[Any]", value: object, error: BaseException | None) -> None:
        self._places.release()
        if answer.done():
            return
        if error is None:
            answer.set_result(value)
        elif isinstance(error, Exception) and not isinstance(error, StopIteration):
            answer.set_exception(error)
        else:
            answer.set_exception(_unfit(error))


class Method:
    """A method of a hook, and how many seconds each call of it may take."""

    def __init__(self, hook: object, name: HookName, timeout: float) -> None:
        self._call: Callable[[HookEvent], Any] = getattr(hook, name)
        self._is_async = inspect.iscoroutinefunction(self._call)
        self.time_limit: float = getattr(hook, "time_limit", timeout)

    async def __call__(self, event: HookEvent, threads: Threads, *, patience: float | None = None) -> object:
        """Call it; wait up to `patience` seconds for a thread where it needs one, for ever with None.

        Raises `TookTooLong`, and what the method raises.
        """
        if self._is_async:
            answer = await self._await(self._call(event))
        else:
            answer = await self._within(await threads.start(self._call, event, patience=patience))
        return await self._await(answer) if isinstance(answer, Awaitable) else answer

    async def _await(self, work: Awaitable[Any]) -> Any:
        # A task of its own: one that does not heed its cancellation is left behind.
        return await self._within(asyncio.create_task(_perform(work)))

    async def _within(self, answer: "asyncio.Future[Any]") -> Any:
        answer.add_done_callback(_retrieve)
        try:
            await asyncio.wait([answer], timeout=self.time_limit)
            if not answer.done():
                raise TookTooLong(f"it took longer than {self.time_limit:g} s")
        finally:
            answer.cancel()
        if answer.cancelled():
            raise RuntimeError("something that the hook waited for was cancelled")
        return answer.result()


async def _perform(work: Awaitable[Any]) -> Any:
    try:
        return await work
    except SystemExit as error:
        raise _unfit(error) from error


def _unfit(error: BaseException) -> RuntimeError:
    """What stands for an exception that would do more than fail: end the loop, or not go into a future."""
    replacement = RuntimeError(f"the hook raised {type(error).__name__}")
    replacement.__cause__ = error
    return replacement


def _retrieve(answer: "asyncio.Future[Any]") -> None:
    """Look at the outcome, so that one nobody waits for any more is not reported as forgotten."""
    if not answer.cancelled():
        answer.exception()
