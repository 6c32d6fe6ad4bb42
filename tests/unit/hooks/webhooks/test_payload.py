import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from longshore.events import (
    RequestInfo,
    UploadCompleted,
    UploadCreated,
    UploadEvent,
    UploadExpired,
    UploadRejected,
    UploadTerminated,
)
from longshore.hooks.webhooks.payload import EVENT_TYPES, event_payload, hook_payload, without_credentials
from longshore.protocol.upload import Upload

UPLOAD = Upload(id="a1b2", created_at=datetime(2026, 3, 1, tzinfo=UTC), length=432724, metadata="filename c2hvdC5wbmc=")
REQUEST = RequestInfo(
    method="POST",
    uri="/files/?x=1",
    remote_address="127.0.0.1:59395",
    headers=(
        ("host", "localhost:8080"),
        ("tus-resumable", "1.0.0"),
        ("x-forwarded-for", "a"),
        ("x-forwarded-for", "b"),
    ),
)


def told(upload: Upload, hook_type: str = "post-receive") -> Any:
    return json.loads(hook_payload(hook_type, upload, REQUEST))["Event"]["Upload"]


def test_is_what_tusd_sends() -> None:
    assert json.loads(event_payload(UploadCreated(UPLOAD, REQUEST))) == {
        "Type": "post-create",
        "Event": {
            "Upload": {
                "ID": "a1b2",
                "Size": 432724,
                "SizeIsDeferred": False,
                "Offset": 0,
                "MetaData": {"filename": "shot.png"},
                "IsPartial": False,
                "IsFinal": False,
                "PartialUploads": None,
                "Storage": {"Type": "longshore"},
            },
            "HTTPRequest": {
                "Method": "POST",
                "URI": "/files/?x=1",
                "RemoteAddr": "127.0.0.1:59395",
                "Header": {
                    "Host": ["localhost:8080"],
                    "Tus-Resumable": ["1.0.0"],
                    "X-Forwarded-For": ["a", "b"],
                },
            },
        },
    }


def test_before_its_creation_an_upload_has_neither_id_nor_storage() -> None:
    upload = told(UPLOAD, "pre-create")

    assert (upload["ID"], upload["Storage"]) == ("", None)


def test_the_size_of_a_deferred_length_is_zero() -> None:
    upload = told(replace(UPLOAD, length=None, offset=5))

    assert (upload["Size"], upload["SizeIsDeferred"], upload["Offset"]) == (0, True, 5)


def test_without_metadata_there_is_an_empty_object() -> None:
    assert told(replace(UPLOAD, metadata=""))["MetaData"] == {}


def test_metadata_that_is_no_text_is_made_text() -> None:
    assert told(replace(UPLOAD, metadata="name /2E=,empty"))["MetaData"] == {"name": "\ufffda", "empty": ""}


def test_tells_parts_and_finals_apart() -> None:
    part = told(replace(UPLOAD, concat="partial"))
    final = told(replace(UPLOAD, concat="final;/files/b /files/c", parts=("b", "c", "b")))

    assert (part["IsPartial"], part["IsFinal"], part["PartialUploads"]) == (True, False, None)
    assert (final["IsPartial"], final["IsFinal"], final["PartialUploads"]) == (False, True, ["b", "c", "b"])


@pytest.mark.parametrize(
    ("event", "hook_type"),
    [
        (UploadCreated(UPLOAD), "post-create"),
        (UploadCompleted(UPLOAD), "post-finish"),
        (UploadTerminated(UPLOAD), "post-terminate"),
        (UploadExpired(UPLOAD), "post-expire"),
        (UploadRejected(UPLOAD), "post-reject"),
    ],
)
def test_names_each_event(event: UploadEvent, hook_type: str) -> None:
    assert json.loads(event_payload(event))["Type"] == hook_type
    assert EVENT_TYPES[hook_type] == event.type


def test_says_why_an_upload_was_rejected() -> None:
    event = UploadRejected(UPLOAD, RequestInfo(), "format-not-allowed", "It is no image.")

    said = json.loads(event_payload(event))["Event"]

    assert said["Rejection"] == {"Code": "format-not-allowed", "Detail": "It is no image."}
    assert said["HTTPRequest"] == {"Method": "", "URI": "", "RemoteAddr": "", "Header": {}}


@pytest.mark.parametrize(
    "name", ["authorization", "proxy-authorization", "cookie", "x-auth-token", "x-client-secret", "x-api-key", "apikey",
             "x_api_key"],
)  # fmt: skip
def test_drops_credentials_unless_they_are_listed(name: str) -> None:
    request = replace(REQUEST, headers=(("accept", "*/*"), (name, "s3cret")))

    assert without_credentials(request, ()) == replace(REQUEST, headers=(("accept", "*/*"),))
    assert without_credentials(request, [name]) == request
