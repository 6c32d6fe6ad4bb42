"""`longshore serve`."""

import click

from longshore.cli import database, logs, options
from longshore.cli.banner import banner
from longshore.config import Settings, load, prepare_data_dir


@click.command(epilog=options.EPILOG)
@options.settings(
    "host",
    "port",
    "data_dir",
    "auth",
    "public_url",
    "base_path",
    "max_size",
    "unfinished_ttl",
    "finished_ttl",
    "fsync",
    "cors_origins",
    "log_level",
    "access_log",
)
def serve(**given: str | bool | None) -> None:
    """Serve uploads until interrupted.

    A SQLite database is created and migrated on the way; a PostgreSQL one has to be migrated with `longshore db
    upgrade` before.
    """
    settings = load(**given)
    prepare_data_dir(settings)
    database.make_ready(settings)

    logs.configure(settings.log_level)
    _run(settings)


def _run(settings: Settings) -> None:
    # Imported here, so that --help and a wrong option are answered quickly.
    from longshore.app import build
    from longshore.server.run import run

    app = build(settings)
    run(
        app,
        host=settings.host,
        port=settings.port,
        grace_period=settings.grace_period,
        access_log=settings.access_log,
        socket_bodies=settings.socket_bodies,
        on_started=lambda host, port: click.echo(banner(settings, app.state.capabilities, host, port)),
        on_stopping=app.state.service.work.stop,
    )
