import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from tests.unit.cli.terminal import Terminal

from longshore.app.webhooks import open_deliveries
from longshore.config import Settings
from longshore.db.database import Database
from longshore.db.uploads import SqlUploads
from longshore.events import UploadCompleted, UploadCreated
from longshore.ports.deliveries import Delivery, DeliveryState
from longshore.protocol.upload import State, Upload

NOW = datetime(2026, 3, 1, 12, 30, 15, tzinfo=UTC)
HELP = " (longshore --help lists what there is)"


def told(terminal: Terminal) -> None:
    """Have two uploads be made, one of them finished, and the receiver be told of all but the last event."""
    asyncio.run(_told())
    assert [delivery.state.value for delivery in deliveries()] == ["waiting", "failed", "delivered"]


async def _told() -> None:
    async with Database(Settings().sqlalchemy_url()) as database:
        uploads = SqlUploads(database, clock=lambda: NOW, deliver=["created", "completed"])
        first, second = (Upload(id=upload_id, created_at=NOW, length=0) for upload_id in ("aa", "bb"))
        finished = replace(first, state=State.COMPLETED, completed_at=NOW)
        await uploads.add(first, free_space=None, events=[UploadCreated(first)])
        await uploads.add(second, free_space=None, events=[UploadCreated(second)])
        await uploads.save(finished, events=[UploadCompleted(finished)])
    async with open_deliveries(Settings()) as records:
        await records.settle(1, 0, DeliveryState.DELIVERED, attempts=1)
        await records.settle(2, 0, DeliveryState.FAILED, attempts=12, error="it answered 500")


def deliveries() -> Sequence[Delivery]:
    async def read() -> Sequence[Delivery]:
        async with open_deliveries(Settings()) as records:
            return await records.list(None, 100)

    return asyncio.run(read())


def test_where_there_are_none_nothing_is_listed(terminal: Terminal) -> None:
    assert terminal.run("webhook list").text == terminal.run("webhook list --json").text == ""


def test_deliveries_are_listed_the_newest_first(terminal: Terminal) -> None:
    told(terminal)
    assert terminal.run("webhook list").text.splitlines() == [
        "       3  2026-03-01 12:30:15  completed  aa  waiting, 0 attempts",
        "       2  2026-03-01 12:30:15  created    bb  failed, 12 attempts  it answered 500",
        "       1  2026-03-01 12:30:15  created    aa  delivered, 1 attempts",
    ]


def test_deliveries_are_listed_as_json(terminal: Terminal) -> None:
    told(terminal)
    _, failed, _ = map(json.loads, terminal.run("webhook list --json").text.splitlines())
    assert failed == {
        "id": 2,
        "type": "created",
        "upload": "bb",
        "time": "2026-03-01T12:30:15+00:00",
        "state": "failed",
        "attempts": 12,
        "last_error": "it answered 500",
    }


@pytest.mark.parametrize(
    ("choice", "ids"),
    [
        ("--state waiting", [3]),
        ("--state queued", []),
        ("--state delivered", [1]),
        ("--state failed", [2]),
        ("--limit 2", [3, 2]),
        ("--state failed --limit 1", [2]),
    ],
)
def test_a_choice_of_deliveries_is_listed(terminal: Terminal, choice: str, ids: list[int]) -> None:
    told(terminal)
    listed = terminal.run(f"webhook list --json {choice}").text.splitlines()
    assert [json.loads(line)["id"] for line in listed] == ids


def test_deliveries_are_made_again_from_the_start(terminal: Terminal) -> None:
    told(terminal)
    terminal.run("webhook redeliver 2 1")
    again = [
        (delivery.event_id, delivery.state.value, delivery.generation, delivery.attempts) for delivery in deliveries()
    ]
    assert again == [(3, "waiting", 0, 0), (2, "waiting", 1, 0), (1, "waiting", 1, 0)]


def test_of_several_those_that_there_are_are_made_again(terminal: Terminal) -> None:
    told(terminal)
    assert terminal.run("webhook redeliver 17 2 18").complaint == "there is no delivery 17, 18"
    assert [delivery.generation for delivery in deliveries()] == [0, 1, 0]


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("redeliver 4", "there is no delivery 4"),
        ("redeliver 9223372036854775807", "there is no delivery 9223372036854775807"),
        (
            "redeliver 9223372036854775808",
            f"Invalid value for 'ID...': 9223372036854775808 is not in the range 1<=x<=9223372036854775807.{HELP}",
        ),
        ("redeliver 0", f"Invalid value for 'ID...': 0 is not in the range 1<=x<=9223372036854775807.{HELP}"),
        ("redeliver one", f"Invalid value for 'ID...': 'one' is not a valid integer range.{HELP}"),
        ("redeliver", f"Missing argument 'ID...'.{HELP}"),
        (
            "list --state lost",
            f"Invalid value for '--state': 'lost' is not one of 'waiting', 'queued', 'delivered', 'failed'.{HELP}",
        ),
        ("list --limit 0", f"Invalid value for '--limit': 0 is not in the range 1<=x<=10000.{HELP}"),
    ],
)
def test_what_is_refused_is_one_line_and_changes_nothing(terminal: Terminal, command: str, line: str) -> None:
    told(terminal)
    before = deliveries()
    assert terminal.run(f"webhook {command}").complaint == line
    assert deliveries() == before


def test_the_lists_have_nothing_secret(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONGSHORE_WEBHOOK_URL", "https://example.org/s3cret-path")
    told(terminal)
    assert "s3cret" not in terminal.run("webhook list").text + terminal.run("webhook list --json").text
