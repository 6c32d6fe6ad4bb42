"""Webhook deliveries: which events the receiver has still to be told of, and how far that has come."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from longshore.events import UploadEvent


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    WAITING = "waiting"
    """Written with the event, or asked for again; nobody has taken it up yet."""
    QUEUED = "queued"
    """Taken up: it is being carried out, or waits for its next attempt."""
    DELIVERED = "delivered"
    FAILED = "failed"
    """Given up; `last_error` says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event on its way to the receiver."""

    event_id: int
    generation: int
    """How often it was asked for again."""
    state: DeliveryState
    attempts: int
    """How many have been made in this generation."""
    last_error: str
    """What went wrong with the last attempt; empty where nothing did. Holds no secret."""
    updated_at: datetime
    type: str
    """The event's."""
    upload_id: str
    time: datetime
    """When the event happened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A delivery together with the event that it is about."""

    delivery: Delivery
    event: UploadEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A piece of the list of waiting deliveries."""

    due: Sequence[Delivery]
    """Those among them that nothing stands before: no earlier event of the same upload is waiting or queued."""
    last: int | None
    """The event id to go on after; None where the list ends here."""


class Deliveries(Protocol):
    """The records of deliveries. Each call is one transaction, and has been committed when it returns.

    What is told of an event's delivery in a generation other than its present one changes nothing.
    """

    async def waiting(self, after: int, limit: int) -> Page:
        """Look through up to `limit` waiting deliveries with event ids beyond `after`, in order."""

    async def queued(self, after: int, limit: int) -> Sequence[Delivery]:
        """Up to `limit` queued deliveries with event ids beyond `after`, in order."""

    async def list(self, state: DeliveryState | None, limit: int) -> Sequence[Delivery]:
        """Up to `limit` deliveries in this state, or in any; the newest events first."""

    async def load(self, event_id: int) -> Message | None:
        """The delivery and its event; None where there is none."""

    async def mark_queued(self, deliveries: Sequence[Delivery]) -> None:
        """Note that waiting deliveries have been taken up."""

    async def note_attempt(self, event_id: int, generation: int, attempts: int, error: str) -> None:
        """Note an attempt, the how manieth it was, that came to nothing and will be followed by others."""

    async def settle(
        self, event_id: int, generation: int, state: DeliveryState, *, attempts: int, error: str = ""
    ) -> bool:
        """Note the last attempt: delivered, or failed with this error. Returns whether it was open until then."""

    async def redeliver(self, event_id: int) -> bool:
        """Have it delivered again, from the start, in the next generation; whoever is still at it stops.

        Returns whether there is such a delivery.
        """

    async def restart(self, stuck: Delivery) -> bool:
        """Do as `redeliver` does, if the delivery is still queued and stands where it did. Returns whether it was."""
