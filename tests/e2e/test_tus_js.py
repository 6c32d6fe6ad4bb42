"""tus-js-client uploads files in every way it knows, and what arrives is what was sent."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.e2e import tus_js
from tests.e2e.samples import Sample
from tests.e2e.wire import all_stored, assert_holds, head, request, stored
from tests.serving import Server

pytestmark = pytest.mark.e2e

FIVE_MIB = 5 * 1024 * 1024


@pytest.fixture(autouse=True)
def _clean(server: Server) -> Iterator[None]:
    """Uploads are removed after each test, so that they do not pile up on the disk."""
    yield
    for file in all_stored(server):
        request(server, "DELETE", f"/files/{file.name}", {})
    assert all_stored(server) == []


def task(server: Server, sample: Sample, **options: Any) -> dict[str, Any]:
    return {"path": str(sample.path), "options": {"endpoint": server.url, "retryDelays": None, **options}}


def test_a_file_goes_in_a_single_patch(server: Server, large: Sample) -> None:
    run = tus_js.run(task(server, large, metadata={"filename": "größe.bin"}))

    assert run.requests == [("POST", 201), ("PATCH", 204)]
    assert_holds(server, run.url, large.size, large.sha256)


def test_chunks(server: Server, large: Sample) -> None:
    run = tus_js.run(task(server, large, chunkSize=FIVE_MIB))

    patches = [event["offset"] for event in run.named("response") if event["method"] == "PATCH"]
    assert patches == [*range(FIVE_MIB, large.size, FIVE_MIB), large.size]
    assert_holds(server, run.url, large.size, large.sha256)


def test_parallel_uploads_are_concatenated(server: Server, large: Sample) -> None:
    run = tus_js.run(task(server, large, parallelUploads=4, metadata={"filename": "whole.bin"}))

    concats = [str(event.get("concat")) for event in run.named("response") if event["method"] == "POST"]
    assert concats[:4] == ["partial"] * 4
    assert concats[4].startswith("final;http://")
    assert_holds(server, run.url, large.size, large.sha256)
    assert "filename" in head(server, run.url).headers["upload-metadata"]


def test_a_stream_of_unknown_length(server: Server, large: Sample) -> None:
    run = tus_js.run({**task(server, large, uploadLengthDeferred=True, chunkSize=2 * FIVE_MIB), "stream": True})

    assert run.requests[0] == ("POST", 201)
    assert {status for _, status in run.requests[1:]} == {204}
    assert_holds(server, run.url, large.size, large.sha256)


def test_bytes_come_with_the_creation(server: Server, large: Sample) -> None:
    run = tus_js.run(task(server, large, uploadDataDuringCreation=True))

    assert run.requests == [("POST", 201)]
    assert_holds(server, run.url, large.size, large.sha256)


def test_the_first_chunk_comes_with_the_creation(server: Server, medium: Sample) -> None:
    run = tus_js.run(task(server, medium, uploadDataDuringCreation=True, chunkSize=FIVE_MIB))

    assert run.named("response")[0]["offset"] == FIVE_MIB
    assert_holds(server, run.url, medium.size, medium.sha256)


def test_post_stands_in_for_patch(server: Server, medium: Sample) -> None:
    run = tus_js.run(task(server, medium, overridePatchMethod=True))

    assert run.requests == [("POST", 201), ("POST", 204)]
    assert run.named("response")[1]["override"] == "PATCH"
    assert_holds(server, run.url, medium.size, medium.sha256)


def test_an_upload_is_terminated_while_it_runs(server: Server, large: Sample) -> None:
    run = tus_js.run({**task(server, large), "abortAt": large.size // 10, "terminate": True})

    (aborted,) = run.named("aborted")
    assert run.requests[-1] == ("DELETE", 204)
    assert not run.named("success")
    assert head(server, aborted["url"]).status == 410
    assert not stored(server, aborted["url"]).exists()
