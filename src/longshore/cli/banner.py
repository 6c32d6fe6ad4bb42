"""What the server says when it is up: where it listens, where data lives, and what is enabled."""

from typing import Final

from longshore.config import Settings
from longshore.config.values import written_duration, written_size
from longshore.protocol.capabilities import Capabilities

_HERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what to open where every interface is listened on


def banner(settings: Settings, capabilities: Capabilities, host: str, port: int, *, has_page: bool = False) -> str:
    """The lines to show once the server listens on this host and port; `has_page` is whether browsers get one."""
    lines = {
        "listening": f"{_origin(host, port)}{settings.base_path}",
        "data": f"{settings.data_dir.absolute()} (database: {'SQLite' if settings.embedded else 'PostgreSQL'})",
        "extensions": capabilities.advertised.replace(",", ", "),
        "limits": _limits(settings),
        "formats": ", ".join(settings.allowed_extensions) or "all",
        "auth": _auth(settings),
    }
    shown = [f"  {name + ':':<12}{text}" for name, text in lines.items()]
    if has_page:
        shown.append(f"Open {settings.public_url or _origin(_HERE.get(host, host), port)}/")
    return "\n".join(["Longshore is ready", *shown])


def _origin(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _auth(settings: Settings) -> str:
    if settings.auth == "none":
        return "none, whoever reaches the port may upload"
    issuer = f"tokens of {settings.jwt_issuer}" if settings.jwt_issuer else ""
    if settings.auth == "external":
        return issuer
    accounts = f"accounts, registration {settings.registration}"
    return f"{accounts}; and {issuer}" if issuer else accounts


def _limits(settings: Settings) -> str:
    size = "no largest size" if settings.max_size is None else f"at most {written_size(settings.max_size)}"
    unfinished = settings.unfinished_ttl
    expiry = "never expire" if unfinished is None else f"expire after {written_duration(unfinished)}"
    return f"{size}; unfinished uploads {expiry}"
