"""Putting together who may come in: local accounts, an external issuer, or everybody."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from longshore.auth.accounts import Accounts
from longshore.auth.attempts import Attempts
from longshore.auth.authenticator import Authenticator
from longshore.auth.errors import InvalidPassword
from longshore.auth.external import ExternalTokens
from longshore.auth.jwks import JwksKeys
from longshore.auth.keys import KeyRing
from longshore.auth.passwords import Passwords
from longshore.auth.public_keys import KeySource, PemKey
from longshore.auth.tokens import LocalTokens
from longshore.config import Settings, SettingsError, prepare_data_dir
from longshore.db.accounts import SqlAccounts
from longshore.db.database import Database
from longshore.db.quota_settings import SqlQuotas
from longshore.http.authentication import Identify, by_bearer_token, everybody
from longshore.hub.attendance import Review, all_stay
from longshore.ports import Clock
from longshore.ports.quotas import Quotas

_ADDRESS_FACTOR = 5
"""How many accounts' worth of failures one address has: behind it may be an office."""


@dataclass(frozen=True, slots=True)
class Access:
    """How to find out who asks, and what becomes of them; and the accounts here, where there are any."""

    identify: Identify
    accounts: Accounts | None = None
    admin_password: str | None = field(default=None, repr=False)
    review: Review = all_stay

    async def ensure_admin(self) -> None:
        """Make the first user where there is none, and show a password that was made up, this once."""
        if self.accounts is None:
            return
        try:
            generated = await self.accounts.ensure_admin(self.admin_password)
        except InvalidPassword as error:
            raise SettingsError(f"LONGSHORE_ADMIN_PASSWORD is not valid: {error.detail}") from None
        if generated is not None:
            sys.stdout.write(f"The user admin has been created. Password (shown only this once): {generated}\n")
            sys.stdout.flush()


def open_access(settings: Settings, database: Database, clock: Clock) -> Access:
    """What the settings say of who may come in. Raises `SettingsError`."""
    if settings.auth == "none":
        return Access(everybody)
    records = SqlAccounts(database)
    external = _external_tokens(settings, clock) if settings.jwt_issuer else None
    if settings.auth == "external":
        return Access(by_bearer_token(Authenticator(records, clock, external=external)))
    tokens = _local_tokens(settings, clock)
    authenticator = Authenticator(records, clock, local=tokens, external=external)
    accounts = _accounts(settings, records, tokens, clock, authenticator)
    password = settings.admin_password.get_secret_value() or None
    return Access(by_bearer_token(authenticator), accounts, password, review=authenticator.review)


@asynccontextmanager
async def open_accounts(settings: Settings, clock: Clock) -> AsyncIterator[Accounts]:
    """The accounts, for a command that runs beside the server or without one. Raises `SettingsError`."""
    async with Database(settings.sqlalchemy_url()) as database:
        yield _accounts(settings, SqlAccounts(database), _local_tokens(settings, clock), clock, None)


@asynccontextmanager
async def open_quotas(settings: Settings) -> AsyncIterator[SqlQuotas]:
    """The quotas that were set for users and roles, for a command."""
    async with Database(settings.sqlalchemy_url()) as database:
        yield SqlQuotas(database)


def default_quotas(settings: Settings) -> Quotas:
    """The quotas of those for whom none were set."""
    return Quotas(
        daily=settings.quota_daily,
        monthly=settings.quota_monthly,
        stored=settings.quota_stored,
        unfinished=settings.quota_unfinished,
    )


def _accounts(
    settings: Settings, records: SqlAccounts, tokens: LocalTokens, clock: Clock, authenticator: Authenticator | None
) -> Accounts:
    attempts = Attempts(
        clock,
        per_account=settings.login_attempts,
        per_address=settings.login_attempts * _ADDRESS_FACTOR,
        window=timedelta(seconds=settings.login_window),
    )
    return Accounts(
        records,
        Passwords(),
        tokens,
        attempts,
        clock,
        registration=settings.registration,
        access_ttl=settings.access_token_ttl,
        refresh_ttl=settings.refresh_token_ttl,
        changed=authenticator.forget if authenticator else lambda user_id: None,
    )


def _local_tokens(settings: Settings, clock: Clock) -> LocalTokens:
    return LocalTokens(_key_ring(settings, clock), clock, leeway=timedelta(seconds=settings.jwt_leeway))


def _key_ring(settings: Settings, clock: Clock) -> KeyRing:
    try:
        if keys := settings.signing_keys.get_secret_value():
            return KeyRing.from_setting(keys)
        prepare_data_dir(settings)
        return KeyRing.from_file(settings.keys_file, clock=clock)
    except (ValueError, OSError) as error:
        raise SettingsError(f"the signing keys cannot be used: {error}") from None


def _external_tokens(settings: Settings, clock: Clock) -> ExternalTokens:
    try:
        return ExternalTokens(
            settings.jwt_issuer,
            settings.jwt_audience,
            settings.jwt_algorithms,
            _public_keys(settings),
            clock,
            roles_claim=settings.jwt_roles_claim,
            admin_role=settings.jwt_admin_role,
            leeway=timedelta(seconds=settings.jwt_leeway),
        )
    except ValueError as error:
        raise SettingsError(f"the settings LONGSHORE_JWT_… cannot be used: {error}") from None


def _public_keys(settings: Settings) -> KeySource:
    if url := settings.jwt_jwks_url.get_secret_value():
        return JwksKeys(url)
    given = settings.jwt_public_key.get_secret_value()
    if "-----BEGIN" in given:
        # Written in one line, as environment files often have it.
        return PemKey(given.replace("\\n", "\n"))
    try:
        return PemKey(Path(given).read_text("ascii"))
    except OSError as error:
        raise SettingsError(f"LONGSHORE_JWT_PUBLIC_KEY: the file cannot be read ({error.strerror})") from None
