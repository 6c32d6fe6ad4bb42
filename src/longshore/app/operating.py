"""Putting together what operators look at: the server's health, and the admin panel."""

import secrets
from collections.abc import Mapping
from contextlib import suppress
from functools import cache, partial

import anyio.to_thread

from longshore.admin.panel import Panel
from longshore.app.access import Access
from longshore.auth.principal import Principal
from longshore.config import Settings
from longshore.db import migrate, probing
from longshore.db.database import Database
from longshore.http.health import Check, Health
from longshore.ports import Store
from longshore.protocol.errors import InsufficientStorage
from longshore.uploads.work import Work

_newest_revision = cache(migrate.newest)


def open_health(database: Database, store: Store, work: Work) -> Health:
    """The health endpoints, with everything that the server needs to do its work."""
    return Health(_checks(database, store, work))


def _checks(database: Database, store: Store, work: Work) -> Mapping[str, Check]:
    # An id like those of uploads, but nobody's: processes that share a store do not get into each other's way.
    probe = secrets.token_hex(16)

    async def accepting() -> None:
        await work.see_through(_nothing(), None)

    async def writing() -> None:
        await database.write(probing.write_nothing)

    async def migrated() -> None:
        newest = await anyio.to_thread.run_sync(_newest_revision)
        await database.read(partial(probing.require_revision, expected=newest))

    async def storing() -> None:
        try:
            await store.write(probe, 0, memoryview(b"."), durable=False)
        finally:
            with suppress(Exception):
                await store.remove(probe)

    async def has_room() -> None:
        if await store.free_space() == 0:
            raise InsufficientStorage("the disk is full but for its reserve")

    return {"accepting": accepting, "database": writing, "migrations": migrated, "store": storing, "disk": has_room}


async def _nothing() -> None:
    """Work that the server takes on unless it is stopping."""


def open_panel(settings: Settings, access: Access) -> Panel | None:
    """The admin panel; None where there are no accounts here to sign in with, or it is not wanted."""
    if access.accounts is None or not settings.admin_panel:
        return None

    async def verify(token: str) -> Principal:
        header = (b"authorization", b"Bearer " + token.encode("ascii", "replace"))
        return await access.identify({"type": "http", "headers": [header]})

    return Panel(settings.sqlalchemy_url(), access.accounts, verify, public_url=settings.public_url)
