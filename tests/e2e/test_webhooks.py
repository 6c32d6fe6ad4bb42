"""Webhooks as a receiver and as clients see them: what is said, and what the answers bring about."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.e2e import tus_js
from tests.e2e.receiver import SECRET, Call, Hold, Receiver, Reply, says
from tests.e2e.samples import MEGABYTE, Sample
from tests.e2e.wire import (
    Sender,
    all_stored,
    assert_holds,
    assert_holds_bytes,
    begin_patch,
    code_of,
    create,
    head,
    offset_of,
    patch,
    request,
)
from tests.serving import TUS, Answer, Connection, Server, serving

pytestmark = pytest.mark.e2e

CREDENTIALS = {"Authorization": "Bearer s3cret", "Cookie": "session=s3cret"}
FILENAME = base64.b64encode("größe ☃.bin".encode()).decode()


def hooked(area: Path, receiver: Receiver, events: str = "all", **settings: str) -> Any:
    given = {"webhook_url": receiver.url, "webhook_allow_private": "true", **settings}
    return serving(area / "data", webhook_secret=SECRET, webhook_events=events, **given)


def id_of(path: str) -> str:
    return path.rpartition("/")[2]


def answering(hook_type: str, reply: Reply) -> Receiver:
    """A receiver that has something to say to hooks of one type."""
    return Receiver(lambda call: reply if call.type == hook_type else Reply())


def exchange(connection: Connection, method: str, path: str, **headers: str) -> Answer:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return connection.request(method, path, {**TUS, **fields, **CREDENTIALS})


def append_in_two_pieces(connection: Connection, path: str, receiver: Receiver) -> Answer:
    """The second one is sent when the receiver has been told of the first."""
    begin_patch(connection, path, 0, 10, CREDENTIALS)
    connection.send(b"01234")
    receiver.await_type("post-receive")
    connection.send(b"56789")
    return connection.read_answer()


def test_each_event_is_told_in_tusds_words(area: Path) -> None:
    with (
        Receiver() as receiver,
        hooked(area, receiver, checkpoint_interval="0.1") as server,
        Connection(server.port) as connection,
    ):
        address = "{}:{}".format(*connection.socket.getsockname())
        metadata = f"filename {FILENAME},empty"
        created = exchange(connection, "POST", "/files?x=1", Upload_Length="10", Upload_Metadata=metadata)
        path = created.headers["location"]
        receiver.await_type("post-create")
        assert append_in_two_pieces(connection, path, receiver).status == 204
        receiver.await_type("post-finish")
        assert exchange(connection, "DELETE", path).status == 204
        calls = receiver.await_calls(7)

    def said(hook_type: str, offset: int, request: dict[str, Any], **differing: object) -> dict[str, Any]:
        upload = {
            "ID": id_of(path),
            "Size": 10,
            "SizeIsDeferred": False,
            "Offset": offset,
            "MetaData": {"filename": "größe ☃.bin", "empty": ""},
            "IsPartial": False,
            "IsFinal": False,
            "PartialUploads": None,
            "Storage": {"Type": "longshore"},
        }
        told = {**request, "RemoteAddr": address}
        return {"Type": hook_type, "Event": {"Upload": {**upload, **differing}, "HTTPRequest": told}}

    plain = {"Host": ["localhost"], "Tus-Resumable": ["1.0.0"]}
    posted = {
        "Method": "POST",
        "URI": "/files?x=1",
        "Header": {
            **plain,
            "Upload-Length": ["10"],
            "Upload-Metadata": [f"filename {FILENAME},empty"],
            "Content-Length": ["0"],
        },
    }
    patched = {
        "Method": "PATCH",
        "URI": path,
        "Header": {
            **plain,
            "Content-Type": ["application/offset+octet-stream"],
            "Upload-Offset": ["0"],
            "Content-Length": ["10"],
        },
    }
    deleted = {"Method": "DELETE", "URI": path, "Header": {**plain, "Content-Length": ["0"]}}
    assert [call.said for call in calls] == [
        said("pre-create", 0, posted, ID="", Storage=None),
        said("post-create", 0, posted),
        said("post-receive", 5, patched),
        said("pre-finish", 10, patched),
        said("post-finish", 10, patched),
        said("pre-terminate", 10, deleted),
        said("post-terminate", 10, deleted),
    ]
    assert len({call.message_id for call in calls}) == 7
    assert {call.path for call in calls} == {"/hooks"}


def test_parts_and_what_is_made_of_them(area: Path) -> None:
    with Receiver() as receiver, hooked(area, receiver, "post-create,post-finish") as server:
        parts = [create(server, 3, {"Upload-Concat": "partial"}) for _ in "ab"]
        for path, data in zip(parts, (b"abc", b"def"), strict=True):
            assert patch(server, path, 0, data).status == 204
        joined = {"Upload-Concat": f"final;{parts[0]} {parts[1]}"}
        final = request(server, "POST", "/files", joined).headers["location"]
        calls = receiver.await_calls(4)

    told = {call.about: call.upload for call in calls}
    a, b, c = (id_of(path) for path in (*parts, final))
    # Those of one upload come in order, those of several in any.
    assert {call.upload_id: receiver.of(call.upload_id) for call in calls} == {
        a: ["post-create"],
        b: ["post-create"],
        c: ["post-create", "post-finish"],
    }
    for part in (a, b):
        upload = told["post-create", part]
        assert (upload["IsPartial"], upload["IsFinal"], upload["PartialUploads"]) == (True, False, None)
    upload = told["post-finish", c]
    assert (upload["IsPartial"], upload["IsFinal"], upload["PartialUploads"]) == (False, True, [a, b])
    assert (upload["Size"], upload["Offset"]) == (6, 6)


def test_expired_and_rejected_uploads_are_told_of(area: Path) -> None:
    settings = {"unfinished_ttl": "5s", "sweep_interval": "0.1s", "allowed_extensions": ".csv"}
    with Receiver() as receiver, hooked(area, receiver, "post-expire,post-reject", **settings) as server:
        named = {"Upload-Metadata": f"filename {base64.b64encode(b'a.csv').decode()}"}
        rejected = create(server, 4, named)
        assert patch(server, rejected, 0, b"MZ\0\0").status == 415
        left = create(server, 4, named)
        assert receiver.await_type("post-reject").said["Event"]["Rejection"]["Code"] == "format-not-allowed"
        expired = receiver.await_type("post-expire")
        assert [call.about for call in receiver.calls] == [
            ("post-reject", id_of(rejected)),
            ("post-expire", id_of(left)),
        ]

    assert expired.said["Event"] == {
        "Upload": {
            "ID": id_of(left),
            "Size": 4,
            "SizeIsDeferred": False,
            "Offset": 0,
            "MetaData": {"filename": "a.csv"},
            "IsPartial": False,
            "IsFinal": False,
            "PartialUploads": None,
            "Storage": {"Type": "longshore"},
        },
        "HTTPRequest": {"Method": "", "URI": "", "RemoteAddr": "", "Header": {}},
    }


def test_by_default_the_receiver_is_told_what_nothing_waits_for(area: Path) -> None:
    with Receiver() as receiver:
        settings = {"webhook_url": receiver.url, "webhook_allow_private": "true", "webhook_secret": SECRET}
        with serving(area / "data", **settings) as server:
            path = create(server, 3)
            assert patch(server, path, 0, b"abc").status == 204
            assert request(server, "DELETE", path, {}).status == 204
            receiver.await_type("post-terminate")

    assert receiver.of(id_of(path)) == ["post-create", "post-finish", "post-terminate"]


def test_listed_credentials_are_passed_on(area: Path) -> None:
    listed = {"webhook_forward_headers": "authorization, Cookie"}
    with Receiver() as receiver, hooked(area, receiver, "pre-create,post-create", **listed) as server:
        create(server, 1, {**CREDENTIALS, "X-Api-Key": "s3cret"})
        calls = receiver.await_calls(2)

    for call in calls:
        header = call.said["Event"]["HTTPRequest"]["Header"]
        assert (header["Authorization"], header["Cookie"]) == (["Bearer s3cret"], ["session=s3cret"])
        assert "X-Api-Key" not in header


# What a receiver may answer


def test_a_refusal_reaches_tus_js_client_as_it_is(area: Path, small: Sample) -> None:
    response = {"StatusCode": 422, "Body": '{"why": "größe"}', "Header": {"X-Why": "so", "Content-Type": "text/json"}}
    rejecting = says(RejectUpload=True, HTTPResponse=response)
    with answering("pre-create", rejecting) as receiver, hooked(area, receiver) as server:
        run = tus_js.run(
            {"path": str(small.path), "options": {"endpoint": server.url, "retryDelays": [0, 100], "metadata": {}}}
        )
        answer = request(server, "POST", "/files", {"Upload-Length": "1"})
        assert all_stored(server) == []
        assert {call.type for call in receiver.calls} == {"pre-create"}

    assert run.requests == [("POST", 422)]
    (error,) = run.named("error")
    assert 'response code: 422, response text: {"why": "größe"}' in error["message"]
    assert (answer.status, json.loads(answer.body)) == (422, {"why": "größe"})
    assert (answer.headers["x-why"], answer.headers["content-type"]) == ("so", "text/json")
    assert answer.headers["tus-resumable"] == "1.0.0"


def test_a_receiver_gives_id_and_metadata(area: Path, small: Sample) -> None:
    changes = {"ID": "chosen-1", "MetaData": {"filename": "größe.bin", "owner": "7"}}
    with answering("pre-create", says(ChangeFileInfo=changes)) as receiver, hooked(area, receiver) as server:
        metadata = {"filename": "theirs.bin", "dropped": "yes"}
        run = tus_js.run({"path": str(small.path), "options": {"endpoint": server.url, "metadata": metadata}})
        assert run.url == f"{server.url}/chosen-1"
        assert_holds(server, run.url, small.size, small.sha256)
        written = base64.b64encode("größe.bin".encode()).decode()
        assert head(server, run.url).headers["upload-metadata"] == f"filename {written},owner Nw=="
        assert receiver.await_type("post-finish").upload["MetaData"] == changes["MetaData"]
        receiver.await_type("post-create")
    assert {call.upload_id for call in receiver.calls} == {"", "chosen-1"}


def test_an_id_that_is_taken_already_makes_no_second_upload(area: Path) -> None:
    choosing = says(ChangeFileInfo={"ID": "mine"})
    with answering("pre-create", choosing) as receiver, hooked(area, receiver, "pre-create") as server:
        path = create(server, 3)
        assert patch(server, path, 0, b"abc").status == 204
        again = request(server, "POST", "/files", {"Upload-Length": "9"})
        assert (again.status, code_of(again)) == (500, "hook-answer-invalid")
        assert_holds_bytes(server, path, b"abc")


@pytest.mark.parametrize("failure", ["down", "slow", "500", "redirecting", "no JSON"])
def test_a_failing_receiver_refuses_for_now_unless_it_is_gone_without(area: Path, failure: str) -> None:
    slow = Hold()
    replies: dict[str, Callable[[Call], Reply]] = {
        "slow": slow,
        "500": lambda call: Reply(500),
        "redirecting": lambda call: Reply(307, headers={"Location": "/elsewhere"}),
        "no JSON": lambda call: Reply(body=b"OK"),
    }
    receiver = Receiver(replies.get(failure, lambda call: Reply()))
    settings = {"webhook_timeout": "0.5" if failure == "slow" else "30"}
    with receiver:
        if failure == "down":
            receiver.stop()
        with hooked(area, receiver, "pre-create", **settings) as server:
            answer = request(server, "POST", "/files", {"Upload-Length": "1"})
            assert (answer.status, code_of(answer)) == (503, "webhook-unavailable")
        with hooked(area, receiver, "pre-create", webhook_on_failure="allow", **settings) as server:
            assert offset_of(server, create(server, 1)) == 0
        slow.release()
        assert [call.path for call in receiver.calls] == ([] if failure == "down" else ["/hooks", "/hooks"])


def test_a_receiver_answers_the_last_patch(area: Path) -> None:
    response = {"StatusCode": 200, "Body": "thank you", "Header": {"X-Stored": "yes", "Upload-Offset": "99"}}
    with answering("pre-finish", says(HTTPResponse=response)) as receiver, hooked(area, receiver) as server:
        path = create(server, 6)
        first, last = patch(server, path, 0, b"abc"), patch(server, path, 3, b"def")

    assert (first.status, first.body) == (204, b"")
    assert (last.status, last.body) == (200, b"thank you")
    assert (last.headers["x-stored"], last.headers["upload-offset"]) == ("yes", "6")


def test_an_upload_is_finished_when_the_receiver_is_back(area: Path) -> None:
    with Receiver() as receiver, hooked(area, receiver, "pre-finish,post-finish") as server:
        path = create(server, 6)
        receiver.stop()
        refused = patch(server, path, 0, b"abcdef")
        assert (refused.status, code_of(refused)) == (503, "webhook-unavailable")
        assert offset_of(server, path) == 5
        server.kill()
        server.start()
        assert offset_of(server, path) == 5
        assert patch(server, path, 5, b"f").status == 503
        receiver.start()
        assert receiver.calls == []
        assert patch(server, path, 5, b"f").status == 204
        assert_holds_bytes(server, path, b"abcdef")
        receiver.await_type("post-finish")
        assert receiver.of(id_of(path)) == ["pre-finish", "post-finish"]


def test_tus_js_client_tries_again_until_the_receiver_is_back(area: Path, small: Sample) -> None:
    replies = {"pre-create": [Reply(500)], "pre-finish": [Reply(500), Reply(503)]}

    def answer(call: Call) -> Reply:
        left = replies.get(call.type)
        return left.pop(0) if left else Reply()

    with Receiver(answer) as receiver, hooked(area, receiver) as server:
        options = {"endpoint": server.url, "retryDelays": [0, 50, 100, 200]}
        run = tus_js.run({"path": str(small.path), "options": options})
        assert_holds(server, run.url, small.size, small.sha256)
        receiver.await_type("post-finish")

    tail = [("HEAD", 200), ("PATCH", 503), ("HEAD", 200), ("PATCH", 204)]
    assert run.requests == [("POST", 503), ("POST", 201), ("PATCH", 503), *tail]
    assert [call.type for call in receiver.calls].count("post-finish") == 1


def test_a_termination_is_refused(area: Path) -> None:
    response = {"StatusCode": 403, "Body": "it stays", "Header": {"X-Why": "so"}}
    rejecting = says(RejectTermination=True, HTTPResponse=response)
    with answering("pre-terminate", rejecting) as receiver, hooked(area, receiver) as server:
        path = create(server, 3)
        answer = request(server, "DELETE", path, {})
        assert (answer.status, answer.body, answer.headers["x-why"]) == (403, b"it stays", "so")
        assert patch(server, path, 0, b"abc").status == 204
        assert_holds_bytes(server, path, b"abc")
        receiver.await_type("post-finish")
        assert "post-terminate" not in receiver.of(id_of(path))


def test_a_running_upload_is_stopped(area: Path) -> None:
    response = {"StatusCode": 400, "Body": "stopped", "Header": {"X-Why": "so"}}
    data = bytes(20 * MEGABYTE)
    stopping = says(StopUpload=True, HTTPResponse=response)
    with answering("post-receive", stopping) as receiver, hooked(area, receiver, checkpoint_interval="0.1") as server:
        path = create(server, len(data))
        with Sender(server, path, data, rate=2 * MEGABYTE) as sender:
            answer = sender.finished()
        assert answer is not None
        assert (answer.status, answer.body, answer.headers["x-why"]) == (400, b"stopped", "so")
        assert sender.sent < len(data)
        assert head(server, path).status == 410
        assert all_stored(server) == []
        terminated = receiver.await_type("post-terminate")
        assert terminated.upload_id == id_of(path)
        assert "post-finish" not in receiver.of(id_of(path))


# Where a receiver may be, and what is said of it


def test_a_private_address_is_not_asked(area: Path) -> None:
    receiver = Receiver()
    hidden = receiver.url.replace("//", "//someone:hunter2@") + "?key=hunter3"
    private = {"webhook_url": hidden, "webhook_allow_private": "false"}
    with receiver, hooked(area, receiver, "pre-create", **private) as server:
        answer = request(server, "POST", "/files", {"Upload-Length": "1"})
        assert (answer.status, code_of(answer)) == (503, "webhook-unavailable")
        assert_said(server, "http://127.0.0.1: pre-create failed, its address is not public; the upload is refused")
        assert receiver.connections == 0


def assert_said(server: Server, *expected: str) -> None:
    said = server.said()
    for words in expected:
        assert words in said
    assert "hunter" not in said
    assert SECRET.removeprefix("whsec_") not in said


def test_another_place_that_the_receiver_names_is_not_gone_to(area: Path) -> None:
    with Receiver() as elsewhere:
        redirect = Reply(307, headers={"Location": elsewhere.url})
        with answering("post-create", redirect) as receiver, hooked(area, receiver, "post-create") as server:
            create(server, 1)
            receiver.await_calls(2)
        assert elsewhere.connections == 0


def test_nothing_secret_is_logged(area: Path) -> None:
    with Receiver(lambda call: Reply(500)) as receiver:
        url = receiver.url.replace("//", "//someone:hunter2@") + "?key=hunter3"
        with hooked(area, receiver, webhook_url=url, webhook_on_failure="allow", log_level="debug") as server:
            path = create(server, 1, CREDENTIALS)
            assert patch(server, path, 0, b"a", CREDENTIALS).status == 204
            calls = receiver.await_calls(4)
            receiver.stop()
            create(server, 1)
            assert server.stop() == 0
            assert_said(server, "it answered 500", "the upload is allowed")
            assert "s3cret" not in server.said()

    basic = base64.b64encode(b"someone:hunter2").decode()
    assert {call.headers["authorization"] for call in calls} == {f"Basic {basic}"}
    assert {call.path for call in calls} == {"/hooks?key=hunter3"}
