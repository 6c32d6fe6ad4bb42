"""kill -9 thirty times over, under eight concurrent uploads that go on after each restart: nothing is lost.

The moments of the kills and the contents of the uploads come from a seed, which is printed; CRASH_SEED fixes it.
"""

import base64
import hashlib
import io
import os
import random
import re
import socket
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock

import pytest
import requests
from tests.e2e.samples import MEGABYTE
from tests.e2e.wire import all_stored, begin_patch, downloaded_hash, head, poll, stored
from tests.serving import OFFSET_STREAM, TUS, Answer, Connection, Server
from tusclient.client import TusClient
from tusclient.exceptions import TusCommunicationError, TusUploadFailed

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(300)]

KILLS = 30
UPTIME = 0.1, 0.9
"""Seconds between a start and the next kill, at least and at most."""

RATE = 8 * MEGABYTE
"""Bytes a second of each large upload, so that it takes several lives of the server."""

SMALL = 10_000
"""Bytes of each small upload."""

PIECE = 64 * 1024
CHECKED = 2 * MEGABYTE
"""Bytes of a checksummed PATCH request."""

PATIENCE = 60.0
"""Seconds that the uploads may take to come to their end once the server is left alone."""


@dataclass
class Upload:
    """A file on its way, and what the server has said about it."""

    data: memoryview
    path: str | None = None
    acknowledged: int = 0
    """The largest offset in a 201, a 204 or an answer to HEAD."""
    deleted: bool = False
    """Whether the client has asked for that, and has been told that it is so."""

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @property
    def done(self) -> bool:
        return self.path is not None and self.acknowledged == len(self.data)

    def acknowledge(self, offset: int) -> None:
        """Note an offset that the server told, which must not be behind an earlier one."""
        assert self.acknowledged <= offset <= len(self.data), f"{self.path}: {offset} after {self.acknowledged}"
        self.acknowledged = offset

    def note(self, answer: Answer) -> None:
        self.acknowledge(int(answer.headers["upload-offset"]))


@dataclass
class Run:
    """What the uploaders share."""

    server: Server
    content: bytes
    seed: int
    last: Event = field(default_factory=Event)
    """Set when the server is left alone: what is under way is finished, at full speed, and nothing new is begun."""
    failed: Event = field(default_factory=Event)
    """Set when the server is not coming back."""
    uploads: list[Upload] = field(default_factory=list)
    answered: Counter[str] = field(default_factory=Counter)
    cut_off: Counter[str] = field(default_factory=Counter)
    _lock: Lock = field(default_factory=Lock)

    def begin(self, moments: random.Random, least: int, most: int) -> Upload:
        size = moments.randint(least, most)
        start = moments.randint(0, len(self.content) - size)
        upload = Upload(memoryview(self.content)[start : start + size])
        with self._lock:
            self.uploads.append(upload)
        return upload

    def count(self, kind: str, answer: object) -> None:
        with self._lock:
            (self.cut_off if answer is None else self.answered)[kind] += 1

    def wait_a_little(self) -> None:
        """Wait for the server, which is about to be started again."""
        assert not self.failed.wait(0.05), "the server is gone for good"

    def pause(self, seconds: float) -> None:
        """Keep a pace, while there is one to be kept."""
        self.last.wait(seconds)


def attempt(run: Run, kind: str, exchange: Callable[[Connection], None], *, head_only: bool = False) -> Answer | None:
    """One request on a connection of its own; None when the server was killed before it answered."""
    answer = None
    try:
        with Connection(run.server.port) as connection:
            try:
                exchange(connection)
            except ConnectionError:
                return None
            answer = whole_answer(connection, head_only=head_only)
    except ConnectionError:
        return None
    finally:
        run.count(kind, answer)
        if answer is None:
            run.wait_a_little()
    return answer


def whole_answer(connection: Connection, *, head_only: bool) -> Answer | None:
    """The answer; None when the connection ended instead, which a timeout does not excuse."""
    try:
        if not connection.socket.recv(1, socket.MSG_PEEK):
            return None
        return connection.read_answer(head_only=head_only)
    except ConnectionError:
        return None


def bare(method: str, path: str, headers: dict[str, str], body: bytes = b"") -> Callable[[Connection], None]:
    """A request that is sent at once."""

    def exchange(connection: Connection) -> None:
        connection.send_head(method, path, {**TUS, **headers, "Content-Length": str(len(body))})
        connection.send(body)

    return exchange


