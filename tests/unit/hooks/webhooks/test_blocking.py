import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks import Webhook
from tests.unit.hooks.webhooks.receiver import Conduct, Receiver, Reply, breaks_off, hangs, receiving

from longshore.events import RequestInfo
from longshore.hooks.chain import NAMES, Chain
from longshore.hooks.webhooks.answers import REFUSAL_STATUS
from longshore.hooks.webhooks.blocking import WebhookHook, WebhookUnavailable
from longshore.hooks.webhooks.payload import HOOK_TYPES
from longshore.hooks.webhooks.sender import ANSWER_LIMIT, Sender
from longshore.ports.hooks import Answer, Changes, HookEvent, HookRefused, PreHook
from longshore.protocol.errors import TusError
from longshore.protocol.upload import Upload

pytestmark = pytest.mark.anyio

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
EVENT = HookEvent(
    upload=Upload(id="a", created_at=datetime(2026, 3, 1, tzinfo=UTC), length=4),
    request=RequestInfo(
        method="POST",
        uri="/files/",
        remote_address="192.0.2.1:4711",
        headers=(("host", "example.org"), ("authorization", "Bearer s3cret"), ("cookie", "a=b")),
    ),
)
PRE_HOOKS: list[PreHook] = ["pre_create", "pre_finish", "pre_terminate"]


def clock() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
async def receiver(anyio_backend: object) -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


@asynccontextmanager
async def asking(receiver: Receiver, *, time_limit: float = 5, **options: Any) -> AsyncIterator[Chain]:
    """Put the hook where the server puts it: in a chain."""
    sender = Sender(receiver.url, clock=clock, secret=SECRET, allow_private=True, time_limit=time_limit)
    hook = WebhookHook(sender, **({"events": HOOK_TYPES} | options))
    try:
        yield Chain([hook], timeout=10, inspect_size=0)
    finally:
        await sender.close()


def says(answer: Any) -> Reply:
    return Reply(body=json.dumps(answer).encode())


async def ask(receiver: Receiver, name: PreHook, answer: Any, **options: Any) -> Changes:
    receiver.replies = [says(answer)]
    async with asking(receiver, **options) as chain:
        return await chain.ask(name, EVENT)


@pytest.mark.parametrize("name", PRE_HOOKS)
async def test_asks_in_tusds_words_and_signs(receiver: Receiver, name: PreHook) -> None:
    assert await ask(receiver, name, {}) == Changes()

    (request,) = receiver.requests
    said = Webhook(SECRET).verify(request.body, dict(request.headers))
    assert said["Type"] == name.replace("_", "-")
    assert said["Event"]["HTTPRequest"]["Method"] == "POST"


async def test_asks_only_about_what_is_wanted(receiver: Receiver) -> None:
    async with asking(receiver, events=["pre-finish", "post-finish"]) as chain:
        assert [name for name in NAMES if chain.handles(name)] == ["pre_finish"]
        await chain.ask("pre_create", EVENT)

    assert receiver.requests == []


async def test_each_question_has_an_id_of_its_own(receiver: Receiver) -> None:
    async with asking(receiver) as chain:
        await chain.ask("pre_create", EVENT)
        await chain.ask("pre_create", EVENT)

    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 2


async def test_passes_no_credentials_on_unless_they_are_listed(receiver: Receiver) -> None:
    await ask(receiver, "pre_create", {})
    await ask(receiver, "pre_create", {}, forward_headers=["Authorization"])

    first, second = (request.json["Event"]["HTTPRequest"]["Header"] for request in receiver.requests)
    assert first == {"Host": ["example.org"]}
    assert second == {"Host": ["example.org"], "Authorization": ["Bearer s3cret"]}


async def test_a_receiver_may_change_an_upload_before_its_creation(receiver: Receiver) -> None:
    changes = await ask(receiver, "pre_create", {"ChangeFileInfo": {"ID": "mine", "MetaData": {"a": "b"}}})

    assert changes == Changes(upload_id="mine", metadata={"a": b"b"})


@pytest.mark.parametrize("name", ["pre_finish", "pre_terminate"])
async def test_a_receiver_cannot_change_an_upload_later(receiver: Receiver, name: PreHook) -> None:
    answer = {"ChangeFileInfo": {"ID": "mine"}, "HTTPResponse": {"Body": "fine"}}

    changes = await ask(receiver, name, answer)

    assert changes.upload_id is None
    assert isinstance(changes.answer, Answer)
    assert changes.answer.body == b"fine"


