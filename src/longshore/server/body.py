"""A request body that a worker thread takes straight from the socket, past the event loop and the HTTP parser."""

import array
import asyncio
import contextlib
import enum
import fcntl
import select
import socket
import termios
import threading
from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar, TypeVarTuple, Unpack

import anyio.to_thread
from anyio import CapacityLimiter

from longshore.ports import Sink, StopReason
from longshore.uploads.bodies import FLUSH_INTERVAL

BUFFER_SIZE = 1024 * 1024
"""Bytes of a worker thread's buffer, of which it has two at most. They belong to the thread: a body that waits for its
client holds none."""

BURST_SIZE = 32 * 1024 * 1024
"""Bytes after which a thread is given back although the client sends on, so that others have their turn."""

LOW_WATER = 256 * 1024
"""Bytes worth a thread: fewer wait in the kernel for company, though not longer than `FLUSH_INTERVAL`."""

PATIENCE = 2
"""Milliseconds that a thread waits for a client that has just sent at speed; it never waits for a slow one."""

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")

SMALL = 64 * 1024
"""Bytes of a body that is handled without a thread of its own: so few are hashed in no time."""

_NOTHING = memoryview(b"")

_thread = threading.local()


class Connection(Protocol):
    """The connection that a request came by, whose transport can be made to leave the socket alone."""

    def begin(self) -> tuple[bytes, int]:
        """Stop reading requests; return what has been read of the body, and how many bytes are to come."""

    def socket(self) -> socket.socket:
        """A duplicate of the socket, non-blocking, for the caller to read from and close. Raises `OSError`."""

    def end(self, left: int) -> None:
        """Go on reading requests, behind the `left` bytes of the body that have not been read."""


class Burst(enum.Enum):
    """How a thread's turn at the socket came to its end."""

    DRY = "the socket has no more just now"
    LONG = "there may be more, but others have their turn"
    CLOSED = "the client has gone away"


