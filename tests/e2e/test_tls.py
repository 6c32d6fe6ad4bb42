"""Uploads where uvicorn speaks TLS: bodies come through ASGI there, because what is in the socket is encrypted."""

import base64
import datetime
import hashlib
import ipaddress
import os
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any, Literal

import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.e2e.samples import MEGABYTE
from tests.e2e.wire import code_of, poll
from tests.serving import OFFSET_STREAM, TUS, Connection

from longshore.app import build
from longshore.config import Settings, prepare_data_dir
from longshore.ports import BODY, PATIENCE, TRAILERS
from longshore.server.protocol import UploadProtocol

pytestmark = pytest.mark.e2e

Loop = Literal["asyncio", "uvloop"]
"""The event loops have a TLS of their own each."""

DATA = os.urandom(5 * MEGABYTE + 12_345)


class TlsConnection(Connection):
    """A TLS connection on which a test writes what it likes."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        super().__init__(port)
        self._file.close()
        self.tls = context.wrap_socket(self.socket, server_hostname="localhost", suppress_ragged_eofs=False)
        self.socket = self.tls
        self._file = self.socket.makefile("rb")


@dataclass(frozen=True)
class Certificate:
    """A self-signed certificate of localhost, and its key."""

    certificate: Path
    key: Path

    def trusted(self) -> ssl.SSLContext:
        """A client's context that trusts this certificate alone."""
        return ssl.create_default_context(cafile=self.certificate)


@dataclass(frozen=True)
class TlsServer:
    """Longshore behind TLS."""

    port: int
    data_dir: Path
    context: ssl.SSLContext

    def connect(self) -> TlsConnection:
        return TlsConnection(self.port, self.context)

    def stored(self, path: str) -> bytes:
        """What is on the disk."""
        upload_id = path.rpartition("/")[2]
        return (self.data_dir / "uploads" / upload_id[:2] / upload_id).read_bytes()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    directory = tmp_path_factory.mktemp("certificate")
    made = Certificate(directory / "certificate.pem", directory / "key.pem")
    key = ec.generate_private_key(ec.SECP256R1())
    made.certificate.write_bytes(self_signed(key).public_bytes(serialization.Encoding.PEM))
    made.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return made


def self_signed(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(
        issuer_name=name,
        subject_name=name,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now - datetime.timedelta(days=1),
        not_valid_after=now + datetime.timedelta(days=1),
    )
    return builder.add_extension(x509.SubjectAlternativeName(names), critical=False).sign(key, hashes.SHA256())


@contextmanager
def running(
    app: Callable[..., Any], *, loop: Loop, certificate: Certificate | None, lifespan: Literal["on", "off"]
) -> Iterator[int]:
    """The application on uvicorn with our protocol class, in a thread; gives its port."""
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=0,
        loop=loop,
        http=UploadProtocol,
        lifespan=lifespan,
        log_config=None,
        ssl_certfile=None if certificate is None else certificate.certificate,
        ssl_keyfile=None if certificate is None else certificate.key,
    )
    server = uvicorn.Server(config)
    thread = Thread(target=server.run)
    thread.start()
    try:
        poll(lambda: server.started or not thread.is_alive())
        assert server.started
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module", params=["asyncio", "uvloop"])
def loop(request: pytest.FixtureRequest) -> Loop:
    name: Loop = request.param
    return name


@pytest.fixture(scope="module")
def server(loop: Loop, certificate: Certificate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsServer]:
    """A server that commits when a request ends, and not in between."""
    directory = tmp_path_factory.mktemp("server")
    settings = Settings(data_dir=directory / "data", auth="none", checkpoint_interval=60, stall_threshold=60)
    prepare_data_dir(settings)
    with running(build(settings), loop=loop, certificate=certificate, lifespan="on") as port:
        yield TlsServer(port, settings.data_dir, certificate.trusted())


def create(connection: Connection, length: int) -> str:
    answer = connection.request("POST", "/files", {**TUS, "Upload-Length": str(length)})
    assert answer.status == 201
    return answer.headers["location"]


def appending(offset: int, **headers: str) -> dict[str, str]:
    """Header fields of a PATCH request."""
    return {**TUS, **OFFSET_STREAM, "Upload-Offset": str(offset), **headers}


def offset_of(connection: Connection, path: str) -> int:
    answer = connection.request("HEAD", path, TUS)
    assert answer.status == 200
    return int(answer.headers["upload-offset"])


def checksum(data: bytes) -> str:
    return f"sha256 {base64.b64encode(hashlib.sha256(data).digest()).decode()}"


def test_several_megabytes_and_what_follows_on_the_connection(server: TlsServer) -> None:
    with server.connect() as connection:
        path = create(connection, len(DATA))
        patched = connection.request("PATCH", path, appending(0), DATA)
        assert (patched.status, patched.headers["upload-offset"]) == (204, str(len(DATA)))
        assert offset_of(connection, path) == len(DATA)
        assert connection.request("GET", path, {}).body == DATA
    assert server.stored(path) == DATA


