"""How a file is presented, whatever metadata a client sent: nothing breaks out, runs, or names a path."""

import re
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.downloads.values import upload_with

from longshore.downloads.presentation import SHOWN, content_disposition, content_type, describe, file_name

names = st.text() | st.text(alphabet='ab./\\"%;=\r\n\0\x7f\x85\u2028\u202e\xe9😀 ', max_size=40)


@pytest.mark.parametrize(
    ("name", "disposition"),
    [
        ("", "attachment"),
        ("report.pdf", 'attachment; filename="report.pdf"'),
        ("two words.txt", 'attachment; filename="two words.txt"'),
        ("/etc/passwd", 'attachment; filename="passwd"'),
        ("..\\..\\boot.ini", 'attachment; filename="boot.ini"'),
        ("a/", "attachment"),
        ("..", "attachment"),
        (".hidden", 'attachment; filename="hidden"'),
        ("  .. ", "attachment"),
        ('say "hi".txt', "attachment; filename=\"say _hi_.txt\"; filename*=UTF-8''say%20%22hi%22.txt"),
        ("100%.txt", "attachment; filename=\"100_.txt\"; filename*=UTF-8''100%25.txt"),
        ("naïve.txt", "attachment; filename=\"na_ve.txt\"; filename*=UTF-8''na%C3%AFve.txt"),
        ("a\r\nX-Evil: 1", 'attachment; filename="aX-Evil: 1"'),
        ("a\0b", 'attachment; filename="ab"'),
        ("fdp.\u202eexe", 'attachment; filename="fdp.exe"'),
        ("x" * 300, f'attachment; filename="{"x" * 255}"'),
        ("a; filename=b", 'attachment; filename="a; filename=b"'),
    ],
)
def test_disposition(name: str, disposition: str) -> None:
    assert content_disposition(upload_with(filename=name)) == disposition


def test_name_comes_from_filename_and_else_from_name() -> None:
    assert file_name(upload_with(name="second", filename="first")) == "first"
    assert file_name(upload_with(name="second", filename="")) == "second"
    assert file_name(upload_with(relativePath="null")) == ""


def test_name_that_is_no_utf8_is_given_as_far_as_it_can_be_read() -> None:
    assert file_name(upload_with(filename=b"caf\xe9.txt")) == "caf\ufffd.txt"


@pytest.mark.parametrize(
    ("given_type", "expected"),
    [
        ("", "application/octet-stream"),
        ("image/png", "image/png"),
        ("application/vnd.ms-excel", "application/vnd.ms-excel"),
        ("image/svg+xml", "image/svg+xml"),
        ("text/html; charset=utf-8", "application/octet-stream"),
        ("text", "application/octet-stream"),
        ("text/", "application/octet-stream"),
        ("text/plain\r\nX-Evil: 1", "application/octet-stream"),
        ("text/plain\n", "application/octet-stream"),
        ("text/plain/", "application/octet-stream"),
        ("*/*", "application/octet-stream"),
        ("tëxt/plain", "application/octet-stream"),
        ("multipart/byteranges", "application/octet-stream"),
        (f"text/{'x' * 101}", "application/octet-stream"),
    ],
)
@pytest.mark.parametrize("key", ["filetype", "type", "contentType"])
def test_type(key: str, given_type: str, expected: str) -> None:
    assert content_type(upload_with(3, **{key: given_type})) == expected


@given(name=names)
def test_any_name_is_safe(name: str) -> None:
    header = content_disposition(upload_with(filename=name.encode("utf-8", "surrogatepass")))
    assert header.isascii()
    assert header.isprintable()
    assert re.fullmatch(
        r"attachment(; filename=\"[^\"\\/%]*\"(; filename\*=UTF-8''([A-Za-z0-9._~-]|%[0-9A-F]{2})+)?)?", header
    )


@given(name=names)
def test_any_name_that_is_given_back_is_the_end_of_what_was_sent(name: str) -> None:
    upload = upload_with(filename=name.encode("utf-8", "replace"))
    extended = re.search(r"filename\*=UTF-8''(.*)$", content_disposition(upload))
    if extended:
        assert unquote(extended[1], errors="strict") == file_name(upload)
    shown = file_name(upload)
    assert len(shown) <= 255
    assert shown.isprintable()
    assert not shown.startswith((".", " "))
    assert not set(shown) & set("/\\\r\n\0")


@given(given_type=st.text() | st.from_regex(r"[a-z]+/[a-z]+(;.*)?", fullmatch=True))
def test_any_type_is_safe(given_type: str) -> None:
    header = content_type(upload_with(filetype=given_type.encode("utf-8", "surrogatepass")))
    assert header.isascii()
    assert header.isprintable()
    assert header in (given_type, "application/octet-stream")
    assert not set(header) & set(' ;,"')


@pytest.mark.parametrize("inline", [False, True])
@pytest.mark.parametrize(
    "media_type",
    [
        *("text/html", "TEXT/HTML", "application/xhtml+xml", "image/svg+xml", "text/xml", "application/xml"),
        *("text/javascript", "application/javascript", "application/pdf", "text/css", "application/octet-stream"),
        *("application/wasm", "message/rfc822", "multipart/related", "text/vtt", "", "text/plain; charset=utf-8"),
    ],
)
def test_what_a_browser_might_run_is_always_an_attachment(media_type: str, inline: bool) -> None:
    fields = dict(describe(upload_with(filename="x.html", filetype=media_type), inline=inline))
    assert fields["Content-Disposition"] == 'attachment; filename="x.html"'
    assert fields["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert fields["X-Content-Type-Options"] == "nosniff"
    assert fields["Cross-Origin-Resource-Policy"] == "same-origin"
    assert fields["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize("media_type", [*sorted(SHOWN), "Image/PNG"])
def test_what_can_run_nothing_is_shown_on_request_only_and_in_a_sandbox(media_type: str) -> None:
    upload = upload_with(filename="x.png", filetype=media_type)
    assert dict(describe(upload, inline=False))["Content-Disposition"] == 'attachment; filename="x.png"'
    fields = dict(describe(upload, inline=True))
    assert fields["Content-Disposition"] == 'inline; filename="x.png"'
    assert fields["Content-Type"] == media_type
    assert fields["X-Content-Type-Options"] == "nosniff"
    policy = fields["Content-Security-Policy"]
    assert policy.startswith("sandbox; default-src 'none';")
    assert "script" not in policy
    assert "allow" not in policy
