"""Refusals: problem documents with codes to rely on, nothing on HEAD, and nothing that makes clients give up."""

from collections.abc import Callable, Mapping

import pytest
from tests.conformance.client import UNKNOWN, Client, Serve, problem, refused
from tests.serving import TUS, Answer

SHA1 = "2jmj7l5rSw0yVb/vlWAYkK/YBwk="

REFUSALS: dict[str, tuple[int, Callable[[Client], Answer]]] = {
    "invalid-header": (400, lambda tus: tus.post({"Upload-Length": "x"})),
    "invalid-metadata": (400, lambda tus: tus.post({"Upload-Length": "1", "Upload-Metadata": "a,a"})),
    "invalid-concat": (400, lambda tus: tus.post({"Upload-Concat": "final;"})),
    "invalid-checksum": (400, lambda tus: tus.patch(tus.new(1), 0, b"1", {"Upload-Checksum": "sha1 x"})),
    "checksum-algorithm-unsupported": (400, lambda tus: tus.patch(tus.new(1), 0, b"1", {"Upload-Checksum": "x AA=="})),
    "length-conflict": (400, lambda tus: tus.patch(tus.new(1), 0, b"1", {"Upload-Length": "2"})),
    "final-upload": (403, lambda tus: tus.patch(tus.final(tus.part(b"1")).headers["location"], 1, b"")),
    "upload-not-found": (404, lambda tus: tus.get(UNKNOWN)),
    "not-found": (404, lambda tus: tus.get("/elsewhere")),
    "method-not-allowed": (405, lambda tus: tus.request("PUT", "/files", TUS)),
    "offset-conflict": (409, lambda tus: tus.patch(tus.new(1), 1, b"")),
    "upload-unfinished": (409, lambda tus: tus.get(tus.new(1))),
    "upload-terminated": (410, lambda tus: tus.get(terminated(tus))),
    "version-unsupported": (412, lambda tus: tus.request("POST", "/files", {"Upload-Length": "1"})),
    "length-exceeded": (413, lambda tus: tus.patch(tus.new(1), 0, b"12")),
    "content-type-unsupported": (415, lambda tus: tus.post({"Upload-Length": "1", "Content-Type": "text/plain"}, b"1")),
    "metadata-too-large": (431, lambda tus: tus.post({"Upload-Length": "1", "Upload-Metadata": "a" * 9000})),
    "checksum-mismatch": (460, lambda tus: tus.patch(tus.new(1), 0, b"1", {"Upload-Checksum": f"sha1 {SHA1}"})),
}


def terminated(tus: Client) -> str:
    upload = tus.new(1)
    tus.delete(upload)
    return upload


@pytest.mark.requirement("ls-errors")
@pytest.mark.parametrize("code", REFUSALS)
def test_a_refusal_is_a_problem_document_with_a_code(tus: Client, code: str) -> None:
    status, request = REFUSALS[code]
    answer = request(tus)
    refused(answer, status, code)
    assert answer.headers["content-length"] == str(len(answer.body))
    assert len(answer.body) < 1000
    assert problem(answer)["type"]


@pytest.mark.requirement("ls-errors")
@pytest.mark.parametrize("path", ["/elsewhere", "/files/x/y", "/files/%00", "/%ff"])
@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE", "PUT"])
def test_what_is_no_url_of_ours_is_refused_alike(tus: Client, method: str, path: str) -> None:
    answer = tus.request(method, path, {**TUS, "Content-Type": "application/offset+octet-stream", "Upload-Offset": "0"})
    assert answer.status in (404, 405)
    assert problem(answer)["code"]


@pytest.mark.requirement("ls-errors")
@pytest.mark.parametrize("injected", ["<script>alert(1)</script>", '"\xe9', "%0d%0aX-Injected: yes"])
def test_what_the_client_sent_does_not_break_the_document(tus: Client, injected: str) -> None:
    for headers in (
        {"Upload-Length": injected},
        {"Upload-Length": "1", "Upload-Metadata": f"{injected} !"},
        {"Upload-Concat": injected},
        {"Upload-Length": "1", "X-HTTP-Method-Override": injected},
        {"Tus-Resumable": injected},
    ):
        answer = tus.post(headers)
        assert 400 <= answer.status < 500
        assert problem(answer)["code"]
        assert "x-injected" not in answer.headers


