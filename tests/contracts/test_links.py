"""What every `ports.links.LinkRecords` does."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from longshore.db.database import Database
from longshore.db.links import SqlLinks
from longshore.ports.links import Link

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
LINK = Link(
    id="link-1", upload_id="upload-1", created_by="somebody", created_at=NOW, expires_at=NOW + timedelta(hours=1)
)


@pytest.fixture
async def links(database: Database, anyio_backend: object) -> SqlLinks:
    return SqlLinks(database)


async def test_link_comes_back_as_it_was_stored(links: SqlLinks) -> None:
    limited = replace(LINK, id="link-2", max_uses=3)
    await links.add(LINK)
    await links.add(limited)
    assert await links.get("link-1") == LINK
    assert await links.get("link-2") == limited
    assert await links.get("link-3") is None


async def test_refuses_an_id_that_is_taken(links: SqlLinks) -> None:
    await links.add(LINK)
    with pytest.raises(ValueError, match="already"):
        await links.add(replace(LINK, upload_id="upload-2"))
    assert await links.get("link-1") == LINK


async def test_links_of_an_upload_newest_first(links: SqlLinks) -> None:
    newer = replace(LINK, id="link-2", created_at=NOW + timedelta(seconds=1))
    for link in (LINK, newer, replace(LINK, id="link-3", upload_id="upload-2")):
        await links.add(link)
    assert await links.of("upload-1") == [newer, LINK]
    assert await links.of("upload-3") == []


async def test_uses_are_counted(links: SqlLinks) -> None:
    await links.add(LINK)
    for n in range(1, 4):
        moment = NOW + timedelta(minutes=n)
        assert await links.use("link-1", moment)
        assert await links.get("link-1") == replace(LINK, uses=n, used_at=moment)


async def test_no_more_than_the_number_of_uses_however_many_ask_at_once(links: SqlLinks) -> None:
    await links.add(replace(LINK, max_uses=5))
    told = await asyncio.gather(*(links.use("link-1", NOW) for _ in range(20)))
    assert sum(told) == 5
    found = await links.get("link-1")
    assert found is not None
    assert found.uses == 5
    assert not await links.use("link-1", NOW)


async def test_unknown_link_has_no_uses(links: SqlLinks) -> None:
    assert not await links.use("link-1", NOW)


async def test_revoked_link_is_unknown(links: SqlLinks) -> None:
    await links.add(LINK)
    assert not await links.revoke("upload-2", "link-1")
    assert await links.revoke("upload-1", "link-1")
    assert not await links.revoke("upload-1", "link-1")
    assert await links.get("link-1") is None
    assert not await links.use("link-1", NOW)


async def test_expired_links_are_forgotten_so_many_at_a_time(links: SqlLinks) -> None:
    for n in range(5):
        await links.add(replace(LINK, id=f"link-{n}", expires_at=NOW + timedelta(minutes=n)))
    assert await links.forget(NOW + timedelta(minutes=3), 3) == 3
    assert await links.forget(NOW + timedelta(minutes=3), 3) == 1
    assert await links.forget(NOW + timedelta(minutes=3), 3) == 0
    assert [link.id for link in await links.of("upload-1")] == ["link-4"]
