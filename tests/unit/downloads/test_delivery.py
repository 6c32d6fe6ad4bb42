"""Headers of a download, whatever metadata a client sent: nothing that breaks out, runs as a page, or names a path."""

import base64
import re
from datetime import UTC, datetime
from urllib.parse import unquote

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.downloads.delivery import content_disposition, content_type, deliver, file_name
from longshore.protocol.upload import State, Upload
from longshore.stores.memory import MemoryStore

names = st.text() | st.text(alphabet='ab./\\"%;=\r\n\0\x7f\x85\u2028\u202e\xe9😀 ', max_size=40)


def upload_with(**metadata: str | bytes) -> Upload:
    pairs = {key: value.encode() if isinstance(value, str) else value for key, value in metadata.items()}
    raw = ",".join(f"{key} {base64.b64encode(value).decode()}" for key, value in pairs.items())
    now = datetime(2026, 5, 1, tzinfo=UTC)
    return Upload(id="a" * 32, created_at=now, offset=3, length=3, metadata=raw, state=State.COMPLETED)


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
        (f"text/{'x' * 101}", "application/octet-stream"),
    ],
)
@pytest.mark.parametrize("key", ["filetype", "type", "contentType"])
def test_type(key: str, given_type: str, expected: str) -> None:
    assert content_type(upload_with(**{key: given_type})) == expected


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


def test_delivery_never_runs_as_a_page_of_ours() -> None:
    async def head() -> dict[str, str]:
        store, upload = MemoryStore(), upload_with(filename="x.html", filetype="text/html")
        await store.write(upload.id, 0, memoryview(b"abc"), durable=False)
        return dict((await deliver(upload, store)).headers)

    headers = anyio.run(head)
    assert headers["Content-Disposition"].startswith("attachment")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in headers["Content-Security-Policy"]
    assert headers["Content-Length"] == "3"


def test_pieces_end_where_the_upload_does() -> None:
    async def read() -> bytes:
        store, upload = MemoryStore(), upload_with()
        await store.write(upload.id, 0, memoryview(b"abcdef"), durable=False)
        delivery = await deliver(upload, store)
        return delivery.first + b"".join([piece async for piece in delivery.rest])

    assert anyio.run(read) == b"abc"


def test_what_the_store_does_not_hold_cannot_be_delivered() -> None:
    async def read() -> None:
        await deliver(upload_with(), MemoryStore())

    with pytest.raises(EOFError):
        anyio.run(read)
