"""The floor: a loop of recv and write behind just enough HTTP to be sent a POST and a PATCH; a thread per connection.

python -m tests.bench.bare PORT DIRECTORY
"""

import itertools
import os
import socket
import sys
import threading
from pathlib import Path

BUFFER_SIZE = 1024 * 1024

_numbers = itertools.count()


def main() -> None:
    """Serve until killed."""
    port, directory = int(sys.argv[1]), Path(sys.argv[2])
    with socket.create_server(("127.0.0.1", port), backlog=128) as listener:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=_serve, args=(connection, directory), daemon=True).start()


def _serve(connection: socket.socket, directory: Path) -> None:
    with connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        received = b""
        while True:
            while b"\r\n\r\n" not in received:
                if not (piece := connection.recv(65536)):
                    return
                received += piece
            head, _, received = received.partition(b"\r\n\r\n")
            received = _answer(connection, directory, head.decode("latin-1"), received)


def _answer(connection: socket.socket, directory: Path, head: str, body: bytes) -> bytes:
    """Answer one request; return what has been received of the next one."""
    method, path, _ = head.split(" ", 2)
    fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:])
    if method == "PATCH":
        file = directory / path.rpartition("/")[2]
        offset, length = int(fields["upload-offset"]), int(fields["content-length"])
        _store(connection, file, offset, length, body)
        connection.sendall(f"HTTP/1.1 204 No Content\r\nUpload-Offset: {offset + length}\r\n\r\n".encode())
        return body[length:]
    if method == "POST":
        answer = f"HTTP/1.1 201 Created\r\nLocation: /files/{next(_numbers)}\r\nContent-Length: 0\r\n\r\n"
    else:
        answer = "HTTP/1.1 204 No Content\r\n\r\n"
    connection.sendall(answer.encode())
    return body


def _store(connection: socket.socket, file: Path, position: int, length: int, body: bytes) -> None:
    end = position + length
    buffer = memoryview(bytearray(BUFFER_SIZE))
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        position += os.pwrite(descriptor, body[:length], position)
        while position < end:
            count = connection.recv_into(buffer, min(BUFFER_SIZE, end - position))
            if not count:
                return
            position += os.pwrite(descriptor, buffer[:count], position)
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    main()
