"""/metrics: what is counted, and who may see it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.conformance.embedded import Embedded, embedded
from tests.serving import OFFSET_STREAM, TUS

from longshore.app import build
from longshore.config import Settings
from longshore.http.metrics import MetricsEndpoint
from longshore.metrics import OTHER, Counter, Histogram, Metrics
from longshore.ports.hooks import HookEvent, HookRefused
from longshore.protocol.errors import Unavailable

pytestmark = pytest.mark.anyio

PASSWORD = "correct horse battery staple"
MEBIBYTE = 1024 * 1024


@pytest.fixture
async def server(anyio_backend: str, tmp_path: Path) -> AsyncIterator[Embedded]:
    async with embedded(tmp_path, metrics="open") as server:
        yield server


class Numbers:
    """What /metrics shows."""

    def __init__(self, text: str) -> None:
        self._samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]

    def get(self, name: str, **labels: str) -> float:
        """The number, 0 where it has not been counted."""
        found = [sample.value for sample in self._samples if (sample.name, sample.labels) == (name, labels)]
        assert len(found) <= 1
        return found[0] if found else 0.0

    @property
    def names(self) -> set[str]:
        return {sample.name for sample in self._samples}


async def numbers(http: httpx.AsyncClient) -> Numbers:
    answer = await http.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    return Numbers(answer.text)


async def bearer(server: Embedded, name: str) -> dict[str, str]:
    answer = await server.http.post("/auth/token", json={"username": name, "password": PASSWORD})
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


async def test_only_administrators_see_them_by_default(tmp_path: Path) -> None:
    async with embedded(tmp_path, auth="local", admin_password=PASSWORD, registration="open") as server:
        await server.http.post("/auth/register", json={"username": "ann", "password": PASSWORD})
        stranger = await server.http.get("/metrics")
        user = await server.http.get("/metrics", headers=await bearer(server, "ann"))
        admin = await server.http.get("/metrics", headers=await bearer(server, "admin"))
    assert (stranger.status_code, stranger.json()["code"]) == (401, "unauthenticated")
    assert (user.status_code, user.json()["code"]) == (403, "forbidden")
    assert "longshore" not in user.json().get("detail", "")
    assert admin.status_code == 200
    assert admin.headers["content-type"].startswith("text/plain; version=")


async def test_are_not_there_where_they_are_off(tmp_path: Path) -> None:
    async with embedded(tmp_path, metrics="off") as server:
        await server.new(3, b"abc")
        assert (await server.http.get("/metrics")).status_code == 404


async def test_openmetrics_for_who_prefers_that(server: Embedded) -> None:
    answer = await server.http.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


async def test_requests_are_counted_by_the_method_that_was_acted_on(server: Embedded) -> None:
    path = await server.new(6)
    await server.head(path)
    await server.head(path)
    await server.http.post(
        path,
        headers={**TUS, **OFFSET_STREAM, "Upload-Offset": "0", "X-HTTP-Method-Override": "PATCH"},
        content=b"abc",
    )
    await server.http.request("BREW", path)
    found = await numbers(server.http)
    counts = {method: found.get("longshore_requests_total", method=method) for method in ("POST", "HEAD", "PATCH")}
    assert counts == {"POST": 1, "HEAD": 2, "PATCH": 1}
    assert found.get("longshore_requests_total", method=OTHER) == 1
    assert found.get("longshore_request_duration_seconds_count", method="HEAD") == 2


async def test_errors_are_counted_by_status_and_code(server: Embedded) -> None:
    path = await server.new(6)
    await server.patch(path, 5, b"x")
    await server.patch(path, 4, b"x")
    await server.http.get("/nowhere")
    await server.head("/files/0123456789abcdef")
    found = await numbers(server.http)
    assert found.get("longshore_errors_total", status="409", code="offset-conflict") == 2
    assert found.get("longshore_errors_total", status="404", code="not-found") == 1
    assert found.get("longshore_errors_total", status="404", code="") == 1


async def test_uploads_and_their_bytes_are_counted(server: Embedded) -> None:
    path = await server.new(9, b"abc")
    await server.patch(path, 3, b"defghi")
    await server.new(3, b"abc", partial=True)
    await server.http.delete(path, headers=TUS)
    late = await server.new(5)
    found = await numbers(server.http)
    assert late
    assert found.get("longshore_bytes_received_total") == 12
    assert found.get("longshore_uploads_created_total") == 3
    assert found.get("longshore_uploads_finished_total") == 1
    assert found.get("longshore_uploads_terminated_total") == 1
    assert found.get("longshore_patch_latency_seconds_count") == 1
    assert found.get("longshore_transfers_open") == 0


async def test_speed_is_measured_of_large_bodies_only(server: Embedded) -> None:
    path = await server.new(3 * MEBIBYTE)
    await server.patch(path, 0, bytes(MEBIBYTE - 1))
    assert (await numbers(server.http)).get("longshore_patch_throughput_bytes_per_second_count") == 0
    await server.patch(path, MEBIBYTE - 1, bytes(MEBIBYTE))
    assert (await numbers(server.http)).get("longshore_patch_throughput_bytes_per_second_count") == 1


async def test_a_transfer_counts_while_it_is_under_way(server: Embedded) -> None:
    path = await server.new(6)
    told, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"abc"
        told.set()
        await go_on.wait()
        yield b"def"

    headers = {**TUS, **OFFSET_STREAM, "Upload-Offset": "0"}
    patch = asyncio.create_task(server.http.patch(path, headers=headers, content=slow()))
    await told.wait()
    under_way = await numbers(server.http)
    go_on.set()
    assert (await patch).status_code == 204
    over = await numbers(server.http)
    assert (under_way.get("longshore_transfers_open"), over.get("longshore_transfers_open")) == (1, 0)
    assert (under_way.get("longshore_bytes_received_total"), over.get("longshore_bytes_received_total")) == (3, 6)


class Moody:
    """Refuses, fails, or agrees, as the file's length says."""

    async def pre_create(self, event: HookEvent) -> None:
        if event.upload.length == 1:
            raise HookRefused("not this one")
        if event.upload.length == 2:
            raise ValueError("whatever")

    def post_terminate(self, event: HookEvent) -> None:
        pass


