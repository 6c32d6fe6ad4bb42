import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from longshore.client.credentials import FixedToken, SignIn, TokenFile, read_token, subject
from longshore.client.errors import ClientError, Passing, Refused


class Issuer:
    """Gives tokens as a server does, each refresh token once; may lose answers."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.good: set[str] = set()
        self.loses_answers = False
        self.now = 0.0

    def post(self, path: str, fields: Mapping[str, str]) -> Mapping[str, Any]:
        self.asked.append(path)
        if path == "/auth/logout":
            return {}
        if path == "/auth/refresh":
            if fields["refresh_token"] not in self.good:
                raise Refused("used", 401)
            self.good.remove(fields["refresh_token"])
        elif fields != {"username": "ann", "password": "secret"}:
            raise Refused("wrong", 401)
        number = len(self.asked)
        self.good.add(f"refresh-{number}")
        if self.loses_answers:
            raise Passing("lost")
        return {"access_token": f"access-{number}", "refresh_token": f"refresh-{number}", "expires_in": 900}

    def sign_in(self) -> SignIn:
        return SignIn("ann", "secret", self.post, lambda: self.now)


def test_signs_in_once_and_renews_a_minute_before_the_end() -> None:
    issuer = Issuer()
    signed_in = issuer.sign_in()
    assert [signed_in.token(), signed_in.token()] == ["access-1", "access-1"]

    issuer.now = 839
    assert signed_in.token() == "access-1"
    issuer.now = 840
    assert signed_in.token() == "access-2"
    assert issuer.asked == ["/auth/token", "/auth/refresh"]


def test_signs_in_again_when_the_answer_to_a_refresh_was_lost() -> None:
    issuer = Issuer()
    signed_in = issuer.sign_in()
    signed_in.token()
    issuer.now, issuer.loses_answers = 900, True
    with pytest.raises(Passing):
        signed_in.token()
    issuer.loses_answers = False

    assert signed_in.token() == "access-3"
    assert issuer.asked == ["/auth/token", "/auth/refresh", "/auth/token"]


def test_renews_a_token_that_was_refused_but_not_one_that_has_been_renewed_since() -> None:
    issuer = Issuer()
    signed_in = issuer.sign_in()
    refused = signed_in.token()

    assert signed_in.renew(refused)
    assert signed_in.renew(refused)
    assert signed_in.token() == "access-2"


def test_signs_out_at_the_end_if_there_is_something_to_end() -> None:
    issuer = Issuer()
    issuer.sign_in().close()
    assert issuer.asked == []
    signed_in = issuer.sign_in()
    signed_in.token()
    signed_in.close()
    assert issuer.asked == ["/auth/token", "/auth/logout"]


def test_a_wrong_password_is_refused() -> None:
    with pytest.raises(Refused):
        SignIn("ann", "guess", Issuer().post).token()


def test_what_answers_otherwise_is_not_a_server_of_ours() -> None:
    with pytest.raises(ClientError, match="does not answer a sign-in"):
        SignIn("ann", "secret", lambda path, fields: {"access_token": "x"}).token()


def test_a_token_file_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("one\n")
    tokens = TokenFile(file)
    assert tokens.token() == "one"
    assert not tokens.renew("one")
    file.write_text("two\n")
    assert tokens.renew("one")
    assert tokens.token() == "two"


@pytest.mark.parametrize("written", [b"two words", b"\xff", b"one\ntwo", b"a\0b"])
def test_a_file_with_something_else_is_refused_and_not_repeated(tmp_path: Path, written: bytes) -> None:
    (tmp_path / "token").write_bytes(written)
    with pytest.raises(ClientError) as refused:
        TokenFile(tmp_path / "token").token()
    assert "two" not in str(refused.value)


def test_a_token_file_that_has_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(ClientError, match="No such file"):
        TokenFile(tmp_path / "token").token()


def test_a_fixed_token_cannot_be_renewed() -> None:
    assert not FixedToken(read_token(" x ")).renew("x")


def test_whose_token_it_is() -> None:
    claims = base64.urlsafe_b64encode(json.dumps({"sub": "local:ann"}).encode()).rstrip(b"=").decode()

    assert subject(f"e30.{claims}.sig") == "local:ann"
    for other in ("", "opaque", "a.b.c", "e30.e30.sig", "e30.W10.sig"):
        assert subject(other) == ""
