"""An issuer's keys from a real server: rotating, slow, down, and answering nonsense."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from tests.stateful.asgi import SOON, until
from tests.unit.auth.issuer import (
    AUDIENCE,
    ED,
    ISSUER,
    P256,
    RSA,
    RSA2,
    WEAK_RSA,
    Published,
    jwk,
    jwks,
    publishing,
    token,
)
from tests.unit.auth.world import Time

from longshore.auth import jwks as module
from longshore.auth.external import ExternalTokens
from longshore.auth.jwks import FLOOR, LIFETIME, MAX_AGE, JwksKeys
from longshore.auth.principal import Principal
from longshore.protocol.errors import InvalidToken, Unavailable

pytestmark = pytest.mark.anyio


@dataclass
class Verifying:
    """A server of ours, and the issuer that it asks."""

    issuer: Published
    keys: JwksKeys
    tokens: ExternalTokens
    clock: Time

    def advance(self, seconds: float) -> None:
        # The tokens' own times are not what is tested here.
        self.clock.elapsed += seconds

    async def verify(self, key: Any = RSA, algorithm: str = "RS256", kid: str | None = "a") -> Principal:
        header = {} if kid is None else {"kid": kid}
        async with asyncio.timeout(SOON):
            return await self.tokens.verify(token(key, algorithm, header=header))

    async def is_known(self, key: Any = RSA, algorithm: str = "RS256", kid: str | None = "a") -> bool:
        try:
            await self.verify(key, algorithm, kid)
        except InvalidToken as refused:
            if "kid" not in refused.detail:
                raise
            return False
        return True

    @property
    def fetches(self) -> int:
        return len(self.issuer.requests)


def verifying_with(issuer: Published, **options: Any) -> Verifying:
    clock = Time()
    keys = JwksKeys(issuer.url, monotonic=clock.monotonic, **options)
    algorithms = ["RS256", "RS512", "ES256", "EdDSA"]
    return Verifying(issuer, keys, ExternalTokens(ISSUER, AUDIENCE, algorithms, keys, clock), clock)


@pytest.fixture
async def verifying(anyio_backend: str) -> AsyncIterator[Verifying]:
    async with publishing(jwk(RSA, "a")) as issuer:
        yield verifying_with(issuer)


# Fetching


async def test_fetches_the_keys_with_the_first_token_and_keeps_them(verifying: Verifying) -> None:
    assert verifying.fetches == 0
    for _ in range(3):
        assert (await verifying.verify()).subject == "alice"
    assert verifying.fetches == 1


@pytest.mark.parametrize("floor", [FLOOR, 0])
async def test_tokens_at_once_cause_one_fetch(floor: float, anyio_backend: str) -> None:
    async with publishing(jwk(RSA, "a")) as issuer:
        await cause_one_fetch(verifying_with(issuer, floor=floor))


async def cause_one_fetch(verifying: Verifying) -> None:
    verifying.issuer.answering.clear()
    several = [asyncio.create_task(verifying.verify()) for _ in range(10)]
    await asyncio.wait_for(verifying.issuer.asked.wait(), SOON)
    verifying.issuer.answering.set()
    assert {principal.subject for principal in await asyncio.gather(*several)} == {"alice"}
    assert verifying.fetches == 1


async def test_somebody_who_does_not_wait_leaves_the_fetch_to_the_others(verifying: Verifying) -> None:
    verifying.issuer.answering.clear()
    first, second = (asyncio.create_task(verifying.verify()) for _ in range(2))
    await asyncio.wait_for(verifying.issuer.asked.wait(), SOON)
    first.cancel()
    verifying.issuer.answering.set()
    assert (await second).subject == "alice"
    assert verifying.fetches == 1


async def test_old_keys_are_fetched_anew_while_they_serve(verifying: Verifying) -> None:
    await verifying.verify()
    verifying.issuer.answering.clear()
    verifying.issuer.body = jwks(jwk(RSA2, "b"))
    verifying.advance(LIFETIME - 1)
    await verifying.verify()
    assert verifying.fetches == 1
    verifying.advance(1)
    await verifying.verify()
    await until(lambda: verifying.fetches == 2)
    await verifying.verify()
    verifying.issuer.answering.set()
    assert await verifying.is_known(RSA2, kid="b")
    assert not await verifying.is_known(RSA, kid="a")
    assert verifying.fetches == 2


async def test_an_unknown_key_is_looked_for_but_not_too_often(verifying: Verifying) -> None:
    await verifying.verify()
    verifying.issuer.body = jwks(jwk(RSA, "a"), jwk(RSA2, "b"))
    verifying.advance(FLOOR - 1)
    assert not await verifying.is_known(RSA2, kid="b")
    assert verifying.fetches == 1
    verifying.advance(1)
    assert await verifying.is_known(RSA2, kid="b")
    assert verifying.fetches == 2
    for n in range(20):
        assert not await verifying.is_known(RSA2, kid=f"made up {n}")
    assert verifying.fetches == 2
    verifying.advance(FLOOR)
    assert not await verifying.is_known(RSA2, kid="made up")
    assert verifying.fetches == 3


async def test_a_key_that_was_withdrawn_is_not_good_for_longer_than_a_lifetime(verifying: Verifying) -> None:
    await verifying.verify()
    verifying.issuer.body = jwks(jwk(RSA2, "b"))
    verifying.advance(LIFETIME)
    await verifying.verify()
    await until(lambda: verifying.fetches == 2)
    assert await verifying.is_known(RSA2, kid="b")
    assert not await verifying.is_known()


# An issuer in trouble


async def test_without_keys_nobody_can_say(verifying: Verifying) -> None:
    verifying.issuer.status = 500
    for _ in range(3):
        with pytest.raises(Unavailable):
            await verifying.verify()
    assert verifying.fetches == 1
    verifying.issuer.status = 200
    verifying.advance(FLOOR)
    await verifying.verify()
    assert verifying.fetches == 2


async def test_an_issuer_that_is_down(caplog: pytest.LogCaptureFixture) -> None:
    async with publishing(jwk(RSA, "a")) as issuer:
        verifying = verifying_with(issuer)
        await verifying.verify()
    verifying.advance(MAX_AGE - FLOOR - 1)
    await verifying.verify()
    await until(lambda: "cannot fetch the issuer's keys" in caplog.text)
    assert not await verifying.is_known(kid="b")
    verifying.advance(FLOOR)
    await verifying.verify()
    verifying.advance(1)
    with pytest.raises(Unavailable):
        await verifying.verify()


async def test_an_issuer_that_was_never_up() -> None:
    async with publishing() as issuer:
        pass
    with pytest.raises(Unavailable):
        await verifying_with(issuer).verify()


async def test_does_not_wait_for_a_slow_issuer_for_ever() -> None:
    async with publishing(jwk(RSA, "a")) as issuer:
        issuer.answering.clear()
        verifying = verifying_with(issuer, timeout=0.05)
        with pytest.raises(Unavailable):
            await verifying.verify()
        assert verifying.fetches == 1


async def test_a_body_that_trickles_in_is_cut_off_too() -> None:
    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        try:
            while not reader.at_eof():
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.01)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(trickle, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        with pytest.raises(Unavailable):
            await verifying_with(Published(url=url), timeout=0.1).verify()


NO_SETS = [
    b"",
    b"null",
    b"[]",
    b"{}",
    b'{"keys": null}',
    b'{"keys": {}}',
    b'{"keys": "abc"}',
    b'{"keys": []}',
    b"<html>",
]
NO_SETS += [b'{"keys": [1, null, "x", []]}', b"[" * 100_000, b"\xff\xfe"]


@pytest.mark.parametrize("body", NO_SETS, ids=range(len(NO_SETS)))
async def test_what_is_no_set_leaves_the_keys_as_they_are(verifying: Verifying, body: bytes) -> None:
    await verifying.verify()
    verifying.issuer.body = body
    verifying.advance(FLOOR)
    assert not await verifying.is_known(kid="b")
    assert verifying.fetches == 2
    await verifying.verify()


@pytest.mark.parametrize("status", [204, 301, 302, 304, 404, 500])
async def test_only_a_plain_answer_counts(verifying: Verifying, status: int) -> None:
    async with publishing(jwk(RSA2, "b")) as other:
        verifying.issuer.status = status
        verifying.issuer.headers = [("Location", other.url)]
        with pytest.raises(Unavailable):
            await verifying.verify(RSA2, kid="b")
        assert other.requests == []


async def test_a_set_that_is_too_large_is_not_read(verifying: Verifying, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SIZE", len(verifying.issuer.body))
    await verifying.verify()
    verifying.issuer.body = jwks(jwk(RSA2, "b"), jwk(RSA, "a"))
    verifying.advance(FLOOR)
    assert not await verifying.is_known(RSA2, kid="b")
    assert verifying.fetches == 2


async def test_asks_for_no_compression_and_takes_none(verifying: Verifying) -> None:
    verifying.issuer.headers = [("Content-Encoding", "gzip")]
    verifying.issuer.body = gzip.compress(verifying.issuer.body)
    with pytest.raises(Unavailable):
        await verifying.verify()
    assert "accept-encoding: identity\r\n" in verifying.issuer.requests[0].lower()


async def test_an_address_with_credentials_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with publishing() as issuer:
        issuer.url = issuer.url.replace("http://", "http://user:secret@")
        with pytest.raises(Unavailable) as refused:
            await verifying_with(issuer).verify()
    assert "cannot fetch" in caplog.text
    assert "secret" not in caplog.text
    assert "secret" not in str(refused.value)


# Which key it is


async def test_each_kind_of_key_is_found_by_its_name(verifying: Verifying) -> None:
    verifying.issuer.body = jwks(jwk(RSA, "a"), jwk(RSA2, "b"), jwk(P256, "c"), jwk(ED, "d"))
    for key, algorithm, kid in ((RSA, "RS256", "a"), (RSA2, "RS512", "b"), (P256, "ES256", "c"), (ED, "EdDSA", "d")):
        assert await verifying.is_known(key, algorithm, kid)


async def test_the_name_is_not_enough(verifying: Verifying) -> None:
    verifying.issuer.body = jwks(jwk(RSA, "a"), jwk(P256, "c"))
    assert not await verifying.is_known(P256, "ES256", "a")
    with pytest.raises(InvalidToken, match="signature"):
        await verifying.verify(RSA2, "RS256", "a")


@pytest.mark.parametrize("kid", ["A", "a ", "", "../a", "http://127.0.0.1/a", "a" * 1000])
async def test_another_name_is_another_key(verifying: Verifying, kid: str) -> None:
    assert not await verifying.is_known(kid=kid)


async def test_without_a_name_there_must_be_one_fitting_key(verifying: Verifying) -> None:
    verifying.issuer.body = jwks(jwk(RSA, "a"), jwk(P256, "c"), jwk(RSA2, "e", use="enc"))
    assert await verifying.is_known(RSA, "RS256", None)
    assert await verifying.is_known(P256, "ES256", None)
    verifying.issuer.body = jwks(jwk(RSA, "a"), jwk(RSA2, "b"))
    verifying.advance(LIFETIME + MAX_AGE)
    assert not await verifying.is_known(RSA, "RS256", None)


async def test_a_key_without_a_name_is_found_without_one(verifying: Verifying) -> None:
    verifying.issuer.body = jwks(jwk(RSA))
    assert await verifying.is_known(kid=None)
    assert not await verifying.is_known(kid="a")


async def test_two_keys_of_one_name_are_told_apart_by_kind_or_not_at_all(verifying: Verifying) -> None:
    verifying.issuer.body = jwks(jwk(RSA, "a"), jwk(P256, "a"))
    assert await verifying.is_known(RSA, "RS256", "a")
    assert await verifying.is_known(P256, "ES256", "a")
    verifying.issuer.body = jwks(jwk(RSA, "a"), jwk(RSA2, "a"))
    verifying.advance(LIFETIME + MAX_AGE)
    assert not await verifying.is_known(RSA, "RS256", "a")


@pytest.mark.parametrize(
    "fields", [{"use": "sig"}, {"alg": "RS256"}, {"key_ops": ["verify"]}, {"use": "sig", "alg": "RS256", "x5t": "x"}]
)
async def test_a_key_may_say_what_it_is_for(verifying: Verifying, fields: dict[str, Any]) -> None:
    verifying.issuer.body = jwks(jwk(RSA, "a", **fields))
    assert await verifying.is_known()


UNFIT = {
    "for-encryption": jwk(RSA, "a", use="enc"),
    "for-signing": jwk(RSA, "a", key_ops=["sign"]),
    "operations-no-list": jwk(RSA, "a", key_ops="verify"),
    "another-algorithm": jwk(RSA, "a", alg="RS512"),
    "encryption-algorithm": jwk(RSA, "a", alg="RSA-OAEP"),
    "algorithm-no-text": jwk(RSA, "a", alg=["RS256"]),
    "private": jwk(RSA, "a", private=True),
    "weak": jwk(WEAK_RSA, "a"),
    "name-no-text": jwk(RSA, "a") | {"kid": ["a"]},
    "another-kind": jwk(RSA, "a", kty="EC"),
    "no-kind": {"kid": "a", "n": "AQAB", "e": "AQAB"},
    "kind-no-text": jwk(RSA, "a") | {"kty": ["RSA"]},
    "broken": jwk(RSA, "a") | {"n": "!"},
    "no-number": jwk(RSA, "a") | {"n": 7},
    "even": jwk(RSA, "a") | {"e": "Ag"},
    "off-the-curve": jwk(P256, "a") | {"y": jwk(P256)["x"]},
    "symmetric": {"kty": "oct", "kid": "a", "k": "A" * 43},
}


@pytest.mark.parametrize("entry", UNFIT.values(), ids=UNFIT)
async def test_a_key_that_is_not_fit_is_left_out_and_the_others_serve(
    verifying: Verifying, entry: dict[str, Any]
) -> None:
    verifying.issuer.body = jwks(entry, jwk(RSA2, "good"))
    assert await verifying.is_known(RSA2, kid="good")
    assert not await verifying.is_known(kid="a")


async def test_looks_at_so_many_keys_and_no_more(verifying: Verifying, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_KEYS", 2)
    verifying.issuer.body = jwks(jwk(RSA, "a"), jwk(P256, "b"), jwk(RSA2, "c"))
    assert await verifying.is_known()
    assert not await verifying.is_known(RSA2, kid="c")


@pytest.mark.parametrize(
    "url", ["", "issuer.example/jwks", "ftp://issuer.example/", "file:///etc/passwd", "https://", "http://a:b/"]
)
def test_refuses_an_address_that_is_none(url: str) -> None:
    with pytest.raises(ValueError, match="JWK Set"):
        JwksKeys(url)


async def test_time_has_no_say_before_the_first_token() -> None:
    clock = Time()
    async with publishing(jwk(RSA, "a")) as issuer:
        verifying = verifying_with(issuer)
        clock.advance(timedelta(days=3))
        assert await verifying.is_known()
