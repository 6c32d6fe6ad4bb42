"""`longshore token`: tokens for scripts, and the keys that sign them."""

from datetime import timedelta

import click

from longshore.cli import options
from longshore.cli.accounts import now, ready, with_accounts
from longshore.config.kinds import Duration

_KEEP_FOR = timedelta(days=366)
"""How long a key stays good that signs no more: longer than tokens should live."""


@click.group(epilog=options.EPILOG)
def token() -> None:
    """Make access tokens, and look after the keys that sign them."""


@token.command(epilog=options.EPILOG)
@click.option("--user", "name", required=True, help="Whose token it is to be.")
@click.option("--ttl", default="1h", show_default=True, help="How long it is good, such as 12h or 30d.")
@options.settings("data_dir")
def issue(name: str, ttl: str, data_dir: str | None) -> None:
    """Print an access token. It ends early when the user is disabled or gets another password."""
    lifetime: timedelta = options.parsed("--ttl", ttl, Duration)
    if lifetime > _KEEP_FOR:
        raise click.UsageError("--ttl: a token lives a year at most")
    click.echo(with_accounts(ready(data_dir), lambda accounts: accounts.issue_token(name, lifetime)))


@token.command(epilog=options.EPILOG)
@options.settings("data_dir")
def rotate(data_dir: str | None) -> None:
    """Sign with a new key from now on. Tokens that older keys have signed stay good until they end."""
    from longshore.auth import keyfile

    settings = ready(data_dir)
    if settings.signing_keys.get_secret_value():
        raise click.ClickException("the keys are those of LONGSHORE_SIGNING_KEYS: put a new one in front there")
    try:
        keyfile.load(settings.keys_file, now=now())
        key = keyfile.rotate(settings.keys_file, now=now(), drop_before=now() - _KEEP_FOR)
    except (ValueError, OSError) as error:
        raise click.ClickException(f"the signing keys cannot be used: {error}") from None
    click.echo(f"key {key.kid} signs from now on")
