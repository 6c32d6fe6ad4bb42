"""Expiration: what goes when, what stays, and what is left of it."""

from collections.abc import Callable, Coroutine
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from tests.conformance.client import Client, Serve, refused, until
from tests.conformance.embedded import Embedded, embedded

from longshore.events import UploadExpired

DAYS = 86_400


@pytest.fixture(scope="module")
def fleeting(serve: Serve) -> Client:
    """A server where unfinished uploads last for two seconds."""
    return serve(unfinished_ttl="2s", sweep_interval="0.05")


def expires(answer: httpx.Response) -> float:
    return parsedate_to_datetime(answer.headers["upload-expires"]).timestamp()


async def eventually(happened: Callable[[], Coroutine[Any, Any, bool]]) -> None:
    with anyio.fail_after(20):
        while not await happened():  # noqa: ASYNC110 - what happens is in a file or a database, and calls nobody
            await anyio.sleep(0.01)


# On a clock of our own


@pytest.mark.anyio
@pytest.mark.requirement("ls-expiry-sliding", "expiration-post", "expiration-patch", "expiration-gone", "ls-head-410")
async def test_an_unfinished_upload_expires_a_week_after_its_last_activity(tmp_path: Path) -> None:
    async with embedded(tmp_path) as tus:
        start = tus.clock.now.timestamp()
        created = await tus.post({"Upload-Length": "10"}, b"1")
        upload = created.headers["location"]
        assert expires(created) == start + 7 * DAYS
        tus.clock.advance(days=6)
        patched = await tus.patch(upload, 1, b"2")
        assert expires(patched) == expires(await tus.head(upload)) == start + 13 * DAYS
        tus.clock.advance(days=6)
        emptily = await tus.patch(upload, 2, b"")
        assert expires(emptily) == start + 19 * DAYS
        tus.clock.advance(days=7, seconds=-1)
        assert (await tus.head(upload)).status_code == 200
        tus.clock.advance(seconds=1)
        for answer in (await tus.head(upload), await tus.patch(upload, 2, b"3"), await tus.http.get(upload)):
            assert answer.status_code == 410
            assert "upload-offset" not in answer.headers


@pytest.mark.anyio
@pytest.mark.requirement("ls-expiry-sliding")
async def test_looking_is_no_activity(tmp_path: Path) -> None:
    async with embedded(tmp_path) as tus:
        upload = await tus.new(10, b"1")
        before = expires(await tus.head(upload))
        tus.clock.advance(days=6)
        assert (await tus.patch(upload, 5, b"2")).status_code == 409
        assert expires(await tus.head(upload)) == before


@pytest.mark.anyio
@pytest.mark.requirement("ls-expiry-finished", "ls-concat-expiry")
async def test_finished_uploads_stay_and_partial_ones_do_not(tmp_path: Path) -> None:
    async with embedded(tmp_path) as tus:
        whole, patched, part = await tus.new(1, b"1"), await tus.new(2, b"1"), await tus.new(1, b"1", partial=True)
        assert "upload-expires" not in (await tus.patch(patched, 1, b"2")).headers
        final = (await tus.post({"Upload-Concat": f"final;{part}"})).headers["location"]
        tus.clock.advance(days=7)
        assert [(await tus.head(url)).status_code for url in (whole, patched, final, part)] == [200, 200, 200, 410]
        tus.clock.advance(days=10_000)
        for url, content in ((whole, b"1"), (patched, b"12"), (final, b"1")):
            assert (await tus.http.get(url)).content == content
            assert "upload-expires" not in (await tus.head(url)).headers


@pytest.mark.anyio
@pytest.mark.requirement("ls-expiry-finished", "expiration-post", "expiration-patch")
async def test_finished_uploads_expire_where_they_are_told_to(tmp_path: Path) -> None:
    async with embedded(tmp_path, finished_ttl="30d", sweep_interval=0.05) as tus:
        start = tus.clock.now.timestamp()
        created = await tus.post({"Upload-Length": "1"}, b"1")
        whole, slow = created.headers["location"], await tus.new(2, b"1")
        assert expires(created) == start + 30 * DAYS
        tus.clock.advance(days=5)
        assert expires(await tus.patch(slow, 1, b"2")) == start + 35 * DAYS
        assert expires(await tus.patch(slow, 2, b"")) == start + 35 * DAYS
        tus.clock.advance(days=25, seconds=-1)
        assert (await tus.http.get(whole)).content == b"1"
        tus.clock.advance(seconds=1)
        assert [(await tus.http.get(url)).status_code for url in (whole, slow)] == [410, 200]


