"""Logging of the commands: on standard error, as lines for people or as JSON for programs.

Modules log by the standard library; what they say, and what uvicorn, SQLAlchemy and others say, comes out here in one
format, with the id of the request that it was said on.
"""

import logging
from collections.abc import Mapping, MutableMapping
from typing import Any, Final, Literal

_NEWS: Final = ("uvicorn.error", "alembic")
"""Whose messages below warnings are of interest only from debug on."""

_QUIET: Final = ("httpx", "httpcore", "hpack")
"""Whose messages below warnings never are: they name addresses in full, and those may hold passwords."""

_ACCESS: Final = "longshore.access"
_SAID: Final = ("method", "path", "status")
"""What the text of a line of the access log says already."""

_ESCAPED: Final = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}
"""What a terminal might take for a command, or a reader for another line."""


def configure(level: str, log_format: Literal["console", "json"] = "console") -> None:
    """Log from this level ("info", "debug", …) on."""
    handler = logging.StreamHandler()
    handler.setFormatter(formatter(log_format, colors=handler.stream.isatty()))
    logging.basicConfig(level=level.upper(), handlers=[handler])
    if level == "info":
        for name in _NEWS:
            logging.getLogger(name).setLevel(logging.WARNING)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    # Who asks for an access log gets it, whatever the level of the rest; nothing comes here otherwise.
    logging.getLogger(_ACCESS).setLevel(logging.INFO)


def formatter(log_format: Literal["console", "json"], *, colors: bool = False) -> logging.Formatter:
    """What makes a line of each record of the standard library's logging."""
    # Here, because it takes a while, and most commands log nothing.
    import structlog

    from longshore.http.request_log import FIELDS

    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        # Nobody else's: what other libraries add to their messages is not known.
        structlog.stdlib.ExtraAdder(allow=FIELDS),
        _add_request,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    render: list[Any] = _json(structlog) if log_format == "json" else _console(structlog, colors=colors)
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
    )


def _json(structlog: Any) -> list[Any]:
    # Without the values of local variables, among which tokens and passwords may be.
    exceptions = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    return [structlog.processors.ExceptionRenderer(exceptions), structlog.processors.JSONRenderer()]


def _console(structlog: Any, *, colors: bool) -> list[Any]:
    # Plain: the default shows local variables where rich is installed.
    plain = structlog.dev.plain_traceback
    return [_shorten, _escape, structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=plain, pad_event_to=0)]


def _add_request(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Say on which request it was, unless the message says so itself."""
    # Here for the same reason.
    from longshore.http.request_log import context

    known: Mapping[str, str] = context()
    for name, value in known.items():
        event.setdefault(name, value)
    return event


def _shorten(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Leave out of a line for people what it says twice."""
    if event["logger"] == _ACCESS:
        for name in _SAID:
            event.pop(name, None)
    return event


def _escape(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Escape control characters everywhere but in tracebacks: clients choose some of what is said."""
    for name, value in event.items():
        if isinstance(value, str) and name not in ("exception", "stack"):
            event[name] = value.translate(_ESCAPED)
    return event
