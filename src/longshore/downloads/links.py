"""Signed download links: a token that stands in the URL, for browsers, which send no header from a link. Pure.

A token is `<link id>.<expiry in seconds since 1970>.<HMAC-SHA256 over upload, expiry and link id>`.
"""

import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from longshore.protocol.errors import TusError, UploadGone

_TOKEN: Final = re.compile(r"([A-Za-z0-9_-]{1,64})\.([0-9]{1,12})\.([A-Za-z0-9_-]{43})")


class LinkInvalid(TusError):
    """The link was not made here, or for another upload."""

    status = 404
    code = "link-invalid"
    title = "This link leads nowhere"


class LinkGone(UploadGone):
    """The link was good once."""

    code = "link-revoked"
    title = "This link has been revoked"


class LinkExpired(LinkGone):
    """The link's time has passed."""

    code = "link-expired"
    title = "This link has expired"


class LinkUsedUp(LinkGone):
    """As many downloads have begun as the link is good for."""

    code = "link-used-up"
    title = "This link has been used up"


def make(upload_id: str, expires_at: datetime, link_id: str, key: bytes) -> str:
    """Make a token. The expiry counts to the second."""
    expiry = int(expires_at.timestamp())
    return f"{link_id}.{expiry}.{_sign(upload_id, expiry, link_id, key)}"


def verify(token: str, upload_id: str, keys: Sequence[bytes], now: datetime) -> str:
    """Return the id of the link, if one of the keys has signed the token for this upload and its time has not passed.

    Raises `LinkInvalid` and `LinkExpired`.
    """
    match = _TOKEN.fullmatch(token)
    if match is None:
        raise LinkInvalid
    link_id, expiry, signature = match[1], int(match[2]), match[3].encode()
    # All of them, so that the time tells nothing of which one it was.
    matching = [hmac.compare_digest(_sign(upload_id, expiry, link_id, key).encode(), signature) for key in keys]
    if not any(matching):
        raise LinkInvalid
    if now >= datetime.fromtimestamp(expiry, UTC):
        raise LinkExpired
    return link_id


def _sign(upload_id: str, expiry: int, link_id: str, key: bytes) -> str:
    # Neither id has a line break. The first line tells this from anything else that the key may sign.
    text = f"longshore download link\n{upload_id}\n{expiry}\n{link_id}"
    return urlsafe_b64encode(hmac.digest(key, text.encode(), "sha256")).decode().rstrip("=")