def test_requests_that_do_not_wait_for_answers(server: TlsServer) -> None:
    half = len(DATA) // 2
    with server.connect() as connection:
        path = create(connection, len(DATA))
        for start, piece in ((0, DATA[:half]), (half, DATA[half:])):
            connection.send_head("PATCH", path, {**appending(start), "Content-Length": str(len(piece))})
            connection.send(piece)
        offsets = [connection.read_answer().headers["upload-offset"] for _ in range(2)]
        assert offsets == [str(half), str(len(DATA))]
    assert server.stored(path) == DATA


def test_a_checksum_that_is_wrong_and_one_that_is_right(server: TlsServer) -> None:
    damaged = DATA[:-1] + bytes([DATA[-1] ^ 1])
    with server.connect() as connection:
        path = create(connection, len(DATA))
        fields = appending(0, **{"Upload-Checksum": checksum(DATA)})
        refused = connection.request("PATCH", path, fields, damaged)
        assert (refused.status, code_of(refused)) == (460, "checksum-mismatch")
        assert offset_of(connection, path) == 0
        assert connection.request("PATCH", path, fields, DATA).status == 204
        assert offset_of(connection, path) == len(DATA)
    assert server.stored(path) == DATA


@pytest.mark.parametrize(("said", "status", "offset"), [(DATA, 204, len(DATA)), (DATA[1:], 460, 0)])
def test_a_checksum_behind_the_body(server: TlsServer, said: bytes, status: int, offset: int) -> None:
    with server.connect() as connection:
        path = create(connection, len(DATA))
        framing = {"Transfer-Encoding": "chunked", "Trailer": "Upload-Checksum"}
        connection.send_head("PATCH", path, {**appending(0), **framing})
        for start in range(0, len(DATA), MEGABYTE):
            connection.send_chunk(DATA[start : start + MEGABYTE])
        connection.send(f"0\r\nUpload-Checksum: {checksum(said)}\r\n\r\n".encode())
        assert connection.read_answer().status == status
        assert offset_of(connection, path) == offset


def cut(connection: TlsConnection, arrived: int, leave: Callable[[TlsConnection], None]) -> str:
    """Send the beginning of a body, and leave; returns the path of the upload."""
    path = create(connection, len(DATA))
    connection.send_head("PATCH", path, {**appending(0), "Content-Length": str(len(DATA))})
    connection.send(DATA[:arrived])
    leave(connection)
    return path


def end_tls(connection: TlsConnection) -> None:
    """Say that nothing more will come, and close."""
    connection.socket = connection.tls.unwrap()
    connection.close()


def hang_up(connection: TlsConnection) -> None:
    """Close without a word, as a process does that is killed."""
    connection.close()


def go_on(connection: Connection, path: str, offset: int) -> None:
    assert connection.request("PATCH", path, appending(offset), DATA[offset:]).status == 204
    assert connection.request("GET", path, {}).body == DATA


def test_what_arrived_of_a_body_that_is_cut_is_kept(server: TlsServer) -> None:
    arrived = 3 * MEGABYTE + 1
    path = cut(server.connect(), arrived, end_tls)
    with server.connect() as connection:
        assert poll(lambda: offset_of(connection, path)) == arrived
        go_on(connection, path, arrived)


def test_a_connection_that_breaks_costs_no_more_than_tls_had_in_hand(server: TlsServer) -> None:
    """uvloop throws away what it has not handed on when TCP ends before TLS does; asyncio hands it on."""
    arrived = 3 * MEGABYTE + 1
    path = cut(server.connect(), arrived, hang_up)
    with server.connect() as connection:
        offset = poll(lambda: offset_of(connection, path))
        assert arrived - MEGABYTE < offset <= arrived
        go_on(connection, path, offset)


@pytest.mark.parametrize("encrypted", [True, False])
def test_the_socket_is_offered_on_plain_connections_alone(
    loop: Loop, certificate: Certificate, encrypted: bool
) -> None:
    offered: list[set[str]] = []
    bodies: list[bytes] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        offered.append(set(scope["extensions"]))
        body, more = b"", True
        while more:
            message = await receive()
            body += message["body"]
            more = message["more_body"]
        bodies.append(body)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})

    used = certificate if encrypted else None
    with (
        running(app, loop=loop, certificate=used, lifespan="off") as port,
        TlsConnection(port, certificate.trusted()) if encrypted else Connection(port) as connection,
    ):
        assert connection.request("PATCH", "/", {}, DATA).status == 200
        assert connection.request("PATCH", "/", {}, b"small").status == 200

    assert bodies == [DATA, b"small"]
    assert offered == [{TRAILERS, PATIENCE} if encrypted else {TRAILERS, PATIENCE, BODY}] * 2
