"""Hearing what happens to uploads, through whatever passes, and each event once."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.sync.client import ClientConnection, connect

from longshore import __version__
from longshore.client.connection import Connection
from longshore.client.errors import Anonymous, ClientError, Passing, Refused
from longshore.client.printing import printable, size
from longshore.client.retrying import Patience

_CLOSING: Final = 2.0
"""Seconds that the server has to say goodbye."""

_UNAUTHENTICATED: Final = 4401
_MISUNDERSTOOD: Final = 1008
_WITHOUT_END: Final = 10**9


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to hear of; empty for all."""

    types: Sequence[str] = ()
    uploads: Sequence[str] = ()


class Watch:
    """The events of one server, from one position on."""

    def __init__(self, connection: Connection, wanted: Wanted, after: str | None, say: Callable[[str], None]) -> None:
        """Begin behind the event `after`, else now; `say` is told, for people, what is out of the ordinary."""
        self._connection = connection
        self._query = [("type", kind) for kind in wanted.types] + [("upload", upload) for upload in wanted.uploads]
        self._after = after
        self._say = say
        self._patience = Patience(0)

    def events(self) -> Iterator[dict[str, Any]]:
        """The events, without end. Raises `ClientError`; a server that goes away is waited for."""
        while True:
            try:
                for message in self._messages():
                    if event := self._take(message):
                        # Whatever happens to whoever takes it is not the connection's fault.
                        yield event
            except Passing as error:
                self._patience.wait(self._patience.pause(error))

    def _messages(self) -> Iterator[str]:
        """The messages of one connection. Raises `ClientError`: `Passing` at its end."""
        token = self._connection.credentials.token()
        with self._open(token) as socket:
            # From now on there is a server, and one can wait for it.
            self._patience = Patience(_WITHOUT_END)
            while True:
                try:
                    message = socket.recv()
                except ConnectionClosed as closed:
                    self._explain(closed, token)
                yield message if isinstance(message, str) else message.decode()

    def _open(self, token: str) -> ClientConnection:
        after = [] if self._after is None else [("after", self._after)]
        uri = self._connection.address.events([*self._query, *after])
        try:
            return connect(
                uri,
                ssl=self._connection.ssl if uri.startswith("wss:") else None,
                additional_headers={"Authorization": f"Bearer {token}"} if token else None,
                user_agent_header=f"longshore/{__version__}",
                compression=None,
                close_timeout=_CLOSING,
            )
        except InvalidStatus as refused:
            raise self._refusal(refused, token) from None
        except (InvalidURI, InvalidHandshake) as error:
            raise Passing(f"{self._connection.address.endpoint} opens no WebSocket: {printable(str(error))}") from None
        except OSError as error:
            raise Passing(f"{self._connection.address.endpoint} cannot be reached: {error}") from None

    def _refusal(self, refused: InvalidStatus, token: str) -> ClientError:
        status = refused.response.status_code
        if status == 401 and not token:
            return Anonymous()
        if status == 401 and self._connection.credentials.renew(token):
            return Passing("the token has ended", retry_after=0)
        message = _detail(refused.response.body) or f"the server answers {status} to a WebSocket"
        return Passing(message) if status in (429, *range(500, 600)) else Refused(message, status)

    def _explain(self, closed: ConnectionClosed, token: str) -> NoReturn:
        code = closed.rcvd.code if closed.rcvd else None
        if code == _UNAUTHENTICATED and not (token and self._connection.credentials.renew(token)):
            raise Refused("the token has ended", 401)
        if code == _MISUNDERSTOOD:
            raise ClientError("the server does not understand this client")
        raise Passing("the connection ended", retry_after=0 if code == _UNAUTHENTICATED else None)

    def _take(self, message: str) -> dict[str, Any] | None:
        """Note where to go on after a message; return it if it is an event."""
        try:
            told = json.loads(message)
            if "specversion" not in told:
                self._take_notice(told)
                return None
            event_id = str(told["id"])
        except (ValueError, TypeError, KeyError):
            raise ClientError("/events does not answer as Longshore does") from None
        if event_id.isdigit():
            # Progress is of the moment: nobody can go on after it.
            self._after = event_id
        self._patience.succeeded()
        return dict(told)

    def _take_notice(self, told: dict[str, Any]) -> None:
        if told.get("type") == "position" and self._after is None:
            self._after = str(told["after"])
        elif told.get("type") == "gap":
            self._say(f"some of the events after {printable(str(told['after']))} are not kept any more")


def line(event: dict[str, Any]) -> str:
    """An event as a line for people."""
    data = event.get("data") or {}
    offset, length = data.get("offset"), data.get("size")
    kind = str(event["type"]).rpartition(".")[2]
    columns = (
        str(event.get("time", ""))[:19].replace("T", " "),
        f"{printable(kind):<10}",
        printable(str(event.get("subject", ""))),
        f"{_amount(kind, offset, length):>9}",
        printable(str(data.get("name") or "")),
    )
    return "  ".join(columns).rstrip()


def _amount(kind: str, offset: Any, length: Any) -> str:
    if kind == "progress" and isinstance(offset, int) and isinstance(length, int) and length:
        return f"{offset / length:.0%}"
    return size(length) if isinstance(length, int) else ""


def _detail(body: bytes | bytearray | None) -> str:
    try:
        told = json.loads(body or b"")["detail"]
    except (ValueError, KeyError, TypeError):
        return ""
    return printable(str(told)).rstrip(".")
