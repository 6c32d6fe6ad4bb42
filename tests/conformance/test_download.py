"""GET: the bytes, and header fields that nobody can turn against others."""

import re
from base64 import b64encode
from urllib.parse import unquote

import pytest
from tests.conformance.client import UNKNOWN, Client, refused

PLAIN = re.compile(
    r'attachment(; filename="(?P<plain>[ !#-\[\]-~]*)")?'
    r"(; filename\*=UTF-8''(?P<extended>[A-Za-z0-9%._~!#$&+^`|-]*))?"
)
"""Content-Disposition as RFC 6266 has it, without quoted pairs, which browsers read in different ways."""

NAMES = {
    "report.pdf": "report.pdf",
    "a b.txt": "a b.txt",
    'a"b.txt': 'a"b.txt',
    '"; filename="evil.exe': '"; filename="evil.exe',
    "a%22b.txt": "a%22b.txt",
    "a;b,c=d.txt": "a;b,c=d.txt",
    "a'b.txt": "a'b.txt",
    "über 🚀.pdf": "über 🚀.pdf",
    "日本語.txt": "日本語.txt",
    "../../etc/passwd": "passwd",
    "/etc/passwd": "passwd",
    "..\\..\\windows\\win.ini": "win.ini",
    "C:\\dir\\file.txt": "file.txt",
    "a\r\nX-Injected: yes.txt": "aX-Injected: yes.txt",
    "a\nb.txt": "ab.txt",
    "a\x00b.txt": "ab.txt",
    "a\x7fb.txt": "ab.txt",
    "annexe\u202egpj.exe": "annexegpj.exe",
    "a\u200eb\u200fc\u2066d\u2069.txt": "abcd.txt",
    "a\u2028b.txt": "ab.txt",
    "..": "",
    ".": "",
    "dir/": "",
    "": "",
    "x" * 5000: None,
}


DATA = bytes(range(250)) * 12_000


@pytest.fixture(scope="module")
def megabytes(tus: Client) -> str:
    """The URL of a file with three million bytes."""
    return tus.file(DATA)


def disposition(name: str, tus: Client, *, key: str = "filename") -> str:
    upload = tus.file(b"12345", metadata=f"{key} {b64encode(name.encode()).decode()}".strip())
    answer = tus.get(upload)
    assert answer.status == 200
    assert answer.body == b"12345"
    assert "x-injected" not in answer.headers
    return answer.headers["content-disposition"]


@pytest.mark.requirement("ls-get", "ls-get-no-version")
@pytest.mark.parametrize("size", [0, 5, 3_000_000])
@pytest.mark.parametrize("headers", [{}, {"Tus-Resumable": "1.0.0"}, {"Tus-Resumable": "0.2.2"}])
def test_the_bytes_come_back(tus: Client, headers: dict[str, str], size: int) -> None:
    data = (b"0123456789" * 300_000)[:size]
    answer = tus.get(tus.file(data), headers)
    assert answer.status == 200
    assert answer.headers["content-length"] == str(size)
    assert "transfer-encoding" not in answer.headers
    assert answer.body == data


@pytest.mark.requirement("ls-get-disposition", "creation-metadata-smuggling")
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("key", ["filename", "name"])
def test_the_name_is_a_name_and_nothing_else(tus: Client, key: str, name: str) -> None:
    header = disposition(name, tus, key=key)
    match = PLAIN.fullmatch(header)
    assert match, header
    plain, extended = match["plain"] or "", match["extended"]
    given = plain if extended is None else unquote(extended, errors="strict")
    assert not re.search(r"[/\\\x00-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069]", given)
    assert "/" not in plain
    assert given not in (".", "..")
    assert plain not in (".", "..")
    if NAMES[name] is None:
        assert len(given) <= 255
    else:
        assert given == NAMES[name]


@pytest.mark.requirement("ls-get-disposition")
@pytest.mark.parametrize("value", ["/w==", "gICA", "w6k=", "7aCA"])
def test_a_name_in_another_encoding_does_no_harm(tus: Client, value: str) -> None:
    answer = tus.get(tus.file(b"12345", metadata=f"filename {value}"))
    assert answer.status == 200
    assert PLAIN.fullmatch(answer.headers["content-disposition"])


@pytest.mark.requirement("ls-get-disposition", "creation-metadata-smuggling")
@pytest.mark.parametrize("media_type", ["text/html", "image/svg+xml", "text/html; charset=utf-7", "nonsense", ""])
def test_what_was_uploaded_is_no_page_of_ours(tus: Client, media_type: str) -> None:
    answer = tus.get(tus.file(b"<script>", metadata=f"filetype {b64encode(media_type.encode()).decode()}".strip()))
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert re.fullmatch(r"[\w.+-]+/[\w.+-]+", answer.headers["content-type"])


