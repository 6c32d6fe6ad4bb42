import json
from typing import Any

import pytest

from longshore.hooks.webhooks.answers import BadAnswer, Response, changes_of, read_response, refusal_of
from longshore.ports.hooks import Answer, Changes


def read(answer: Any) -> Response:
    return read_response(json.dumps(answer).encode())


def test_an_empty_object_changes_nothing() -> None:
    assert changes_of(read({})) == Changes()


def test_null_is_as_good_as_absent() -> None:
    fields = ["HTTPResponse", "RejectUpload", "RejectTermination", "ChangeFileInfo", "StopUpload"]
    assert read(dict.fromkeys(fields)) == Response()
    assert read({"HTTPResponse": dict.fromkeys(["StatusCode", "Body", "Header"])}) == Response()
    assert read({"ChangeFileInfo": dict.fromkeys(["ID", "MetaData", "Storage"])}) == Response()


def test_what_tusd_writes_for_nothing_is_nothing() -> None:
    assert (
        read(
            {
                "HTTPResponse": {"StatusCode": 0, "Body": "", "Header": None},
                "RejectUpload": False,
                "RejectTermination": False,
                "ChangeFileInfo": {"ID": "", "MetaData": None, "Storage": None},
                "StopUpload": False,
            }
        )
        == Response()
    )


def test_reads_names_whatever_their_case_and_passes_over_others() -> None:
    assert read({"rejectUpload": True, "Unknown": [1]}) == Response(rejects_upload=True)


def test_reads_changes_of_the_upload() -> None:
    answer = {
        "ChangeFileInfo": {"ID": "my-custom_ID1", "MetaData": {"filename": "ü.iso", "x": ""}, "Storage": {"P": "/"}}
    }

    assert changes_of(read(answer)) == Changes(
        upload_id="my-custom_ID1", metadata={"filename": "ü.iso".encode(), "x": b""}
    )


def test_empty_metadata_clears_it() -> None:
    assert changes_of(read({"ChangeFileInfo": {"MetaData": {}}})).metadata == {}


def test_adds_to_the_reply() -> None:
    answer = {"HTTPResponse": {"StatusCode": 202, "Body": '{"a":1}', "Header": {"Content-Type": "application/json"}}}

    assert changes_of(read(answer)) == Changes(
        answer=Answer(status=202, headers=(("Content-Type", "application/json"),), body=b'{"a":1}')
    )


def test_a_body_without_a_type_is_text() -> None:
    answer = changes_of(read({"HTTPResponse": {"Body": "fine"}})).answer

    assert answer == Answer(headers=(("Content-Type", "text/plain; charset=utf-8"),), body=b"fine")


def test_a_refusal_has_the_receivers_status_body_and_headers() -> None:
    refusal = refusal_of(
        read(
            {
                "HTTPResponse": {
                    "StatusCode": 422,
                    "Body": "{}",
                    "Header": {"Content-Type": "application/json", "X-A": "b"},
                }
            }
        )
    )

    assert (refusal.status, refusal.body) == (422, b"{}")
    assert refusal.headers == (("Content-Type", "application/json"), ("X-A", "b"))


def test_a_refusal_without_a_word_is_tusds_400_with_our_own_document() -> None:
    refusal = refusal_of(read({"RejectUpload": True}))

    assert (refusal.status, refusal.code, refusal.body, refusal.headers) == (400, "refused-by-hook", None, ())


@pytest.mark.parametrize(
    "name", ["Connection", "transfer-encoding", "Content-Length", "Content-Encoding", "Tus-Resumable", "Upload-Offset",
             "LOCATION", "Set-Cookie", "Access-Control-Allow-Origin", "Bad Name", ""],
)  # fmt: skip
def test_drops_headers_that_are_not_a_receivers_to_set(name: str) -> None:
    assert read({"HTTPResponse": {"Header": {name: "x", "X-Fine": "y"}}}).headers == (("X-Fine", "y"),)


@pytest.mark.parametrize("value", ["a\r\nSet-Cookie: b", "a\nb", "a\0", "snow\u2603man"])
def test_drops_headers_that_would_break_out(value: str) -> None:
    assert read({"HTTPResponse": {"Header": {"X-Bad": value}}}).headers == ()


@pytest.mark.parametrize("body", [b"", b"not json", b"\xff", b"[" * 100_000, b'"text"', b"[]", b"1"])
def test_an_answer_that_is_no_json_object_is_bad(body: bytes) -> None:
    with pytest.raises(BadAnswer):
        read_response(body)


@pytest.mark.parametrize(
    "answer",
    [
        {"RejectUpload": "yes"},
        {"RejectUpload": 1},
        {"StopUpload": []},
        {"HTTPResponse": "no"},
        {"HTTPResponse": {"StatusCode": "400"}},
        {"HTTPResponse": {"StatusCode": True}},
        {"HTTPResponse": {"StatusCode": 400.5}},
        {"HTTPResponse": {"Body": {"a": 1}}},
        {"HTTPResponse": {"Header": {"X-A": 1}}},
        {"HTTPResponse": {"Header": ["X-A"]}},
        {"ChangeFileInfo": {"ID": 7}},
        {"ChangeFileInfo": {"ID": "../etc"}},
        {"ChangeFileInfo": {"ID": "a" * 129}},
        {"ChangeFileInfo": {"ID": "a\n"}},
        {"ChangeFileInfo": {"ID": "ä"}},
        {"ChangeFileInfo": {"MetaData": {"a b": "c"}}},
        {"ChangeFileInfo": {"MetaData": {"a,b": "c"}}},
        {"ChangeFileInfo": {"MetaData": {"": "c"}}},
        {"ChangeFileInfo": {"MetaData": {"a": 1}}},
        {"ChangeFileInfo": {"MetaData": {"a": "\ud800"}}},
    ],
)
def test_wrong_types_and_values_are_bad(answer: Any) -> None:
    with pytest.raises(BadAnswer):
        read(answer)


@pytest.mark.parametrize("status", [1, 200, 302, 399, 500, 503, 1000])
def test_a_refusal_needs_a_status_that_refuses(status: int) -> None:
    with pytest.raises(BadAnswer):
        refusal_of(read({"HTTPResponse": {"StatusCode": status}}))


@pytest.mark.parametrize("status", [1, 101, 302, 500, 1000])
def test_a_reply_needs_a_status_that_a_client_can_have(status: int) -> None:
    with pytest.raises(BadAnswer):
        changes_of(read({"HTTPResponse": {"StatusCode": status}}))


def test_a_body_with_half_a_character_is_bad() -> None:
    with pytest.raises(BadAnswer):
        read({"HTTPResponse": {"Body": "\ud800"}})
