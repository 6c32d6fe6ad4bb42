"""kill -9: what was answered stays, and what was under way costs about a checkpoint's interval of bytes."""

import base64
import hashlib
import os
import time
from pathlib import Path

import pytest
from tests.e2e.samples import MEGABYTE, Sample
from tests.e2e.wire import (
    Sender,
    assert_holds,
    assert_holds_bytes,
    create,
    finish,
    head,
    offset_of,
    patch,
    poll,
    request,
    stored,
    stored_size,
)
from tests.serving import Server, serving
from tusclient.client import TusClient

pytestmark = [
    pytest.mark.e2e,
    # tuspy opens the file anew for each chunk and leaves closing it to the garbage collection.
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
]

RATE = 10 * MEGABYTE
SLACK = 1.0
"""Seconds on top of the checkpoint's interval: bytes wait for company in front of the disk, and machines are slow."""


@pytest.mark.parametrize("interval", [0.25, 1.0])
def test_a_kill_costs_about_a_checkpoint(area: Path, medium: Sample, interval: float) -> None:
    with serving(area / "data", checkpoint_interval=str(interval)) as server:
        path = create(server, medium.size)
        with Sender(server, path, medium.read(), rate=RATE) as sender:
            poll(lambda: sender.sent >= 2.5 * RATE)
            killed_at = time.monotonic()
            server.kill()
        server.start()

        offset = offset_of(server, path)
        assert 0 < sender.sent_until(killed_at - interval - SLACK) <= offset <= sender.sent

        TusClient(server.url).uploader(str(medium.path), url=f"{server.origin}{path}").upload()
        assert_holds(server, path, medium.size, medium.sha256)


def test_a_kill_leaves_the_offset_before_a_checked_body(area: Path) -> None:
    data = os.urandom(8 * MEGABYTE)
    rest = data[MEGABYTE:]
    checksum = f"sha1 {base64.b64encode(hashlib.sha1(rest).digest()).decode()}"
    with serving(area / "data", checkpoint_interval="0.1") as server:
        path = create(server, len(data))
        assert patch(server, path, 0, data[:MEGABYTE]).status == 204
        headers = {"Upload-Offset": str(MEGABYTE), "Upload-Checksum": checksum}
        with Sender(server, path, rest, rate=RATE, stop_after=5 * MEGABYTE, headers=headers):
            poll(lambda: stored_size(server, path) == 6 * MEGABYTE)
            assert offset_of(server, path) == MEGABYTE
            server.kill()
        server.start()

        assert offset_of(server, path) == MEGABYTE
        assert patch(server, path, MEGABYTE, rest, {"Upload-Checksum": checksum}).status == 204
        assert_holds_bytes(server, path, data)


def test_what_was_answered_survives(area: Path) -> None:
    data = os.urandom(MEGABYTE)
    with serving(area / "data") as server:
        created, begun, finished, terminated = (create(server, len(data)) for _ in range(4))
        assert patch(server, begun, 0, data[:300_000]).status == 204
        assert patch(server, finished, 0, data).status == 204
        assert request(server, "DELETE", terminated, {}).status == 204
        server.kill()
        server.start()

        assert offset_of(server, created) == 0
        assert offset_of(server, begun) == 300_000
        assert head(server, terminated).status == 410
        assert_holds_bytes(server, finished, data)
        finish(server, begun, data)
        assert_holds_bytes(server, begun, data)


def test_a_final_upload_is_put_together_after_all(area: Path) -> None:
    part = os.urandom(20 * MEGABYTE)
    copies = 20
    whole = hashlib.sha256()
    for _ in range(copies):
        whole.update(part)
    with serving(area / "data", sweep_interval="0.2") as server:
        final = killed_while_assembling(server, part, copies)
        server.start()

        poll(lambda: "upload-offset" in head(server, final).headers, within=30)
        assert_holds(server, final, copies * len(part), whole.hexdigest())


def killed_while_assembling(server: Server, part: bytes, copies: int) -> str:
    """Complete the part of a final upload that names it many times over, and kill the server while it copies."""
    for _ in range(10):
        path = create(server, len(part), {"Upload-Concat": "partial"})
        concat = f"final;{' '.join([path] * copies)}"
        final = request(server, "POST", "/files", {"Upload-Concat": concat}).headers["location"]
        with Sender(server, path, part, rate=1e12):
            poll(lambda final=final: stored_size(server, final) > 0, every=0.0001)  # type: ignore[misc]
            server.kill()
        if stored_size(server, final) < copies * len(part):
            return final
        stored(server, final).unlink()
        server.start()
    pytest.skip("here parts are shared instead of copied, too fast to be caught at it")
