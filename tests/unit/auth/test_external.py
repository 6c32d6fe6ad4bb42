"""Tokens of an external issuer, and what attackers make of them."""

import hmac
from collections.abc import Callable, Collection
from hashlib import sha256
from typing import Any

import pytest
from tests.unit.auth.issuer import (
    AUDIENCE,
    ED,
    ISSUER,
    P256,
    P384,
    RSA,
    RSA2,
    WEAK_RSA,
    PrivateKey,
    claims,
    jwk,
    private_pem,
    public_pem,
    token,
)
from tests.unit.auth.world import MINUTE, SECOND, Time, encoded

from longshore.auth.external import ExternalTokens
from longshore.auth.principal import Principal, Role
from longshore.auth.public_keys import ALGORITHMS, PemKey
from longshore.protocol.errors import InvalidToken

pytestmark = pytest.mark.anyio

NOW = int(Time().now.timestamp())


def external(
    key: PrivateKey = RSA,
    algorithms: Collection[str] = ("RS256", "ES256", "EdDSA"),
    *,
    clock: Time | None = None,
    **options: Any,
) -> ExternalTokens:
    return ExternalTokens(ISSUER, AUDIENCE, algorithms, PemKey(public_pem(key)), clock or Time(), **options)


async def refusal(shown: str, tokens: ExternalTokens | None = None) -> str:
    with pytest.raises(InvalidToken) as refused:
        await (tokens or external()).verify(shown)
    for part in filter(lambda part: len(part) > 8, shown.split(".")):
        assert part not in refused.value.detail
    return refused.value.detail


# What is accepted

PAIRS = [
    ("RS256", RSA),
    ("RS384", RSA),
    ("RS512", RSA),
    ("PS256", RSA),
    ("ES256", P256),
    ("ES384", P384),
    ("EdDSA", ED),
]


@pytest.mark.parametrize(("algorithm", "key"), PAIRS, ids=[algorithm for algorithm, _ in PAIRS])
async def test_verifies_each_algorithm(algorithm: str, key: PrivateKey) -> None:
    clock = Time()
    principal = await external(key, [algorithm], clock=clock).verify(token(key, algorithm))
    expires_at = clock.now.replace(microsecond=0) + 15 * MINUTE
    assert principal == Principal("alice", Role.USER, "alice", session=None, expires_at=expires_at)


def test_each_algorithm_is_tried() -> None:
    assert {algorithm for algorithm, _ in PAIRS} == set(ALGORITHMS)


async def test_needs_neither_iat_nor_nbf() -> None:
    assert (await external().verify(token(iat=None, nbf=None))).subject == "alice"


async def test_may_be_for_others_as_well() -> None:
    assert (await external().verify(token(aud=["others", AUDIENCE]))).subject == "alice"


@pytest.mark.parametrize("subject", ["a", "x" * 255, "auth0|5f7c", "Jürgen Müller", "a/../b", "LOCAL:x", "local"])
async def test_takes_a_subject_as_it_is(subject: str) -> None:
    assert (await external().verify(token(sub=subject))).subject == subject


@pytest.mark.parametrize(
    ("said", "name"), [({}, "alice"), ({"preferred_username": "al"}, "al"), ({"preferred_username": "\n"}, "alice")]
)
async def test_calls_the_user_as_the_issuer_does(said: dict[str, Any], name: str) -> None:
    assert (await external().verify(token(**said))).name == name


