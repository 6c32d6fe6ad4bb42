"""`longshore download`."""

import json
from pathlib import Path

import click

from longshore.cli import remote


@click.command(epilog=remote.EPILOG)
@click.argument("source", metavar="ID|URL")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Where to put it, a file or a directory.  [default: the file's own name, in this directory]",
)
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@remote.server
@remote.progress_option
@remote.json_option
def download(
    source: str,
    output: Path | None,
    force: bool,
    url: str | None,
    user: str | None,
    token_file: Path | None,
    token: str | None,
    progress: bool | None,
    as_json: bool,
) -> None:
    """Download a file, and print where it is.

    It has its name when all of it is there; until then it lies beside that as NAME.….part, from which the same command
    goes on. Where the server tells the file's SHA-256, it is verified first. The token is shown to the server at --url
    only; a download link needs none.
    """
    from longshore.client.downloading import Downloads
    from longshore.client.progress import bars

    with remote.connected(url, user, token_file, token) as connection, bars(remote.shows_progress(progress)) as begin:
        fetched = Downloads(connection, begin, attempts=remote.ATTEMPTS).fetch(source, output, force=force)
    shown = {
        "file": str(fetched.path),
        "url": fetched.url,
        "size": fetched.size,
        "resumed_from": fetched.resumed_from,
        "sha256": fetched.sha256,
    }
    click.echo(json.dumps(shown) if as_json else str(fetched.path))
