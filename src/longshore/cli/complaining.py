"""How an error becomes a line."""

import click


def complain(message: str) -> None:
    """Say what is wrong, in one line on standard error."""
    click.echo(f"longshore: {' '.join(message.split())}", err=True)
