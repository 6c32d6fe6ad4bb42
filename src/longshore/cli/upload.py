"""`longshore upload`."""

import json
import queue
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import click

from longshore.cli import options, remote
from longshore.cli.complaining import complain
from longshore.client.errors import ClientError, Stopped
from longshore.client.printing import printable
from longshore.config.clients import state_dir
from longshore.config.kinds import PositiveSize

if TYPE_CHECKING:
    # Takes long to import, and --help is to be quick.
    from longshore.client.uploading import Uploaded, Uploads

_STOPPING = 3.0
"""Seconds that what is under way gets to end, after which it is left: what has arrived is kept in any case."""

Outcome = tuple[Path, "Uploaded | Exception"]


@click.command(epilog=remote.EPILOG)
@click.argument(
    "files",
    metavar="FILE...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path),
)
@remote.server
@click.option(
    "--checksum/--no-checksum",
    default=False,
    help="Send a checksum with each chunk, SHA-256 or else SHA-1; what was damaged on its way is sent again.",
)
@click.option(
    "--parallel",
    metavar="N",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="How many files to send at a time. One file is always sent in one piece, however many this is.",
)
@click.option(
    "--chunk-size",
    metavar="SIZE",
    default="16MiB",
    show_default=True,
    help="Bytes of one request; some proxies take no large ones. As much memory is needed for each file at a time.",
)
@click.option("--metadata", metavar="KEY=VALUE", multiple=True, help="What else to say of the files; repeatable.")
@click.option("--restart", is_flag=True, help="Begin anew, whatever was uploaded before.")
@remote.progress_option
@remote.json_option
def upload(
    files: tuple[Path, ...],
    url: str | None,
    user: str | None,
    token_file: Path | None,
    token: str | None,
    parallel: int,
    **given: Any,
) -> None:
    """Upload files, and print the URL of each.

    What was interrupted, by Ctrl-C or otherwise, goes on where it stopped when the same command is run again within a
    month; a file that the server has already is not sent again. Lost connections and busy servers are waited for.
    """
    chunk_size: int = options.parsed("--chunk-size", given["chunk_size"], PositiveSize)
    metadata = dict(_read_metadata(given["metadata"]))
    from longshore.client.requirements import require

    require("tusclient")
    from longshore.client.progress import bars
    from longshore.client.resuming import Begun
    from longshore.client.uploading import Manner, Uploads, choose_checksum, require_tus

    stop = Event()
    with (
        remote.connected(url, user, token_file, token) as connection,
        bars(remote.shows_progress(given["progress"])) as begin,
    ):
        require_tus(connection)
        manner = Manner(
            chunk_size=chunk_size,
            checksum=choose_checksum(connection) if given["checksum"] else None,
            metadata=metadata,
            restart=given["restart"],
            attempts=remote.ATTEMPTS,
        )
        begun = Begun(state_dir() / "uploads")
        uploads = Uploads(connection=connection, begun=begun, manner=manner, begin=begin, stop=stop)
        outcomes = _send_all(uploads, _distinct(files), parallel)
        _report(outcomes, alone=len(files) == 1, as_json=given["as_json"])


def _read_metadata(given: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Read KEY=VALUE. "The key MUST NOT contain spaces and commas and MUST NOT be empty. The key SHOULD be ASCII"."""
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not re.fullmatch(r"[!-+\--~]+", key):
            raise click.UsageError("--metadata takes KEY=VALUE, the key of ASCII without spaces and commas")
        if not value.isprintable():
            raise click.UsageError(f"--metadata {key}: the value is not text in one line")
        yield key, value


def _distinct(files: Sequence[Path]) -> Sequence[Path]:
    """Each file once, however it was named."""
    return list({path.resolve(): path for path in reversed(files)}.values())[::-1]


def _send_all(uploads: "Uploads", files: Sequence[Path], parallel: int) -> Iterator[Outcome]:
    """Send files in threads, and tell what came of each as soon as it is known; whoever stops listening stops them."""
    waiting: queue.SimpleQueue[Path] = queue.SimpleQueue()
    outcomes: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
    for path in files:
        waiting.put(path)
    # Daemons, because a connection on which nothing moves would hold the process.
    threads = [Thread(target=_work, args=(uploads, waiting, outcomes), daemon=True) for _ in range(parallel)]
    for thread in threads[: len(files)]:
        thread.start()
    try:
        for _ in files:
            yield outcomes.get()
    finally:
        uploads.stop.set()
        for thread in threads[: len(files)]:
            thread.join(_STOPPING)


def _work(uploads: "Uploads", waiting: "queue.SimpleQueue[Path]", outcomes: "queue.SimpleQueue[Outcome]") -> None:
    with suppress(queue.Empty, Stopped):
        while not uploads.stop.is_set():
            path = waiting.get_nowait()
            try:
                outcomes.put((path, uploads.send(path)))
            except Stopped:
                raise
            except Exception as error:
                # Whatever it is, it is for the thread that waits for it.
                outcomes.put((path, error))


def _report(outcomes: Iterator[Outcome], *, alone: bool, as_json: bool) -> None:
    has_failed = False
    for path, outcome in outcomes:
        if isinstance(outcome, ClientError):
            if alone:
                raise ClientError(f"{printable(path.name)}: {outcome}")
            complain(f"{printable(path.name)}: {outcome}")
            has_failed = True
        elif isinstance(outcome, Exception):
            raise outcome
        else:
            click.echo(json.dumps(_shown(outcome)) if as_json else outcome.url)
    if has_failed:
        raise click.exceptions.Exit(2)


def _shown(uploaded: "Uploaded") -> dict[str, object]:
    return {
        "file": str(uploaded.path),
        "url": uploaded.url,
        "size": uploaded.size,
        "resumed_from": uploaded.resumed_from,
    }
