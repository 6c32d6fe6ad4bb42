"""`longshore user quota`: what users may come to."""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict

import click

from longshore.auth.principal import Role
from longshore.cli import options
from longshore.cli.accounts import ready, with_accounts
from longshore.config import Settings
from longshore.config.kinds import OptionalCount, OptionalSize
from longshore.config.values import written_size
from longshore.ports.quotas import Quotas

_DEFAULT = "default"


@click.command(epilog=options.EPILOG)
@click.argument("name", required=False)
@click.option("--role", type=click.Choice([role.value for role in Role]), help="Of everybody with this role instead.")
@click.option("--subject", help="Of the `sub` of an external issuer instead.")
@click.option("--daily", metavar="SIZE", help="Bytes per day, such as 10GB; none for no limit, default to undo.")
@click.option("--monthly", metavar="SIZE", help="Bytes per month; likewise.")
@click.option("--stored", metavar="SIZE", help="Bytes stored in total; likewise.")
@click.option("--size", metavar="SIZE", help="Bytes of one file; likewise.")
@click.option("--unfinished", metavar="COUNT", help="Unfinished uploads at a time; likewise.")
@options.settings("data_dir")
def quota(name: str | None, role: str | None, subject: str | None, data_dir: str | None, **given: str | None) -> None:
    """Set the quotas of a user, or of a role; without any it shows those that hold.

    A user's own win over the role's, and those over the settings LONGSHORE_QUOTA_….
    """
    if sum(map(bool, (name, role, subject))) != 1:
        raise click.UsageError("give a user's NAME, or --role, or --subject")
    changes = {quota: _parse(quota, text) for quota, text in given.items() if text is not None}
    settings = ready(data_dir)
    holder, held_by_role = _holder(settings, name, role, subject)
    asyncio.run(_set(settings, holder, changes))
    for quota_name, allowed, origin in asyncio.run(_in_force(settings, holder, held_by_role)):
        click.echo(f"{quota_name:<11} {_shown(quota_name, allowed):<12} ({origin})")


def _parse(quota: str, text: str) -> int | str | None:
    if text.strip().lower() == _DEFAULT:
        return _DEFAULT
    allowed: int | None = options.parsed(f"--{quota}", text, OptionalCount if quota == "unfinished" else OptionalSize)
    return allowed


def _holder(settings: Settings, name: str | None, role: str | None, subject: str | None) -> tuple[str, str]:
    """Whose quotas these are, as they are stored, and the role whose quotas hold where there are none of their own."""
    if role:
        return f"role:{role}", role
    if subject:
        return f"user:{subject}", Role.USER.value
    account = with_accounts(settings, lambda accounts: accounts.user(name or ""))
    return f"user:{account.id}", account.role.value


async def _set(settings: Settings, holder: str, changes: Mapping[str, int | str | None]) -> None:
    from longshore.app.access import open_quotas

    async with open_quotas(settings) as quotas:
        for name, allowed in changes.items():
            if isinstance(allowed, str):
                await quotas.remove(holder, name)
            else:
                await quotas.put(holder, name, allowed)


async def _in_force(settings: Settings, holder: str, role: str) -> list[tuple[str, int | None, str]]:
    from longshore.app.access import default_quotas, open_quotas

    async with open_quotas(settings) as quotas:
        stored = await quotas.all()
    defaults = asdict(default_quotas(settings))
    sources = {"set here": stored.get(holder, {}), f"role {role}": stored.get(f"role:{role}", {}), "settings": defaults}
    return [
        next((name, held[name], origin) for origin, held in sources.items() if name in held)
        for name in Quotas.__dataclass_fields__
    ]


def _shown(name: str, allowed: int | None) -> str:
    if allowed is None:
        return "none"
    return str(allowed) if name == "unfinished" else written_size(allowed)
