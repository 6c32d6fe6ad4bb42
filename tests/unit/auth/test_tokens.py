"""Our own access tokens, and what attackers make of them."""

import hmac
from collections.abc import Callable, Mapping
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from tests.unit.auth.world import MINUTE, SECOND, Time, decoded, encoded, header_of, payload_of, signed, signing_key

from longshore.auth import keyfile
from longshore.auth.keys import FLOOR, KeyRing
from longshore.auth.tokens import Claims, LocalTokens
from longshore.protocol.errors import InvalidToken

pytestmark = pytest.mark.anyio

USER = "local:0123456789abcdef0123456789abcdef"
SECRET = signing_key("k1").secret


def local(clock: Time | None = None, *, leeway: timedelta = timedelta(0)) -> LocalTokens:
    return LocalTokens(KeyRing([signing_key("k1"), signing_key("k0")]), clock or Time(), leeway=leeway)


def good_claims(**changes: Any) -> dict[str, Any]:
    """What stands in a token of the user; a claim that is None is left out."""
    now = int(Time().now.timestamp())
    claims = {"iss": "longshore", "aud": "longshore", "sub": USER, "iat": now, "nbf": now, "exp": now + 900}
    claims |= {"jti": "j", "gen": 0} | changes
    return {name: value for name, value in claims.items() if value is not None}


def by_hand(claims: Mapping[str, Any] | bytes, *, secret: bytes = SECRET, **header: Any) -> str:
    """A token that no library would make; a header that is None is left out."""
    fields = {"alg": "HS256", "kid": "k1", "typ": "at+jwt"} | header
    signing_input = ".".join(map(encoded, ({n: v for n, v in fields.items() if v is not None}, claims)))
    return f"{signing_input}.{encoded(hmac.new(secret, signing_input.encode(), sha256).digest())}"


async def refusal(token: str, tokens: LocalTokens | None = None) -> str:
    with pytest.raises(InvalidToken) as refused:
        await (tokens or local()).verify(token)
    error = refused.value
    assert (error.status, error.code) == (401, "invalid-token")
    assert ("WWW-Authenticate", 'Bearer realm="longshore", error="invalid_token"') in error.headers
    assert error.__cause__ is None
    assert error.__suppress_context__ or error.__context__ is None
    for part in filter(lambda part: len(part) > 8, token.split(".")):
        assert part not in error.detail
    return error.detail


async def test_verifies_what_it_has_issued() -> None:
    clock = Time()
    tokens = local(clock)
    token = await tokens.issue(USER, "s1", 15 * MINUTE, generation=3)
    expires_at = clock.now.replace(microsecond=0) + 15 * MINUTE
    assert await tokens.verify(token) == Claims(USER, 3, "s1", expires_at)
    assert header_of(token) == {"alg": "HS256", "kid": "k1", "typ": "at+jwt"}


async def test_a_token_says_what_rfc_9068_asks_for() -> None:
    clock = Time()
    payload = payload_of(await local(clock).issue(USER, None, MINUTE))
    now = int(clock.now.timestamp())
    assert len(payload.pop("jti")) >= 16
    assert payload == {
        "iss": "longshore",
        "aud": "longshore",
        "sub": USER,
        "iat": now,
        "nbf": now,
        "exp": now + 60,
        "gen": 0,
    }


async def test_no_two_tokens_are_the_same() -> None:
    tokens = local()
    assert await tokens.issue(USER, "s", MINUTE) != await tokens.issue(USER, "s", MINUTE)


async def test_the_token_made_by_hand_is_good() -> None:
    # What the attacks below are variations of.
    assert (await local().verify(by_hand(good_claims()))).user_id == USER


async def test_verifies_with_an_older_key() -> None:
    await local().verify(by_hand(good_claims(), kid="k0", secret=signing_key("k0").secret))


async def test_a_token_expires_to_the_second() -> None:
    clock = Time()
    clock.now = clock.now.replace(microsecond=0)
    tokens = local(clock)
    token = await tokens.issue(USER, None, MINUTE)
    clock.advance(59 * SECOND)
    await tokens.verify(token)
    clock.advance(SECOND)
    assert "expired" in await refusal(token, tokens)


async def test_the_leeway_counts_on_both_sides() -> None:
    clock = Time()
    clock.now = clock.now.replace(microsecond=0)
    tokens = local(clock, leeway=30 * SECOND)
    token = await tokens.issue(USER, None, MINUTE)
    clock.advance(-30 * SECOND)
    await tokens.verify(token)
    clock.advance(-SECOND)
    assert "not valid yet" in await refusal(token, tokens)
    clock.advance(120 * SECOND)
    await tokens.verify(token)
    clock.advance(SECOND)
    assert "expired" in await refusal(token, tokens)


