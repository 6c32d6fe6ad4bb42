"""tus-js-client goes on where it was cut off: in the same process, in a new one, and over a restart of the server."""

from pathlib import Path
from typing import Any

import pytest
from tests.e2e import tus_js
from tests.e2e.samples import Sample
from tests.e2e.wire import all_stored, assert_holds, offset_of, poll
from tests.serving import Server, serving

pytestmark = pytest.mark.e2e

RETRIES = [0, 100, 200, 400, 800, 1600, 3200]
"""A HEAD request may be there before the end of the request that was cut off; PATCH is then answered 409."""


def task(server: Server, sample: Sample, **options: Any) -> dict[str, Any]:
    return {"path": str(sample.path), "options": {"endpoint": server.url, "retryDelays": RETRIES, **options}}


def resumed_at(run: tus_js.Run) -> int:
    """The offset that HEAD gave last."""
    return int([event for event in run.named("response") if event["method"] == "HEAD"][-1]["offset"])


def test_in_the_same_process_after_an_abort(area: Path, large: Sample) -> None:
    with serving(area / "data") as server:
        run = tus_js.run({**task(server, large), "abortAt": large.size // 10})

        assert len(run.named("aborted")) == 1
        assert run.requests[-1] == ("PATCH", 204)
        assert 0 < resumed_at(run) < large.size
        assert len(all_stored(server)) == 1
        assert_holds(server, run.url, large.size, large.sha256)


def test_in_a_new_process_and_then_not_at_all(area: Path, large: Sample) -> None:
    with serving(area / "data") as server:
        remembering = {**task(server, large), "storage": str(area / "urls.json")}

        died = tus_js.run({**remembering, "dieAt": large.size // 10})
        url = died.named("url")[0]["url"]
        resumed = tus_js.run({**remembering, "previous": True})
        assert resumed.named("previous") == [{"event": "previous", "count": 1}]
        assert resumed.url == url
        assert resumed.requests[-1] == ("PATCH", 204)
        assert 0 < resumed_at(resumed) < large.size
        assert_holds(server, url, large.size, large.sha256)

        again = tus_js.run({**remembering, "previous": True})
        assert again.requests == [("HEAD", 200)]
        assert again.url == url
        assert len(all_stored(server)) == 1


def test_parallel_uploads_in_a_new_process(area: Path, large: Sample) -> None:
    with serving(area / "data") as server:
        remembering = {**task(server, large, parallelUploads=4), "storage": str(area / "urls.json")}

        tus_js.run({**remembering, "dieAt": large.size // 4})
        resumed = tus_js.run({**remembering, "previous": True})

        assert [event for event in resumed.requests if event == ("HEAD", 200)]
        assert resumed.requests.count(("POST", 201)) == 1
        assert len(all_stored(server)) == 5
        assert_holds(server, resumed.url, large.size, large.sha256)


def test_over_a_kill_of_the_server(area: Path, large: Sample) -> None:
    with serving(area / "data", checkpoint_interval="0.05") as server:
        process = tus_js.start(task(server, large))
        poll(lambda: any(offset_of(server, f"/files/{file.name}") for file in all_stored(server)), every=0.001)
        server.kill()
        server.start()
        run = tus_js.finish(process)

        assert run.requests[-2:] == [("HEAD", 200), ("PATCH", 204)]
        assert 0 < resumed_at(run) < large.size
        assert_holds(server, run.url, large.size, large.sha256)


def test_over_a_graceful_restart_of_the_server(area: Path, large: Sample) -> None:
    with serving(area / "data", checkpoint_interval="60") as server:
        process = tus_js.start(task(server, large))
        poll(lambda: sum(file.stat().st_size for file in all_stored(server)) >= large.size // 10, every=0.001)
        assert server.stop() == 0
        server.start()
        run = tus_js.finish(process)

        assert resumed_at(run) >= large.size // 10
        assert_holds(server, run.url, large.size, large.sha256)
