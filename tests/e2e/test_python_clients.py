"""tuspy and aiotus upload files, resume and concatenate."""

# tuspy has a py.typed marker and many functions without annotations.
# mypy: disable-error-code="no-untyped-call"

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiotus
import anyio
import pytest
from tests.e2e.samples import Sample
from tests.e2e.wire import all_stored, assert_holds, assert_holds_bytes, head, offset_of, request
from tests.serving import TUS, Server, serving
from tusclient.client import TusClient
from tusclient.storage.filestorage import FileStorage
from tusclient.uploader.uploader import Uploader

pytestmark = [
    pytest.mark.e2e,
    # tuspy opens the file anew for each chunk and leaves closing it to the garbage collection.
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
    # aiotus gives aiohttp whole chunks.
    pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning"),
]

CHUNK = 8 * 1024 * 1024


def uploader(server: Server, sample: Sample, **options: Any) -> Uploader:
    return TusClient(server.url).uploader(str(sample.path), chunk_size=CHUNK, upload_checksum=True, **options)


def test_tuspy_with_checksums(area: Path, large: Sample) -> None:
    with serving(area / "data") as server:
        upload = uploader(server, large, metadata={"filename": "large.bin"})
        upload.upload()

        assert_holds(server, str(upload.url), large.size, large.sha256)


def test_tuspy_without_checksums_and_metadata(area: Path, large: Sample) -> None:
    with serving(area / "data") as server:
        upload = TusClient(f"{server.url}/").uploader(str(large.path))
        upload.upload()

        assert_holds(server, str(upload.url), large.size, large.sha256)


def test_tuspy_resumes_from_its_storage(area: Path, large: Sample) -> None:
    storage = str(area / "urls.json")
    with serving(area / "data") as server:
        first = uploader(server, large, store_url=True, url_storage=FileStorage(storage))
        first.upload_chunk()
        first.upload_chunk()
        assert offset_of(server, str(first.url)) == 2 * CHUNK

        second = uploader(server, large, store_url=True, url_storage=FileStorage(storage))
        assert (second.url, second.offset) == (first.url, 2 * CHUNK)
        second.upload()

        assert_holds(server, str(first.url), large.size, large.sha256)


def test_tuspy_goes_on_after_a_damaged_chunk(area: Path, medium: Sample) -> None:
    with serving(area / "data") as server:
        upload = uploader(server, medium, retries=1, retry_delay=0)
        upload.upload_chunk()
        damaged = {"Upload-Offset": str(CHUNK), "Upload-Checksum": "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0="}
        answer = request(
            server, "PATCH", str(upload.url), {"Content-Type": "application/offset+octet-stream", **damaged}, b"noise"
        )
        assert answer.status == 460
        upload.upload()

        assert_holds(server, str(upload.url), medium.size, medium.sha256)


@pytest.fixture
def public_server(area: Path) -> Iterator[Server]:
    """A server that knows its own URL, as aiotus needs; the port has to be known before it starts."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with Server(area / "data", port=port, public_url=f"http://127.0.0.1:{port}") as running:
        yield running


def aiotus_upload(server: Server, sample: Sample, metadata: aiotus.Metadata) -> str:
    async def upload() -> str:
        with sample.path.open("rb") as file:
            return str(await aiotus.upload(server.url, file, metadata))

    return anyio.run(upload)


def test_aiotus(public_server: Server, large: Sample) -> None:
    metadata = {"filename": "größe.bin".encode(), "confidential": None, "empty": b"\0"}
    url = aiotus_upload(public_server, large, metadata)

    assert url.startswith(f"{public_server.url}/")
    assert_holds(public_server, url, large.size, large.sha256)
    assert anyio.run(aiotus.metadata, url) == metadata


def test_aiotus_concatenates(public_server: Server, medium: Sample, small: Sample) -> None:
    async def upload() -> str:
        with medium.path.open("rb") as one, small.path.open("rb") as two, medium.path.open("rb") as three:
            return str(await aiotus.upload_multiple(public_server.url, [one, two, three], {"filename": b"all.bin"}))

    url = anyio.run(upload)

    whole = medium.read() + small.read() + medium.read()
    assert head(public_server, url).headers["upload-concat"].startswith("final;/files/")
    assert anyio.run(aiotus.metadata, url) == {"filename": b"all.bin"}
    assert len(all_stored(public_server)) == 4
    assert_holds_bytes(public_server, url, whole)


def test_no_limit_is_told_where_there_is_none(public_server: Server) -> None:
    answer = request(public_server, "OPTIONS", "/files", TUS)

    assert "tus-max-size" not in answer.headers
