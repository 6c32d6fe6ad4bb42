"""An external issuer for running servers: tokens that hold now, and its keys on a port of its own."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import create_server
from threading import Thread
from typing import Any

from tests.unit.auth.issuer import AUDIENCE, ISSUER, jwks
from tests.unit.auth.issuer import claims as claims_of

SETTINGS = {"auth": "external", "jwt_issuer": ISSUER, "jwt_audience": AUDIENCE}


def claims(**changes: Any) -> dict[str, Any]:
    """What stands in a token that holds for a day from now; a claim that is None is left out."""
    now = int(time.time())
    return claims_of(**{"iat": now, "nbf": now, "exp": now + 24 * 3600} | changes)


def free_port() -> int:
    """A port on which nobody listens just now."""
    with create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def publishing(*entries: Any, port: int = 0) -> Iterator[str]:
    """Publish keys until the end of the block; gives the URL."""
    body = jwks(*entries)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/jwks.json"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
