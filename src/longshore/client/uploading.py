"""Sending a file: from where an earlier run ended, through whatever passes, until the server has all of it."""

import contextlib
import mimetypes
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import IO, Final

from longshore.client.connection import Connection
from longshore.client.credentials import subject
from longshore.client.errors import ClientError, Passing, Refused
from longshore.client.progress import Bar, Begin, NoBar
from longshore.client.resuming import Begun, Entry, Identity
from longshore.client.retrying import Patience, persist
from longshore.client.tus import CHECKSUMS, AnotherFile, TusUpload

_NOT_OURS: Final = frozenset({403, 404, 410})
"""Answers about an upload that is no longer there, or was somebody else's: it is begun anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How to send files."""

    chunk_size: int
    """Bytes of a request."""
    checksum: str | None
    """The name of the checksum to send with each chunk, if any."""
    metadata: Mapping[str, str]
    """What is said of each file besides its name and type, or instead of them."""
    restart: bool
    """Whether to begin anew, whatever was begun before."""
    attempts: int
    """How often in a row to try again when nothing comes of it."""


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A file that the server has."""

    path: Path
    url: str
    size: int
    resumed_from: int
    """Bytes that the server had already."""


def choose_checksum(connection: Connection) -> str:
    """The best checksum that the server takes. Raises `ClientError`."""
    offered = _discover(connection).get("tus-checksum-algorithm", "").split(",")
    chosen = next((name for name in CHECKSUMS if name in offered), None)
    if chosen is None:
        raise ClientError(f"the server takes no checksum of {' or '.join(CHECKSUMS)}")
    return chosen


def require_tus(connection: Connection) -> None:
    """See that there is a tus server at all, before anything is tried again and again. Raises `ClientError`."""
    _discover(connection)


def _discover(connection: Connection) -> Mapping[str, str]:
    endpoint = connection.address.endpoint
    headers = connection.request("OPTIONS", endpoint).headers
    if "1.0.0" not in headers.get("tus-version", "").split(","):
        raise ClientError(f"there is no tus server at {endpoint}")
    return headers


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploads:
    """Sends files to one server; each in a thread of its own, if that is wanted."""

    connection: Connection
    begun: Begun
    manner: Manner
    begin: Begin
    stop: Event

    def send(self, path: Path) -> Uploaded:
        """Send a file. Raises `ClientError`, and `Stopped` once `stop` is set."""
        try:
            with path.open("rb") as file:
                metadata = {**_described(path), **self.manner.metadata}
                with self.begun.entry(self._identity(path, file, metadata)) as entry:
                    return _Sending(self, path, file, metadata, entry).run()
        except OSError as error:
            raise ClientError(f"the file cannot be read ({error.strerror or type(error).__name__})") from None

    def _identity(self, path: Path, file: IO[bytes], metadata: Mapping[str, str]) -> Identity:
        found = os.fstat(file.fileno())
        return Identity(
            path=path.resolve(),
            size=found.st_size,
            modified=found.st_mtime_ns,
            server=self.connection.address.endpoint,
            subject=subject(self.connection.credentials.token()),
            metadata=metadata,
        )


class _Sending:
    """One file."""

    def __init__(
        self, uploads: Uploads, path: Path, file: IO[bytes], metadata: Mapping[str, str], entry: Entry
    ) -> None:
        manner = uploads.manner
        self._path = path
        self._file = file
        self._entry = entry
        self._begin = uploads.begin
        self._patience = Patience(manner.attempts, uploads.stop)
        self._bar: Bar = NoBar()
        self._known = os.fstat(file.fileno())
        self._upload = TusUpload(
            uploads.connection,
            file,
            chunk_size=manner.chunk_size,
            metadata=metadata,
            checksum=manner.checksum,
            tell=lambda sent: self._bar.at(sent),
            stop=uploads.stop,
        )
        if manner.restart:
            entry.forget()

    def run(self) -> Uploaded:
        """Send it all. Raises `ClientError` and `Stopped`."""
        resumed_from = persist(self._resume_or_create, self._patience)
        self._patience.succeeded()
        self._bar = self._begin(self._path.name, self._known.st_size, resumed_from)
        try:
            while self._upload.offset < self._known.st_size:
                self._send_chunk()
        finally:
            self._bar.close()
        return Uploaded(self._path, str(self._upload.url), self._known.st_size, resumed_from)

    def _resume_or_create(self) -> int:
        """Find out where to go on, or create the upload; return how much the server has."""
        self._upload.url = self._entry.read()
        if self._upload.url is not None:
            with contextlib.suppress(AnotherFile):
                try:
                    self._upload.offset = self._upload.get_offset()
                except Refused as refused:
                    if refused.status not in _NOT_OURS:
                        raise
                else:
                    return int(self._upload.offset)
        self._upload.url = self._upload.create_url()
        self._entry.remember(self._upload.url)
        self._upload.offset = 0
        return 0

    def _send_chunk(self) -> None:
        self._require_unchanged()
        had = self._upload.offset
        try:
            self._upload.send_chunk()
        except Passing as error:
            self._go_on_after(error, had)
        else:
            self._patience.succeeded()

    def _go_on_after(self, error: Passing, had: int) -> None:
        """Wait, and ask where to go on. Of a chunk that was cut off the server has kept what arrived."""
        self._pause(error)
        while True:
            try:
                self._upload.offset = self._upload.get_offset()
            except Passing as again:
                self._pause(again)
            else:
                break
        if self._upload.offset > had:
            self._patience.succeeded()

    def _pause(self, error: Passing) -> None:
        seconds = self._patience.pause(error)
        self._bar.note(f"{error}; again in {seconds:.0f} s")
        self._patience.wait(seconds)

    def _require_unchanged(self) -> None:
        found = os.fstat(self._file.fileno())
        if (found.st_size, found.st_mtime_ns) != (self._known.st_size, self._known.st_mtime_ns):
            raise ClientError("the file was changed while it was being uploaded: upload it again")


def _described(path: Path) -> Mapping[str, str]:
    """What is said of a file by itself: its name, in Unicode whatever its bytes are, and its type, if that is known."""
    name = os.fsencode(path.name).decode("utf-8", "replace")
    media_type, encoding = mimetypes.guess_type(name, strict=False)
    return {"filename": name, **({"filetype": media_type} if media_type and encoding is None else {})}
