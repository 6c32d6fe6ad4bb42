"""`longshore webhook`: what the receiver has been told, and telling it again."""

import asyncio
import json

import click

from longshore.cli import options
from longshore.cli.accounts import ready
from longshore.ports.deliveries import Delivery, DeliveryState

_BIGGEST_ID = 2**63 - 1


@click.group(epilog=options.EPILOG)
def webhook() -> None:
    """Look after the deliveries of webhooks."""


@webhook.command("list", epilog=options.EPILOG)
@click.option("--state", type=click.Choice([state.value for state in DeliveryState]), help="Only those.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="At most so many.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
@options.settings("data_dir")
def list_deliveries(state: str | None, limit: int, as_json: bool, data_dir: str | None) -> None:
    """Print deliveries, the newest first."""
    from longshore.app.webhooks import open_deliveries

    settings = ready(data_dir)

    async def read() -> list[Delivery]:
        async with open_deliveries(settings) as deliveries:
            return list(await deliveries.list(DeliveryState(state) if state else None, limit))

    for delivery in asyncio.run(read()):
        click.echo(json.dumps(_shown(delivery)) if as_json else _line(delivery))


def _shown(delivery: Delivery) -> dict[str, object]:
    return {
        "id": delivery.event_id,
        "type": delivery.type,
        "upload": delivery.upload_id,
        "time": delivery.time.isoformat(),
        "state": delivery.state.value,
        "attempts": delivery.attempts,
        "last_error": delivery.last_error,
    }


def _line(delivery: Delivery) -> str:
    head = f"{delivery.event_id:>8}  {delivery.time:%Y-%m-%d %H:%M:%S}  {delivery.type:<10} {delivery.upload_id}"
    return f"{head}  {delivery.state.value}, {delivery.attempts} attempts  {delivery.last_error}".rstrip()


@webhook.command(epilog=options.EPILOG)
@click.argument("ids", metavar="ID...", type=click.IntRange(1, _BIGGEST_ID), nargs=-1, required=True)
@options.settings("data_dir")
def redeliver(ids: tuple[int, ...], data_dir: str | None) -> None:
    """Tell the receiver again of these events. A running server does so within seconds, another one when it starts."""
    from longshore.app.webhooks import open_deliveries

    settings = ready(data_dir)

    async def ask() -> list[int]:
        async with open_deliveries(settings) as deliveries:
            return [event_id for event_id in ids if not await deliveries.redeliver(event_id)]

    if missing := asyncio.run(ask()):
        raise click.ClickException(f"there is no delivery {', '.join(map(str, missing))}")
