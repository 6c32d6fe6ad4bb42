"""tuspy, over connections that are kept and timed, and with progress within a chunk.

tuspy as it is opens a connection for each request, waits for answers without end, and tells of progress when a chunk is
through. What it makes of the protocol stays: states, header fields, metadata and checksums.
"""

# tuspy has a py.typed marker and many functions without annotations.
# mypy: disable-error-code="no-untyped-call"

import hashlib
from collections.abc import Callable, Iterator, Mapping
from threading import Event
from typing import IO, Any, Final
from urllib.parse import urljoin

from tusclient.client import TusClient
from tusclient.request import TusRequest
from tusclient.uploader.uploader import Uploader

from longshore.client.connection import Connection
from longshore.client.errors import ClientError, Stopped

_PIECE: Final = 128 * 1024
"""Bytes after which progress is told."""

_HASHES: Final[Mapping[str, Callable[..., Any]]] = {"sha256": hashlib.sha256, "sha1": hashlib.sha1}
CHECKSUMS: Final = tuple(_HASHES)
"""Names of checksums that chunks can be sent with, the best first."""


class TusUpload(Uploader):
    """One file on its way to a server; made without asking the server anything."""

    # tuspy says nothing of their types.
    CHECKSUM_ALGORITHM_PAIR: Any
    url: Any
    request: Any

    def __init__(
        self,
        connection: Connection,
        file: IO[bytes],
        *,
        chunk_size: int,
        metadata: Mapping[str, str],
        checksum: str | None,
        tell: Callable[[int], None],
        stop: Event,
    ) -> None:
        """`checksum` is one of `CHECKSUMS`; `tell` is called with the bytes sent; a `stop` that is set ends it."""
        self.CHECKSUM_ALGORITHM_PAIR = (checksum or "", _HASHES.get(checksum or ""))
        self.connection = connection
        self.tell = tell
        self.stop = stop
        super().__init__(
            client=TusClient(connection.address.endpoint),
            file_stream=file,
            chunk_size=chunk_size,
            metadata=dict(metadata),
            upload_checksum=checksum is not None,
        )

    def create_url(self) -> str:
        """Create the upload. Raises `ClientError`."""
        endpoint = self.connection.address.endpoint
        answer = self.connection.request("POST", endpoint, headers=self.get_url_creation_headers())
        if not (location := answer.headers.get("location")):
            raise ClientError("the server does not say where it has created the upload")
        return urljoin(endpoint, str(location))

    def get_offset(self) -> int:
        """Ask how much the server has. Raises `ClientError`."""
        answer = self.connection.request("HEAD", self.url, headers=self.get_headers())
        if answer.headers.get("upload-length") != str(self.get_file_size()):
            raise AnotherFile
        return _offset(answer.headers)

    def send_chunk(self) -> None:
        """Send the next chunk. Raises `ClientError`, after which the offset is to be asked for, and `Stopped`."""
        self.upload_chunk()

    def _do_request(self) -> None:
        self.request = _Chunk(self)
        self.request.perform()


class AnotherFile(ClientError):
    """The upload is of a file of another size."""


class _Chunk(TusRequest):
    """A PATCH request."""

    def __init__(self, upload: TusUpload) -> None:
        super().__init__(upload)
        self._upload = upload

    def perform(self) -> None:
        """Send a chunk. Raises `ClientError` and `Stopped`."""
        chunk = self.file.read(self._content_length)
        if not chunk:
            raise ClientError("the file has become shorter")
        self.add_checksum(chunk)
        headers = {**self._request_headers, "Content-Length": str(len(chunk))}
        answer = self._upload.connection.request("PATCH", self._url, headers=headers, content=self._pieces(chunk))
        self.response_headers = {"upload-offset": str(_offset(answer.headers))}

    def _pieces(self, chunk: bytes) -> Iterator[bytes]:
        for start in range(0, len(chunk), _PIECE):
            if self._upload.stop.is_set():
                raise Stopped
            self._upload.tell(self._upload.offset + start)
            yield chunk[start : start + _PIECE]


def _offset(headers: Mapping[str, str]) -> int:
    given = headers.get("upload-offset", "")
    if not (given.isascii() and given.isdigit()):
        raise ClientError("the server does not say how much it has: is it a tus server?")
    return int(given)
