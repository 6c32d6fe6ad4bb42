"""Where a server is: the URL of its tus endpoint, and what lies beside that."""

from dataclasses import dataclass
from urllib.parse import SplitResult, quote, urlencode, urljoin, urlsplit, urlunsplit

from longshore.client.errors import ClientError

_DEFAULT_PATH = "/files"
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Address:
    """A server's tus endpoint, without the slash at its end. API and events are beside its last component."""

    endpoint: str

    @classmethod
    def read(cls, url: str) -> "Address":
        """Read what was given for `--url`; a host alone has its endpoint at /files. Raises `ClientError`."""
        parts = _split(url.strip())
        is_plain = parts.scheme in _PORTS and parts.hostname and not parts.query and not parts.fragment
        if not is_plain or parts.username is not None:
            raise ClientError("the server's URL is not valid: use http://host/files/ or https://host/files/")
        path = parts.path.rstrip("/") or _DEFAULT_PATH
        return cls(urlunsplit((parts.scheme, parts.netloc, path, "", "")))

    def upload(self, id_or_url: str) -> str:
        """The URL of an upload: of its id, or of a URL of its own, which may be a path from the root."""
        if "://" in id_or_url:
            return id_or_url
        if id_or_url.startswith("/"):
            return urljoin(self.endpoint, id_or_url)
        return f"{self.endpoint}/{quote(id_or_url, safe='')}"

    def beside(self, path: str) -> str:
        """The URL of what has this path where the server's own paths begin: "/api/uploads"."""
        return self.endpoint.rpartition("/")[0] + path

    def events(self, query: list[tuple[str, str]]) -> str:
        """The URL of the events, ws:// or wss://."""
        return f"ws{self.beside('/events').removeprefix('http')}{'?' if query else ''}{urlencode(query)}"

    def owns(self, url: str) -> bool:
        """Whether a URL is of this server: what is meant for the server may be sent there."""
        return _origin(url) == _origin(self.endpoint)


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = _split(url)
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ClientError("the URL is not valid") from None
    return parts