# Claims


@pytest.mark.parametrize("claim", ["iss", "aud", "sub", "iat", "exp", "jti", "gen"])
async def test_refuses_a_token_that_lacks_a_claim(claim: str) -> None:
    assert claim in await refusal(by_hand(good_claims(**{claim: None})))


NOW = int(Time().now.timestamp())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"iss": "https://issuer.example"}, "iss"),
        ({"iss": ["longshore"]}, "iss"),
        ({"aud": "others"}, "aud"),
        ({"aud": ["others"]}, "aud"),
        ({"aud": {"longshore": 1}}, "aud"),
        ({"aud": []}, "aud"),
        ({"exp": NOW}, "expired"),
        ({"exp": 0}, "expired"),
        ({"exp": -1}, "exp"),
        ({"exp": str(NOW + 900)}, "exp"),
        ({"exp": True}, "exp"),
        ({"exp": float("nan")}, "exp"),
        ({"exp": float("inf")}, "exp"),
        ({"exp": 10**400}, "exp"),
        ({"exp": [NOW + 900]}, "exp"),
        ({"nbf": NOW + 60}, "nbf"),
        ({"nbf": "now"}, "nbf"),
        ({"nbf": True}, "moment"),
        ({"iat": NOW + 60}, "iat"),
        ({"iat": {}}, "iat"),
        ({"sub": 7}, "malformed"),
        ({"sub": ""}, "malformed"),
        ({"sub": "somebody"}, "malformed"),
        ({"gen": "0"}, "malformed"),
        ({"gen": True}, "malformed"),
        ({"sid": 7}, "malformed"),
        ({"jti": 7}, "malformed"),
    ],
)
async def test_refuses_what_a_claim_must_not_be(changes: dict[str, Any], reason: str) -> None:
    assert reason in await refusal(by_hand(good_claims(**changes)))


@pytest.mark.parametrize("payload", [b"[]", b"null", b'"x"', b"", b"{", b"\xff", b"[" * 3000, b'{"iss":' + b"9" * 5000])
async def test_refuses_a_payload_that_is_no_object(payload: bytes) -> None:
    assert await refusal(by_hand(payload)) == "The token is malformed."


# Headers


@pytest.mark.parametrize(
    "algorithm", ["none", "None", "NONE", "nOnE", "", "HS384", "HS512", "RS256", "ES256", "hs256", 7, ["HS256"]]
)
@pytest.mark.parametrize("signature", ["", "good"])
async def test_refuses_any_other_algorithm(algorithm: object, signature: str) -> None:
    token = by_hand(good_claims(), alg=algorithm)
    assert await refusal(token if signature else token.rpartition(".")[0] + ".")


@pytest.mark.parametrize("typ", [None, "JWT", "at+JWT ", 7])
async def test_refuses_a_token_of_another_type(typ: object) -> None:
    assert "typ" in await refusal(by_hand(good_claims(), typ=typ))


KIDS = [
    None,
    "",
    "k2",
    "K1",
    "k1 ",
    "../keys.json",
    "/dev/null",
    "k1\0",
    "' OR 1=1 --",
    "k1/../k1",
    "__class__",
    "x" * 5000,
]


@pytest.mark.parametrize("kid", KIDS)
@pytest.mark.parametrize("secret", [SECRET, b""])
async def test_refuses_a_key_that_it_does_not_know(kid: str | None, secret: bytes) -> None:
    assert "kid" in await refusal(by_hand(good_claims(), kid=kid, secret=secret))


@pytest.mark.parametrize("kid", [7, ["k1"], {"k1": 1}, True])
async def test_refuses_a_kid_that_is_no_text(kid: object) -> None:
    assert await refusal(by_hand(good_claims(), kid=kid)) == "The token is malformed."


ATTACKER = b"the attacker's own secret, 32 bytes"


@pytest.mark.parametrize(
    "header",
    [
        {"jwk": {"kty": "oct", "kid": "k1", "k": encoded(ATTACKER)}},
        {"jku": "https://attacker.example/jwks.json"},
        {"x5u": "https://attacker.example/cert.pem"},
        {"x5c": ["MIIB"]},
    ],
)
async def test_a_key_that_the_token_brings_is_not_used(header: dict[str, Any]) -> None:
    assert "signature" in await refusal(by_hand(good_claims(), secret=ATTACKER, **header))


