"""Whether the port can be had, asked before anything is started that would have to be stopped again."""

import errno
import socket
from collections.abc import Mapping
from contextlib import closing
from typing import Final

from longshore.config import SettingsError

_REASONS: Final[Mapping[int, str]] = {
    errno.EADDRINUSE: "another program listens there; --port (LONGSHORE_PORT) takes another",
    errno.EACCES: "this user may not listen there; --port (LONGSHORE_PORT) takes another",
    errno.EADDRNOTAVAIL: "this machine does not have that address; --host (LONGSHORE_HOST) takes another",
}


def require_port(host: str, port: int) -> None:
    """Raise `SettingsError` where this host and port cannot be listened on, for a reason that can be told."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise SettingsError(
            f"--host (LONGSHORE_HOST): {host} is no address of this machine: {error.strerror}"
        ) from error
    for family, kind, protocol, _, address in found:
        with closing(socket.socket(family, kind, protocol)) as probe:
            # As the event loop does when it listens.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                probe.bind(address)
            except OSError as error:
                # What this does not know, the server finds out, and tells in its own way.
                if reason := _REASONS.get(error.errno or 0):
                    shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
                    raise SettingsError(f"cannot listen on {shown}: {reason}") from error