@pytest.mark.requirement("ls-errors", "core-resumable-included")
@pytest.mark.parametrize(
    "malformed",
    [
        b"Upload-Length: 1\x7f",
        b"Upload-Length: 1\x00",
        b"Content-Length: five",
        b"Content-Length: 5\r\nContent-Length: 6",
    ],
)
def test_what_is_no_http_is_refused_alike(tus: Client, malformed: bytes) -> None:
    with tus.connect() as connection:
        connection.send(b"POST /files HTTP/1.1\r\nHost: localhost\r\nTus-Resumable: 1.0.0\r\n%s\r\n\r\n" % malformed)
        answer = connection.read_answer()
    refused(answer, 400)
    assert answer.headers.get("tus-resumable") == "1.0.0"


@pytest.mark.requirement("ls-errors-head")
@pytest.mark.parametrize(
    ("of", "headers", "status"),
    [
        ("unknown", TUS, 404),
        ("terminated", TUS, 410),
        ("half", {"Tus-Resumable": "0.1"}, 412),
        ("creation", TUS, 405),
        ("elsewhere", TUS, 404),
        ("half", TUS, 200),
    ],
)
def test_the_answer_to_head_has_no_body(tus: Client, of: str, headers: Mapping[str, str], status: int) -> None:
    urls = {"half": tus.new(2, b"1"), "creation": "/files", "elsewhere": "/elsewhere", "unknown": UNKNOWN}
    path = terminated(tus) if of == "terminated" else urls[of]
    with tus.connect() as connection:
        connection.send_head("HEAD", path, headers)
        assert connection.read_answer(head_only=True).status == status
        # Were there a body, it would be taken for the beginning of the next answer.
        assert connection.request("OPTIONS", "/files", {}).status == 200


@pytest.mark.requirement("ls-errors-head")
def test_a_head_by_override_has_no_body_either(tus: Client) -> None:
    with tus.connect() as connection:
        answer = connection.request("POST", UNKNOWN, {**TUS, "X-HTTP-Method-Override": "HEAD"})
        assert (answer.status, answer.body) == (404, b"")
        assert connection.request("OPTIONS", "/files", {}).status == 200


@pytest.mark.requirement("ls-head-transient", "ls-errors", "ls-cors-everywhere", "core-resumable-included")
def test_a_head_never_makes_a_client_give_up(serve: Serve) -> None:
    tus = serve()
    upload, whole = tus.new(5, b"123"), tus.file(b"12345")
    with tus.database() as connection:
        connection.execute("ALTER TABLE uploads RENAME TO mislaid")
        try:
            for path in (upload, whole, UNKNOWN):
                head = tus.head(path)
                assert (head.status, head.headers.get("upload-offset"), head.body) == (423, None, b"")
            failures = {
                "patch": tus.patch(upload, 3, b"45", {"Origin": "https://app.example"}),
                "post": tus.post({"Upload-Length": "5", "Origin": "https://app.example"}),
                "get": tus.get(whole, {"Origin": "https://app.example"}),
            }
        finally:
            connection.execute("ALTER TABLE mislaid RENAME TO uploads")
    for name, answer in failures.items():
        assert answer.status >= 500, name
        assert problem(answer)["code"], name
        assert b"mislaid" not in answer.body, name
        assert b"uploads" not in answer.body, name
        assert answer.headers.get("access-control-allow-origin") == "*", name
        assert answer.headers.get("tus-resumable") == "1.0.0", name
    assert tus.offset(upload) == 3
    assert tus.patch(upload, 3, b"45").status == 204
    assert tus.content(upload) == b"12345"


@pytest.mark.requirement("ls-head-transient")
def test_a_head_while_the_database_is_held_by_another(serve: Serve) -> None:
    tus = serve()
    upload = tus.new(5, b"123")
    with tus.database() as connection:
        connection.isolation_level = None
        connection.execute("BEGIN IMMEDIATE")
        try:
            answer = tus.head(upload)
        finally:
            connection.execute("ROLLBACK")
    assert answer.status in (200, 423)