@pytest.mark.requirement("ls-get-unfinished")
@pytest.mark.parametrize("length", [10, None])
def test_an_unfinished_upload_has_nothing_to_give(tus: Client, length: int | None) -> None:
    answer = tus.get(tus.new(length, b"12345"))
    refused(answer, 409, "upload-unfinished")
    assert b"12345" not in answer.body


# Pieces


def validators(tus: Client, upload: str) -> tuple[str, str]:
    """ETag and Last-Modified of a file."""
    headers = tus.get(upload).headers
    return headers["etag"], headers["last-modified"]


@pytest.mark.requirement("ls-get-range")
@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-", 0, 3_000_000),
        ("bytes=0-0", 0, 1),
        ("bytes=1000-", 1000, 3_000_000),
        ("bytes=1000-1999", 1000, 2000),
        ("bytes=-5", 2_999_995, 3_000_000),
        ("bytes=2999999-9999999", 2_999_999, 3_000_000),
        ("bytes=500000-2500000", 500_000, 2_500_001),
        ("bytes=0-9,5-99", 0, 100),
    ],
)
def test_a_range(tus: Client, megabytes: str, asked: str, start: int, end: int) -> None:
    answer = tus.get(megabytes, {"Range": asked})
    assert answer.status == 206
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/3000000"
    assert answer.headers["content-length"] == str(end - start)
    assert answer.body == DATA[start:end]


@pytest.mark.requirement("ls-get-range")
def test_several_ranges(tus: Client, megabytes: str) -> None:
    answer = tus.get(megabytes, {"Range": "bytes=2000000-2999999,0-99999,-7"})
    assert answer.status == 206
    boundary = answer.headers["content-type"].removeprefix("multipart/byteranges; boundary=")
    pieces = (b"\r\n" + answer.body).split(f"\r\n--{boundary}".encode())
    assert [piece.partition(b"\r\n\r\n")[2] for piece in pieces[1:-1]] == [DATA[2_000_000:], DATA[:100_000]]
    assert pieces[-1] == b"--\r\n"


@pytest.mark.requirement("ls-get-range", "ls-errors")
def test_a_range_outside_is_refused(tus: Client, megabytes: str) -> None:
    answer = tus.get(megabytes, {"Range": "bytes=3000000-"})
    refused(answer, 416, "range-not-satisfiable")
    assert answer.headers["content-range"] == "bytes */3000000"


@pytest.mark.requirement("ls-get-range")
@pytest.mark.parametrize("asked", ["bytes=5-4", "lines=1-2", "nonsense", "bytes=" + ",".join(["0-1"] * 1000)])
def test_a_range_that_means_nothing_is_ignored(tus: Client, asked: str) -> None:
    answer = tus.get(tus.file(b"12345"), {"Range": asked})
    assert (answer.status, answer.body) == (200, b"12345")


@pytest.mark.requirement("ls-get-range")
def test_an_empty_file_has_no_ranges(tus: Client) -> None:
    answer = tus.get(tus.file(b""), {"Range": "bytes=0-"})
    assert (answer.status, answer.body) == (200, b"")


@pytest.mark.requirement("ls-get-conditions")
def test_who_has_the_file_already_is_not_sent_it(tus: Client) -> None:
    upload = tus.file(b"12345")
    etag, date = validators(tus, upload)
    assert not etag.startswith("W/")
    for condition in ({"If-None-Match": f'"x", {etag}'}, {"If-Modified-Since": date}):
        answer = tus.get(upload, condition)
        assert (answer.status, answer.body) == (304, b"")
        assert answer.headers["etag"] == etag
    assert tus.get(upload, {"If-None-Match": '"x"', "If-Modified-Since": date}).status == 200


@pytest.mark.requirement("ls-get-conditions")
def test_who_goes_on_with_another_file_is_sent_the_whole_of_this_one(tus: Client) -> None:
    upload = tus.file(b"12345")
    etag, date = validators(tus, upload)
    for condition in (etag, date):
        assert tus.get(upload, {"Range": "bytes=3-", "If-Range": condition}).body == b"45"
    for condition in ('"x"', f"W/{etag}", "Thu, 01 Jan 1970 00:00:00 GMT"):
        answer = tus.get(upload, {"Range": "bytes=3-", "If-Range": condition})
        assert (answer.status, answer.body) == (200, b"12345")


@pytest.mark.requirement("ls-get-conditions", "ls-errors")
def test_who_means_another_file_is_refused(tus: Client) -> None:
    upload = tus.file(b"12345")
    etag, date = validators(tus, upload)
    assert tus.get(upload, {"If-Match": etag, "If-Unmodified-Since": date}).status == 200
    refused(tus.get(upload, {"If-Match": '"x"'}), 412, "precondition-failed")
    refused(tus.get(upload, {"If-Unmodified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"}), 412, "precondition-failed")


