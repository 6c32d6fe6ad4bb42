"""Request heads as the protocol reads them."""

from typing import Any

import anyio
import pytest
from anyio import CapacityLimiter
from starlette.types import Message

from longshore.http.reading import has_trailers, request_body, request_head
from longshore.ports import TRAILERS
from longshore.uploads.budget import Budget


def scope(*fields: tuple[bytes, bytes], **more: Any) -> dict[str, Any]:
    return {"type": "http", "method": "POST", "headers": list(fields), **more}


def test_fields_by_name() -> None:
    head = request_head(scope((b"upload-length", b"5"), (b"tus-resumable", b"1.0.0")))
    assert (head.method, head.resource) == ("POST", None)
    assert head.headers == {"upload-length": "5", "tus-resumable": "1.0.0"}


def test_repeated_fields_are_joined_in_order() -> None:
    head = request_head(scope((b"upload-metadata", b"a YQ=="), (b"host", b"x"), (b"upload-metadata", b"b Yg==,c")))
    assert head.headers["upload-metadata"] == "a YQ==,b Yg==,c"


def test_repeated_length_is_no_number_any_more() -> None:
    """Two lengths that contradict each other must not become one of them."""
    assert request_head(scope((b"upload-length", b"5"), (b"upload-length", b"6"))).headers["upload-length"] == "5,6"


def test_every_byte_is_a_character() -> None:
    assert request_head(scope((b"x", bytes(range(128, 256))))).headers["x"] == bytes(range(128, 256)).decode("latin-1")


def test_resource_is_the_last_part_of_the_path() -> None:
    assert request_head(scope(path_params={"upload_id": "abc"})).resource == "abc"


@pytest.mark.parametrize("extensions", [None, {}, {"http.response.trailers": {}}])
def test_most_servers_keep_no_trailers(extensions: Any) -> None:
    assert not has_trailers(scope(extensions=extensions))


def test_trailers_are_those_that_the_server_left_in_the_scope() -> None:
    trailers = {"upload-checksum": "sha1 x"}
    there = scope(extensions={TRAILERS: trailers})
    assert has_trailers(there)

    async def receive() -> Message:
        return {"type": "http.request", "body": b"abc", "more_body": False}

    async def read() -> object:
        body = request_body(there, receive, idle_timeout=1, limiter=CapacityLimiter(1), budget=Budget(0))
        await body.feed(lambda _: None, limit=None)
        return body.trailers

    assert anyio.run(read) == trailers
