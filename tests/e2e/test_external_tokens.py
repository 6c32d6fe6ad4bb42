"""Tokens of an external issuer, over HTTP: those that are good, those that are not, and an issuer that is down."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.accounts import INVALID, PASSWORD, ask, assert_challenged, bearer, read, sign_in
from tests.e2e.issuer import SETTINGS, claims, free_port, publishing
from tests.e2e.wire import code_of, create, patch, poll, request
from tests.serving import TUS, Connection, Server, serving
from tests.unit.auth.issuer import ED, P256, RSA, RSA2, PrivateKey, jwk, public_pem
from tests.unit.auth.world import encoded, signed

pytestmark = pytest.mark.e2e

ROLES = {"jwt_roles_claim": "realm_access.roles", "jwt_admin_role": "keeper"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("server")
    keys = [jwk(RSA, "rsa"), jwk(P256, "ec"), jwk(ED, "ed", alg="EdDSA")]
    with (
        publishing(*keys) as url,
        serving(directory / "data", jwt_jwks_url=url, log_level="debug", **SETTINGS, **ROLES) as running,
    ):
        yield running


def token(key: PrivateKey = RSA, algorithm: str = "RS256", kid: str | None = "rsa", **changes: Any) -> str:
    return signed(claims(**changes), key, algorithm, **({"kid": kid} if kid else {}))


def by_hand(header: dict[str, Any], said: dict[str, Any], signature: bytes = b"") -> str:
    return f"{encoded(header)}.{encoded(said)}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def hs256(secret: bytes, **header: Any) -> str:
    """A token whose signature anybody can make who knows the public key."""
    unsigned = f"{encoded({'alg': 'HS256', 'typ': 'JWT', **header})}.{encoded(claims())}"
    return f"{unsigned}.{encoded(hmac.digest(secret, unsigned.encode(), 'sha256'))}"


@pytest.mark.parametrize(
    ("key", "algorithm", "kid"), [(RSA, "RS256", "rsa"), (P256, "ES256", "ec"), (ED, "EdDSA", "ed")]
)
def test_tokens_of_every_algorithm_upload(server: Server, key: PrivateKey, algorithm: str, kid: str) -> None:
    shown = bearer(token(key, algorithm, kid, sub=f"user of {algorithm}"))
    path = create(server, 5, shown)
    assert patch(server, path, 0, b"hello", shown).status == 204
    assert request(server, "GET", path, shown).body == b"hello"


def test_the_subject_owns_and_a_role_makes_an_administrator(server: Server) -> None:
    alice, bob = bearer(token(sub="alice")), bearer(token(sub="bob"))
    keeper = bearer(token(sub="carol", realm_access={"roles": ["other", "keeper"]}))
    path = create(server, 5, alice)

    assert request(server, "HEAD", path, bearer(token(P256, "ES256", "ec", sub="alice"))).status == 200
    assert request(server, "HEAD", path, bob).status == 404
    assert request(server, "HEAD", path, keeper).status == 200
    for elsewhere in ({"roles": ["keeper"]}, {"realm_access": ["keeper"]}, {"realm_access": {"roles": ["Keeper"]}}):
        assert request(server, "HEAD", path, bearer(token(sub="dave", **elsewhere))).status == 404


def test_who_one_is_and_usage_are_told_and_accounts_are_not_there(server: Server) -> None:
    shown = bearer(token(sub="erin"))
    assert read(ask(server, "/api/usage", shown))["unfinished"]["used"] == 0
    for path in ("/auth/token", "/auth/register", "/auth/refresh", "/auth/logout", "/auth/password"):
        answer = ask(server, path, username="admin", password=PASSWORD)
        assert (answer.status, code_of(answer)) == (404, "not-found")
    assert read(ask(server, "/auth/me", shown)) == {"id": "erin", "username": "erin", "role": "user"}
    keeper = bearer(token(sub="carol", realm_access={"roles": ["keeper"]}))
    assert read(ask(server, "/auth/me", keeper))["role"] == "admin"
    assert ask(server, "/auth/me").status == 401


NOW = int(time.time())

ATTACKS: dict[str, str] = {
    "alg none": by_hand({"alg": "none", "typ": "JWT"}, claims()),
    "alg None with a key's name": by_hand({"alg": "None", "kid": "rsa"}, claims()),
    "no algorithm": by_hand({"kid": "rsa"}, claims(), b"signature"),
    "HS256 with the public key": hs256(public_pem(RSA).encode(), kid="rsa"),
    "HS256 with the public key, trimmed": hs256(public_pem(RSA).strip().encode(), kid="rsa"),
    "HS256 with nothing": hs256(b"", kid="rsa"),
    "a key of its own": by_hand({"alg": "RS256", "jwk": jwk(RSA2)}, claims(), b"signature"),
    "somebody else's key": token(RSA2),
    "the right key under another name": token(RSA, kid="ec"),
    "another algorithm of the same key": token(RSA, "RS512"),
    "unknown kid": token(RSA, kid="nobody's"),
    "kid that is a path": token(RSA, kid="../../../../dev/null"),
    "wrong iss": token(iss="https://elsewhere.example"),
    "our own iss": token(iss="longshore"),
    "no iss": token(iss=None),
    "wrong aud": token(aud="somebody else"),
    "no aud": token(aud=None),
    "expired": token(exp=NOW - 31),
    "no exp": token(exp=None),
    "not yet": token(nbf=NOW + 3600),
    "issued later": token(iat=NOW + 3600),
    "no sub": token(sub=None),
    "empty sub": token(sub=""),
    "sub of an account here": token(sub="local:0123456789abcdef0123456789abcdef"),
    "oversized": token(extra="x" * 9000),
    "changed claims": ".".join([(good := token().split("."))[0], encoded(claims(sub="admin")), good[2]]),
    "no signature": ".".join([*token().split(".")[:2], ""]),
    "five parts": f"{token()}.a.b",
    "nonsense": "a.b.c",
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_refuses(server: Server, attack: str) -> None:
    shown = bearer(ATTACKS[attack])
    assert_challenged(request(server, "POST", "/files", {**shown, "Upload-Length": "5"}), INVALID)
    assert_challenged(request(server, "HEAD", "/files/a", shown), INVALID, head_only=True)
    told = request(server, "GET", "/files/a", shown)
    assert code_of(told) == "invalid-token"
    assert ATTACKS[attack][:40] not in told.body.decode()


def test_refuses_good_tokens_in_wrong_places(server: Server) -> None:
    good = token()
    assert request(server, "HEAD", "/files/a", bearer(good)).status == 404
    with Connection(server.port) as connection:
        connection.send_head("GET", "/files/a", {**TUS, **bearer(good), "authorization": f"Bearer {good}"})
        assert_challenged(connection.read_answer(), INVALID)
    with Connection(server.port) as connection:
        assert_challenged(connection.request("GET", f"/files/a?access_token={good}", TUS))


def test_no_token_is_in_the_log(server: Server) -> None:
    good = token(sub="logged")
    create(server, 5, bearer(good))
    request(server, "HEAD", "/files/a", bearer(f"{good}x"))
    assert good.rpartition(".")[2] not in server.said()
    assert good.split(".")[1] not in server.said()


@pytest.mark.parametrize("form", ["PEM", "PEM in one line", "path"])
@pytest.mark.parametrize(("key", "algorithm"), [(RSA, "RS256"), (ED, "EdDSA")])
def test_a_public_key_in_every_form(tmp_path: Path, form: str, key: PrivateKey, algorithm: str) -> None:
    pem, file = public_pem(key), tmp_path / "issuer.pem"
    file.write_text(pem)
    given = {"PEM": pem, "PEM in one line": pem.strip().replace("\n", "\\n"), "path": str(file)}[form]
    with serving(tmp_path / "data", jwt_public_key=given, **SETTINGS) as server:
        assert request(server, "HEAD", "/files/a", bearer(token(key, algorithm, None))).status == 404
        assert request(server, "HEAD", "/files/a", bearer(token(key, algorithm, "any name"))).status == 404
        other = token(RSA2, "RS256", None)
        assert request(server, "HEAD", "/files/a", bearer(other)).status == 401
        forged = hs256(given.encode()), hs256(pem.encode()), hs256(hashlib.sha256(pem.encode()).digest())
        assert {request(server, "HEAD", "/files/a", bearer(shown)).status for shown in forged} == {401}


def test_accounts_and_an_issuer_beside_each_other(tmp_path: Path) -> None:
    settings = {**SETTINGS, "auth": "local", "admin_password": PASSWORD, "jwt_public_key": public_pem(P256)}
    with serving(tmp_path / "data", **settings) as server:
        alice, admin = bearer(token(P256, "ES256", None)), sign_in(server).bearer
        path = create(server, 5, alice)
        assert request(server, "HEAD", path, admin).status == 200
        assert request(server, "HEAD", create(server, 5, admin), alice).status == 404
        me = read(ask(server, "/auth/me", alice))
        assert (me["id"], me["role"]) == ("alice", "user")
        # Their issuer says who they are, not we: there is no password to change here.
        changed = ask(server, "/auth/password", alice, current_password=PASSWORD, new_password="x" * 12)
        assert (changed.status, code_of(changed)) == (404, "user-not-found")
        ours = sign_in(server).access_token.split(".")
        said = json.loads(base64.urlsafe_b64decode(ours[1] + "=="))
        assert request(server, "HEAD", path, bearer(signed(said, P256, "ES256"))).status == 401


@pytest.mark.slow
def test_an_issuer_that_is_down_at_first_and_comes_back(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/jwks.json"
    with serving(tmp_path / "data", jwt_jwks_url=url, **SETTINGS) as server:
        shown = bearer(token())
        refused = request(server, "POST", "/files", {**shown, "Upload-Length": "5"})
        assert (refused.status, code_of(refused)) == (503, "unavailable")
        # tus-js-client would start again from byte 0 after any other status.
        assert request(server, "HEAD", "/files/a", shown).status == 423
        assert_challenged(request(server, "POST", "/files", {"Upload-Length": "5"}))
        with publishing(jwk(RSA, "rsa"), port=port):
            poll(lambda: request(server, "HEAD", "/files/a", shown).status == 404, within=45, every=0.5)
        # What was fetched serves on while the issuer is down again.
        assert request(server, "HEAD", "/files/a", bearer(token(sub="another"))).status == 404
