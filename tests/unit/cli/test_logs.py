"""Log lines: for people and as JSON."""

import asyncio
import json
import logging
import sys
from collections.abc import Mapping
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from longshore.auth.principal import Principal, Role
from longshore.cli.logs import formatter
from longshore.http.request_log import RequestLog, noting

SECRET = "s3cret-in-a-local-variable"


def record(text: str, *arguments: object, name: str = "longshore.app", **extra: Any) -> logging.LogRecord:
    logger = logging.getLogger(name)
    return logger.makeRecord(name, logging.WARNING, __file__, 1, text, arguments, None, extra=extra)


def failed() -> logging.LogRecord:
    """The record of an exception, in a frame with a secret."""
    password = SECRET
    try:
        raise ValueError(f"wrong length: {len(password)}")
    except ValueError:
        return logging.getLogger("longshore.app").makeRecord(
            "longshore.app", logging.ERROR, __file__, 1, "a request failed", (), sys.exc_info()
        )


def as_json(said: logging.LogRecord) -> Mapping[str, Any]:
    line = formatter("json").format(said)
    assert "\n" not in line
    found: Mapping[str, Any] = json.loads(line)
    return found


def test_json_is_an_object_in_a_line() -> None:
    found = as_json(record("upload %s: %d\nbytes", "a", 7))
    assert {name: found[name] for name in ("event", "level", "logger")} == {
        "event": "upload a: 7\nbytes",
        "level": "warning",
        "logger": "longshore.app",
    }
    assert found["timestamp"].endswith("Z")


def test_a_line_for_people() -> None:
    line = formatter("console").format(record("upload %s", "a"))
    assert line.partition(" ")[2] == "[WARNING  ] upload a [longshore.app]"


def test_an_exception_in_json_tells_where_and_not_what_the_variables_held() -> None:
    line = formatter("json").format(failed())
    (exception,) = json.loads(line)["exception"]
    assert (exception["exc_type"], exception["exc_value"]) == ("ValueError", f"wrong length: {len(SECRET)}")
    assert exception["frames"][-1]["name"] == "failed"
    assert SECRET not in line


def test_an_exception_for_people_is_a_traceback_without_variables() -> None:
    text = formatter("console").format(failed())
    assert "Traceback (most recent call last):" in text
    assert text.endswith(f"ValueError: wrong length: {len(SECRET)}")
    assert SECRET not in text


def test_what_clients_choose_cannot_begin_a_line_or_command_a_terminal() -> None:
    line = formatter("console").format(record("file %s", "a\n2026 [error] fake\x1b[2J\x9b\r"))
    assert "file a\\x0a2026 [error] fake\\x1b[2J\\x9b\\x0d" in line
    assert line.isprintable()


def test_what_other_libraries_add_is_left_out() -> None:
    found = as_json(record("hello", name="uvicorn.error", color_message="\x1b[1mhello", password=SECRET))
    assert found.keys() == {"event", "level", "logger", "timestamp"}


def test_the_access_log_says_in_a_line_for_people_nothing_twice() -> None:
    fields = {"method": "GET", "path": "/x", "status": 200, "sent": 5, "duration": 0.1}
    said = record("%s %s %s", "GET", "/x", 200, name="longshore.access", **fields)
    line = formatter("console").format(said)
    assert line.partition("] ")[2] == "GET /x 200 [longshore.access] duration=0.1 sent=5"
    assert fields.items() <= as_json(said).items()


async def _identify(_: Scope) -> Principal:
    return Principal(subject="local:1", role=Role.USER, name="Ann")


async def _ignore(_: Any) -> None:
    pass


def test_what_is_said_on_a_request_has_its_ids_also_from_a_thread() -> None:
    lines: list[Mapping[str, Any]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        lines.append(as_json(record("early")))
        scope["path_params"] = {"upload_id": "abc"}
        await noting(_identify)(scope)
        lines.append(await asyncio.to_thread(as_json, record("late")))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    async def ask() -> None:
        headers = [(b"x-request-id", b"my-own")]
        await RequestLog(app)({"type": "http", "method": "GET", "path": "/", "headers": headers}, _receive, _ignore)
        lines.append(as_json(record("outside")))

    asyncio.run(ask())
    ids = ("request_id", "upload_id", "user_id")
    assert [tuple(line.get(name) for name in ids) for line in lines] == [
        ("my-own", None, None),
        ("my-own", "abc", "local:1"),
        (None, None, None),
    ]
    assert "Ann" not in str(lines)


async def _receive() -> Any:
    raise AssertionError("there is nothing to receive")


@pytest.mark.parametrize("text", ["100 %", "%s"])
def test_a_text_that_only_looks_like_a_format_is_left_as_it_is(text: str) -> None:
    assert as_json(record(text))["event"] == text