async def test_hooks_are_counted_and_of_those_that_are_asked_the_failures(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", auth="none", metrics="open")
    settings.data_dir.mkdir()
    app = build(settings, hooks=[Moody()], emit=lambda _: None)
    http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")
    async with app.router.lifespan_context(app), http:
        answers = [await http.post("/files", headers={**TUS, "Upload-Length": str(length)}) for length in (1, 2, 3)]
        assert [answer.status_code for answer in answers] == [403, 503, 201]
        await http.delete(answers[-1].headers["location"], headers=TUS)
        found = await numbers(http)
    assert found.get("longshore_hook_invocations_total", hooktype="pre-create") == 3
    assert found.get("longshore_hook_invocations_total", hooktype="post-terminate") == 1
    assert found.get("longshore_hook_invocations_total", hooktype="post-create") == 0
    assert found.get("longshore_hook_errors_total", hooktype="pre-create") == 1
    assert found.get("longshore_hooks_waiting") == 0


async def test_applications_of_one_process_do_not_mix(tmp_path: Path, server: Embedded) -> None:
    async with embedded(tmp_path / "other", metrics="open") as other:
        await other.new(3, b"abc")
        assert (await numbers(other.http)).get("longshore_uploads_created_total") == 1
    assert (await numbers(server.http)).get("longshore_uploads_created_total") == 0


async def test_queues_and_pools_are_shown(server: Embedded) -> None:
    found = await numbers(server.http)
    assert found.get("longshore_worker_threads") >= 1
    assert found.get("longshore_buffer_bytes") > 0
    assert found.names >= {
        "longshore_database_writes_waiting",
        "longshore_worker_threads_busy",
        "longshore_worker_threads_wanted",
        "longshore_buffer_bytes_taken",
        "longshore_hooks_waiting",
        "longshore_hook_events_waiting",
        "longshore_hub_subscribers",
        "process_resident_memory_bytes",
    }


async def test_webhooks_that_wait_are_shown_where_there_is_a_receiver(tmp_path: Path) -> None:
    # Port 9 is for discarding: nobody listens there.
    settings: dict[str, Any] = {"webhook_url": "http://127.0.0.1:9/", "webhook_allow_private": True}
    async with embedded(tmp_path, metrics="open", webhook_events=("post-create",), **settings) as server:
        await server.new(3)
        await server.new(3)
        assert (await numbers(server.http)).get("longshore_webhooks_waiting") == 2


async def test_a_number_that_cannot_be_had_leaves_the_others_as_they_are() -> None:
    async def out_of_reach() -> float:
        raise Unavailable("The database cannot answer just now.")

    metrics = Metrics()
    metrics.watch("lost", "Nobody knows.", out_of_reach)
    metrics.watch("known", "Somebody knows.", lambda: 7)
    route = MetricsEndpoint(metrics, None, settle=lambda: None).route()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(route.app), base_url="http://localhost") as http:
        found = await numbers(http)
    assert found.get("longshore_lost") != found.get("longshore_lost")
    assert found.get("longshore_known") == 7


async def test_a_histogram_counts_what_is_at_or_below_each_bound() -> None:
    metrics = Metrics()
    for value in (0.0005, 0.001, 0.002, 9999):
        metrics.latency.observe(value)
    route = MetricsEndpoint(metrics, None, settle=lambda: None).route()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(route.app), base_url="http://localhost") as http:
        found = await numbers(http)
    name = "longshore_patch_latency_seconds"
    bounds = ("0.001", "0.0025", "600.0", "+Inf")
    assert [found.get(f"{name}_bucket", le=bound) for bound in bounds] == [2, 3, 3, 4]
    assert found.get(f"{name}_count") == 4
    assert found.get(f"{name}_sum") == pytest.approx(9999.0035)


def test_labels_that_others_choose_do_not_grow_without_bound() -> None:
    counter, histogram = Counter("c", "", "code"), Histogram("h", "", (1.0,), "code")
    for number in range(2000):
        counter.add(str(number))
        histogram.observe(0.5, str(number))
    assert len(counter.values) == len(histogram.series) == 501
    assert counter.values[(OTHER,)] == 1500
    assert sum(histogram.series[(OTHER,)].counts) == 1500