class SocketBody:
    """A body with a Content-Length on a plain TCP connection; a `ports.Body`.

    The loop waits until the socket is readable; a worker thread then reads into its buffer and passes that on until
    the socket has no more. While nothing comes, the body costs a registered file descriptor and a timer.
    """

    def __init__(self, connection: Connection, *, idle_timeout: float, limiter: CapacityLimiter) -> None:
        self._connection = connection
        self._idle_timeout = idle_timeout
        self._limiter = limiter
        self._read = b""
        self._left = -1
        self._passed = 0
        self._stopped: StopReason | None = None
        self._woken: asyncio.Future[bool] | None = None
        self._heard: Callable[[], None] = lambda: None
        self._keeps = False

    @property
    def stopped(self) -> StopReason | None:
        """Why the body ended before its end."""
        return self._stopped

    @property
    def begun(self) -> bool:
        """Whether the connection has been taken over."""
        return self._left >= 0

    @property
    def complete(self) -> bool:
        """Whether all of the body has been passed on."""
        return self._left == 0

    @property
    def trailers(self) -> Mapping[str, str]:
        """Always empty: a body with a Content-Length has none."""
        return {}

    def stop(self, reason: StopReason) -> None:
        """Make `feed` return once the bytes at hand have been passed on."""
        if self._stopped is None and self._left != 0:
            self._stopped = reason
            if self._woken is not None:
                _wake(self._woken, False)

    def take_whole(self) -> memoryview | None:
        """The body, if it came along with the head of the request."""
        self._begin()
        if self._left > min(len(self._read), SMALL):
            return None
        self._left = 0
        self._connection.end(0)
        return memoryview(self._read)

    def _begin(self) -> None:
        if not self.begun:
            self._read, to_come = self._connection.begin()
            self._left = len(self._read) + to_come

    async def feed(
        self, sink: Sink, *, limit: int | None, heard: Callable[[], None] = lambda: None, keeps: bool = False
    ) -> int:
        """See `ports.Body.feed`."""
        self._heard = heard
        self._keeps = keeps
        self._begin()
        unwanted = max(0, self._left - limit) if limit is not None else 0
        try:
            await self._pass_read(sink, unwanted)
            if self._left > unwanted:
                await self._feed_from_socket(sink, unwanted)
        finally:
            self._connection.end(self._left)
        return self._passed

    async def _pass_read(self, sink: Sink, unwanted: int) -> None:
        """Pass on what came along with the head, and keep none of it: the rest may be long in coming."""
        read, self._read = self._read, b""
        if read:
            await self._run(self._pass, sink, memoryview(read)[: self._left - unwanted])

    async def _feed_from_socket(self, sink: Sink, unwanted: int) -> None:
        try:
            source = self._connection.socket()
        except OSError:
            self.stop(StopReason.DISCONNECTED)
            return
        with contextlib.closing(source):
            _set_low_water(source, LOW_WATER)
            try:
                await self._alternate(source, sink, unwanted)
            finally:
                _set_low_water(source, 1)

    async def _alternate(self, source: socket.socket, sink: Sink, unwanted: int) -> None:
        """Read what is there and wait for more, in turn."""
        while self._left > unwanted and self._stopped is None:
            before = self._passed
            match await self._run(self._burst, source, sink, unwanted):
                case Burst.CLOSED:
                    self.stop(StopReason.DISCONNECTED)
                case Burst.DRY if self._left > unwanted and self._stopped is None:
                    await self._wait(source, lively=self._passed > before, least=self._left - unwanted)
        if self._stopped not in (None, StopReason.DISCONNECTED):
            # What waits in the kernel has reached us, and is kept; what the client goes on to send is not waited for.
            await self._run(self._burst, source, sink, max(unwanted, self._left - _waiting(source)))

    def _burst(self, source: socket.socket, sink: Sink, unwanted: int) -> Burst:
        """Pass on what the socket has. Runs in a worker thread, whose buffers are another body's afterwards."""
        before = self._passed
        end = self._read_burst(source, sink, unwanted)
        if self._keeps and self._passed > before:
            sink(_NOTHING)
        return end

    def _read_burst(self, source: socket.socket, sink: Sink, unwanted: int) -> Burst:
        buffer, other = _buffers(two=self._keeps)
        end = max(unwanted, self._left - BURST_SIZE)
        waited_at = self._left
        while self._left > end:
            count, dried_up = _fill(buffer[: self._left - end], source)
            if count:
                self._pass(sink, buffer[:count])
                buffer, other = other, buffer
            if dried_up is Burst.DRY and waited_at - self._left >= LOW_WATER and self._left > end:
                waited_at = self._left
                if _comes_soon(source, self._left - unwanted):
                    continue
            if dried_up:
                return dried_up
        return Burst.LONG

    def _pass(self, sink: Sink, data: memoryview) -> None:
        # Counted before the sink has it: if the sink fails, these bytes have left the socket all the same.
        self._left -= len(data)
        sink(data)
        self._passed += len(data)

    async def _wait(self, source: socket.socket, *, lively: bool, least: int) -> None:
        """Wait for bytes worth a thread: at once if the client is sending, else from its next byte on."""
        if not lively:
            _set_low_water(source, 1)
            if await self._readable(source, self._idle_timeout):
                self._heard()
            else:
                self.stop(StopReason.STALLED)
        _set_low_water(source, min(LOW_WATER, least))
        if self._stopped is None:
            await self._readable(source, FLUSH_INTERVAL)

    async def _readable(self, source: socket.socket, seconds: float) -> bool:
        """Wait until the socket is readable; False when time is up or `stop` was called."""
        loop = asyncio.get_running_loop()
        self._woken = woken = loop.create_future()
        timer = loop.call_later(seconds, _wake, woken, False)
        loop.add_reader(source.fileno(), _wake, woken, True)
        try:
            readable: bool = await woken
            return readable
        finally:
            loop.remove_reader(source.fileno())
            timer.cancel()
            self._woken = None

    async def _run(self, work: Callable[[Unpack[Arguments]], T], *arguments: *Arguments) -> T:
        return await anyio.to_thread.run_sync(work, *arguments, limiter=self._limiter)


def _wake(woken: asyncio.Future[bool], readable: bool) -> None:
    if not woken.done():
        woken.set_result(readable)


def _set_low_water(source: socket.socket, size: int) -> None:
    """Have the socket count as readable from so many bytes on, or at its end; where it cannot, from the first on."""
    with contextlib.suppress(OSError):
        source.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, size)


def _comes_soon(source: socket.socket, least: int) -> bool:
    """Wait for the next bytes of a client that is sending at speed, which is less work than the way to the loop."""
    _set_low_water(source, min(LOW_WATER, least))
    readable = select.poll()
    readable.register(source, select.POLLIN)
    return bool(readable.poll(PATIENCE))


def _waiting(source: socket.socket) -> int:
    """How many bytes the kernel holds for us."""
    count = array.array("i", [0])
    fcntl.ioctl(source, termios.FIONREAD, count)
    return count[0]


def _fill(buffer: memoryview, source: socket.socket) -> tuple[int, Burst | None]:
    """Read until the buffer is full or the socket has no more; return how many bytes, and why not more."""
    filled = 0
    while filled < len(buffer):
        try:
            count = source.recv_into(buffer[filled:])
        except BlockingIOError:
            return filled, Burst.DRY
        except OSError:
            return filled, Burst.CLOSED
        if not count:
            return filled, Burst.CLOSED
        filled += count
    return filled, None


def _buffers(*, two: bool) -> tuple[memoryview, memoryview]:
    """This thread's buffer, twice; or two of them, so that one can be filled while the sink still reads the other."""
    buffers: list[memoryview] = _thread.__dict__.setdefault("buffers", [])
    while len(buffers) < 1 + two:
        buffers.append(memoryview(bytearray(BUFFER_SIZE)))
    return buffers[0], buffers[int(two)]
