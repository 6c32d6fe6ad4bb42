"""Putting together who is told of uploads over HTTP."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager

import anyio.to_thread

from longshore.config import Settings, SettingsError
from longshore.db.database import Database
from longshore.db.deliveries import SqlDeliveries
from longshore.db.jobs import prepare_jobs_file
from longshore.hooks.webhooks.blocking import WebhookHook
from longshore.hooks.webhooks.payload import EVENT_TYPES
from longshore.hooks.webhooks.relay import Relay
from longshore.hooks.webhooks.sender import Sender
from longshore.ports import Clock


class Webhooks:
    """The receiver of webhooks; nobody, where there is no URL. Raises `SettingsError`."""

    def __init__(self, settings: Settings, database: Database, clock: Clock) -> None:
        self._settings = settings
        self._database = database
        self._clock = clock
        self._sender = _sender(settings, clock) if settings.webhook_url.get_secret_value() else None
        self._relay: Relay | None = None

    @property
    def hooks(self) -> Sequence[object]:
        """The hook that asks the receiver before something happens."""
        if self._sender is None:
            return []
        return [
            WebhookHook(
                self._sender,
                events=self._settings.webhook_events,
                on_failure=self._settings.webhook_on_failure,
                forward_headers=self._settings.webhook_forward_headers,
            )
        ]

    @property
    def delivered(self) -> Collection[str]:
        """The types of the events that the receiver is told of."""
        if self._sender is None:
            return ()
        return [EVENT_TYPES[name] for name in self._settings.webhook_events if name in EVENT_TYPES]

    def wake(self) -> None:
        """Say that something may have happened that the receiver is to be told of. Event loop only."""
        if self._relay is not None:
            self._relay.wake()

    @asynccontextmanager
    async def delivering(self) -> AsyncIterator[None]:
        """Deliver what there is to be told, for the length of a block. The database is open by then."""
        if self._sender is None:
            yield
            return
        self._relay = relay = Relay(
            SqlDeliveries(self._database, clock=self._clock),
            self._sender,
            jobs_url=await anyio.to_thread.run_sync(_jobs_url, self._settings),
            clock=self._clock,
        )
        await relay.start()
        try:
            yield
        finally:
            await relay.close()
            await self._sender.close()


@asynccontextmanager
async def open_deliveries(settings: Settings) -> AsyncIterator[SqlDeliveries]:
    """The deliveries, for a command."""
    async with Database(settings.sqlalchemy_url()) as database:
        yield SqlDeliveries(database)


def _sender(settings: Settings, clock: Clock) -> Sender:
    try:
        return Sender(
            settings.webhook_url.get_secret_value(),
            clock=clock,
            secret=settings.webhook_secret.get_secret_value() or None,
            allow_private=settings.webhook_allow_private,
            time_limit=settings.webhook_timeout,
        )
    except ValueError as error:
        raise SettingsError(f"the webhook settings cannot be used: {error}") from None


def _jobs_url(settings: Settings) -> str:
    return prepare_jobs_file(settings.jobs_file) if settings.embedded else settings.sqlalchemy_url()
