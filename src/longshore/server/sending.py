"""Files that the kernel sends straight from the page cache, and clients that take nothing of what is sent to them."""

import asyncio
import enum
import errno
import os
import select
import socket
import struct
import sys
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Final, Protocol

THREADS: Final = 16
"""Worker threads that send at a time; a client that is slow to take what it is sent holds none of them."""

BURST_SIZE: Final = 32 * 1024 * 1024
"""Bytes after which a thread is given back although the client takes more, so that others have their turn."""

LIVELY: Final = 256 * 1024
"""Bytes that a client has taken since a thread last waited for it, for the thread to wait for it once more."""

PATIENCE: Final = 2
"""Milliseconds that a thread waits for a client that has just taken at speed; it never waits for a slow one."""

CHECKS: Final = 4
"""How often, within the time that a client may take nothing, it is looked whether it has."""

BY_HAND: Final = 256 * 1024
"""Bytes that are read and sent at a time where the kernel cannot send from the file system."""

REFUSALS: Final = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP})
"""What sendfile(2) says where it is of no use."""

# tcpi_bytes_acked in struct tcp_info, since Linux 4.1.
_ACKNOWLEDGED: Final = struct.Struct("120xQ")

senders: Final[Executor] = ThreadPoolExecutor(THREADS, thread_name_prefix="longshore-send")


class Connection(Protocol):
    """The connection that a response goes out by, whose transport can be made to leave the socket alone."""

    async def begin(self, size: int) -> socket.socket | None:
        """Stop reading, and wait until everything written has left the transport; None when the client has gone.

        Returns a duplicate of the socket, non-blocking, for the caller to write so many bytes of the body to and to
        close. Raises `OSError`, and `RuntimeError` where no response has been started that has room for them.
        """

    async def wait(self, target: socket.socket) -> bool:
        """Wait until the socket takes more; False when the client has gone away or has taken nothing for too long."""

    def cut(self) -> None:
        """End the connection; nothing more can be sent."""


class FileSender:
    """Sends from files within one response; a `ports.SendFile`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def __call__(self, descriptor: int, start: int, end: int) -> None:
        """See `ports.SendFile`."""
        target = await self._connection.begin(end - start)
        if target is None:
            return
        transfer = Transfer(target, descriptor, start, end)
        try:
            while (stop := await transfer.burst()) is not Stop.DONE:
                if stop is Stop.GONE:
                    self._connection.cut()
                    return
                if stop is Stop.FULL and not await self._connection.wait(target):
                    return
        finally:
            transfer.close()


class Stop(enum.Enum):
    """How a thread's turn came to its end."""

    DONE = "everything has been sent"
    FULL = "the socket takes no more just now"
    LONG = "the socket takes more, but others have their turn"
    GONE = "the client has gone away"


class Transfer:
    """The bytes of a file on their way into a socket, a burst at a time. Owns the socket; duplicates the descriptor."""

    def __init__(self, target: socket.socket, descriptor: int, start: int, end: int) -> None:
        self._target = target
        self._position = start
        self._end = end
        self._closed = False
        self._turn: Future[Stop] | None = None
        try:
            self._file = os.dup(descriptor)
        except OSError:
            target.close()
            raise

    async def burst(self) -> Stop:
        """Send what the socket takes, in a worker thread. Raises `EOFError` and `OSError` as `ports.SendFile` does."""
        self._turn = senders.submit(self._burst)
        return await asyncio.wrap_future(self._turn)

    def close(self) -> None:
        """Close socket and file, as soon as no thread uses them.

        A task that is cancelled leaves its thread behind. By the time that came to use them the numbers of the
        descriptors could belong to another client's socket, and to another upload's file.
        """
        self._closed = True
        if self._turn is None:
            self._close()
        else:
            self._turn.add_done_callback(lambda _: self._close())

    def _close(self) -> None:
        self._target.close()
        os.close(self._file)

    def _burst(self) -> Stop:
        end = min(self._end, self._position + BURST_SIZE)
        waited_at = self._position
        while self._position < end and not self._closed:
            try:
                self._send(end - self._position)
            except BlockingIOError:
                if self._position - waited_at < LIVELY or not _takes_more_soon(self._target):
                    return Stop.FULL
                waited_at = self._position
            except (ConnectionError, TimeoutError):
                return Stop.GONE
        if self._closed:
            return Stop.GONE
        return Stop.DONE if self._position == self._end else Stop.LONG

    def _send(self, size: int) -> None:
        try:
            count = os.sendfile(self._target.fileno(), self._file, self._position, size)
        except OSError as error:
            if error.errno not in REFUSALS:
                raise
            count = self._send_by_hand(size)
        if not count:
            raise EOFError(f"the file ends at {self._position}, before {self._end}")
        self._position += count

    def _send_by_hand(self, size: int) -> int:
        data = os.pread(self._file, min(BY_HAND, size), self._position)
        return self._target.send(data) if data else 0


def _takes_more_soon(target: socket.socket) -> bool:
    """Wait for a client that is taking at speed, which is less work than the way to the loop."""
    writable = select.poll()
    writable.register(target, select.POLLOUT)
    return bool(writable.poll(PATIENCE))


class Watch:
    """An eye on a client that something waits for: calls `give_up` when it has taken nothing for `timeout` seconds.

    What it takes is what its kernel acknowledges, so that a slow client is not mistaken for a dead one however much is
    on the way to it. Where the kernel does not tell, it has to take all that waits within the time.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        target: socket.socket,
        give_up: Callable[[], None],
        *,
        timeout: float,
    ) -> None:
        self._loop = loop
        self._target = target
        self._give_up = give_up
        self._timeout = timeout
        self._taken: int | None = None
        self._since = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to watch, if that has not been done yet."""
        if self._timer is None:
            self._note(acknowledged(self._target))

    def stop(self) -> None:
        """Watch no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _note(self, taken: int | None) -> None:
        self._taken = taken
        self._since = self._loop.time()
        self._again()

    def _again(self) -> None:
        self._timer = self._loop.call_later(self._timeout / CHECKS, self._check)

    def _check(self) -> None:
        taken = acknowledged(self._target)
        if taken != self._taken:
            self._note(taken)
        elif self._loop.time() - self._since < self._timeout:
            self._again()
        else:
            self._timer = None
            self._give_up()


def acknowledged(target: socket.socket) -> int | None:
    """How many bytes the other side of a TCP connection has acknowledged so far; None where that cannot be told."""
    if sys.platform != "linux":
        return None
    try:
        told = target.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _ACKNOWLEDGED.size)
    except OSError:
        return None
    return int(_ACKNOWLEDGED.unpack(told)[0]) if len(told) == _ACKNOWLEDGED.size else None