@pytest.mark.parametrize(("name", "field"), [("pre_create", "RejectUpload"), ("pre_terminate", "RejectTermination")])
async def test_a_receiver_may_refuse(receiver: Receiver, name: PreHook, field: str) -> None:
    answer = {field: True, "HTTPResponse": {"StatusCode": 422, "Body": "no", "Header": {"X-Why": "so"}}}

    with pytest.raises(HookRefused) as refused:
        await ask(receiver, name, answer, on_failure="allow")

    assert (refused.value.status, refused.value.body) == (422, b"no")
    assert ("X-Why", "so") in refused.value.headers


@pytest.mark.parametrize(
    ("name", "field"),
    [("pre_create", "RejectTermination"), ("pre_terminate", "RejectUpload"), ("pre_finish", "RejectUpload"),
     ("pre_create", "StopUpload")],
)  # fmt: skip
async def test_a_refusal_of_something_else_is_passed_over(receiver: Receiver, name: PreHook, field: str) -> None:
    assert await ask(receiver, name, {field: True}) == Changes()


FAILURES: dict[str, Reply | Conduct] = {
    "an error": Reply(500),
    "not found": Reply(404),
    "a redirect": Reply(302, headers=(("Location", "/elsewhere"),)),
    "not JSON": Reply(body=b"OK"),
    "nothing": Reply(204, body=b""),
    "a wrong type": says({"RejectUpload": "no"}),
    "a refusal that is none": says({"RejectUpload": True, "HTTPResponse": {"StatusCode": 200}}),
    "a refusal with a server's error": says({"RejectUpload": True, "HTTPResponse": {"StatusCode": 503}}),
    "a path for an id": says({"ChangeFileInfo": {"ID": "../../etc/passwd"}}),
    "too much": Reply(body=b'{"x":"' + b"x" * ANSWER_LIMIT + b'"}'),
    "a broken connection": breaks_off,
    "no answer": hangs,
}


@pytest.mark.parametrize("failure", FAILURES)
async def test_a_failing_receiver_makes_clients_try_again(receiver: Receiver, failure: str) -> None:
    receiver.usual = FAILURES[failure]
    async with asking(receiver, time_limit=0.5) as chain:
        with pytest.raises(WebhookUnavailable) as refused:
            await chain.ask("pre_create", EVENT)

    assert (refused.value.status, refused.value.code) == (503, "webhook-unavailable")


@pytest.mark.parametrize("failure", FAILURES)
async def test_a_failing_receiver_is_gone_without_where_that_is_allowed(
    receiver: Receiver, failure: str, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.usual = FAILURES[failure]
    async with asking(receiver, time_limit=0.5, on_failure="allow") as chain:
        assert await chain.ask("pre_create", EVENT) == Changes()

    assert "the upload is allowed" in caplog.text


async def test_warns_of_a_failing_receiver_once_a_minute(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    now = 0.0
    receiver.usual = Reply(500)
    async with asking(receiver, on_failure="allow", monotonic=lambda: now) as chain:
        caplog.clear()
        for now in (0.0, 1.0, 59.0, 60.0):  # noqa: B007 - the hook's clock reads it
            await chain.ask("pre_create", EVENT)

    warning = "http://127.0.0.1: pre-create failed, it answered 500; the upload is allowed"
    assert [record.getMessage() for record in caplog.records] == [
        warning,
        f"{warning} (2 more since the last word of this)",
    ]


class Stop:
    """The service's way to end a transfer."""

    def __init__(self) -> None:
        self.refusals: list[TusError] = []

    def __call__(self, refusal: TusError) -> None:
        self.refusals.append(refusal)


async def told_of_progress(receiver: Receiver, answer: Reply) -> list[TusError]:
    receiver.replies = [answer]
    stop = Stop()
    async with asking(receiver) as chain:
        chain.tell("post_receive", HookEvent(upload=EVENT.upload, stop=stop))
        await chain.close()
    assert [request.json["Type"] for request in receiver.requests] == ["post-receive"]
    return stop.refusals


async def test_a_receiver_may_stop_an_upload_under_way(receiver: Receiver) -> None:
    answer = {"StopUpload": True, "HTTPResponse": {"StatusCode": 403, "Body": "enough"}}

    (refusal,) = await told_of_progress(receiver, says(answer))

    assert (refusal.status, refusal.body) == (403, b"enough")


async def test_an_upload_is_stopped_with_tusds_status_where_none_is_given(receiver: Receiver) -> None:
    (refusal,) = await told_of_progress(receiver, says({"StopUpload": True}))

    assert refusal.status == REFUSAL_STATUS


@pytest.mark.parametrize(
    "answer", [says({}), says({"RejectUpload": True}), Reply(500), Reply(body=b"no JSON"),
               says({"StopUpload": True, "HTTPResponse": {"StatusCode": 200}})],
)  # fmt: skip
async def test_an_upload_goes_on_whatever_else_a_receiver_says(receiver: Receiver, answer: Reply) -> None:
    assert await told_of_progress(receiver, answer) == []