@pytest.mark.parametrize(
    ("claim", "said", "role"),
    [
        ("roles", {"roles": ["user", "admin"]}, Role.ADMIN),
        ("roles", {"roles": "admin"}, Role.ADMIN),
        ("roles", {"roles": ["user"]}, Role.USER),
        ("roles", {"roles": "administrator"}, Role.USER),
        ("roles", {"roles": "admin user"}, Role.USER),
        ("roles", {"roles": ["Admin"]}, Role.USER),
        ("roles", {"roles": {"admin": True}}, Role.USER),
        ("roles", {"roles": [["admin"], {"admin": 1}, None]}, Role.USER),
        ("roles", {"roles": None}, Role.USER),
        ("roles", {}, Role.USER),
        ("realm_access.roles", {"realm_access": {"roles": ["admin"]}}, Role.ADMIN),
        ("realm_access.roles", {"realm_access": ["roles", "admin"]}, Role.USER),
        ("realm_access.roles", {"realm_access": "admin"}, Role.USER),
        ("realm_access.roles", {"roles": ["admin"]}, Role.USER),
        ("https://example.org/roles", {"https://example.org/roles": ["admin"]}, Role.ADMIN),
    ],
)
async def test_finds_the_roles_in_a_claim(claim: str, said: dict[str, Any], role: Role) -> None:
    assert (await external(roles_claim=claim).verify(token(**said))).role is role


async def test_the_admin_role_may_have_another_name() -> None:
    tokens = external(admin_role="uploads-admin")
    assert (await tokens.verify(token(roles=["uploads-admin"]))).role is Role.ADMIN
    assert (await tokens.verify(token(roles=["admin"]))).role is Role.USER


# What is refused


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"iss": "https://issuer.example/realms/other"}, "iss"),
        ({"iss": ISSUER + "/"}, "iss"),
        ({"iss": "longshore"}, "iss"),
        ({"iss": None}, "iss"),
        ({"aud": "longshore"}, "aud"),
        ({"aud": ["others"]}, "aud"),
        ({"aud": None}, "aud"),
        ({"exp": NOW - 60}, "expired"),
        ({"exp": None}, "exp"),
        ({"nbf": NOW + 60}, "nbf"),
        ({"iat": NOW + 60}, "iat"),
        ({"sub": None}, "sub"),
        ({"sub": ""}, "sub"),
        ({"sub": "x" * 256}, "sub"),
        ({"sub": "a\nb"}, "sub"),
        ({"sub": "a\0"}, "sub"),
        ({"sub": "\u202eadmin"}, "sub"),
        ({"sub": "\ud800"}, "sub"),
        ({"sub": "local:" + "0" * 32}, "sub"),
    ],
)
async def test_refuses_what_a_claim_must_not_be(changes: dict[str, Any], reason: str) -> None:
    assert reason in await refusal(token(**changes))


async def test_allows_for_clocks_that_differ() -> None:
    tokens = external(leeway=30 * SECOND)
    assert await tokens.verify(token(exp=NOW - 29, nbf=NOW + 30, iat=NOW + 30)) is not None
    assert "expired" in await refusal(token(exp=NOW - 30), tokens)


@pytest.mark.parametrize(
    "pem",
    [public_pem(RSA), public_pem(RSA).strip(), public_pem(RSA).replace("\n", "")],
    ids=["pem", "stripped", "joined"],
)
@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512", "RS256"])
async def test_the_public_key_is_no_secret_to_sign_with(pem: str, algorithm: str) -> None:
    signing_input = f"{encoded({'alg': algorithm, 'typ': 'JWT'})}.{encoded(claims(roles=['admin']))}"
    signature = hmac.new(pem.encode(), signing_input.encode(), sha256).digest()
    assert await refusal(f"{signing_input}.{encoded(signature)}")


@pytest.mark.parametrize("algorithm", ["none", "nOnE", "NONE", "", None])
async def test_a_token_without_a_signature_is_none(algorithm: str | None) -> None:
    header = {"typ": "JWT"} | ({} if algorithm is None else {"alg": algorithm})
    for signature in ("", encoded(b"\0"), token().split(".")[2]):
        assert "algorithm" in await refusal(f"{encoded(header)}.{encoded(claims())}.{signature}")


@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 128])
async def test_a_signature_of_zeros_is_none(size: int) -> None:
    # CVE-2022-21449: r = s = 0 satisfies a verification that forgets to rule them out.
    signing_input = f"{encoded({'alg': 'ES256'})}.{encoded(claims())}"
    assert "signature" in await refusal(f"{signing_input}.{encoded(bytes(size))}", external(P256))


