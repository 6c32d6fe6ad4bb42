"""Checksums: what Upload-Checksum may say, and the digests it is held against."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.protocol.values import SHA1_OF_HELLO_WORLD, algorithms, b64, checksum_field, digest, pieces

from longshore.protocol.capabilities import CHECKSUM_ALGORITHMS
from longshore.protocol.checksum import Checksum, Digests, parse_checksum
from longshore.protocol.errors import ChecksumAlgorithmUnsupported, ChecksumMismatch, InvalidChecksum, TusError

SIZES = {"md5": 16, "sha1": 20, "sha256": 32, "sha512": 64, "crc32": 4}


def digests_of(*data: bytes, only: tuple[str, ...] = CHECKSUM_ALGORITHMS) -> Digests:
    """Digests that have seen these pieces."""
    digests = Digests(only)
    for piece in data:
        digests.update(memoryview(piece))
    return digests


def test_sha1_is_supported() -> None:
    assert "sha1" in CHECKSUM_ALGORITHMS
    assert all(name.isascii() and name == name.lower() for name in CHECKSUM_ALGORITHMS)


def test_the_example_of_the_specification() -> None:
    digests_of(b"hello world").verify(parse_checksum(SHA1_OF_HELLO_WORLD))


@pytest.mark.parametrize(
    "value",
    [
        "crc32 y/Q5Jg==",
        "md5 JfnnlDI7RTiF9RgfG2JNCw==",
        "sha1 98O8HYCOBHMq32eZZczDTKeuNEE=",
        "sha256 FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=",
        "sha512 2eZ2LdHI6vbWGzxhkvxAjU1tXxF20MKRabwk5xw/J0rSf81YEbMT1oH35V7ALXPUmclUVba1u1A6z1dPuo/+hQ==",
    ],
)
def test_published_digests_of_one_to_nine(value: str) -> None:
    for data in ([b"123456789"], [b"1234", b"56789"], [b"", b"12345678", b"9", b""]):
        digests_of(*data).verify(parse_checksum(value))


@pytest.mark.parametrize("algorithm", CHECKSUM_ALGORITHMS)
def test_reading_a_checksum(algorithm: str) -> None:
    value = bytes(range(SIZES[algorithm]))
    assert parse_checksum(f"{algorithm} {b64(value)}") == Checksum(algorithm, value)
    assert parse_checksum(f" {algorithm} {b64(value)}\t") == Checksum(algorithm, value)


@pytest.mark.parametrize("algorithm", CHECKSUM_ALGORITHMS)
@pytest.mark.parametrize("difference", [-1, 1])
def test_a_digest_of_another_length_is_no_checksum(algorithm: str, difference: int) -> None:
    with pytest.raises(InvalidChecksum):
        parse_checksum(f"{algorithm} {b64(bytes(SIZES[algorithm] + difference))}")


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ("", ChecksumAlgorithmUnsupported),
        (" ", ChecksumAlgorithmUnsupported),
        ("sha3 Kq5sNclPz7QV2+lfQIuc6R7oRu0=", ChecksumAlgorithmUnsupported),
        ("SHA1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=", ChecksumAlgorithmUnsupported),
        ("sha-1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=", ChecksumAlgorithmUnsupported),
        ("sha1,Kq5sNclPz7QV2+lfQIuc6R7oRu0=", ChecksumAlgorithmUnsupported),
        ("sha1\tKq5sNclPz7QV2+lfQIuc6R7oRu0=", ChecksumAlgorithmUnsupported),
        ("Kq5sNclPz7QV2+lfQIuc6R7oRu0=", ChecksumAlgorithmUnsupported),
        ("sha1", InvalidChecksum),
        ("sha1 ", InvalidChecksum),
        ("sha1  Kq5sNclPz7QV2+lfQIuc6R7oRu0=", InvalidChecksum),
        ("sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0", InvalidChecksum),
        ("sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0==", InvalidChecksum),
        ("sha1 Kq5sNclPz7QV2-lfQIuc6R7oRu0=", InvalidChecksum),
        ("sha1 2aae6c35c94fcfb415dbe95f408b9ce91ee846ed", InvalidChecksum),
        ("sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=, sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=", InvalidChecksum),
        ("sha1 Äq5sNclPz7QV2+lfQIuc6R7oRu0=", InvalidChecksum),
        ("crc32 \ud800", InvalidChecksum),
    ],
)
def test_what_is_no_checksum(value: str, error: type[TusError]) -> None:
    with pytest.raises(error) as caught:
        parse_checksum(value)
    assert caught.value.status == 400


@given(algorithms, st.binary(), st.lists(st.integers(0, 200)))
def test_a_body_has_its_digest_however_it_is_cut(algorithm: str, data: bytes, cuts: list[int]) -> None:
    checksum = parse_checksum(checksum_field(algorithm, data))
    digests_of(*pieces(data, cuts), only=(algorithm,)).verify(checksum)
    digests_of(*pieces(data, cuts)).verify(checksum)


@given(algorithms, st.binary(min_size=1), st.data())
def test_a_damaged_body_has_another(algorithm: str, data: bytes, draw: st.DataObject) -> None:
    place, mask = draw.draw(st.integers(0, len(data) - 1)), draw.draw(st.integers(1, 255))
    damaged = data[:place] + bytes([data[place] ^ mask]) + data[place + 1 :]
    with pytest.raises(ChecksumMismatch) as caught:
        digests_of(damaged).verify(Checksum(algorithm, digest(algorithm, data)))
    assert caught.value.status == 460


@pytest.mark.parametrize("algorithm", CHECKSUM_ALGORITHMS)
def test_a_prefix_or_nothing_is_not_the_digest(algorithm: str) -> None:
    whole = digest(algorithm, b"hello")
    for wrong in (b"", whole[:-1], whole + b"\0", whole[::-1]):
        with pytest.raises(ChecksumMismatch):
            digests_of(b"hello").verify(Checksum(algorithm, wrong))


@pytest.mark.parametrize("algorithm", CHECKSUM_ALGORITHMS)
def test_verifying_leaves_the_digest_as_it_is(algorithm: str) -> None:
    digests = digests_of(b"hello ")
    digests.verify(Checksum(algorithm, digest(algorithm, b"hello ")))
    digests.update(memoryview(b"world"))
    digests.verify(Checksum(algorithm, digest(algorithm, b"hello world")))


@given(st.text() | st.text("sha1 +/=Az"))
def test_any_value_is_a_checksum_or_a_refusal(value: str) -> None:
    try:
        checksum = parse_checksum(value)
    except (ChecksumAlgorithmUnsupported, InvalidChecksum):
        return
    assert len(checksum.digest) == SIZES[checksum.algorithm]
