"""Clients that listen to events: the websockets library, httpx for event streams, and small uploads to hear of."""

import ctypes
import json
import socket
import struct
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from tests.serving import OFFSET_STREAM, TUS, Connection, Server
from websockets.sync.client import ClientConnection, connect

SOON = 20.0
"""Seconds within which what a test waits for has happened, on any machine."""

Told = Mapping[str, Any]


@contextmanager
def subscribed(
    server: Server, query: str = "", *, token: str = "", origin: str | None = None, protocols: Any = None
) -> Iterator[ClientConnection]:
    """A WebSocket; the token goes where a script puts it."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    url = f"ws://127.0.0.1:{server.port}/events{query}"
    with connect(url, additional_headers=headers, origin=origin, subprotocols=protocols) as socket:  # type: ignore[arg-type]
        yield socket


def hear(socket: ClientConnection, timeout: float = SOON) -> Told:
    """The next message."""
    told: Told = json.loads(socket.recv(timeout))
    return told


def hear_events(socket: ClientConnection, count: int) -> list[Told]:
    """The next so many stored events."""
    heard: list[Told] = []
    while len(heard) < count:
        told = hear(socket)
        if told.get("id", "").isdigit():
            heard.append(told)
    return heard


def kinds(told: list[Told]) -> list[str]:
    """What the events are called, without what all have in common."""
    return [event["type"].removeprefix("longshore.upload.") for event in told]


def upload(server: Server, content: bytes = b"hello", *, token: str = "", name: str = "hello") -> str:
    """A small file in one request; the path of the upload."""
    fields = {
        **TUS,
        **OFFSET_STREAM,
        "Upload-Length": str(len(content)),
        "Upload-Metadata": f"filename {b64encode(name.encode()).decode()}",
    }
    with Connection(server.port) as connection:
        answer = connection.request("POST", "/files", fields | bearer(token), content)
    assert answer.status == 201, answer
    return answer.headers["location"]


def delete(server: Server, path: str, *, token: str = "") -> None:
    """Terminate an upload."""
    with Connection(server.port) as connection:
        assert connection.request("DELETE", path, TUS | bearer(token)).status == 204


def bearer(token: str) -> dict[str, str]:
    """The header field, where there is a token."""
    return {"Authorization": f"Bearer {token}"} if token else {}


class Stream:
    """The events of an event stream, as a browser would take it apart."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.iter_lines()

    def __iter__(self) -> Iterator[dict[str, str]]:
        fields: dict[str, str] = {}
        for line in self._lines:
            if line:
                name, _, value = line.partition(":")
                fields[name] = value.removeprefix(" ")
            elif fields:
                yield fields
                fields = {}


@contextmanager
def streaming(server: Server, query: str = "", **headers: str) -> Iterator[Iterator[dict[str, str]]]:
    """An event stream; each event is its fields."""
    fields = {"Accept": "text/event-stream", **{name.replace("_", "-"): value for name, value in headers.items()}}
    with httpx.stream("GET", f"{server.origin}/events{query}", headers=fields, timeout=SOON) as response:
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"].startswith("text/event-stream")
        yield iter(Stream(response))


def connections_of(server: Server) -> int:
    """How many TCP connections the server has, by the table of the kernel."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    established = [line.split() for line in lines if line.split()[3] == "01"]
    return sum(fields[1].endswith(f":{server.port:04X}") and fields[9] != "0" for fields in established)


def fall_silent(connection: socket.socket) -> None:
    """Be as a machine that has lost its network: nothing gets here any more, and so nothing is acknowledged.

    A filter that takes no byte of any packet drops what comes for this socket before TCP sees it (socket(7)).
    """
    nothing = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))  # BPF_RET, 0
    attach_filter = 26
    connection.setsockopt(socket.SOL_SOCKET, attach_filter, struct.pack("HP", 1, ctypes.addressof(nothing)))