# HEAD


@pytest.mark.requirement("ls-head-plain")
@pytest.mark.parametrize("headers", [{}, {"Range": "bytes=1-2"}, {"Range": "bytes=99-"}])
def test_head_without_a_version_is_that_of_plain_http(tus: Client, headers: dict[str, str]) -> None:
    upload = tus.file(b"12345", metadata=f"filename {b64encode(b'a.png').decode()},filetype aW1hZ2UvcG5n")
    got, head = tus.get(upload), tus.request("HEAD", upload, headers)
    assert (head.status, head.body) == (200, b"")
    # The digest is known a while after the file has been completed.
    own = {"date": "", "x-request-id": "", "repr-digest": ""}
    assert dict(head.headers) | own == dict(got.headers) | own
    assert head.headers["content-length"] == "5"
    assert head.headers["accept-ranges"] == "bytes"


@pytest.mark.requirement("ls-head-plain")
def test_head_of_a_file_may_have_conditions(tus: Client) -> None:
    upload = tus.file(b"12345")
    assert tus.request("HEAD", upload, {"If-None-Match": validators(tus, upload)[0]}).status == 304


@pytest.mark.requirement("ls-head-plain")
def test_plain_head_leaves_the_connection_in_order(tus: Client) -> None:
    upload = tus.file(b"12345")
    with tus.connect() as connection:
        for _ in range(2):
            connection.send_head("HEAD", upload, {})
            assert connection.read_answer(head_only=True).headers["content-length"] == "5"
            connection.send_head("GET", upload, {})
            assert connection.read_answer().body == b"12345"


@pytest.mark.requirement("ls-head-plain", "ls-head-404", "ls-head-410")
def test_plain_head_of_what_is_not_there(tus: Client) -> None:
    assert tus.request("HEAD", UNKNOWN).status == 404
    upload = tus.file(b"12345")
    tus.delete(upload)
    assert tus.request("HEAD", upload).status == 410


@pytest.mark.requirement("ls-head-plain", "core-unsupported-412", "core-unsupported-version")
@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("HEAD", {"Tus-Resumable": "0.2.2"}),
        ("HEAD", {"Tus-Resumable": ""}),
        ("POST", {"X-HTTP-Method-Override": "HEAD"}),
    ],
)
def test_a_head_that_is_tus_needs_its_version_also_of_a_file(tus: Client, method: str, headers: dict[str, str]) -> None:
    answer = tus.request(method, tus.file(b"12345"), headers)
    assert answer.status == 412
    assert answer.headers["tus-version"] == "1.0.0"


@pytest.mark.requirement("core-head-offset", "core-head-no-store", "ls-head")
def test_tus_head_of_a_file_stays_what_it_was(tus: Client) -> None:
    answer = tus.head(tus.file(b"12345"))
    assert (answer.headers["upload-offset"], answer.headers["cache-control"]) == ("5", "no-store")
    assert "content-disposition" not in answer.headers
    assert answer.headers.get("content-length", "0") == "0"


# Browsers


@pytest.mark.requirement("ls-get-inline")
@pytest.mark.parametrize(
    ("media_type", "kind"),
    [
        ("image/png", "inline"),
        ("text/plain", "inline"),
        ("video/mp4", "inline"),
        ("text/html", "attachment"),
        ("image/svg+xml", "attachment"),
        ("application/pdf", "attachment"),
        ("application/javascript", "attachment"),
    ],
)
def test_what_can_run_nothing_is_shown_if_that_is_wanted(tus: Client, media_type: str, kind: str) -> None:
    upload = tus.file(b"12345", metadata=f"filetype {b64encode(media_type.encode()).decode()}")
    assert tus.get(upload).headers["content-disposition"] == "attachment"
    answer = tus.get(f"{upload}?inline=1")
    assert answer.headers["content-disposition"] == kind
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "private, no-cache"


@pytest.mark.requirement("ls-get-link", "ls-errors")
@pytest.mark.parametrize("token", ["", "nonsense", "a.99999999999." + "A" * 43, "%00"])
def test_a_link_that_was_not_made_here_opens_nothing(tus: Client, token: str) -> None:
    answer = tus.get(f"{tus.file(b'12345')}?link={token}")
    refused(answer, 404, "link-invalid")
    assert "www-authenticate" not in answer.headers
    refused(tus.get(f"{UNKNOWN}?link={token}"), 404, "link-invalid")


@pytest.mark.requirement("ls-head-404", "ls-head-410", "termination-gone", "ls-errors")
def test_what_is_not_there(tus: Client) -> None:
    upload = tus.file(b"12345")
    tus.delete(upload)
    refused(tus.get(upload), 410)
    refused(tus.get(UNKNOWN), 404)
    refused(tus.get("/files"), 405)
    refused(tus.get("/files/"), 405)
