"""Fetching a file: what an earlier run fetched is kept, and the file appears under its name when all of it is there."""

import binascii
import contextlib
import fcntl
import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx

from longshore.client.connection import Connection
from longshore.client.errors import ClientError, Passing, Refused
from longshore.client.names import suggested_name
from longshore.client.progress import Bar, Begin
from longshore.client.retrying import Patience, persist

_AS_IT_IS: Final = {"Accept-Encoding": "identity"}
_CONTENT_RANGE: Final = re.compile(r"bytes ([0-9]{1,18})-[0-9]{1,18}/([0-9]{1,18})")
_SHA256: Final = re.compile(r"(?:^|,)[ \t]*sha-256=:([A-Za-z0-9+/]{43}=):")
_PIECE: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Source:
    """A file on a server."""

    url: str
    name: str
    size: int
    etag: str
    sha256: str | None
    """In lower-case hexadecimal digits; None where the server does not tell, or does not know it yet."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file that is here."""

    path: Path
    url: str
    size: int
    resumed_from: int
    """Bytes that were here already."""
    sha256: str | None
    """What it was verified by, in lower-case hexadecimal digits; None where the server told nothing."""


class Downloads:
    """Fetches files of one server, or by links of any."""

    def __init__(self, connection: Connection, begin: Begin, *, attempts: int) -> None:
        """`attempts` is how often in a row to try again when nothing comes of it."""
        self._connection = connection
        self._begin = begin
        self._attempts = attempts

    def fetch(self, id_or_url: str, to: Path | None, *, force: bool) -> Fetched:
        """Fetch a file, to a path or into a directory; else to the name that the server gives it, in this directory.

        Without `force` nothing is written over. Where the server tells the file's SHA-256, it is verified. Raises
        `ClientError`; what is damaged is gone then.
        """
        url = self._connection.address.upload(id_or_url)
        source = persist(lambda: self._look(url), Patience(self._attempts))
        path = _destination(source, to)
        if not force:
            _require_absent(path)
        try:
            return self._fetch(source, path, force=force)
        except OSError as error:
            raise ClientError(f"{str(path)!r} cannot be written ({error.strerror or type(error).__name__})") from None

    def _fetch(self, source: Source, path: Path, *, force: bool) -> Fetched:
        part = _part(path, source)
        with _held(part) as descriptor:
            resumed_from = _usable_size(descriptor, source)
            bar = self._begin(path.name, source.size, resumed_from)
            try:
                sha256 = self._fill(source, descriptor, bar)
                if sha256 is not None:
                    bar.note("verifying")
                    _verify(descriptor, sha256, part)
            finally:
                bar.close()
            os.fsync(descriptor)
            if not force:
                _require_absent(path)
            part.replace(path)
        return Fetched(path, source.url, source.size, resumed_from, sha256)

    def _look(self, url: str) -> Source:
        """Ask for the file without its bytes; a use of a link is not counted for that."""
        try:
            headers = self._connection.request("HEAD", url, headers=_AS_IT_IS).headers
        except Refused:
            # HEAD does not say why; GET will.
            with self._connection.stream("GET", url, headers=_AS_IT_IS) as answer:
                headers = answer.headers
        etag, length = headers.get("etag", ""), headers.get("content-length", "")
        if not (length.isascii() and length.isdigit()) or not etag.startswith('"'):
            raise ClientError("the server does not say which file this is, and how long: is it Longshore?")
        return Source(url, suggested_name(headers), int(length), etag, _told_sha256(headers))

    def _fill(self, source: Source, descriptor: int, bar: Bar) -> str | None:
        """Fetch all that is missing; return the file's SHA-256, which the server may know only by now."""
        patience = Patience(self._attempts)
        sha256 = source.sha256
        while (had := _usable_size(descriptor, source)) < source.size:
            try:
                sha256 = self._fetch_rest(source, descriptor, had, bar) or sha256
            except Passing as error:
                if _usable_size(descriptor, source) > had:
                    patience.succeeded()
                seconds = patience.pause(error)
                bar.note(f"{error}; again in {seconds:.0f} s")
                patience.wait(seconds)
        return sha256

    def _fetch_rest(self, source: Source, descriptor: int, had: int, bar: Bar) -> str | None:
        """Fetch what is missing, as far as it comes (RFC 9110, section 14.2); return the SHA-256 of the whole file."""
        headers = {**_AS_IT_IS, **({"Range": f"bytes={had}-", "If-Range": source.etag} if had else {})}
        with self._connection.stream("GET", source.url, headers=headers) as answer:
            _require_same(answer, source)
            position = _begins_at(answer, had, source)
            os.ftruncate(descriptor, position)
            for piece in self._connection.pieces(answer):
                position += len(piece)
                if position > source.size:
                    raise ClientError("the server sends more than it said")
                _write(descriptor, piece)
                bar.at(position)
        if position < source.size:
            raise Passing("the connection ended before the file did")
        return _told_sha256(answer.headers)


def _destination(source: Source, to: Path | None) -> Path:
    if to is not None and not to.is_dir():
        return to
    name = source.name or urlsplit(source.url).path.rpartition("/")[2]
    if not source.name and not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}", name):
        raise ClientError("the server gives the file no name: give one with -o")
    return (to or Path()) / name


def _require_absent(path: Path) -> None:
    if os.path.lexists(path):
        raise ClientError(f"{str(path)!r} exists: --force writes over it, -o names another file")


def _part(path: Path, source: Source) -> Path:
    """Where a file lies that is on its way. Another file, or another state of it, lies elsewhere."""
    tag = hashlib.sha256(source.etag.encode()).hexdigest()[:8]
    return path.with_name(f"{path.name}.{tag}.part")


@contextlib.contextmanager
def _held(part: Path) -> Iterator[int]:
    """The file, open, and this process's alone."""
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(part, flags, 0o666)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ClientError("it is being downloaded by another run of this command") from None
        yield descriptor
    finally:
        os.close(descriptor)


def _usable_size(descriptor: int, source: Source) -> int:
    """How much is here; nothing, if it is more than there is."""
    size = os.fstat(descriptor).st_size
    return size if size <= source.size else 0


def _told_sha256(headers: httpx.Headers) -> str | None:
    """The whole file's digest, whichever part of it was sent (RFC 9530, section 3)."""
    found = _SHA256.search(headers.get("repr-digest", ""))
    return binascii.a2b_base64(found[1]).hex() if found else None


def _verify(descriptor: int, sha256: str, part: Path) -> None:
    """Read the file from the disk, where an earlier run may have left some of it; remove one that is damaged."""
    if _hash(descriptor) != sha256:
        part.unlink()
        raise ClientError("what arrived is not what the server has (its SHA-256 differs), and was removed: try again")


def _hash(descriptor: int) -> str:
    digest = hashlib.sha256()
    position = 0
    while piece := os.pread(descriptor, _PIECE, position):
        digest.update(piece)
        position += len(piece)
    return digest.hexdigest()


def _require_same(answer: httpx.Response, source: Source) -> None:
    if answer.headers.get("etag") != source.etag:
        raise ClientError("the file has changed on the server: download it again")


def _begins_at(answer: httpx.Response, had: int, source: Source) -> int:
    """The position of the answer's first byte."""
    if answer.status_code == 200:
        return 0
    told = _CONTENT_RANGE.fullmatch(answer.headers.get("content-range", "").strip())
    if answer.status_code != 206 or told is None or (int(told[1]), int(told[2])) != (had, source.size):
        raise ClientError("the server answers with another part of the file")
    return had


def _write(descriptor: int, piece: bytes) -> None:
    rest = memoryview(piece)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
