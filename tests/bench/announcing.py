"""How long it takes until every subscriber has heard of an upload, and what that does to an upload under way."""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event

from tests.bench.listeners import Listeners
from tests.bench.load import Source, connect, create, expect, send_patch_head, upload_in_parallel
from tests.bench.servers import Running

EVENTS = b"?type=completed"
"""What the subscribers ask for: with everything they would be administrators, who are told of progress as well."""

_PAUSE = 1.0
"""Seconds between two events."""


def announced(server: Running, listeners: Listeners) -> float:
    """Seconds from the request that completes a small upload until the last subscriber has heard of it."""
    with connect(server) as connection:
        path = create(server, connection, 1)
        listeners.expect(b'"type":"longshore.upload.completed"')
        started = time.monotonic()
        send_patch_head(connection, path, 0, 1)
        connection.send(b"x")
        expect(connection.read_answer(), 204)
        return listeners.await_all() - started


def announce_until(done: Event, server: Running, listeners: Listeners) -> list[float]:
    """Complete small uploads one after the other; the seconds that each took to be heard of."""
    took = []
    while not done.is_set():
        took.append(announced(server, listeners))
        done.wait(_PAUSE)
    return took


def upload_while_announcing(
    server: Running, source: Source, listeners: Listeners, size: int
) -> tuple[float, list[float]]:
    """Seconds that a large upload takes meanwhile, and those of the events."""
    done = Event()
    with ThreadPoolExecutor(1) as pool:
        announcing = pool.submit(announce_until, done, server, listeners)
        try:
            seconds = upload_in_parallel(server, source, uploads=1, size=size)
        finally:
            done.set()
        return seconds, announcing.result()
