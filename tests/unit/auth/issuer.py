"""An external issuer: its key pairs, the tokens it signs, and a server on loopback that publishes its keys."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from tests.unit.auth.world import Time, signed

ISSUER: Final = "https://issuer.example/realms/test"
AUDIENCE: Final = "uploads"

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

RSA: Final = rsa.generate_private_key(65537, 2048)
RSA2: Final = rsa.generate_private_key(65537, 2048)
WEAK_RSA: Final = rsa.generate_private_key(65537, 1024)  # noqa: S505 - to be refused
P256: Final = ec.generate_private_key(ec.SECP256R1())
P384: Final = ec.generate_private_key(ec.SECP384R1())
ED: Final = ed25519.Ed25519PrivateKey.generate()


def public_pem(key: PrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def private_pem(key: PrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def jwk(key: PrivateKey, kid: str | None = None, *, private: bool = False, **fields: Any) -> dict[str, Any]:
    """A key as it stands in a set; a field that is None is left out."""
    shown: Any = key if private else key.public_key()
    if isinstance(key, rsa.RSAPrivateKey):
        entry = RSAAlgorithm.to_jwk(shown, as_dict=True)
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        entry = ECAlgorithm.to_jwk(shown, as_dict=True)
    else:
        entry = OKPAlgorithm.to_jwk(shown, as_dict=True)
    entry = {name: value for name, value in entry.items() if name != "key_ops"} | {"kid": kid} | fields
    return {name: value for name, value in entry.items() if value is not None}


def jwks(*entries: Any) -> bytes:
    return json.dumps({"keys": entries}).encode()


def claims(**changes: Any) -> dict[str, Any]:
    """What stands in a token; a claim that is None is left out."""
    now = int(Time().now.timestamp())
    said = {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "iat": now, "nbf": now, "exp": now + 900} | changes
    return {name: value for name, value in said.items() if value is not None}


def token(
    key: PrivateKey = RSA, algorithm: str = "RS256", *, header: Mapping[str, Any] | None = None, **changes: Any
) -> str:
    return signed(claims(**changes), key, algorithm, **(header or {}))


@dataclass
class Published:
    """What the issuer's server answers, and what it was asked."""

    url: str = ""
    body: bytes = b""
    status: int = 200
    headers: Sequence[tuple[str, str]] = ()
    requests: list[str] = field(default_factory=list)
    answering: asyncio.Event = field(default_factory=asyncio.Event)
    """Cleared while the server takes its time."""
    asked: asyncio.Event = field(default_factory=asyncio.Event)


@asynccontextmanager
async def publishing(*entries: Any) -> AsyncIterator[Published]:
    """Serve a set on a free port until the end of the block."""
    published = Published(body=jwks(*entries))
    published.answering.set()
    connections: set[asyncio.Task[None] | None] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(asyncio.current_task())
        try:
            published.requests.append((await reader.readuntil(b"\r\n\r\n")).decode())
            published.asked.set()
            await published.answering.wait()
            fields = "".join(f"{name}: {value}\r\n" for name, value in published.headers)
            head = f"HTTP/1.1 {published.status} -\r\n{fields}Content-Length: {len(published.body)}\r\n\r\n"
            writer.write(head.encode() + published.body)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # The client has had enough.
        finally:
            connections.discard(asyncio.current_task())
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    published.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks.json"
    try:
        yield published
    finally:
        published.answering.set()
        server.close()
        await server.wait_closed()
        for connection in list(connections):
            if connection:
                await asyncio.wait([connection], timeout=5)
