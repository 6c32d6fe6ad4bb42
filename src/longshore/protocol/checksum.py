"""The checksum extension: Upload-Checksum values, and the digests they are held against."""

import hashlib
import hmac
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from longshore.protocol.capabilities import CHECKSUM_ALGORITHMS
from longshore.protocol.encoding import decode_base64
from longshore.protocol.errors import ChecksumAlgorithmUnsupported, ChecksumMismatch, InvalidChecksum


class Hash(Protocol):
    """The part of hashlib's interface that is needed here."""

    @property
    def digest_size(self) -> int:
        """Length of the digest in bytes."""

    def update(self, data: memoryview, /) -> None:
        """Take more bytes."""

    def digest(self) -> bytes:
        """The digest of all bytes so far."""


class Crc32:
    """CRC-32 (ISO-HDLC, as zlib and gzip have it), its digest in network byte order."""

    digest_size = 4

    def __init__(self) -> None:
        self._value = 0

    def update(self, data: memoryview, /) -> None:
        """Take more bytes."""
        self._value = zlib.crc32(data, self._value)

    def digest(self) -> bytes:
        """Four bytes, the most significant first."""
        return self._value.to_bytes(4, "big")


_HASHES: dict[str, Callable[[], Hash]] = {
    # Clients choose the algorithm to detect damage in transit; none of these guards against an adversary here.
    "md5": lambda: hashlib.md5(usedforsecurity=False),
    "sha1": lambda: hashlib.sha1(usedforsecurity=False),
    "sha256": hashlib.sha256,
    "sha512": hashlib.sha512,
    "crc32": Crc32,
}


@dataclass(frozen=True, slots=True)
class Checksum:
    """What a client says the digest of its request body is."""

    algorithm: str
    digest: bytes


class Digests:
    """Digests of one body, computed in the same pass, by algorithm."""

    def __init__(self, algorithms: Iterable[str]) -> None:
        self._hashes = {name: _HASHES[name]() for name in algorithms}

    def update(self, data: memoryview) -> None:
        """Take more bytes of the body, in order."""
        for running in self._hashes.values():
            running.update(data)

    def verify(self, checksum: Checksum) -> None:
        """Raise `ChecksumMismatch` unless the body has this checksum."""
        if not hmac.compare_digest(self._hashes[checksum.algorithm].digest(), checksum.digest):
            raise ChecksumMismatch(f"The {checksum.algorithm} digest of the body is another one.")


def parse_checksum(value: str) -> Checksum:
    """Read an Upload-Checksum value.

    "The header MUST consist of the name of the used checksum algorithm and the Base64 encoded checksum separated by a
    space." Raises `ChecksumAlgorithmUnsupported` or `InvalidChecksum`.
    """
    algorithm, _, encoded = value.strip().partition(" ")
    if algorithm not in CHECKSUM_ALGORITHMS:
        raise ChecksumAlgorithmUnsupported(f"Use one of {', '.join(CHECKSUM_ALGORITHMS)}.")
    digest = _decode(encoded)
    if len(digest) != _HASHES[algorithm]().digest_size:
        raise InvalidChecksum(f"A {algorithm} digest has another length.")
    return Checksum(algorithm, digest)


def _decode(encoded: str) -> bytes:
    try:
        return decode_base64(encoded)
    except ValueError:
        raise InvalidChecksum("The checksum is not Base64.") from None