@pytest.mark.anyio
@pytest.mark.requirement("ls-expiry-sweep", "ls-expiry-tombstone")
async def test_the_sweep_leaves_a_tombstone_for_as_long_again(tmp_path: Path) -> None:
    async with embedded(tmp_path, sweep_interval=0.02) as tus:
        upload, part, whole = await tus.new(9, b"1"), await tus.new(1, b"1", partial=True), await tus.new(1, b"1")
        files = {url: next(tus.data_dir.rglob(url.removeprefix("/files/"))) for url in (upload, part, whole)}
        tus.clock.advance(days=7)
        await eventually(lambda: swept(tus, 2))
        assert [file.exists() for file in files.values()] == [False, False, True]
        tus.clock.advance(days=7, seconds=-1)
        await anyio.sleep(0.1)  # Several sweeps, which must not forget it yet.
        assert [(await tus.head(url)).status_code for url in files] == [410, 410, 200]
        tus.clock.advance(seconds=2)
        await eventually(lambda: forgotten(tus, upload))
        await eventually(lambda: forgotten(tus, part))
        assert (await tus.http.get(whole)).content == b"1"
        assert len(tus.heard(UploadExpired)) == 2


async def swept(tus: Embedded, count: int) -> bool:
    return len(tus.heard(UploadExpired)) == count


async def forgotten(tus: Embedded, upload: str) -> bool:
    return (await tus.head(upload)).status_code == 404


@pytest.mark.anyio
@pytest.mark.requirement("expiration-gone", "ls-expiry-tombstone")
async def test_while_the_sweep_is_at_work_expired_uploads_are_gone_too(tmp_path: Path) -> None:
    async with embedded(tmp_path, sweep_interval=0.05) as tus:
        uploads = [await tus.new(9, b"1") for _ in range(12)]
        statuses = set()

        async def resume(upload: str) -> None:
            statuses.add((await tus.patch(upload, 1, b"2")).status_code)

        tus.clock.advance(days=7)
        while not await swept(tus, len(uploads)):
            async with anyio.create_task_group() as tasks:
                for upload in uploads:
                    tasks.start_soon(resume, upload)
        assert statuses == {410}


@pytest.mark.anyio
@pytest.mark.requirement("ls-concat-expiry")
async def test_a_part_that_has_expired_is_none(tmp_path: Path) -> None:
    async with embedded(tmp_path) as tus:
        part = await tus.new(1, b"1", partial=True)
        tus.clock.advance(days=7)
        assert (await tus.post({"Upload-Concat": f"final;{part}"})).status_code == 410


@pytest.mark.anyio
@pytest.mark.requirement("expiration-advertised", "ls-extensions")
async def test_expiration_is_advertised_only_where_it_happens(tmp_path: Path) -> None:
    async with embedded(tmp_path, unfinished_ttl="never") as tus:
        assert "expiration" not in (await tus.http.options("/files")).headers["tus-extension"].split(",")
        created = await tus.post({"Upload-Length": "10"})
        tus.clock.advance(days=10_000)
        for answer in (created, await tus.patch(created.headers["location"], 0, b"1")):
            assert answer.is_success
            assert "upload-expires" not in answer.headers


# On a server that runs


@pytest.mark.requirement("expiration-gone", "ls-head-410", "ls-expiry-sweep", "termination-gone", "ls-concat-expiry")
def test_abandoned_uploads_go_by_themselves(fleeting: Client) -> None:
    uploads = [fleeting.new(10, data, partial=partial) for data in (b"", b"12345") for partial in (False, True)]
    until(lambda: all(fleeting.head(upload).status == 410 for upload in uploads))
    until(lambda: all(fleeting.stored(upload) is None for upload in uploads))
    for upload in uploads:
        refused(fleeting.patch(upload, 0, b"67890"), 410, "upload-expired")
        refused(fleeting.patch(upload, 5, b"67890"), 410, "upload-expired")
        refused(fleeting.get(upload), 410, "upload-expired")
        refused(fleeting.delete(upload), 410)


@pytest.mark.requirement("ls-expiry-finished", "ls-expiry-sweep", "ls-concat-expiry")
def test_a_finished_upload_outlasts_the_others(fleeting: Client) -> None:
    whole, part = fleeting.file(b"12345"), fleeting.part(b"12345")
    final = fleeting.final(part).headers["location"]
    until(lambda: fleeting.head(part).status in (404, 410))
    until(lambda: fleeting.stored(part) is None)
    assert fleeting.content(whole) == fleeting.content(final) == b"12345"


@pytest.mark.requirement("ls-expiry-finished", "ls-expiry-sweep")
def test_finished_uploads_go_by_themselves_where_they_are_told_to(serve: Serve) -> None:
    tus = serve(finished_ttl="1s", sweep_interval="0.05")
    whole, unfinished = tus.file(b"12345"), tus.new(10, b"12345")
    until(lambda: tus.get(whole).status in (404, 410))
    until(lambda: tus.stored(whole) is None)
    assert tus.offset(unfinished) == 5


@pytest.mark.requirement("ls-expiry-sliding")
def test_an_upload_that_is_under_way_does_not_expire(serve: Serve) -> None:
    tus = serve(unfinished_ttl="2s", sweep_interval="0.05", checkpoint_interval="0.05", stall_threshold="60s")
    witness, upload = tus.new(10, b"1"), tus.new(100_000)
    with tus.half_patch(upload, b"1", of=100_000) as connection:
        sent = 1

        def drip() -> bool:
            nonlocal sent
            connection.send(b"x")
            sent += 1
            return tus.stored(witness) is None

        until(drip)
        connection.send(b"x" * (100_000 - sent))
        assert connection.read_answer().status == 204
