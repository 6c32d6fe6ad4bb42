"""Logging of the commands: on standard error, as lines for people or as JSON for programs.

Modules log by the standard library; what they say, and what uvicorn, SQLAlchemy and others say, comes out here in one
format, with the id of the request that it was said on.
"""

import logging
from collections.abc import Mapping, MutableMapping
from typing import Any, Final, Literal

_NEWS: Final = ("uvicorn.error", "alembic")
"""Whose messages below warnings are of interest only from debug on."""

_QUIET: Final = ("httpx", "httpcore", "websockets")
"""Whose messages below warnings never are: they tell addresses and header fields, in which secrets may be."""

_ACCESS: Final = "longshore.access"
_SAID: Final = ("method", "path", "status")
"""What the text of a line of the access log says already."""

_ESCAPED: Final = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}
"""What a terminal might take for a command, or a reader for another line."""


def configure(level: str, log_format: Literal["console", "json"] = "console") -> None:
    """Log from this level ("info", "debug", …) on."""
    handler = logging.StreamHandler()
    handler.addFilter(_has_no_query)
    handler.setFormatter(formatter(log_format, colors=handler.stream.isatty()))
    logging.basicConfig(level=level.upper(), handlers=[handler])
    least = logging.getLogger().level
    for name in _QUIET if level != "info" else (*_QUIET, *_NEWS):
        logging.getLogger(name).setLevel(max(least, logging.WARNING))
    # At debug it would tell each header field of a WebSocket's handshake.
    uvicorn = logging.getLogger("uvicorn.error")
    uvicorn.setLevel(max(least, uvicorn.level, logging.INFO))
    # Who asks for an access log gets it, whatever the level of the rest; nothing comes here otherwise.
    logging.getLogger(_ACCESS).setLevel(logging.INFO)


def _has_no_query(record: logging.LogRecord) -> bool:
    """Whether it is none of uvicorn's messages that tell the address of a WebSocket with its query."""
    return '"WebSocket %s"' not in str(record.msg)


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
    styles = structlog.dev.ConsoleRenderer.get_default_level_styles(colors)
    renderer = structlog.dev.ConsoleRenderer(
        colors=colors,
        pad_event_to=0,
        level_styles={level.upper(): style for level, style in styles.items()},
        # The default shows local variables where rich is installed.
        exception_formatter=structlog.dev.plain_traceback,
    )
    return [_shorten, _escape, renderer]


def _add_request(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Say on which request it was, unless the message says so itself."""
    # Here for the same reason.
    from longshore.http.request_log import context

    known: Mapping[str, str] = context()
    for name, value in known.items():
        event.setdefault(name, value)
    return event


def _shorten(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Leave out of a line for people what it says twice, and have the level stand out."""
    event["level"] = event["level"].upper()
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
