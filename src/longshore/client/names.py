"""What a downloaded file is to be called: the server's word for it, made harmless."""

import os
from collections.abc import Mapping, Sequence
from email.message import Message
from email.utils import collapse_rfc2231_value
from pathlib import PurePosixPath
from typing import Any, Final

_LONGEST: Final = 200
"""Bytes: file systems take 255, and what is on its way has a longer name."""


def suggested_name(headers: Mapping[str, str]) -> str:
    """The name in Content-Disposition (RFC 6266), as a name in a directory; empty when there is none.

    Recipients "MUST NOT be able to write into any location other than one to which they are specifically entitled"
    (section 4.3). So only the last component counts, and nothing that a shell, a terminal or a directory would take for
    more.
    """
    last = _given(headers.get("content-disposition", "")).replace("\\", "/").rpartition("/")[2]
    # A dot in front would hide it, or be a directory; a hyphen would be an option to many a command.
    plain = "".join(char for char in last if char.isprintable()).strip().lstrip(".-").rstrip(". ")
    return _shortened(plain)


def _given(disposition: str) -> str:
    """`filename*`, which wins where both are given, else `filename`."""
    message = Message()
    message["Content-Disposition"] = disposition
    params: Sequence[tuple[str, Any]] = message.get_params([], "content-disposition")
    found = [value for name, value in params if name.lower() == "filename"]
    extended = [value for value in found if isinstance(value, tuple)]
    return collapse_rfc2231_value((extended or found or [""])[0], errors="replace")


def _shortened(name: str) -> str:
    """Cut a name that is too long for a file system, but leave its extension."""
    encoded = os.fsencode(name)
    if len(encoded) <= _LONGEST:
        return name
    suffix = PurePosixPath(name).suffix
    suffix = suffix if len(os.fsencode(suffix)) < _LONGEST // 4 else ""
    return encoded[: _LONGEST - len(os.fsencode(suffix))].decode("utf-8", "ignore") + suffix
