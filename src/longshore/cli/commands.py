"""The command group, and the one place where an error becomes a line."""

from collections.abc import Sequence

import click

from longshore import __version__
from longshore.cli.complaining import complain
from longshore.cli.db import db
from longshore.cli.download import download
from longshore.cli.ls import ls
from longshore.cli.serve import serve
from longshore.cli.token import token
from longshore.cli.upload import upload
from longshore.cli.user import user
from longshore.cli.watch import watch
from longshore.cli.webhook import webhook
from longshore.client.errors import ClientError
from longshore.config import SettingsError
from longshore.protocol.errors import TusError

FAILED = 2


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="longshore", message="%(prog)s %(version)s")
def longshore() -> None:
    """Longshore, a resumable upload server: tus 1.0."""


longshore.add_command(serve)
longshore.add_command(db)
longshore.add_command(user)
longshore.add_command(token)
longshore.add_command(webhook)
longshore.add_command(upload)
longshore.add_command(ls)
longshore.add_command(download)
longshore.add_command(watch)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line (that of this process unless given); return the exit status."""
    try:
        return longshore.main(arguments, prog_name="longshore", standalone_mode=False) or 0
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
    except click.UsageError as error:
        complain(f"{error.format_message()} (longshore --help lists what there is)")
    except click.ClickException as error:
        complain(error.format_message())
    except SettingsError as error:
        complain(str(error))
    except ClientError as error:
        complain(str(error))
    except TusError as error:
        complain(error.detail.rstrip("."))
    except click.Abort:
        # Ctrl-C or Ctrl-D at a prompt. A server that runs ends by itself then.
        complain("stopped")
    return FAILED
