"""One function on its way to the database and its answer on the way back."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection

from longshore.db.admission import Admission


class Call:
    """A function to be called with a connection, by a thread, and the caller who waits on the event loop."""

    __slots__ = ("answer", "error", "fn", "result")

    def __init__(self, fn: Callable[[Connection], Any], answer: asyncio.Future[Any]) -> None:
        self.fn = fn
        self.answer = answer
        self.result: Any = None
        self.error: BaseException | None = None

    def fail(self, error: BaseException) -> None:
        """Answer with an error, unless the call already has one of its own."""
        if self.error is None:
            self.error = error


def deliver(calls: Sequence[Call], admission: Admission) -> None:
    """Answer the callers who still wait, and make room for others. Called on the event loop."""
    for call in calls:
        admission.leave()
        if not call.answer.done():
            _answer(call)


def _answer(call: Call) -> None:
    if call.error is None:
        call.answer.set_result(call.result)
    elif isinstance(call.error, StopIteration):
        # A future cannot carry it, and the refusal would keep the answers of the rest of the batch back.
        error = RuntimeError("the function raised StopIteration")
        error.__cause__ = call.error
        call.answer.set_exception(error)
    else:
        call.answer.set_exception(call.error)


def deliver_on(loop: asyncio.AbstractEventLoop, calls: Sequence[Call], admission: Admission) -> None:
    """Have the callers answered. Called from any thread; wakes the loop once, however many callers there are."""
    try:
        loop.call_soon_threadsafe(deliver, calls, admission)
    except RuntimeError:
        # The loop is closed, and so nobody waits any more. The thread has others' work to finish.
        return
