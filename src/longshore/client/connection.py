"""HTTP to one server: the token where it belongs, limits of time, and errors that say whether to try again."""

import contextlib
import json
import ssl
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, Final, Self

import httpx

from longshore import __version__
from longshore.client.address import Address
from longshore.client.credentials import Credentials, FixedToken, SignIn
from longshore.client.errors import Anonymous, ClientError, Passing, Refused
from longshore.client.printing import printable

_TIMEOUT: Final = httpx.Timeout(60.0, connect=10.0, read=120.0)
"""Seconds. An answer may take while: a server finishes a file, and asks others about it, before it answers."""

_LONGEST_DETAIL: Final = 500
_PASSING: Final = frozenset({408, 409, 423, 425, 429, 460})
"""Besides 5xx. 460 is a checksum that does not match: bytes were damaged on their way."""

Content = bytes | Iterable[bytes]


class Connection:
    """One server, and whoever asks it. May be used by several threads; a context that ends what it began.

    Redirects are not followed: the token would go where nobody meant it to go.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self.credentials: Credentials = FixedToken("")
        self.ssl = ssl.create_default_context()
        self._client = httpx.Client(
            timeout=_TIMEOUT, verify=self.ssl, headers={"User-Agent": f"longshore/{__version__}"}
        )

    def sign_in(self, username: str, password: str) -> None:
        """Ask with a name and a password from now on. Raises `ClientError`."""
        self.credentials = SignIn(username, password, self._post)
        self.credentials.token()

    def request(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, content: Content = b""
    ) -> httpx.Response:
        """Send a request, and read the answer. Raises `Refused` and `Passing` unless it is 2xx."""
        with self.stream(method, url, headers=headers, content=content) as answer:
            with _failures_told(self.address):
                answer.read()
            return answer

    @contextlib.contextmanager
    def stream(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, content: Content = b""
    ) -> Iterator[httpx.Response]:
        """The same, but the answer's body is for the caller to read, by `pieces`."""
        token = self.credentials.token() if self.address.owns(url) else ""
        bearer = {"Authorization": f"Bearer {token}"} if token else {}
        request = self._build(method, url, {**(headers or {}), **bearer}, content)
        with _failures_told(self.address):
            answer = self._client.send(request, stream=True)
        try:
            if not answer.is_success:
                with _failures_told(self.address):
                    answer.read()
                self._fail(answer, token)
            yield answer
        finally:
            answer.close()

    def pieces(self, answer: httpx.Response) -> Iterator[bytes]:
        """An answer's body as it comes, not unpacked. Raises `Passing` when it is cut off."""
        with _failures_told(self.address):
            yield from answer.iter_raw()

    def json(self, url: str, query: Mapping[str, Any] | None = None) -> Any:
        """What GET answers. Raises `ClientError`."""
        return _json(self.request("GET", str(httpx.URL(url, params=query or {})), headers={"Accept": "*/*"}))

    def _build(self, method: str, url: str, headers: Mapping[str, str], content: Content) -> httpx.Request:
        try:
            return self._client.build_request(method, url, headers=headers, content=content)
        except httpx.InvalidURL:
            raise ClientError(f"{printable(url)} is not a URL") from None

    def _post(self, path: str, fields: Mapping[str, str]) -> Mapping[str, Any]:
        """Send JSON without a token. Raises `ClientError`."""
        request = self._build(
            "POST", self.address.beside(path), {"Content-Type": "application/json"}, json.dumps(fields).encode()
        )
        with _failures_told(self.address):
            answer = self._client.send(request)
        if not answer.is_success:
            raise _failure(answer)
        given = _json(answer) if answer.content else {}
        return given if isinstance(given, dict) else {}

    def _fail(self, answer: httpx.Response, token: str) -> None:
        if answer.status_code == 401 and not token:
            raise Anonymous
        if answer.status_code == 401 and self.credentials.renew(token):
            raise Passing("the token has ended", retry_after=0)
        raise _failure(answer)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with contextlib.suppress(ClientError):
            self.credentials.close()
        self._client.close()


@contextlib.contextmanager
def _failures_told(address: Address) -> Iterator[None]:
    try:
        yield
    except httpx.UnsupportedProtocol:
        raise ClientError("the URL is not valid: it begins with http:// or https://") from None
    except httpx.ConnectError as error:
        if isinstance(_root(error), ssl.SSLError):
            raise ClientError(f"{address.endpoint} cannot be trusted: {error}") from None
        raise Passing(f"{address.endpoint} cannot be reached: {_reason(error)}") from None
    except httpx.TimeoutException:
        raise Passing(f"{address.endpoint} does not answer") from None
    except httpx.TransportError as error:
        raise Passing(f"the connection to {address.endpoint} was lost: {_reason(error)}") from None
    except httpx.HTTPError as error:
        raise ClientError(f"{address.endpoint} answers what cannot be read: {_reason(error)}") from None


def _root(error: BaseException) -> BaseException:
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return error


def _reason(error: Exception) -> str:
    return printable(str(error)) or type(error).__name__


def _failure(answer: httpx.Response) -> ClientError:
    """The error that an answer means, with what its problem document says (RFC 9457)."""
    status = answer.status_code
    if answer.is_redirect:
        return Refused(f"the server redirects to {printable(answer.headers.get('location', ''))}: use that", status)
    message = _detail(answer) or f"the server answers {status} to {answer.request.method} {printable(answer.url.path)}"
    if status >= 500 or (status in _PASSING and not _is_unfinished(answer)):
        return Passing(message, _retry_after(answer))
    return Refused(message, status)


def _is_unfinished(answer: httpx.Response) -> bool:
    """Whether a file was asked for that is still being sent, which may take for ever. tus has other uses for 409."""
    return answer.status_code == 409 and answer.request.method == "GET"


def _detail(answer: httpx.Response) -> str:
    try:
        told = json.loads(answer.content)["detail"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return printable(told.strip())[:_LONGEST_DETAIL].rstrip(".") if isinstance(told, str) else ""


def _retry_after(answer: httpx.Response) -> float | None:
    """Seconds; the form of Retry-After that is a date is not worth its while."""
    given = answer.headers.get("retry-after", "")
    return float(given) if given.isascii() and given.isdigit() else None


def _json(answer: httpx.Response) -> Any:
    try:
        return json.loads(answer.content)
    except (ValueError, RecursionError):
        raise ClientError(f"{answer.url.path} does not answer as Longshore does") from None
