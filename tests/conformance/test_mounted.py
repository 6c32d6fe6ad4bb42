"""Longshore mounted in another Starlette application, and what it tells that application."""

from pathlib import Path

import pytest
from tests.conformance.embedded import embedded
from tests.serving import TUS

from longshore.events import UploadCompleted, UploadCreated, UploadTerminated

pytestmark = pytest.mark.anyio


@pytest.mark.requirement("creation-location", "ls-post-location", "ls-files-slash")
@pytest.mark.parametrize(
    ("mount", "quoted"), [("", ""), ("/up", "/up"), ("/a/b", "/a/b"), ("/a b/\xfc", "/a%20b/%C3%BC")]
)
@pytest.mark.parametrize("slash", ["", "/"])
async def test_the_location_has_the_mount_prefix(tmp_path: Path, mount: str, quoted: str, slash: str) -> None:
    async with embedded(tmp_path, mount=mount) as tus:
        answer = await tus.post({"Upload-Length": "5"}, b"123", path=f"{mount}/files{slash}")
        assert answer.status_code == 201
        upload = answer.headers["location"]
        assert upload.startswith(f"{quoted}/files/")
        assert (await tus.head(upload)).headers["upload-offset"] == "3"
        assert (await tus.patch(upload, 3, b"45")).status_code == 204
        assert (await tus.http.get(upload)).content == b"12345"


@pytest.mark.requirement("ls-post-public-url")
async def test_a_public_url_has_the_last_word(tmp_path: Path) -> None:
    async with embedded(tmp_path, mount="/up", public_url="https://uploads.example.org/elsewhere") as tus:
        answer = await tus.post({"Upload-Length": "5"}, path="/up/files")
        assert answer.headers["location"].startswith("https://uploads.example.org/elsewhere/files/")


@pytest.mark.requirement("ls-concat-urls", "concat-urls")
async def test_parts_are_named_with_the_mount_prefix(tmp_path: Path) -> None:
    async with embedded(tmp_path, mount="/up") as tus:
        created = [
            await tus.post({"Upload-Length": "3", "Upload-Concat": "partial"}, data, path="/up/files")
            for data in (b"one", b"two")
        ]
        urls = " ".join(answer.headers["location"] for answer in created)
        final = await tus.post({"Upload-Concat": f"final;{urls}"}, path="/up/files")
        assert final.headers["location"].startswith("/up/files/")
        assert (await tus.http.get(final.headers["location"])).content == b"onetwo"


@pytest.mark.requirement("ls-options", "ls-cors-everywhere")
async def test_cors_and_options_below_the_mount(tmp_path: Path) -> None:
    async with embedded(tmp_path, mount="/up") as tus:
        for path in ("/up/files", "/up/files/", "/up/files/x"):
            answer = await tus.http.options(path, headers={"Origin": "https://app.example"})
            assert (answer.status_code, answer.headers["tus-version"]) == (200, "1.0.0")
            assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.requirement("ls-extensions", "checksum-trailer-advertised")
async def test_trailers_are_not_advertised_where_the_server_drops_them(tmp_path: Path) -> None:
    """ASGI has no trailers: on a server other than our own, a client that sent one would only be refused."""
    async with embedded(tmp_path) as tus:
        advertised = (await tus.http.options("/files")).headers["tus-extension"].split(",")
        assert "checksum" in advertised
        assert "checksum-trailer" not in advertised


@pytest.mark.requirement("core-resumable-included", "ls-version-412")
async def test_another_version_is_refused_below_the_mount(tmp_path: Path) -> None:
    async with embedded(tmp_path, mount="/up") as tus:
        answer = await tus.http.post("/up/files", headers={"Upload-Length": "5"})
        assert (answer.status_code, answer.headers["tus-version"]) == (412, "1.0.0")
        assert tus.events == []


@pytest.mark.requirement("ls-patch-empty", "ls-post-zero")
async def test_completion_happens_once(tmp_path: Path) -> None:
    async with embedded(tmp_path) as tus:
        upload, empty = await tus.new(5), await tus.new(0)
        for offset, body in ((0, b"123"), (3, b""), (3, b"45"), (5, b""), (5, b"")):
            assert (await tus.patch(upload, offset, body)).status_code == 204
        assert (await tus.patch(empty, 0, b"")).status_code == 204
        whole = await tus.new(5, b"12345")
        ids = [url.removeprefix("/files/") for url in (empty, upload, whole)]
        assert tus.heard(UploadCompleted) == ids
        assert sorted(tus.heard(UploadCreated)) == sorted(ids)


@pytest.mark.requirement("concat-partials-unprocessed", "ls-concat-unannounced", "ls-concat-unfinished")
@pytest.mark.parametrize("unfinished", [False, True])
async def test_only_the_final_is_announced(tmp_path: Path, unfinished: bool) -> None:
    async with embedded(tmp_path) as tus:
        one = await tus.new(3, b"one", partial=True)
        two = await tus.new(3, b"" if unfinished else b"two", partial=True)
        assert (await tus.post({"Upload-Length": "0", "Upload-Concat": "partial"})).status_code == 201
        assert tus.heard(UploadCompleted) == []
        final = (await tus.post({"Upload-Concat": f"final;{one} {two}"})).headers["location"]
        if unfinished:
            assert tus.heard(UploadCompleted) == []
            await tus.patch(two, 0, b"two")
        assert tus.heard(UploadCompleted) == [final.removeprefix("/files/")]
        await tus.patch(two, 3, b"")
        assert tus.heard(UploadCompleted) == [final.removeprefix("/files/")]


@pytest.mark.requirement("termination-204", "core-unsupported-unprocessed")
async def test_a_termination_is_said_once(tmp_path: Path) -> None:
    async with embedded(tmp_path) as tus:
        upload = await tus.new(5)
        assert (await tus.http.delete(upload)).status_code == 412
        assert tus.heard(UploadTerminated) == []
        assert [(await tus.http.delete(upload, headers=TUS)).status_code for _ in range(2)] == [204, 410]
        assert tus.heard(UploadTerminated) == [upload.removeprefix("/files/")]
