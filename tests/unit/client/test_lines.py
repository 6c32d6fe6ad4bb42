from typing import Any

import pytest

from longshore.client import listing, watching

LISTED = {
    "id": "abc",
    "created_at": "2026-11-20T12:00:00Z",
    "state": "unfinished",
    "offset": 250,
    "length": 1000,
    "owner": {"id": "local:1", "name": "ann"},
    "name": "evil\x1b[2J.iso",
}
EVENT = {
    "type": "longshore.upload.progress",
    "time": "2026-11-20T12:00:00.123Z",
    "subject": "abc",
    "data": {"offset": 250, "size": 1000, "name": "evil\x1b[2J.iso"},
}


@pytest.mark.parametrize(
    ("change", "columns"),
    [
        ({}, ["25%", "1.0", "kB", "ann", r"evil\x1b[2J.iso"]),
        ({"state": "completed"}, ["completed", "1.0", "kB", "ann", r"evil\x1b[2J.iso"]),
        ({"length": None}, ["unfinished", "?", "ann", r"evil\x1b[2J.iso"]),
        ({"owner": {"id": "sub", "name": None}, "name": None}, ["25%", "1.0", "kB", "sub"]),
        ({"owner": None, "name": None}, ["25%", "1.0", "kB"]),
    ],
)
def test_an_upload_as_a_line(change: dict[str, Any], columns: list[str]) -> None:
    assert listing.line({**LISTED, **change}).split()[3:] == columns


@pytest.mark.parametrize(
    ("change", "columns"),
    [
        ({}, ["progress", "abc", "25%", r"evil\x1b[2J.iso"]),
        ({"type": "longshore.upload.completed"}, ["completed", "abc", "1.0", "kB", r"evil\x1b[2J.iso"]),
        ({"data": {"offset": 5, "size": None, "name": ""}}, ["progress", "abc"]),
        ({"data": None, "type": "longshore.upload.expired"}, ["expired", "abc"]),
    ],
)
def test_an_event_as_a_line(change: dict[str, Any], columns: list[str]) -> None:
    assert watching.line({**EVENT, **change}).split() == ["2026-11-20", "12:00:00", *columns]
