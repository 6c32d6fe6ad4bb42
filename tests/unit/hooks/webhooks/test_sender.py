import asyncio
import json
import logging
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks import Webhook
from tests.unit.hooks.webhooks.receiver import Receiver, Reply, Request, breaks_off, hangs, receiving

from longshore.hooks.webhooks.sender import ANSWER_LIMIT, ReceiverFailed, Sender

pytestmark = pytest.mark.anyio

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PAYLOAD = '{"Type":"pre-create"}'


def clock() -> datetime:
    return datetime.now(UTC)


@asynccontextmanager
async def sending(url: str, **options: Any) -> AsyncIterator[Sender]:
    sender = Sender(url, clock=clock, **({"allow_private": True} | options))
    try:
        yield sender
    finally:
        await sender.close()


@pytest.fixture
async def receiver(anyio_backend: object) -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


async def send(receiver: Receiver, **options: Any) -> Request:
    async with sending(receiver.url, **options) as sender:
        await sender.send(PAYLOAD, "evt_1")
    return receiver.requests[-1]


async def test_posts_json(receiver: Receiver) -> None:
    request = await send(receiver)

    assert request.line == "POST /hooks HTTP/1.1"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert request.body == PAYLOAD.encode()


async def test_signs_as_standard_webhooks_has_it(receiver: Receiver) -> None:
    request = await send(receiver, secret=SECRET)

    assert Webhook(SECRET).verify(request.body, dict(request.headers)) == json.loads(PAYLOAD)
    assert request.headers["webhook-id"] == request.headers["idempotency-key"] == "evt_1"


