"""`longshore serve`."""

import ipaddress
import logging
import sys

import click

from longshore.cli import database, logs, options
from longshore.cli.banner import banner
from longshore.cli.listening import require_port
from longshore.config import Settings, load, prepare_data_dir

logger = logging.getLogger(__name__)


@click.command(epilog=options.EPILOG)
@options.settings(
    "host",
    "port",
    "data_dir",
    "auth",
    "registration",
    "allowed_extensions",
    "public_url",
    "base_path",
    "max_size",
    "unfinished_ttl",
    "finished_ttl",
    "fsync",
    "cors_origins",
    "log_level",
    "log_format",
    "access_log",
    "metrics",
    "admin_panel",
    "web_client",
)
def serve(**given: str | bool | None) -> None:
    """Serve uploads until interrupted.

    A SQLite database is created and migrated on the way; a PostgreSQL one has to be migrated with `longshore db
    upgrade` before.
    """
    settings = load(**given)
    require_port(settings.host, settings.port)
    prepare_data_dir(settings)
    database.make_ready(settings)

    logs.configure(settings.log_level, settings.log_format)
    _run(settings)


def _run(settings: Settings) -> None:
    # Imported here, so that --help and a wrong option are answered quickly.
    from longshore.app import build
    from longshore.http.web import is_built
    from longshore.server.run import run

    if settings.hooks:
        # As other servers do: the operator's modules lie beside them.
        sys.path.insert(0, "")
    _warn_of_open_doors(settings)
    app = build(settings)
    has_page = settings.web_client and is_built()
    metrics = app.state.metrics
    run(
        app,
        host=settings.host,
        port=settings.port,
        grace_period=settings.grace_period,
        access_log=False,  # `http.request_log` has one without query strings
        socket_bodies=settings.socket_bodies,
        on_started=lambda host, port: click.echo(
            banner(settings, app.state.capabilities, host, port, has_page=has_page)
        ),
        on_stopping=app.state.stop,
        on_refused=metrics.errors.add if metrics is not None else None,
    )


def _warn_of_open_doors(settings: Settings) -> None:
    if settings.auth == "none" and not _is_loopback(settings.host):
        logger.warning("auth is none: whoever reaches %s may upload, read and delete everything", settings.host)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
