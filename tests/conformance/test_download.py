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


@pytest.mark.requirement("ls-head-404", "ls-head-410", "termination-gone", "ls-errors")
def test_what_is_not_there(tus: Client) -> None:
    upload = tus.file(b"12345")
    tus.delete(upload)
    refused(tus.get(upload), 410)
    refused(tus.get(UNKNOWN), 404)
    refused(tus.get("/files"), 405)
    refused(tus.get("/files/"), 405)
