"""Who asks: a token that was given, one in a file, or a name and a password."""

import base64
import binascii
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Lock
from typing import Any, Final, Protocol

from longshore.client.errors import ClientError, Refused

_EARLY: Final = 60.0
"""Seconds before its end at which a token is renewed, so that none ends on its way."""

Post = Callable[[str, Mapping[str, str]], Mapping[str, Any]]
"""Sends JSON to a path of the server and returns the JSON that it answers. Raises `Refused` and `Passing`."""


class Credentials(Protocol):
    """Where tokens come from. May be used by several threads."""

    def token(self) -> str:
        """The token to show; empty for none. Raises `ClientError`."""

    def renew(self, refused: str) -> bool:
        """See to another token than the one that was refused; return whether there is one. Raises `ClientError`."""

    def close(self) -> None:
        """End what was begun for this."""


class FixedToken:
    """A token as it was given; empty for none."""

    def __init__(self, token: str) -> None:
        self._token = token

    def token(self) -> str:
        return self._token

    def renew(self, refused: str) -> bool:
        return False

    def close(self) -> None:
        pass


class TokenFile:
    """A file that holds a token, and that something else may keep fresh."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def token(self) -> str:
        try:
            return read_token(self._path.read_text("ascii"))
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not a token"
            raise ClientError(f"the token file {str(self._path)!r} cannot be read ({reason})") from None

    def renew(self, refused: str) -> bool:
        return self.token() != refused

    def close(self) -> None:
        pass


class SignIn:
    """A name and a password: tokens that are renewed in time, however long it takes, and void at the end.

    The password is kept for as long as that, because the answer to a refresh may get lost, and a refresh token is good
    once.
    """

    def __init__(self, username: str, password: str, post: Post, clock: Callable[[], float] = time.monotonic) -> None:
        self._fields = {"username": username, "password": password}
        self._post = post
        self._clock = clock
        self._lock = Lock()
        self._given: Mapping[str, Any] = {}
        self._renew_at = 0.0

    def token(self) -> str:
        with self._lock:
            if not self._given or self._clock() >= self._renew_at:
                self._refresh()
            return str(self._given["access_token"])

    def renew(self, refused: str) -> bool:
        with self._lock:
            if self._given.get("access_token") == refused:
                self._refresh()
            return True

    def close(self) -> None:
        with self._lock:
            if self._given:
                self._post("/auth/logout", {"refresh_token": self._given["refresh_token"]})
                self._given = {}

    def _refresh(self) -> None:
        refresh_token, self._given = self._given.get("refresh_token"), {}
        if refresh_token is not None:
            try:
                self._take(self._post("/auth/refresh", {"refresh_token": refresh_token}))
            except Refused:
                pass  # It may have ended, or been used by an attempt whose answer was lost.
            else:
                return
        self._take(self._post("/auth/token", self._fields))

    def _take(self, given: Mapping[str, Any]) -> None:
        try:
            _ = given["access_token"], given["refresh_token"]
            lifetime = float(given["expires_in"])
        except (KeyError, TypeError, ValueError):
            raise ClientError("the server does not answer a sign-in as Longshore does") from None
        self._given = given
        self._renew_at = self._clock() + max(lifetime - _EARLY, lifetime / 2)


def read_token(text: str) -> str:
    """Read a token from what surrounds it. Raises `ClientError` for what cannot be one; the text is not shown."""
    token = text.strip()
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise ClientError("the token is not valid: it is one word of ASCII")
    return token


def subject(token: str) -> str:
    """Whose token it is, as it says itself: to tell users apart, not to trust. Empty where it does not say."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return str(claims["sub"])
    except (IndexError, KeyError, TypeError, ValueError, binascii.Error):
        return ""
