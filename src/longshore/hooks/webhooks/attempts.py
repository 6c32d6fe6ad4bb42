"""One attempt at a delivery, and when the next one is due."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import count
from typing import Final, TypeVar

from longshore.hooks.webhooks.failures import FailureLog
from longshore.hooks.webhooks.payload import event_payload
from longshore.hooks.webhooks.sender import ReceiverFailed, Sender
from longshore.ports import Clock
from longshore.ports.deliveries import Deliveries, Delivery, DeliveryState, Message
from longshore.protocol.errors import InsufficientStorage, Unavailable

T = TypeVar("T")

logger = logging.getLogger(__name__)

ID_PREFIX: Final = "webhook-"
"""What the workflow ids of attempts begin with."""

_GONE: Final = "it answered 410: it wants no more of this"

_DATABASE_WAIT: Final = 30.0
"""Seconds between two tries to reach the database, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """When to try again, in seconds: `first`, then twice as long each time, up to `longest`; give up after `total`.

    A wait is that or up to a quarter more, at random, so that receivers that come back are not met by all at once.
    """

    first: float = 1.0
    longest: float = 3600.0
    total: float = 24 * 3600.0

    def wait(self, attempts: int, asked: float | None = None, *, jitter: float | None = None) -> float:
        """How long to wait after so many attempts; `asked` is what the receiver wants (Retry-After), within bounds.

        `jitter` lies from 0 to 1; by default it is random.
        """
        # Beyond 2^64 the exponent would only overflow.
        steps = min(self.longest, self.first * 2.0 ** min(attempts - 1, 64))
        lot = random.random() if jitter is None else jitter  # noqa: S311 - spreads load, keeps no secret
        wait = steps * (1 + lot / 4)
        return wait if asked is None else max(wait, min(asked, self.longest))


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt to make at a delivery."""

    event_id: int
    generation: int
    number: int
    """How many have been made before it."""
    deadline: float
    """When to give up, as a Unix timestamp."""

    @property
    def workflow_id(self) -> str:
        """The same for the same attempt, so that DBOS takes it only once."""
        again = f"-{self.number}" if self.number else ""
        return f"{ID_PREFIX}{self.event_id}-{self.generation}{again}"


class Attempts:
    """Carries out attempts. Every one of them may be cut short by a crash, and is then made again."""

    def __init__(
        self,
        deliveries: Deliveries,
        sender: Sender,
        *,
        clock: Clock,
        backoff: Backoff,
        settled: Callable[[], None],
    ) -> None:
        """`settled` is told on the event loop when a delivery has come to its end, either way."""
        self._deliveries = deliveries
        self._sender = sender
        self._clock = clock
        self._backoff = backoff
        self._settled = settled
        self._failures = FailureLog(sender.receiver)

    def following(self, delivery: Delivery) -> Attempt:
        """The attempt to make at a delivery that is being taken up now.

        The time after which to give up counts from the event, or from when it was asked for again.
        """
        deadline = max(delivery.time, delivery.updated_at).timestamp() + self._backoff.total
        return Attempt(delivery.event_id, delivery.generation, delivery.attempts, deadline)

    async def make(self, attempt: Attempt) -> float | None:
        """Make an attempt; return the seconds until the next one is due, None when none is.

        Waits for a database that does not answer, so that what has come of the attempt gets written down.
        """
        message = await self._load(attempt)
        if message is None or not _is_open(message.delivery, attempt.generation):
            return None
        error, asked = await self._try(message)
        if error is None:
            await self._end(attempt, DeliveryState.DELIVERED)
            return None
        wait = self._backoff.wait(attempt.number + 1, asked)
        if error == _GONE or self._clock().timestamp() + wait > attempt.deadline:
            await self._end(attempt, DeliveryState.FAILED, error)
            return None
        self._failures.note(
            f"event {attempt.event_id} was not delivered, {error}", f"it is tried again in {wait:.0f} s"
        )
        await self._until_done(
            lambda: self._deliveries.note_attempt(attempt.event_id, attempt.generation, attempt.number + 1, error)
        )
        return wait

    async def _load(self, attempt: Attempt) -> Message | None:
        try:
            return await self._until_done(lambda: self._deliveries.load(attempt.event_id))
        except Exception:
            # It will not be any better the next time, and it must not keep the other events of the upload back.
            logger.exception("event %d cannot be read", attempt.event_id)
            await self._end(attempt, DeliveryState.FAILED, "it cannot be read")
            return None

    async def _until_done(self, call: Callable[[], Awaitable[T]]) -> T:
        for attempts in count(1):
            try:
                return await call()
            except (Unavailable, InsufficientStorage) as error:
                wait = min(self._backoff.wait(attempts), _DATABASE_WAIT)
                logger.warning("a delivery waits %.1f s for the database: %s", wait, error)
                await asyncio.sleep(wait)
        raise AssertionError("unreachable")

    async def _try(self, message: Message) -> tuple[str | None, float | None]:
        try:
            return await self._send(event_payload(message.event), message_id(message.delivery))
        except Exception:
            # Our own mistake; it must not keep the other events of the upload back for ever.
            logger.exception("event %d could not be sent", message.delivery.event_id)
            return "it could not be sent", None

    async def _send(self, payload: str, sent_as: str) -> tuple[str | None, float | None]:
        """Send; return what went wrong, if anything did, and how long the receiver asks to be left alone."""
        try:
            received = await self._sender.send(payload, sent_as)
        except ReceiverFailed as error:
            return str(error), None
        if 200 <= received.status < 300:
            return None, None
        if received.status == 410:
            return _GONE, None
        asked = _retry_after(received.headers, self._clock()) if received.status in (429, 503) else None
        return f"it answered {received.status}", asked

    async def _end(self, attempt: Attempt, state: DeliveryState, error: str = "") -> None:
        settled = await self._until_done(
            lambda: self._deliveries.settle(
                attempt.event_id, attempt.generation, state, attempts=attempt.number + 1, error=error
            )
        )
        if settled and state is DeliveryState.FAILED:
            receiver = self._sender.receiver
            logger.warning("%s: event %d was not delivered and is given up, %s", receiver, attempt.event_id, error)
        self._settled()


def message_id(delivery: Delivery) -> str:
    """The webhook-id: the same for every attempt, another one when the operator asks for the event again."""
    # Not a full stop: Standard Webhooks sets the parts of what is signed apart with it.
    again = f"_{delivery.generation}" if delivery.generation else ""
    return f"evt_{delivery.event_id}_{delivery.upload_id}{again}"


def _is_open(delivery: Delivery, generation: int) -> bool:
    return delivery.generation == generation and delivery.state in (DeliveryState.WAITING, DeliveryState.QUEUED)


def _retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Read Retry-After: seconds, or a date (RFC 9110, section 10.2.3); None where there is nothing to be made of it."""
    written = headers.get("retry-after", "").strip()
    if written.isascii() and written.isdigit():
        return float(written[:9])
    try:
        moment = parsedate_to_datetime(written)
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (aware - now).total_seconds())
