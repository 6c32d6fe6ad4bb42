"""Running the application on uvicorn until a signal says stop."""

import asyncio
import gc
import logging
import resource
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, Literal

import uvicorn

from longshore.server.compatibility import differences, socket_differences

logger = logging.getLogger(__name__)

MAX_MESSAGE = 16 * 1024
"""Bytes of a message over a WebSocket: twice as many as the longest token has."""

PING_INTERVAL = 15.0
"""Seconds between a WebSocket's pong and the next ping; with the time for that, a dead peer is found within 30."""

PING_TIMEOUT = 15.0

_OPEN_FILES = 65536
"""Open files that this server has a use for."""

_FEW_FILES = 8192
"""Open files below which an operator should know."""

_GC_THRESHOLD = 10_000
"""New containers after which the youngest generation is collected; Python's own default is 700."""


class LongshoreServer(uvicorn.Server):
    """uvicorn's server; tells where it listens, and has running requests end before it waits for them."""

    def __init__(
        self, config: uvicorn.Config, *, on_started: Callable[[str, int], None], on_stopping: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._on_started = on_started
        self._on_stopping = on_stopping

    async def startup(self, sockets: list[Any] | None = None) -> None:
        """Start, and tell where."""
        await super().startup(sockets=sockets)
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            self._on_started(host, port)

    async def shutdown(self, sockets: list[Any] | None = None) -> None:
        """Stop: first let running requests come to their end, then wait for them."""
        self._on_stopping()
        await super().shutdown(sockets=sockets)


def run(
    app: Callable[..., Any],
    *,
    host: str,
    port: int,
    grace_period: float,
    access_log: bool,
    socket_bodies: bool,
    on_started: Callable[[str, int], None],
    on_stopping: Callable[[], None],
    on_refused: Callable[[str, str], None] | None = None,
) -> None:
    """Serve the application until SIGINT or SIGTERM, then stop within the grace period (seconds).

    `on_refused` is told the status and the code of requests that are refused before the application hears of them.
    Exits with status 3 when it cannot start, as uvicorn does.
    """
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=protocol_class(socket_bodies=socket_bodies, on_refused=on_refused),
        lifespan="on",
        log_config=None,
        access_log=access_log,
        server_header=False,
        timeout_graceful_shutdown=max(1, round(grace_period)),
        ws=websocket_class(),
        ws_max_size=MAX_MESSAGE,
        ws_ping_interval=PING_INTERVAL,
        ws_ping_timeout=PING_TIMEOUT,
        # It would take hundreds of KiB for each connection, to make short messages a little shorter.
        ws_per_message_deflate=False,
    )
    _allow_many_connections()
    server = LongshoreServer(config, on_started=on_started, on_stopping=on_stopping)
    _spare_the_collector()
    _run_until_signal(server)


def protocol_class(
    *, socket_bodies: bool, on_refused: Callable[[str, str], None] | None = None
) -> type[asyncio.Protocol] | Literal["httptools"]:
    """Our protocol class where uvicorn is as we know it, else uvicorn's own: slower, but as right."""
    if unknown := differences():
        logger.warning("bodies go through ASGI, which is slower, because of this uvicorn: %s", "; ".join(unknown))
        return "httptools"
    # Only here: importing it needs uvicorn's private parts.
    from longshore.server.protocol import AsgiOnlyProtocol, UploadProtocol

    chosen = UploadProtocol if socket_bodies else AsgiOnlyProtocol
    # A class of its own, so that several servers of a process do not mix; uvicorn takes nothing but a class.
    return chosen if on_refused is None else type("Protocol", (chosen,), {"on_refused": staticmethod(on_refused)})


def websocket_class() -> type[asyncio.Protocol] | Literal["websockets-sansio"]:
    """Our protocol class for WebSockets where uvicorn is as we know it, else uvicorn's own."""
    if unknown := socket_differences():
        logger.warning(
            "subscribers that take nothing may stay for long, because of this uvicorn: %s", "; ".join(unknown)
        )
        return "websockets-sansio"
    from longshore.server.websocket import WebSocketProtocol

    return WebSocketProtocol


def _allow_many_connections() -> None:
    """Raise the limit of open files as far as it goes, up to what is of use; say so where it is low all the same."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    if wanted < _FEW_FILES:
        logger.warning("only %d files may be open: that many connections, less some, can be served", wanted)


def _spare_the_collector() -> None:
    """Keep the garbage collector from walking what lives as long as the process, and from coming every few requests.

    Requests leave hardly any cycles behind, yet with the default threshold the collector took 4 % of the time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD, 10, 10)


def _run_until_signal(server: LongshoreServer) -> None:
    """uvicorn raises the signal that stopped it once more when it is done; a stop that was asked for is no failure."""
    signal.signal(signal.SIGTERM, _exit_cleanly)
    signal.signal(signal.SIGINT, _exit_cleanly)
    server.run()


def _exit_cleanly(_: int, __: FrameType | None) -> None:
    sys.exit(0)