@pytest.mark.parametrize("header", [{"crit": ["exp"]}, {"crit": []}, {"crit": "b64"}, {"crit": ["b64"], "b64": False}])
async def test_refuses_what_it_would_have_to_understand(header: dict[str, Any]) -> None:
    assert await refusal(by_hand(good_claims(), **header)) == "The token is malformed."


# Signatures


def halves(token: str) -> tuple[str, str]:
    content, _, signature = token.rpartition(".")
    return content, signature


@pytest.mark.parametrize("secret", [b"", b"\0" * 32, b"k1", b"longshore", signing_key("k0").secret])
async def test_refuses_what_another_key_has_signed(secret: bytes) -> None:
    assert await refusal(by_hand(good_claims(), secret=secret)) == "The token's signature is wrong."


def with_payload_of_an_admin(token: str) -> str:
    header, payload, signature = token.split(".")
    return f"{header}.{encoded(decoded(payload) | {'sub': 'local:' + '0' * 32})}.{signature}"


def with_signature_of_another(token: str) -> str:
    return f"{halves(token)[0]}.{halves(by_hand(good_claims(jti='other')))[1]}"


def with_one_bit_flipped(token: str) -> str:
    content, signature = halves(token)
    return f"{content}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"


@pytest.mark.parametrize("attack", [with_payload_of_an_admin, with_signature_of_another, with_one_bit_flipped])
async def test_refuses_a_signature_that_is_not_ours(attack: Callable[[str], str]) -> None:
    assert await refusal(attack(by_hand(good_claims()))) == "The token's signature is wrong."


def mangled(token: str) -> list[str]:
    content, signature = halves(token)
    header, payload = content.split(".")
    return [
        "",
        ".",
        "..",
        "...",
        "bearer",
        header,
        content,
        f"{content}.",
        f".{payload}.{signature}",
        f"{header}..{signature}",
        token[:-1],
        token[:-5],
        token[1:],
        f"{token}A",
        f"{token}.{signature}",
        f"{token}.",
        f" {token}",
        f"{token} ",
        f"{token}\n",
        f"{content}.{signature}, {token}",
        token.replace(".", ".\0"),
        f"{content}.\u0430{signature[1:]}",
        f"{content}.\ud800{signature[1:]}",
        f"{content}.{signature}====",
        encoded({"payload": payload, "signatures": [{"protected": header, "signature": signature}]}),
        '{"payload":"' + payload + '","protected":"' + header + '","signature":"' + signature + '"}',
    ]


@pytest.mark.parametrize("token", mangled(by_hand(good_claims())))
async def test_refuses_a_token_that_is_cut_or_has_more_than_one_signature(token: str) -> None:
    assert await refusal(token)


async def test_a_token_of_8_kib_is_taken_and_a_longer_one_is_not_looked_at() -> None:
    room = 8 * 1024 - len(by_hand(good_claims(x="")))
    # Three bytes become four characters.
    fits, longer = (by_hand(good_claims(x="x" * (room * 3 // 4 + more))) for more in (-3, 3))
    assert 8 * 1024 - 8 < len(fits) <= 8 * 1024 < len(longer)
    await local().verify(fits)
    assert await refusal(longer) == await refusal("x" * 10**6) == "The token is too long."


# Keys that come and go


async def test_signs_with_a_key_that_another_process_has_made(tmp_path: Path) -> None:
    path, clock = tmp_path / "keys.json", Time()
    server = LocalTokens(KeyRing.from_file(path, clock=clock, monotonic=clock.monotonic), clock)
    before = await server.issue(USER, None, 15 * MINUTE)
    clock.advance(MINUTE)
    new = keyfile.rotate(path, now=clock.now, drop_before=clock.now - MINUTE)
    clock.advance(FLOOR * SECOND)
    command = LocalTokens(KeyRing.from_file(path, clock=clock, monotonic=clock.monotonic), clock)
    await server.verify(await command.issue(USER, None, MINUTE))
    await server.verify(before)
    assert header_of(await server.issue(USER, None, MINUTE))["kid"] == new.kid


async def test_a_key_that_was_dropped_is_not_good_for_long(tmp_path: Path) -> None:
    path, clock = tmp_path / "keys.json", Time()
    server = LocalTokens(KeyRing.from_file(path, clock=clock, monotonic=clock.monotonic), clock)
    token = await server.issue(USER, None, 15 * MINUTE)
    keyfile.rotate(path, now=clock.now, drop_before=clock.now)
    clock.advance(MINUTE)
    assert "kid" in await refusal(token, server)


async def test_what_pyjwt_makes_is_good_too() -> None:
    token = signed(good_claims(), SECRET, "HS256", kid="k1", typ="at+jwt")
    assert (await local().verify(token)).user_id == USER