@pytest.mark.parametrize(
    "header",
    [
        {"jwk": jwk(RSA2, "attacker")},
        {"jku": "http://127.0.0.1:1/jwks.json", "kid": "attacker"},
        {"x5u": "http://127.0.0.1:1/cert.pem"},
        {"x5c": ["MIIB"]},
    ],
    ids=["jwk", "jku", "x5u", "x5c"],
)
async def test_a_key_that_the_token_brings_is_not_used(header: dict[str, Any]) -> None:
    assert "signature" in await refusal(token(RSA2, header=header))


def with_another_subject(shown: str) -> str:
    header, _, signature = shown.split(".")
    return f"{header}.{encoded(claims(sub='bob'))}.{signature}"


def cut(shown: str) -> str:
    return shown[: len(shown) // 2]


def signed_twice(shown: str) -> str:
    return f"{shown}.{shown.split('.')[2]}"


def grown(shown: str) -> str:
    return shown + "A" * 8192


@pytest.mark.parametrize("attack", [with_another_subject, cut, signed_twice, grown])
async def test_refuses_a_token_that_was_changed(attack: Callable[[str], str]) -> None:
    assert await refusal(attack(token()))


async def test_refuses_an_algorithm_that_fits_the_key_but_is_not_accepted() -> None:
    assert "algorithm" in await refusal(token(RSA, "RS512"), external(RSA, ["RS256"]))


async def test_refuses_an_algorithm_that_is_accepted_but_does_not_fit_the_key() -> None:
    assert "algorithm" in await refusal(token(P256, "ES256"), external(RSA, ["RS256", "ES256"]))


@pytest.mark.parametrize("algorithm", ["HS256", 7, ["RS256"], {"RS256": 1}, None])
async def test_refuses_a_header_with_another_algorithm(algorithm: object) -> None:
    assert "algorithm" in await refusal(f"{encoded({'alg': algorithm})}.{encoded(claims())}.AAAA")


# What cannot be set up


@pytest.mark.parametrize(
    "algorithm", ["none", "None", "HS256", "HS384", "HS512", "rs256", "ES256K", "ES512", "PS512", ""]
)
def test_refuses_to_accept_other_algorithms(algorithm: str) -> None:
    with pytest.raises(ValueError, match="cannot be accepted"):
        external(RSA, ["RS256", algorithm])


def test_refuses_to_accept_no_algorithm() -> None:
    with pytest.raises(ValueError, match="no algorithm"):
        external(RSA, [])


@pytest.mark.parametrize(
    ("key", "algorithms"),
    [(RSA, ["ES256", "EdDSA"]), (P256, ["RS256", "ES384"]), (P384, ["ES256"]), (ED, ["ES256", "PS256"])],
    ids=["RSA", "P-256", "P-384", "Ed25519"],
)
def test_refuses_a_key_that_fits_no_algorithm(key: PrivateKey, algorithms: list[str]) -> None:
    with pytest.raises(ValueError, match="not for any of"):
        external(key, algorithms)


UNFIT_KEYS = {
    "private": private_pem(RSA),
    "private-ec": private_pem(P256),
    "weak": public_pem(WEAK_RSA),
    "secret": "a secret that both sides know, of some length",
    "empty": "",
    "broken": public_pem(RSA).replace("MII", "MIJ"),
    "text": "-----BEGIN PUBLIC KEY-----\nhello\n-----END PUBLIC KEY-----",
}


@pytest.mark.parametrize("pem", UNFIT_KEYS.values(), ids=UNFIT_KEYS)
def test_refuses_what_is_no_public_key_without_quoting_it(pem: str) -> None:
    with pytest.raises(ValueError, match="the issuer's key is") as refused:
        PemKey(pem)
    assert refused.value.__suppress_context__ or refused.value.__context__ is None
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(("issuer", "audience"), [("", AUDIENCE), (ISSUER, ""), ("longshore", AUDIENCE)])
def test_refuses_an_issuer_that_could_be_anybody_or_ourselves(issuer: str, audience: str) -> None:
    with pytest.raises(ValueError, match="another issuer"):
        ExternalTokens(issuer, audience, ["RS256"], PemKey(public_pem(RSA)), Time())