def create(run: Run, upload: Upload, *, with_upload: bool = False) -> None:
    """Create it, again and again until that is answered: of an upload whose URL was not told nobody knows."""
    fields = {"Upload-Length": str(len(upload.data)), **(OFFSET_STREAM if with_upload else {})}
    body = bytes(upload.data) if with_upload else b""
    kind = "create with upload" if with_upload else "create"
    while (answer := attempt(run, kind, bare("POST", "/files", fields, body))) is None:
        pass
    assert answer.status == 201, answer
    upload.path = answer.headers["location"]
    if with_upload:
        upload.note(answer)


def resume(run: Run, upload: Upload) -> str:
    """Ask where it stands, until that is answered; return its path."""
    assert upload.path is not None
    while True:
        answer = attempt(run, "head", bare("HEAD", upload.path, {}), head_only=True)
        if answer is not None and answer.status != 423:
            assert answer.status == 200, answer
            upload.note(answer)
            return upload.path


def took(upload: Upload, answer: Answer | None) -> None:
    """Note the answer to a PATCH."""
    if answer is not None and answer.status not in (409, 423):
        assert answer.status == 204, answer
        upload.note(answer)


def patch_rest(run: Run, upload: Upload, *, chunked: bool) -> None:
    """Send all that is left in one request, at a pace."""
    path, offset = resume(run, upload), upload.acknowledged
    rest = upload.data[offset:]

    def exchange(connection: Connection) -> None:
        begin_patch(connection, path, offset, None if chunked else len(rest))
        send = connection.send_chunk if chunked else connection.send
        for start in range(0, len(rest), PIECE):
            send(bytes(rest[start : start + PIECE]))
            run.pause(PIECE / RATE)
        if chunked:
            connection.send(b"0\r\n\r\n")

    if not upload.done:
        took(upload, attempt(run, "chunked patch" if chunked else "patch", exchange))


def patch_checked(run: Run, upload: Upload) -> None:
    """Send the next chunk with its checksum; whatever happens, it is there as a whole or not at all."""
    path, offset = resume(run, upload), upload.acknowledged
    assert offset % CHECKED == 0 or upload.done
    chunk = bytes(upload.data[offset : offset + CHECKED])
    checksum = base64.b64encode(hashlib.sha256(chunk).digest()).decode()

    def exchange(connection: Connection) -> None:
        begin_patch(connection, path, offset, len(chunk), {"Upload-Checksum": f"sha256 {checksum}"})
        for start in range(0, len(chunk), PIECE):
            connection.send(chunk[start : start + PIECE])
            run.pause(PIECE / RATE)

    if not upload.done:
        took(upload, attempt(run, "checked patch", exchange))


def upload_plain(run: Run, moments: random.Random) -> None:
    upload = run.begin(moments, 30 * MEGABYTE, 60 * MEGABYTE)
    create(run, upload)
    while not upload.done:
        patch_rest(run, upload, chunked=False)


def upload_chunked(run: Run, moments: random.Random) -> None:
    upload = run.begin(moments, 30 * MEGABYTE, 40 * MEGABYTE)
    create(run, upload)
    while not upload.done:
        patch_rest(run, upload, chunked=True)


def upload_checked(run: Run, moments: random.Random) -> None:
    upload = run.begin(moments, 30 * MEGABYTE, 40 * MEGABYTE)
    create(run, upload)
    while not upload.done:
        patch_checked(run, upload)


def upload_small(run: Run, moments: random.Random) -> None:
    """Creation and bytes in one request; now and then one is removed again."""
    upload = run.begin(moments, SMALL, SMALL)
    create(run, upload, with_upload=True)
    resume(run, upload)
    assert upload.done
    if moments.random() < 0.2:
        delete(run, upload)
    run.pause(0.01)


def delete(run: Run, upload: Upload) -> None:
    assert upload.path is not None
    while (answer := attempt(run, "delete", bare("DELETE", upload.path, {}))) is None:
        pass
    assert answer.status in (204, 410), answer
    upload.deleted = True


def upload_with_tuspy(run: Run, moments: random.Random) -> None:
    """The public client: it is begun anew from its URL whenever it has given up."""
    upload = run.begin(moments, 30 * MEGABYTE, 40 * MEGABYTE)
    client = TusClient(run.server.url)
    while not upload.done:
        answered = None
        try:
            go_on_with_tuspy(run, upload, client)
            answered = True
        except (TusCommunicationError, TusUploadFailed, requests.RequestException) as error:
            require_passing(error)
            run.wait_a_little()
        finally:
            run.count("tuspy", answered)


