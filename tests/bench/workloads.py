"""The workloads: what is sent, and what is measured while it is."""

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from tests.bench.announcing import EVENTS, announced, upload_while_announcing
from tests.bench.listeners import Listeners
from tests.bench.load import (
    Hammer,
    Hammered,
    Source,
    Step,
    connect,
    create,
    download,
    expect,
    send_patch_head,
    upload_in_parallel,
)
from tests.bench.measure import GIB, KIB, MIB, Gauge, Measurement, rss
from tests.bench.servers import REPOSITORY, Kind, Longshore, Running
from tests.serving import TUS, Connection

SMALL = 4 * KIB
"""Bytes of a small file."""

CONNECTIONS = 16
"""Connections that small requests come by, and uploads that are sent in parallel."""

SETTLE_CHECK = 0.5
"""Seconds between two looks at memory that is to come to rest."""


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How much of everything."""

    source: int
    large: int
    parallel: int
    seconds: float
    warm_up: float
    stalled: int
    growth: int
    checksummed: int
    subscribers: int
    piece: int = 8 * MIB
    settle: float = 5.0
    prepare: bool = True
    """Whether disk and memory are made ready for each measurement of large bodies, which takes some seconds."""


FULL = Scale(
    source=GIB,
    large=2 * GIB,
    parallel=128 * MIB,
    seconds=5.0,
    warm_up=2.0,
    stalled=2000,
    growth=10 * GIB,
    checksummed=GIB,
    subscribers=5000,
)
QUICK = Scale(
    source=16 * MIB,
    large=32 * MIB,
    parallel=2 * MIB,
    seconds=0.3,
    warm_up=0.1,
    stalled=30,
    growth=64 * MIB,
    checksummed=16 * MIB,
    subscribers=50,
    settle=0.2,
    prepare=False,
)


@dataclass(frozen=True)
class Bench:
    """What the workloads work with."""

    scale: Scale
    source: Source
    hammer: Hammer | None
    directory: Path


@dataclass(frozen=True, kw_only=True)
class Workload:
    """One kind of load."""

    key: str
    title: str
    unit: str
    cpu_unit: str
    measure: Callable[[Running, Bench], Measurement]
    more_is_better: bool = True
    unfit: Callable[[Kind], str | None] = lambda _: None
    """Why a server is left out, if it is."""
    floor: Callable[[Bench], Measurement] | None = None
    """A measurement that needs no server."""
    floor_name: str = "bare loop"
    hammers: bool = False
    """Whether it needs the load generator for small requests."""
    many_files: bool = False
    """Whether its files are left until the run is over.

    Without a journal, ext4 gives no file the inode of one that was deleted in the last minutes, and looks at each of
    those for every new file: deleting thousands would slow down whoever is measured next.
    """
    downloads: bool = False
    """Whether it is about downloads, and so for other servers than the rest."""
    once: bool = False
    """Whether one round is enough."""
    in_quick_runs: bool = True


def _measurement(
    gauge: Gauge, value: float, work: float, errors: int, detail: Mapping[str, object] = MappingProxyType({})
) -> Measurement:
    """A measurement; `work` is what CPU time is given for."""
    return Measurement(value, gauge.cpu_seconds / work, gauge.peak_rss, errors, gauge.others, dict(detail))


# Large bodies


def _large(server: Running, bench: Bench) -> Measurement:
    size = bench.scale.large
    return _upload_whole(server, bench, size, lambda gauge, seconds: size / MIB / seconds)


def _growth(server: Running, bench: Bench) -> Measurement:
    size = bench.scale.growth
    return _upload_whole(server, bench, size, lambda gauge, _: (gauge.peak_rss - gauge.rss_before) / MIB)


def _upload_whole(server: Running, bench: Bench, size: int, value: Callable[[Gauge, float], float]) -> Measurement:
    """One upload in one PATCH; the clock runs from the PATCH to its 204."""
    _warm_large(server, bench, size)
    with connect(server) as connection:
        path = create(server, connection, size)
        with Gauge(server.pid) as gauge:
            started = time.monotonic()
            send_patch_head(connection, path, 0, size)
            bench.source.send(connection, size)
            expect(connection.read_answer(), 204)
            seconds = time.monotonic() - started
    missing = 1 - _files_of_size(server.data_dir, size)
    return _measurement(gauge, value(gauge, seconds), size / GIB, missing, {"seconds": seconds})


def _parallel(server: Running, bench: Bench) -> Measurement:
    size = bench.scale.parallel
    _warm_large(server, bench, CONNECTIONS * size)
    with Gauge(server.pid) as gauge:
        seconds = upload_in_parallel(server, bench.source, uploads=CONNECTIONS, size=size)
    missing = CONNECTIONS - _files_of_size(server.data_dir, size)
    total = CONNECTIONS * size
    return _measurement(gauge, total / MIB / seconds, total / GIB, missing)


def _warm_large(server: Running, bench: Bench, size: int) -> None:
    """Have the server's code, the source, the disk and the memory for so many bytes ready."""
    upload_in_parallel(server, bench.source, uploads=1, size=MIB + 1)
    _make_ready(bench, size)


