"""What the commands that are clients of a server take from the environment, and where they keep things.

The file .env is not read for them: it may lie in a directory that somebody else has filled, and could have the token
sent to another server.
"""

import os
from pathlib import Path
from typing import Final

URL_VARIABLE: Final = "LONGSHORE_URL"
TOKEN_VARIABLE: Final = "LONGSHORE_TOKEN"  # noqa: S105 - the name of a variable
CLIENT_VARIABLES: Final = (URL_VARIABLE, TOKEN_VARIABLE)

DEFAULT_URL: Final = "http://127.0.0.1:8000/files/"


def default_url() -> str:
    """The URL of the server's tus endpoint."""
    return os.environ.get(URL_VARIABLE) or DEFAULT_URL


def default_token() -> str:
    """The token to show; empty for none."""
    return os.environ.get(TOKEN_VARIABLE) or ""


def state_dir() -> Path:
    """Where a user's programs keep what is to outlive them (XDG Base Directory Specification)."""
    given = Path(os.environ.get("XDG_STATE_HOME") or "")
    # "All paths set in these environment variables must be absolute. If an implementation encounters a relative path
    # in any of these variables it should consider the path invalid and ignore it."
    return (given if given.is_absolute() else Path.home() / ".local" / "state") / "longshore"
