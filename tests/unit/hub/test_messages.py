"""What a message says, and who may hear it."""

import json
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.hub.world import ANN, BOB, NOW, ROOT, completed, upload

from longshore.auth.policy import Visibility
from longshore.auth.principal import EVERYBODY
from longshore.hub.messages import Message, event_message, progress_message
from longshore.hub.subscription import Subscription
from longshore.ports.events import StoredEvent
from longshore.protocol.upload import State, Upload

METADATA = "filename w6kuaXNv,filetype YXBwbGljYXRpb24veC1pc285NjYw,secret aHVzaA=="


def stored(kind: str, subject: Upload, **more: Any) -> StoredEvent:
    data = {
        "id": subject.id,
        "owner": subject.owner,
        "created_at": subject.created_at.isoformat(),
        "offset": subject.offset,
        "length": subject.length,
        "metadata": subject.metadata,
        "concat": subject.concat,
        "parts": list(subject.parts),
        "state": subject.state.value,
        "expires_at": subject.expires_at and subject.expires_at.isoformat(),
        "completed_at": subject.completed_at and subject.completed_at.isoformat(),
    }
    request = {"method": "POST", "uri": "/files", "remote_address": "", "headers": [["x-note", "hush"]]}
    return StoredEvent(
        id=7,
        type=kind,
        upload_id=subject.id,
        owner=subject.owner,
        time=NOW,
        data={"upload": data, "request": request, **more},
    )


def message(kind: str, subject: Upload, visibility: Visibility = Visibility.SHARED, **more: Any) -> Message:
    return event_message(stored(kind, subject, **more), source="/files", visibility=visibility)


def test_an_event_is_a_cloud_event_with_what_a_list_shows_and_no_more() -> None:
    told = message("completed", completed(upload(metadata=METADATA)))
    assert json.loads(told.text) == {
        "specversion": "1.0",
        "id": "7",
        "source": "/files",
        "type": "longshore.upload.completed",
        "time": "2026-02-03T04:05:06Z",
        "subject": "a",
        "datacontenttype": "application/json",
        "data": {
            "id": "a",
            "owner": "local:ann",
            "name": "é.iso",
            "media_type": "application/x-iso9660",
            "size": 100,
            "offset": 100,
            "state": "completed",
            "partial": False,
            "created_at": "2026-02-03T04:05:06Z",
            "completed_at": "2026-02-03T04:05:06Z",
            "expires_at": None,
        },
    }
    assert (told.id, told.type, told.upload_id) == (7, "completed", "a")


def test_a_rejection_says_why() -> None:
    gone = upload(state=State.TERMINATED)
    told = json.loads(message("rejected", gone, code="format-not-allowed", detail="No \ud800\nprograms.").text)
    assert (told["data"]["code"], told["data"]["detail"]) == ("format-not-allowed", "No \ud800\nprograms.")


def test_a_renaming_says_what_the_file_was_called_before() -> None:
    told = json.loads(message("renamed", upload(metadata=METADATA), previous_name="e.iso").text)
    assert (told["type"], told["data"]["name"]) == ("longshore.upload.renamed", "é.iso")
    assert told["data"]["previous_name"] == "e.iso"


@pytest.mark.parametrize(("name", "shown"), [("ann", {"owner_name": "ann"}), (None, {})])
def test_the_owners_name_is_told_where_it_is_known(name: str | None, shown: dict[str, str]) -> None:
    event = replace(stored("created", upload()), owner_name=name)
    told = json.loads(event_message(event, source="/files", visibility=Visibility.SHARED).text)
    assert {key: value for key, value in told["data"].items() if key == "owner_name"} == shown


@pytest.mark.parametrize(("state", "shown"), [(State.UNFINISHED, "2026-02-03T04:05:06Z"), (State.EXPIRED, None)])
def test_a_tombstones_own_expiry_is_not_shown(state: State, shown: str | None) -> None:
    told = json.loads(message("expired", upload(state=state, expires_at=NOW)).text)
    assert told["data"]["expires_at"] == shown


def test_a_message_is_one_line_of_ascii() -> None:
    text = message("rejected", upload(), code="x", detail="ü\r\n\u2028").text
    assert text.isascii()
    assert len(text.splitlines()) == 1


def test_progress_has_an_id_that_nobody_can_go_on_after() -> None:
    told = progress_message(upload(offset=40), NOW, source="/files")
    said = json.loads(told.text)
    assert (said["type"], said["id"], said["data"]["offset"]) == ("longshore.upload.progress", "progress-a-40", 40)
    assert told.id is None


# Who may hear what

UNFINISHED = upload()
FILE = completed(upload())
DELETED_FILE = replace(FILE, state=State.TERMINATED)
PART = replace(FILE, concat="partial")
PRIVATE = {"owner", "admin"}
ALL = {"owner", "other", "admin"}


@pytest.mark.parametrize(
    ("kind", "subject", "shared"),
    [
        ("created", UNFINISHED, PRIVATE),
        ("created", PART, PRIVATE),
        ("completed", FILE, ALL),
        ("terminated", replace(UNFINISHED, state=State.TERMINATED), PRIVATE),
        ("terminated", DELETED_FILE, ALL),
        ("terminated", replace(PART, state=State.TERMINATED), PRIVATE),
        ("expired", replace(UNFINISHED, state=State.EXPIRED), PRIVATE),
        ("expired", replace(FILE, state=State.EXPIRED), ALL),
        ("rejected", DELETED_FILE, PRIVATE),
        ("renamed", UNFINISHED, PRIVATE),
        ("renamed", PART, PRIVATE),
        ("renamed", FILE, ALL),
    ],
)
def test_files_are_everybodys_where_they_are_shared_and_the_rest_is_their_owners(
    kind: str, subject: Upload, shared: set[str]
) -> None:
    asking = {"owner": ANN, "other": BOB, "admin": ROOT}
    for visibility, expected in ((Visibility.SHARED, shared), (Visibility.PRIVATE, PRIVATE)):
        told = message(kind, subject, visibility, code="", detail="")
        assert {who for who, principal in asking.items() if Subscription(principal).hears(told)} == expected


def test_progress_is_the_owners_and_the_admins() -> None:
    told = progress_message(upload(offset=1), NOW, source="/files")
    assert [Subscription(principal).hears(told) for principal in (ANN, BOB, ROOT)] == [True, False, True]


def test_where_nobody_has_a_name_everybody_hears_everything() -> None:
    assert Subscription(EVERYBODY).hears(message("created", upload(owner="")))
    assert Subscription(EVERYBODY).hears(progress_message(upload(owner=""), NOW, source="/files"))