def go_on_with_tuspy(run: Run, upload: Upload, client: TusClient) -> None:
    url = f"{run.server.origin}{upload.path}" if upload.path else None
    uploader = client.uploader(file_stream=io.BytesIO(upload.data), url=url, chunk_size=MEGABYTE)
    if not url:
        url = uploader.create_url()
        uploader.set_url(url)
        upload.path = url.removeprefix(run.server.origin)
    upload.acknowledge(uploader.offset)
    while not upload.done:
        uploader.upload_chunk()  # type: ignore[no-untyped-call]
        upload.acknowledge(uploader.offset)
        run.pause(MEGABYTE / RATE)


def require_passing(error: Exception) -> None:
    """A server that is killed cuts clients off and asks them to come again; it refuses nothing."""
    if getattr(error, "status_code", None) not in (None, 409, 423):
        raise error


UPLOADERS = [
    upload_plain,
    upload_plain,
    upload_chunked,
    upload_checked,
    upload_checked,
    upload_small,
    upload_small,
    upload_with_tuspy,
]


def keep_uploading(run: Run, number: int) -> None:
    """Upload one file after the other."""
    moments = random.Random(f"{run.seed} {number}")
    while not run.last.is_set():
        UPLOADERS[number](run, moments)


def test_nothing_is_lost_over_thirty_kills(area: Path) -> None:
    seed = int(os.environ.get("CRASH_SEED") or random.SystemRandom().randrange(2**32))
    print(f"CRASH_SEED={seed}")
    server = Server(area / "data", port=steady_port(), checkpoint_interval="0.2")
    run = Run(server, random.Random(seed).randbytes(64 * MEGABYTE), seed)
    with server, ThreadPoolExecutor(len(UPLOADERS)) as threads:
        uploaders = [threads.submit(keep_uploading, run, number) for number in range(len(UPLOADERS))]
        try:
            kill_again_and_again(server, random.Random(seed), uploaders)
            run.last.set()
            deadline = time.monotonic() + PATIENCE
            for uploader in uploaders:
                uploader.result(timeout=deadline - time.monotonic())
        except BaseException:
            run.last.set()
            run.failed.set()
            server.kill()
            raise

        print(f"{len(run.uploads)} uploads; answered: {dict(run.answered)}; cut off: {dict(run.cut_off)}")
        assert_every_kind_was_cut_off(run)
        assert_all_is_there(run)
        assert_nothing_is_orphaned(run)
        assert_told_at_most_once(server)


def steady_port() -> int:
    """A free port that the kernel gives to no client: one that connects to itself would keep the server from it."""
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.SystemRandom().randrange(lowest // 2, lowest)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def kill_again_and_again(server: Server, moments: random.Random, uploaders: list[Future[None]]) -> None:
    for _ in range(KILLS):
        time.sleep(moments.uniform(*UPTIME))  # The moment of the kill is what the test is about.
        server.kill()
        for uploader in uploaders:
            if uploader.done():
                uploader.result()
        server.start()


def assert_every_kind_was_cut_off(run: Run) -> None:
    """Else the test would show less than it says."""
    for kind in ("patch", "chunked patch", "checked patch", "create with upload", "tuspy"):
        assert run.cut_off[kind], kind
        assert run.answered[kind], kind


def assert_all_is_there(run: Run) -> None:
    """Every upload is complete, with the right bytes."""
    for upload in run.uploads:
        assert upload.path is not None
        answer = head(run.server, upload.path)
        if upload.deleted:
            assert answer.status == 410, answer
            continue
        size = str(len(upload.data))
        told = (answer.status, answer.headers.get("upload-offset"), answer.headers.get("upload-length"))
        assert told == (200, size, size)
        assert downloaded_hash(run.server, upload.path) == upload.sha256


def assert_nothing_is_orphaned(run: Run) -> None:
    """Every file belongs to a live upload; those of tombstones that a kill left behind are removed after the start."""
    for upload in run.uploads:
        if upload.deleted and upload.path is not None:
            file = stored(run.server, upload.path)
            poll(lambda file=file: not file.exists())  # type: ignore[misc]
    poll(lambda: not orphans(run.server))


def orphans(server: Server) -> list[Path]:
    return [file for file in all_stored(server) if head(server, f"/files/{file.name}").status != 200]


def assert_told_at_most_once(server: Server) -> None:
    """A completion that was told before a kill is not told again after it."""
    completions = Counter(re.findall(r"upload completed: (\w+)", server.said()))
    assert {upload_id: count for upload_id, count in completions.items() if count > 1} == {}
    assert completions
