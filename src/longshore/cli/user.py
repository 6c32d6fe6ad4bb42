"""`longshore user`: accounts and their quotas."""

import json
from datetime import timedelta

import click

from longshore.auth.principal import Role
from longshore.auth.records import User
from longshore.cli import options, quotas
from longshore.cli.accounts import read_password, ready, with_accounts
from longshore.config.kinds import Duration

_role = click.Choice([role.value for role in Role])


@click.group(epilog=options.EPILOG)
def user() -> None:
    """Look after the accounts. Works beside a running server, which follows within seconds."""


@user.command(epilog=options.EPILOG)
@click.argument("name")
@click.option("--role", type=_role, default=Role.USER.value, show_default=True, help="What the user may do.")
@options.settings("data_dir")
def add(name: str, role: str, data_dir: str | None) -> None:
    """Make an account. The password is asked for, or taken from standard input."""
    settings, password = ready(data_dir), read_password()
    made = with_accounts(settings, lambda accounts: accounts.add_user(name, password, Role(role)))
    click.echo(f"{made.username} has been added with the role {made.role}")


@user.command("list", epilog=options.EPILOG)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
@options.settings("data_dir")
def list_users(as_json: bool, data_dir: str | None) -> None:
    """Print every account, by name."""
    for account in with_accounts(ready(data_dir), lambda accounts: accounts.users()):
        click.echo(json.dumps(_shown(account)) if as_json else _line(account))


def _shown(account: User) -> dict[str, object]:
    return {
        "id": account.id,
        "username": account.username,
        "role": account.role.value,
        "disabled": account.disabled,
        "created_at": account.created_at.isoformat(),
    }


def _line(account: User) -> str:
    state = "disabled" if account.disabled else "enabled"
    return f"{account.username:<24} {account.role.value:<6} {state:<9} {account.created_at:%Y-%m-%d}  {account.id}"


@user.command(epilog=options.EPILOG)
@click.argument("name")
@options.settings("data_dir")
def passwd(name: str, data_dir: str | None) -> None:
    """Give a user another password. Every sign-in and every token of theirs ends with that."""
    settings, password = ready(data_dir), read_password()
    with_accounts(settings, lambda accounts: accounts.set_password(name, password))
    click.echo(f"{name} has another password")


@user.command(epilog=options.EPILOG)
@click.argument("name")
@options.settings("data_dir")
def disable(name: str, data_dir: str | None) -> None:
    """Lock a user out. Every sign-in and every token of theirs ends with that; their uploads stay."""
    with_accounts(ready(data_dir), lambda accounts: accounts.set_disabled(name, True))
    click.echo(f"{name} is disabled")


@user.command(epilog=options.EPILOG)
@click.argument("name")
@options.settings("data_dir")
def enable(name: str, data_dir: str | None) -> None:
    """Let a user in again."""
    with_accounts(ready(data_dir), lambda accounts: accounts.set_disabled(name, False))
    click.echo(f"{name} is enabled")


@user.command(epilog=options.EPILOG)
@click.argument("name")
@click.argument("role", type=_role)
@options.settings("data_dir")
def role(name: str, role: str, data_dir: str | None) -> None:
    """Give a user another role."""
    with_accounts(ready(data_dir), lambda accounts: accounts.set_role(name, Role(role)))
    click.echo(f"{name} has the role {role}")


@user.command(epilog=options.EPILOG)
@click.option("--role", type=_role, default=Role.USER.value, show_default=True, help="What the user will be.")
@click.option("--ttl", default="7d", show_default=True, help="How long the code is good, such as 12h or 7d.")
@options.settings("data_dir")
def invite(role: str, ttl: str, data_dir: str | None) -> None:
    """Print a code with which one person can register, where LONGSHORE_REGISTRATION is invite."""
    lifetime: timedelta = options.parsed("--ttl", ttl, Duration)
    click.echo(with_accounts(ready(data_dir), lambda accounts: accounts.invite(Role(role), lifetime)))


user.add_command(quotas.quota)
