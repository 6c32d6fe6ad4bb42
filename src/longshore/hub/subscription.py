"""One subscriber: what they want to hear and may hear, and what waits to be sent to them."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from longshore.auth.policy import who
from longshore.auth.principal import Principal
from longshore.hub.messages import Message

QUEUE_LIMIT: Final = 1000
"""Events that may wait for one subscriber. Overflow policy: the subscription ends, and they go on after their last."""

PROGRESS_LIMIT: Final = 64
"""Uploads whose progress may wait for one subscriber, the latest of each. Overflow policy: the oldest is dropped."""

Check = Callable[[], Awaitable[Principal]]
"""Tells anew who somebody is. Raises `protocol.errors.Unauthenticated` when their token is not good any more."""


class End(Enum):
    """Why a subscription has ended."""

    GONE = "the subscriber has gone away"
    LAGGING = "too many events wait to be sent"
    UNAUTHENTICATED = "the token has expired or was revoked"
    MISUNDERSTOOD = "the subscriber sent what means nothing here"
    STOPPING = "the server is stopping"
    FAILED = "something went wrong that is not the subscriber's doing"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a subscriber asks to hear of; an empty set is everything."""

    types: frozenset[str] = frozenset()
    uploads: frozenset[str] = frozenset()

    def includes(self, message: Message) -> bool:
        """Whether the message is asked for."""
        return (not self.types or message.type in self.types) and (
            not self.uploads or message.upload_id in self.uploads
        )


EVERYTHING: Final = Wanted()


class Subscription:
    """A bounded queue of messages on its way to one subscriber. Belongs to one event loop."""

    __slots__ = ("_events", "_expiry", "_progress", "_waiter", "check", "end_reason", "on_end", "principal", "wanted")

    def __init__(self, principal: Principal, wanted: Wanted = EVERYTHING) -> None:
        self.principal = principal
        self.wanted = wanted
        self.check: Check | None = None
        """Is asked from time to time who the subscriber is; None where nobody has to say so."""
        self.end_reason: End | None = None
        self.on_end: Callable[[], object] = lambda: None
        """Called once, when the subscription has ended: whoever waits for a slow connection must be torn away."""
        self._events: deque[Message] = deque()
        self._progress: dict[str, Message] = {}
        self._waiter: asyncio.Future[None] | None = None
        self._expiry: asyncio.TimerHandle | None = None

    def authenticate(self, principal: Principal, check: Check | None, time_left: float | None) -> None:
        """Note who the subscriber is, how to find out anew, and in how many seconds the token ends, if it does."""
        self.principal = principal
        self.check = check
        self._forget_expiry()
        if time_left is not None:
            self._expiry = asyncio.get_running_loop().call_later(time_left, self.end, End.UNAUTHENTICATED)

    def _forget_expiry(self) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None

    def hears(self, message: Message) -> bool:
        """Whether the subscriber may see an event, and asked for it."""
        return who(self.principal, message.owner) in message.audience and self.wanted.includes(message)

    def offer(self, message: Message) -> None:
        """Have a message sent. Where too many wait already, the subscription ends."""
        if self.end_reason is not None:
            return
        if len(self._events) >= QUEUE_LIMIT:
            self.end(End.LAGGING)
            return
        self._progress.pop(message.upload_id, None)
        self._events.append(message)
        self._wake()

    def offer_progress(self, message: Message) -> None:
        """Have a message sent when there is nothing else to send, unless a later one of the same upload comes first."""
        if self.end_reason is not None:
            return
        self._progress[message.upload_id] = message
        if len(self._progress) > PROGRESS_LIMIT:
            del self._progress[next(iter(self._progress))]
        self._wake()

    def end(self, reason: End) -> None:
        """End it; the first reason stays. What still waits is dropped."""
        if self.end_reason is None:
            self.end_reason = reason
            self._events.clear()
            self._progress.clear()
            self._forget_expiry()
            self.on_end()

    async def next(self) -> Message:
        """The next message to send, once there is one. For one caller at a time, who stops when the end has come."""
        while True:
            if self._events:
                return self._events.popleft()
            if self._progress:
                return self._progress.pop(next(iter(self._progress)))
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