def _make_ready(bench: Bench, size: int) -> None:
    """Have the source in memory, what was written before on the disk, and free memory that is really there.

    A virtual machine gives memory that has been free for some seconds back to its host, and what first touches it again
    pays for that: 1.5 CPU seconds for each GiB were seen, more than all the rest. So as much is taken and given back.
    """
    bench.source.warm()
    if bench.scale.prepare:
        os.sync()
        _touch_memory(bench.directory / "touched", min(size, bench.scale.large))


def _touch_memory(file: Path, size: int) -> None:
    block = bytes(MIB)
    try:
        with file.open("wb", buffering=0) as target:
            for _ in range(size // MIB):
                target.write(block)
    finally:
        file.unlink(missing_ok=True)


def _files_of_size(directory: Path, size: int) -> int:
    return sum(file.is_file() and file.stat().st_size == size for file in directory.rglob("*"))


# Downloads


def _download(server: Running, bench: Bench) -> Measurement:
    """One download of a file that is in memory, and has been downloaded once."""
    size = bench.scale.large
    path = _provide(server, bench, size)
    buffer = memoryview(bytearray(MIB))
    with connect(server) as connection:
        download(connection, path, buffer)
        with Gauge(server.pid) as gauge:
            started = time.monotonic()
            received = download(connection, path, buffer)
            seconds = time.monotonic() - started
    return _measurement(gauge, size / MIB / seconds, size / GIB, int(received != size))


def _provide(server: Running, bench: Bench, size: int) -> str:
    """Have the server hold a file; return its path."""
    bench.source.warm()
    if server.kind.uploads:
        with connect(server) as connection:
            path = create(server, connection, size)
            send_patch_head(connection, path, 0, size)
            bench.source.send(connection, size)
            expect(connection.read_answer(), 204)
    else:
        path = "/file"
        with (server.data_dir / "file").open("wb") as file:
            for _ in range(size // MIB):
                file.write(bytes(MIB))
    if bench.scale.prepare:
        os.sync()
    return path


# Small requests


def _small(server: Running, bench: Bench) -> Measurement:
    fields = {**TUS, "Upload-Length": str(SMALL), **server.kind.creation_fields}
    with bench.source.path.open("rb") as file:
        body = file.read(SMALL)
    sent = {"Content-Type": "application/offset+octet-stream", "Content-Length": str(SMALL)}
    post = f"POST {server.kind.creation_path}"
    if server.kind.creation_with_upload:
        steps = [Step(_request(post, {**fields, **sent}, body), 201)]
    else:
        patch = _request("", {**TUS, "Upload-Offset": "0", **sent}, body)
        steps = [Step(_request(post, {**fields, "Content-Length": "0"}), 201), Step(patch, 204)]
    measured, hammered = _hammer(server, bench, steps)
    lost = max(0, hammered.rounds - _files_of_size(server.data_dir, SMALL))
    return replace(measured, errors=measured.errors + lost)


def _inspect(server: Running, bench: Bench) -> Measurement:
    with connect(server) as connection:
        path = create(server, connection, MIB)
        send_patch_head(connection, path, 0, SMALL)
        bench.source.send(connection, SMALL)
        expect(connection.read_answer(), 204)
    return _hammer(server, bench, [Step(_request(f"HEAD {path}", TUS), 200)])[0]


def _options(server: Running, bench: Bench) -> Measurement:
    # The status, 200 or 204, is the server's choice.
    with connect(server) as connection:
        status = connection.request("OPTIONS", server.kind.creation_path, TUS).status
    return _hammer(server, bench, [Step(_request(f"OPTIONS {server.kind.creation_path}", TUS), status)])[0]


def _request(start: str, fields: dict[str, str], body: bytes = b"") -> bytes:
    lines = [f"{start} HTTP/1.1", "Host: 127.0.0.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def _hammer(server: Running, bench: Bench, steps: Sequence[Step]) -> tuple[Measurement, Hammered]:
    assert bench.hammer is not None
    scale = bench.scale
    bench.hammer.run(server.port, steps, connections=CONNECTIONS, seconds=scale.warm_up)
    with Gauge(server.pid) as gauge:
        done = bench.hammer.run(server.port, steps, connections=CONNECTIONS, seconds=scale.seconds)
    detail = {
        "median_ms": done.median * 1e3,
        "p99_ms": done.p99 * 1e3,
        "client_cpu": done.cpu / done.seconds,
        "statuses": done.statuses,
        "first_error": done.first_error,
        "requests": len(steps),
    }
    return _measurement(gauge, done.rounds / done.seconds, max(done.rounds, 1) / 1e3, done.errors, detail), done


# Memory


STALLED_LENGTH = 10 * MIB
STALLED_SENT = 64 * KIB


def _stalled(server: Running, bench: Bench) -> Measurement:
    """How much memory an upload holds whose client has stopped sending; for ours, whether they are all well."""
    count = bench.scale.stalled
    connections: list[Connection] = []
    try:
        with connect(server) as creating:
            paths = [create(server, creating, STALLED_LENGTH) for _ in range(count)]
        _settle(server, bench)
        with Gauge(server.pid) as gauge:
            started = time.monotonic()
            for path in paths:
                connections.append(connection := connect(server))
                send_patch_head(connection, path, 0, STALLED_LENGTH)
                bench.source.send(connection, STALLED_SENT)
            _settle(server, bench)
            held = (rss(server.pid) - gauge.rss_before) / count
        open_for = time.monotonic() - started
        errors = _unwell(server, bench, connections, paths) if isinstance(server.kind, Longshore) else 0
        return _measurement(gauge, held / KIB, count / 1e3, errors, {"open_for": open_for})
    finally:
        for connection in connections:
            connection.close()


def _unwell(server: Running, bench: Bench, connections: Sequence[Connection], paths: Sequence[str]) -> int:
    """How many of the stalled uploads cannot be gone on with: the first by its client, the others by HEAD."""
    bench.source.send(connections[0], STALLED_LENGTH - STALLED_SENT, start=STALLED_SENT)
    errors = int(connections[0].read_answer().status != 204)
    with connect(server) as asking:
        for path in paths[1:]:
            answer = asking.request("HEAD", path, TUS)
            errors += (answer.status, answer.headers.get("upload-offset")) != (200, str(STALLED_SENT))
    return errors


def _settle(server: Running, bench: Bench) -> None:
    """Wait until memory stays as it is, for the time to settle at least and four times that at most."""
    time.sleep(bench.scale.settle)
    deadline, before = time.monotonic() + 3 * bench.scale.settle, 0
    while (now := rss(server.pid)) != before and time.monotonic() < deadline:
        before = now
        time.sleep(SETTLE_CHECK)


# Checksums


def _checksummed(server: Running, bench: Bench) -> Measurement:
    piece, total = bench.scale.piece, bench.scale.checksummed
    sums = _checksums(bench)
    _warm_large(server, bench, total)
    with connect(server) as connection:
        path = create(server, connection, total)
        with Gauge(server.pid) as gauge:
            started = time.monotonic()
            for offset in range(0, total, piece):
                send_patch_head(connection, path, offset, piece, Upload_Checksum=sums[offset % bench.source.size])
                bench.source.send(connection, piece, start=offset)
                expect(connection.read_answer(), 204)
            seconds = time.monotonic() - started
    missing = 1 - _files_of_size(server.data_dir, total)
    return _measurement(gauge, total / MIB / seconds, total / GIB, missing)


def _checksums(bench: Bench) -> dict[int, str]:
    """Upload-Checksum of each piece of the source by its position."""
    sums = {}
    with bench.source.path.open("rb") as file:
        for position in range(0, bench.source.size, bench.scale.piece):
            digest = hashlib.sha256(file.read(bench.scale.piece)).digest()
            sums[position] = f"sha256 {base64.b64encode(digest).decode()}"
    return sums


def _hash_and_write(bench: Bench) -> Measurement:
    target, total = bench.directory / "floor", bench.scale.checksummed
    _make_ready(bench, total)
    arguments = [str(bench.source.path), str(target), str(bench.scale.piece), str(total)]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "tests.bench.floor", *arguments],
            cwd=REPOSITORY,
            check=True,
            capture_output=True,
            text=True,
        )
    finally:
        target.unlink(missing_ok=True)
    seconds, cpu = map(float, done.stdout.split())
    return Measurement(total / MIB / seconds, cpu / (total / GIB), 0)


def _needs_checksum(kind: Kind) -> str | None:
    return None if kind.checksum else "verifies no SHA-256 checksums"


def _needs_more(kind: Kind) -> str | None:
    return None if kind.small_requests else "is for large bodies only"


def _needs_bounded_memory(kind: Kind) -> str | None:
    return "holds whole bodies in memory" if kind.buffers_bodies else None


# Subscribers


def _idle(server: Running, bench: Bench) -> Measurement:
    """How much memory a subscriber takes who has heard nothing yet."""
    count = bench.scale.subscribers
    with connect(server) as connection:
        create(server, connection, MIB)
    _settle(server, bench)
    with Gauge(server.pid) as gauge, Listeners(server.port, count):
        _settle(server, bench)
        held = (rss(server.pid) - gauge.rss_before) / count
    return _measurement(gauge, held / KIB, count / 1e3, 0)


def _announced(server: Running, bench: Bench) -> Measurement:
    """How long until the last of all subscribers has heard of an upload, while a large one is under way."""
    size, count = bench.scale.large, bench.scale.subscribers
    _warm_large(server, bench, size)
    alone = upload_in_parallel(server, bench.source, uploads=1, size=size)
    with Listeners(server.port, count, query=EVENTS) as listeners:
        announced(server, listeners)
        _make_ready(bench, size)
        with Gauge(server.pid) as gauge:
            seconds, took = upload_while_announcing(server, bench.source, listeners, size)
    detail = {"of_usual_speed": alone / seconds, "events": len(took)}
    return _measurement(gauge, max(took) * 1e3, size / GIB, 0, detail)


def _needs_events(kind: Kind) -> str | None:
    return None if isinstance(kind, Longshore) else "tells nobody of uploads"


WORKLOADS: Sequence[Workload] = (
    Workload(key="a", title="one large PATCH", unit="MiB/s", cpu_unit="s/GiB", measure=_large),
    Workload(key="b", title="16 uploads in parallel", unit="MiB/s", cpu_unit="s/GiB", measure=_parallel),
    Workload(
        key="c",
        title="4 KiB files by creation with upload, 16 connections",
        unit="uploads/s",
        cpu_unit="ms each",
        measure=_small,
        unfit=_needs_more,
        hammers=True,
        many_files=True,
    ),
    Workload(
        key="d",
        title="HEAD of an unfinished upload, 16 connections",
        unit="requests/s",
        cpu_unit="ms each",
        measure=_inspect,
        unfit=_needs_more,
        hammers=True,
    ),
    Workload(
        key="o",
        title="OPTIONS, 16 connections",
        unit="requests/s",
        cpu_unit="ms each",
        measure=_options,
        unfit=_needs_more,
        hammers=True,
    ),
    Workload(
        key="e",
        title="memory of a stalled PATCH",
        unit="KiB each",
        cpu_unit="ms each",
        measure=_stalled,
        more_is_better=False,
        unfit=_needs_more,
        once=True,
    ),
    Workload(
        key="f",
        title="memory growth over a very large PATCH",
        unit="MiB",
        cpu_unit="s/GiB",
        measure=_growth,
        more_is_better=False,
        unfit=_needs_bounded_memory,
        once=True,
        in_quick_runs=False,
    ),
    Workload(
        key="g",
        title="8 MiB PATCHes with SHA-256 checksums",
        unit="MiB/s",
        cpu_unit="s/GiB",
        measure=_checksummed,
        unfit=lambda kind: _needs_checksum(kind),
        floor=_hash_and_write,
        floor_name="hash and write",
    ),
    Workload(
        key="i",
        title="memory of an idle subscriber to events",
        unit="KiB each",
        cpu_unit="ms each",
        measure=_idle,
        more_is_better=False,
        unfit=_needs_events,
        once=True,
    ),
    Workload(
        key="j",
        title="an event to the last of 5,000 subscribers during a large PATCH",
        unit="ms",
        cpu_unit="s/GiB",
        measure=_announced,
        more_is_better=False,
        unfit=_needs_events,
    ),
    Workload(key="h", title="one large download", unit="MiB/s", cpu_unit="s/GiB", measure=_download, downloads=True),
)


def require_space(directory: Path, scale: Scale, keys: Sequence[str]) -> None:
    """Raise `SystemExit` when the file system cannot hold what the workloads write."""
    largest = max(scale.growth if "f" in keys else 0, scale.large, CONNECTIONS * scale.parallel) + scale.source
    if shutil.disk_usage(directory).free < largest * 1.2:
        raise SystemExit(f"{directory} has no room for {largest / GIB:.1f} GiB; see --data-dir and --only")