async def test_without_a_secret_nothing_is_signed_and_the_log_says_so(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    request = await send(receiver)

    assert not [name for name in request.headers if name.startswith("webhook-")]
    assert request.headers["idempotency-key"] == "evt_1"
    assert "not signed" in caplog.text


async def test_answers_with_status_headers_and_body(receiver: Receiver) -> None:
    receiver.replies = [Reply(418, b"tea", (("Retry-After", "7"),))]
    async with sending(receiver.url) as sender:
        received = await sender.send(PAYLOAD, "evt_1")

    assert (received.status, received.headers["retry-after"], received.body) == (418, "7", b"tea")


async def test_keeps_the_connection_for_the_next_one(receiver: Receiver) -> None:
    async with sending(receiver.url) as sender:
        for number in range(3):
            await sender.send(PAYLOAD, f"evt_{number}")

    assert receiver.connections == 1


async def test_does_not_follow_redirects(receiver: Receiver) -> None:
    receiver.replies = [Reply(302, headers=(("Location", "/elsewhere"),))]
    async with sending(receiver.url) as sender:
        received = await sender.send(PAYLOAD, "evt_1")

    assert received.status == 302
    assert len(receiver.requests) == 1


async def test_looks_for_no_proxy(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    await send(receiver)

    assert len(receiver.requests) == 1


async def test_keeps_no_cookies(receiver: Receiver) -> None:
    receiver.replies = [Reply(headers=(("Set-Cookie", "a=b"),))]
    async with sending(receiver.url) as sender:
        await sender.send(PAYLOAD, "evt_1")
        await sender.send(PAYLOAD, "evt_2")

    assert "cookie" not in receiver.requests[1].headers


async def test_credentials_in_the_url_are_sent_by_basic_authentication_and_logged_nowhere(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with sending(f"http://us%40er:p%C3%A4ss@127.0.0.1:{receiver.port}/h%20k/s3cret?token=t0ken") as sender:
        await sender.send(PAYLOAD, "evt_1")
        assert sender.receiver == "http://127.0.0.1"

    request = receiver.requests[0]
    assert request.line == "POST /h%20k/s3cret?token=t0ken HTTP/1.1"
    assert request.headers["authorization"] == "Basic dXNAZXI6cMOkc3M="
    assert request.headers["host"] == f"127.0.0.1:{receiver.port}"
    for secret in ("us%40er", "us@er", "p%C3%A4ss", "päss", "dXNAZXI6cMOkc3M", "s3cret", "t0ken"):
        assert secret not in caplog.text


async def test_a_receiver_that_is_down_fails(receiver: Receiver) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    async with sending(f"http://127.0.0.1:{port}/") as sender:
        with pytest.raises(ReceiverFailed, match=r"no answer \(ConnectError\)"):
            await sender.send(PAYLOAD, "evt_1")


async def test_a_receiver_that_does_not_answer_in_time_fails(receiver: Receiver) -> None:
    receiver.replies = [hangs]
    async with sending(receiver.url, time_limit=0.1) as sender:
        with pytest.raises(ReceiverFailed, match="no answer in time"):
            await sender.send(PAYLOAD, "evt_1")


async def test_a_receiver_that_drips_its_head_fails_in_time(receiver: Receiver) -> None:
    async def drips(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"X-A: b\r\n")
            await asyncio.sleep(0.01)

    receiver.replies = [drips]
    async with sending(receiver.url, time_limit=0.2) as sender:
        with pytest.raises(ReceiverFailed, match="no answer in time"):
            await sender.send(PAYLOAD, "evt_1")


async def test_a_receiver_that_breaks_off_fails(receiver: Receiver) -> None:
    receiver.replies = [breaks_off]
    async with sending(receiver.url) as sender:
        with pytest.raises(ReceiverFailed, match="no answer"):
            await sender.send(PAYLOAD, "evt_1")


async def test_a_receiver_that_speaks_no_http_fails(receiver: Receiver) -> None:
    async def babbles(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")

    receiver.replies = [babbles]
    async with sending(receiver.url) as sender:
        with pytest.raises(ReceiverFailed, match="no answer"):
            await sender.send(PAYLOAD, "evt_1")


async def test_an_answer_may_be_as_large_as_the_limit_and_no_larger(receiver: Receiver) -> None:
    receiver.replies = [Reply(body=b"x" * ANSWER_LIMIT), Reply(body=b"x" * (ANSWER_LIMIT + 1))]
    async with sending(receiver.url) as sender:
        whole = await sender.send(PAYLOAD, "evt_1")
        too_large = await sender.send(PAYLOAD, "evt_2")

    assert whole.body is not None
    assert len(whole.body) == ANSWER_LIMIT
    assert (too_large.status, too_large.body) == (200, None)


@pytest.mark.parametrize("ends", [True, False])
async def test_the_status_stands_where_the_body_does_not_come(receiver: Receiver, ends: bool) -> None:
    async def half(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        await writer.drain()
        if ends:
            writer.close()
        else:
            await hangs(request, writer)

    receiver.replies = [half]
    async with sending(receiver.url, time_limit=0.3) as sender:
        received = await sender.send(PAYLOAD, "evt_1")

    assert (received.status, received.body) == (200, None)


async def test_refuses_private_addresses_unless_allowed(receiver: Receiver) -> None:
    for host in ("127.0.0.1", "localhost"):
        async with sending(f"http://{host}:{receiver.port}/", allow_private=False) as sender:
            with pytest.raises(ReceiverFailed, match="its address is not public"):
                await sender.send(PAYLOAD, "evt_1")

    assert receiver.connections == 0


async def test_connects_to_the_address_that_was_vetted_by_the_name_that_was_given(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def rebinding(host: str, port: int, *_: object, **__: object) -> list[object]:
        asked.append(host)
        address = "127.0.0.1" if len(asked) == 1 else "127.0.0.2"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    with monkeypatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", rebinding)
        async with sending(f"http://hooks.example:{receiver.port}/") as sender:
            await sender.send(PAYLOAD, "evt_1")

    assert asked == ["hooks.example"]
    assert receiver.requests[0].headers["host"] == f"hooks.example:{receiver.port}"


async def test_tries_the_next_address_where_one_cannot_be_reached(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def both(host: str, port: int, *_: object, **__: object) -> list[object]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in ("127.0.0.9", "127.0.0.1")]

    with monkeypatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", both)
        async with sending(f"http://hooks.example:{receiver.port}/") as sender:
            received = await sender.send(PAYLOAD, "evt_1")

    assert received.status == 200


async def test_reaches_receivers_on_ipv6() -> None:
    receiver = Receiver()
    try:
        server = await asyncio.start_server(receiver.accept, "::1", 0)
    except OSError:
        pytest.skip("this machine has no IPv6")
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with sending(f"http://[::1]:{port}/hooks") as sender:
            assert (await sender.send(PAYLOAD, "evt_1")).status == 200
        await receiver.stop()

    assert receiver.requests[0].headers["host"] == f"[::1]:{port}"


async def test_refuses_a_certificate_that_nobody_vouches_for(tls: ssl.SSLContext) -> None:
    receiver = Receiver()
    async with await asyncio.start_server(receiver.accept, "127.0.0.1", 0, ssl=tls) as server:
        port = server.sockets[0].getsockname()[1]
        async with sending(f"https://127.0.0.1:{port}/") as sender:
            with pytest.raises(ReceiverFailed, match="its certificate is not accepted: self-signed"):
                await sender.send(PAYLOAD, "evt_1")
        await receiver.stop()

    assert receiver.requests == []


async def test_checks_the_certificate_for_the_receivers_name(
    tls: ssl.SSLContext, certificate: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loopback(host: str, port: int, *_: object, **__: object) -> list[object]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setenv("SSL_CERT_FILE", certificate)
    receiver = Receiver()
    async with await asyncio.start_server(receiver.accept, "127.0.0.1", 0, ssl=tls) as server:
        port = server.sockets[0].getsockname()[1]
        with monkeypatch.context() as patch:
            patch.setattr(socket, "getaddrinfo", loopback)
            async with sending(f"https://hooks.example:{port}/") as sender:
                assert (await sender.send(PAYLOAD, "evt_1")).status == 200
            async with sending(f"https://other.example:{port}/") as sender:
                with pytest.raises(ReceiverFailed, match="Hostname mismatch"):
                    await sender.send(PAYLOAD, "evt_1")
        await receiver.stop()

    assert len(receiver.requests) == 1


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks.example/x",
        "ftp://hooks.example/",
        "file:///etc/passwd",
        "http://",
        "http:///s3cret",
        "http://[s3cret",
    ],
)
async def test_refuses_urls_that_name_no_receiver_without_quoting_them(url: str) -> None:
    with pytest.raises(ValueError, match="http or https URL") as refused:
        Sender(url, clock=clock)
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("secret", ["", "s3cret", "whsec_", "whsec_s3cret!", "whsec_a", "whsec_ä"])
async def test_refuses_secrets_that_are_none_without_quoting_them(secret: str) -> None:
    with pytest.raises(ValueError, match="whsec_ followed by Base64") as refused:
        Sender("https://hooks.example/", clock=clock, secret=secret)
    assert "s3cret" not in str(refused.value)
