"""One request to the receiver: signed, to a vetted address, within a time limit, with a bounded answer."""

import asyncio
import base64
import logging
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, cast
from urllib.parse import unquote

import certifi
import httpx
from standardwebhooks import Webhook

from longshore import __version__
from longshore.hooks.webhooks.addresses import AddressRefused, resolve
from longshore.ports import Clock

logger = logging.getLogger(__name__)

ANSWER_LIMIT: Final = 1024 * 1024
"""Bytes of an answer that are read."""

_ADDRESSES: Final = 4
"""How many of a receiver's addresses are tried, should it not be reached at the first."""

_HOST: Final = re.compile(rb"[0-9A-Za-z._:-]+")

_CONNECTIONS: Final = httpx.Limits(max_connections=100, max_keepalive_connections=10, keepalive_expiry=30)


class ReceiverFailed(Exception):
    """There is no answer, or none that counts. Says why in a few words, and nothing that is secret."""


@dataclass(frozen=True, slots=True)
class Received:
    """What the receiver answered."""

    status: int
    headers: httpx.Headers
    body: bytes | None
    """None where it was larger than `ANSWER_LIMIT`, or broke off."""


class Sender:
    """Sends webhooks to one receiver. Belongs to one event loop."""

    def __init__(
        self,
        url: str,
        *,
        clock: Clock,
        secret: str | None = None,
        allow_private: bool = False,
        time_limit: float = 10.0,
        connect_limit: float = 5.0,
    ) -> None:
        """Take the receiver's URL (http or https; credentials in it are sent by basic authentication) and the secret.

        The secret is that of Standard Webhooks, `whsec_` and Base64; without one nothing is signed. Both limits are
        seconds: for everything, and for the connection alone. Raises `ValueError`, which says nothing secret, for a
        URL or a secret that will not do.
        """
        self._url = _parse_url(url)
        self._webhook = _parse_secret(secret)
        self._clock = clock
        self._allow_private = allow_private
        self._time_limit = time_limit
        self._connect_limit = min(connect_limit, time_limit)
        self._tls = _tls() if self._url.scheme == "https" else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._transport: httpx.AsyncHTTPTransport | None = None
        if self._webhook is None:
            logger.warning("webhooks to %s are not signed, because there is no secret", self.receiver)

    @property
    def time_limit(self) -> float:
        """How many seconds the receiver has, all in all."""
        return self._time_limit

    @property
    def receiver(self) -> str:
        """Scheme and host of the receiver: what of its URL may be logged."""
        return f"{self._url.scheme}://{self._url.host}"

    async def send(self, payload: str, message_id: str) -> Received:
        """Post a payload and return the answer, whatever its status. Raises `ReceiverFailed` where there is none."""
        deadline = asyncio.get_running_loop().time() + self._time_limit
        try:
            async with asyncio.timeout_at(deadline):
                response = await self._open(payload, message_id)
        except TimeoutError:
            raise ReceiverFailed("no answer in time") from None
        except AddressRefused as error:
            raise ReceiverFailed(str(error)) from None
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise ReceiverFailed(_reason(error)) from None
        try:
            return Received(response.status_code, response.headers, await _read(response, deadline))
        finally:
            await response.aclose()

    async def close(self) -> None:
        """Close the connections that are kept open."""
        if self._transport is not None:
            await self._transport.aclose()
            self._transport = None

    async def _open(self, payload: str, message_id: str) -> httpx.Response:
        headers = self._headers(payload, message_id)
        port = self._url.port or (443 if self._url.scheme == "https" else 80)
        found = await resolve(self._url.host, port, allow_private=self._allow_private)
        addresses = found[:_ADDRESSES]
        for address in addresses[:-1]:
            try:
                return await self._post(address, payload, headers)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return await self._post(addresses[-1], payload, headers)

    async def _post(self, address: str, payload: str, headers: Mapping[str, str]) -> httpx.Response:
        request = httpx.Request(
            "POST",
            self._url.copy_with(host=address, username=None, password=None, fragment=None),
            headers=headers,
            content=payload.encode(),
            extensions={
                # The certificate must be for the receiver's name, not for the address.
                "sni_hostname": self._url.raw_host.decode("ascii"),
                "timeout": {"connect": self._connect_limit, "pool": self._time_limit},
            },
        )
        # Not by a client: it would look for proxies, keep cookies and log the URL, whose path may be a secret.
        return await self._open_transport().handle_async_request(request)

    def _open_transport(self) -> httpx.AsyncHTTPTransport:
        if self._transport is None:
            self._transport = httpx.AsyncHTTPTransport(verify=self._tls, trust_env=False, limits=_CONNECTIONS)
        return self._transport

    def _headers(self, payload: str, message_id: str) -> dict[str, str]:
        headers = {
            "Host": self._url.netloc.decode("ascii"),
            "User-Agent": f"longshore/{__version__}",
            "Content-Type": "application/json",
            "Accept-Encoding": "identity",
            "Idempotency-Key": message_id,
        }
        if self._url.userinfo:
            headers["Authorization"] = f"Basic {_basic(self._url)}"
        if self._webhook is not None:
            headers |= _signature(self._webhook, payload, message_id, self._clock())
        return headers


def _signature(webhook: Webhook, payload: str, message_id: str, now: datetime) -> dict[str, str]:
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": webhook.sign(message_id, now, payload),
    }


def _basic(url: httpx.URL) -> str:
    name, _, password = url.userinfo.partition(b":")
    return base64.b64encode(f"{unquote(name.decode())}:{unquote(password.decode())}".encode()).decode("ascii")


async def _read(response: httpx.Response, deadline: float) -> bytes | None:
    """Read the body; None when it is too large or does not come. The status stands, whatever becomes of the body."""
    body = bytearray()
    try:
        async with asyncio.timeout_at(deadline):
            async for piece in cast(httpx.AsyncByteStream, response.stream):
                body += piece
                if len(body) > ANSWER_LIMIT:
                    return None
    except (TimeoutError, httpx.TransportError):
        return None
    return bytes(body)


def _reason(error: BaseException) -> str:
    """Say what went wrong, in words of our own: an exception's may come from the receiver, or name the URL."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not accepted: {cause.verify_message}"
        cause = cause.__cause__ or cause.__context__
    return f"no answer ({type(error).__name__})"


def _tls() -> ssl.SSLContext:
    """Trust what the system trusts, where an operator's own authority is, and what Mozilla does."""
    context = ssl.create_default_context(cafile=certifi.where())
    context.load_default_certs()
    return context


def _parse_url(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, UnicodeError):
        parsed = None
    if parsed is None or parsed.scheme not in ("http", "https") or not _HOST.fullmatch(parsed.raw_host):
        raise ValueError("the webhook's URL is not an http or https URL with a host")
    return parsed


def _parse_secret(secret: str | None) -> Webhook | None:
    if secret is None:
        return None
    encoded = secret.removeprefix("whsec_")
    try:
        # Strictly, which the library is not: it would drop what is no Base64, and sign with something else.
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except ValueError:
        key = b""
    if encoded == secret or not key:
        raise ValueError("the webhook's secret is not whsec_ followed by Base64")
    return Webhook(key)
