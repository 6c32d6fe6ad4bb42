"""The browser client: its page at `/`, and what the page is made of under `/assets`.

The files are those of `npm run build`: in the wheel, or in `web/dist` of a source checkout.
"""

import gzip
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response

from longshore.http.operations import Answer, Content, Operation, Parameter
from longshore.http.problems import NoSuchPage

_PACKAGE: Final = Path(__file__).parents[1]

BUILDS: Final = (_PACKAGE / "web", _PACKAGE.parents[1] / "web" / "dist")
"""Where the build may be: in an installed package, and in a source checkout."""

_COMPRESSED: Final = frozenset({".css", ".html", ".js", ".json", ".svg"})

_PAGE: Final = "index.html"


@dataclass(frozen=True, slots=True)
class _File:
    media_type: str
    content: bytes
    compressed: bytes | None
    """Under gzip, where that makes it smaller."""


@dataclass(frozen=True, slots=True)
class _Page:
    file: _File
    stamp: tuple[int, ...]
    """What tells its file from one that takes its place."""


class WebClient:
    """The client's files. They are read when they are first asked for, and kept: there are few, and they are small.

    When the page has changed there is another build, as after an update beneath a running server. Assets are not
    looked at again: what is in one never changes, for another would have another name.
    """

    def __init__(self, build: Path, *, public_url: str | None = None) -> None:
        """Take the directory of the build, and the URL that uploads get, where it need not be the page's own."""
        self._build = build
        self._headers = _headers(public_url)
        self._page: _Page | None = None
        self._assets: dict[str, _File] = {}

    @classmethod
    def find(cls, *, public_url: str | None = None) -> Self | None:
        """The client, wherever its build is; None if there is none."""
        build = _find()
        return None if build is None else cls(build, public_url=public_url)

    def operations(self) -> list[Operation]:
        """What can be asked for."""
        page = Answer(description="A page.", content=Content(media_types=("text/html",)))
        asset = Answer(description="The file.", content=Content(media_types=("*/*",)))
        return [
            Operation(
                method="GET",
                path="/",
                id="showClient",
                tag="operation",
                summary="Upload with a browser",
                handler=self.show_page,
                answers={200: page},
                errors=(NoSuchPage,),
                access="open",
            ),
            Operation(
                method="GET",
                path="/assets/{name}",
                id="readAsset",
                tag="operation",
                summary="Read a part of the page",
                handler=self.show_asset,
                parameters=(Parameter(name="name", where="path", description="A file name.", required=True),),
                answers={200: asset},
                errors=(NoSuchPage,),
                access="open",
            ),
        ]

    async def show_page(self, request: Request) -> Response:
        """Answer with the page, which browsers ask for anew each time: it names the assets of its version."""
        page = await anyio.to_thread.run_sync(_read_page, self._build / _PAGE, self._page)
        if page is not self._page:
            self._page = page
            self._assets.clear()
        return self._answer(request, page.file, "no-cache")

    async def show_asset(self, request: Request) -> Response:
        """Answer with a file whose name changes with what is in it. Raises `NoSuchPage`."""
        name: str = request.path_params["name"]
        if name not in self._assets:
            self._assets[name] = await anyio.to_thread.run_sync(_read_asset, self._build / "assets", name)
        return self._answer(request, self._assets[name], "public, max-age=31536000, immutable")

    def _answer(self, request: Request, file: _File, cache_control: str) -> Response:
        headers = {**self._headers, "Cache-Control": cache_control, "Vary": "Accept-Encoding"}
        content = file.content
        if file.compressed is not None and _takes_gzip(request.headers.get("accept-encoding", "")):
            headers["Content-Encoding"] = "gzip"
            content = file.compressed
        return Response(content, headers=headers, media_type=file.media_type)


def is_built() -> bool:
    """Whether there is a build that `WebClient.find` finds."""
    return _find() is not None


def _find() -> Path | None:
    return next((build for build in BUILDS if (build / _PAGE).is_file()), None)


def _headers(public_url: str | None) -> Mapping[str, str]:
    """What every file is sent with. Scripts and styles are files of our own, so that nothing else is ever run."""
    url = urlsplit(public_url or "")
    # Uploads are told absolute URLs then, which need not be where the page was loaded from.
    connect = f"'self' {url.scheme}://{url.netloc}" if url.netloc else "'self'"
    policy = (
        f"default-src 'none'; script-src 'self'; style-src 'self'; connect-src {connect}; img-src 'self' data: blob:;"
        " font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }


def _read_page(path: Path, known: _Page | None) -> _Page:
    """The page as it is now; the one that is known where that is the same, or a build is just being replaced."""
    try:
        status = path.stat()
        stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
        # A file that is changed after it was looked at is read once more the next time.
        return known if known is not None and known.stamp == stamp else _Page(_read(path), stamp)
    except FileNotFoundError:
        if known is None:
            raise NoSuchPage from None
        return known


def _read_asset(directory: Path, name: str) -> _File:
    """An asset, which is one of the files in the directory and nothing else. Raises `NoSuchPage`."""
    try:
        path = next(path for path in directory.iterdir() if path.name == name and path.is_file())
        return _read(path)
    except (StopIteration, FileNotFoundError):
        raise NoSuchPage from None


def _read(path: Path) -> _File:
    content = path.read_bytes()
    compressed = gzip.compress(content, mtime=0) if path.suffix in _COMPRESSED else content
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return _File(media_type, content, compressed if len(compressed) < len(content) else None)


def _takes_gzip(accepted: str) -> bool:
    """Whether `Accept-Encoding` has gzip, and does not rule it out (RFC 9110, section 12.5.3)."""
    for coding in accepted.lower().split(","):
        name, _, weight = coding.partition(";")
        if name.strip() in ("gzip", "x-gzip"):
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
