"""Accounts over real adapters in memory, clocks that stand still, and tokens made by hand."""

import base64
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from argon2 import PasswordHasher

from longshore.auth.accounts import Accounts, Registration
from longshore.auth.attempts import Attempts
from longshore.auth.authenticator import Authenticator
from longshore.auth.external import ExternalTokens
from longshore.auth.keyfile import SigningKey
from longshore.auth.keys import KeyRing
from longshore.auth.passwords import Passwords
from longshore.auth.tokens import LocalTokens
from longshore.db.accounts import SqlAccounts
from longshore.db.database import Database
from longshore.db.migrate import upgrade_on

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
"""Argon2id that takes next to no time."""


@dataclass
class Time:
    """A clock that stands still until it is moved; seconds since it was made are its monotonic side."""

    now: datetime = datetime(2026, 5, 1, 12, 0, 0, 700_000, tzinfo=UTC)
    elapsed: float = 1000.0

    def __call__(self) -> datetime:
        return self.now

    def monotonic(self) -> float:
        return self.elapsed

    def advance(self, by: timedelta) -> None:
        self.now += by
        self.elapsed += by.total_seconds()


def signing_key(kid: str) -> SigningKey:
    return SigningKey(kid, kid.encode().ljust(32, b"."), datetime(2026, 1, 1, tzinfo=UTC))


@dataclass
class World:
    """What one process has of accounts. `changed` are the users that were told to have changed."""

    clock: Time
    records: SqlAccounts
    keys: KeyRing
    tokens: LocalTokens
    accounts: Accounts
    authenticator: Authenticator
    passwords: Passwords
    changed: list[str] = field(default_factory=list)


@asynccontextmanager
async def opened(
    *,
    registration: Registration = "off",
    external: ExternalTokens | None = None,
    passwords: Passwords | None = None,
    clock: Time | None = None,
) -> AsyncIterator[World]:
    clock = clock or Time()
    async with Database("sqlite://") as database:
        await database.write(upgrade_on)
        records = SqlAccounts(database)
        keys = KeyRing([signing_key("k1")])
        tokens = LocalTokens(keys, clock, leeway=timedelta(0))
        authenticator = Authenticator(records, clock, local=tokens, external=external)
        changed: list[str] = []

        def note(user_id: str) -> None:
            changed.append(user_id)
            authenticator.forget(user_id)

        passwords = passwords or Passwords(CHEAP)
        accounts = Accounts(records, passwords, tokens, Attempts(clock), clock, registration=registration, changed=note)
        yield World(clock, records, keys, tokens, accounts, authenticator, passwords, changed)


def encoded(part: Mapping[str, Any] | bytes) -> str:
    """A part of a token as it is sent."""
    data = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decoded(part: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def payload_of(token: str) -> dict[str, Any]:
    """What a token says, without asking whether that is true."""
    payload: dict[str, Any] = decoded(token.split(".")[1])
    return payload


def header_of(token: str) -> dict[str, Any]:
    header: dict[str, Any] = decoded(token.split(".")[0])
    return header


def signed(claims: Mapping[str, Any], key: Any, algorithm: str, **header: Any) -> str:
    return jwt.encode(dict(claims), key, algorithm=algorithm, headers=header)
