"""Files of the formats that are allowed arrive, by every client, in every way; wrong ones are stopped and removed."""

# tuspy has a py.typed marker and many functions without annotations.
# mypy: disable-error-code="no-untyped-call"

import base64
import codecs
import hashlib
import json
import select
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.e2e import tus_js
from tests.e2e.wire import (
    all_stored,
    assert_holds,
    await_answer,
    begin_patch,
    create,
    finish,
    head,
    offset_of,
    patch,
    poll,
    request,
    stored_size,
)
from tests.serving import OFFSET_STREAM, Answer, Connection, Server, serving
from tests.unit.hooks.formats.samples import FOREIGN, MEGABYTE, blank, cut, iso, run, write
from tusclient.client import TusClient
from tusclient.exceptions import TusCommunicationError

pytestmark = [
    pytest.mark.e2e,
    # tuspy opens the file anew for each chunk and leaves closing it to the garbage collection.
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
]

ALLOWED = ".iso,.img,.csv"
CHUNK = 1_000_000
ROWS = "stück;preis\r\nfjörd;1,50\r\n" * 20_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("server")
    with serving(directory / "data", allowed_extensions=ALLOWED) as running:
        yield running
    shutil.rmtree(directory)


@pytest.fixture(autouse=True)
def _clean(server: Server) -> Iterator[None]:
    """Uploads are removed after each test; so a refused one that left something behind is noticed."""
    assert all_stored(server) == []
    yield
    for file in all_stored(server):
        assert request(server, "DELETE", f"/files/{file.name}", {}).status == 204


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Path]]:
    """A file of each allowed kind, by a name of its own."""
    directory = tmp_path_factory.mktemp("files")
    made = {
        "xorriso.iso": iso(directory),
        "fat.img": blank(directory / "fat.img", 4 * MEGABYTE),
        "ext4.img": blank(directory / "ext4.img", 8 * MEGABYTE),
        "utf-8.csv": write(directory / "utf-8.csv", ROWS.encode()),
        "utf-16.csv": write(directory / "utf-16.csv", codecs.BOM_UTF16_LE + ROWS.encode("utf-16-le")),
        "windows.csv": write(directory / "windows.csv", ROWS.encode("cp1252")),
        "tiny.csv": write(directory / "tiny.csv", b"a"),
    }
    run("mkfs.fat", made["fat.img"])
    run("mkfs.ext4", "-q", made["ext4.img"])
    yield made
    shutil.rmtree(directory)


RIGHT = ["xorriso.iso", "fat.img", "ext4.img", "utf-8.csv", "utf-16.csv", "windows.csv", "tiny.csv"]


def named(name: str) -> dict[str, str]:
    return {"Upload-Metadata": f"filename {base64.b64encode(name.encode()).decode()}"}


def assert_arrived(server: Server, url: str, path: Path) -> None:
    content = path.read_bytes()
    assert_holds(server, url, len(content), hashlib.sha256(content).hexdigest())


def assert_refused(answer: Answer) -> None:
    assert answer.status == 415, answer
    assert json.loads(answer.body)["code"] == "format-not-allowed"


def assert_removed(server: Server, path: str) -> None:
    assert head(server, path).status == 410
    assert patch(server, path, 0, b"again").status == 410
    assert all_stored(server) == []


def task(server: Server, path: Path, name: str, **options: Any) -> dict[str, Any]:
    standard = {"endpoint": server.url, "retryDelays": [0, 0], "metadata": {"filename": name}}
    return {"path": str(path), "options": standard | options}


# What is allowed


@pytest.mark.parametrize("name", RIGHT)
@pytest.mark.parametrize(
    "options", [{}, {"chunkSize": CHUNK}, {"parallelUploads": 3}], ids=["one", "chunks", "parallel"]
)
def test_tus_js_client(server: Server, files: Mapping[str, Path], name: str, options: dict[str, Any]) -> None:
    if name == "tiny.csv" and "parallelUploads" in options:
        pytest.skip("one byte cannot be divided")
    run = tus_js.run(task(server, files[name], name.upper(), **options))

    assert {status for _, status in run.requests} == {201, 204}
    assert_arrived(server, run.url, files[name])


@pytest.mark.parametrize("name", RIGHT)
def test_tuspy(server: Server, files: Mapping[str, Path], name: str) -> None:
    upload = TusClient(server.url).uploader(
        str(files[name]), chunk_size=CHUNK, upload_checksum=True, metadata={"filename": name}
    )
    upload.upload()

    assert_arrived(server, str(upload.url), files[name])


@pytest.mark.parametrize("name", RIGHT)
def test_bytes_with_the_creation(server: Server, files: Mapping[str, Path], name: str) -> None:
    content = files[name].read_bytes()
    length = {"Upload-Length": str(len(content))}
    answer = request(server, "POST", "/files", {**length, **named(name), **OFFSET_STREAM}, content)

    assert answer.status == 201
    assert_arrived(server, answer.headers["location"], files[name])


def test_a_length_that_is_told_last(server: Server, files: Mapping[str, Path]) -> None:
    content = files["fat.img"].read_bytes()
    path = create(server, None, named("fat.img"))
    assert patch(server, path, 0, content).status == 204
    assert patch(server, path, len(content), b"", {"Upload-Length": str(len(content))}).status == 204
    assert_arrived(server, path, files["fat.img"])


# What is not


@pytest.mark.parametrize("name", ["a.exe", "a", "a.iso.exe", ".csv/", "a.csv\u202eexe"])
def test_name_is_refused_at_once(server: Server, name: str) -> None:
    assert_refused(request(server, "POST", "/files", {"Upload-Length": "10", **named(name)}))
    assert_refused(request(server, "POST", "/files", {"Upload-Length": "10"}))


WRONG = {
    "renamed ELF": ("setup.csv", FOREIGN["ELF"][0]),
    "renamed PE": ("setup.img", FOREIGN["PE"][0]),
    "zip": ("table.csv", FOREIGN["zip"][0]),
    "zip as iso": ("disc.iso", FOREIGN["zip"][0] * 50),
    "HTML": ("page.csv", FOREIGN["HTML"][0]),
    "script": ("run.csv", FOREIGN["shell"][0]),
    "empty csv": ("empty.csv", b""),
    "empty iso": ("empty.iso", b""),
    "zeros": ("zeros.img", bytes(200_000)),
    "text": ("text.iso", b"not a disc\n" * 10_000),
}


@pytest.mark.parametrize("case", WRONG)
@pytest.mark.parametrize("way", ["one", "pieces", "chunked", "creation"])
def test_wrong_content_is_refused_and_removed(server: Server, case: str, way: str) -> None:
    name, content = WRONG[case]
    length = {"Upload-Length": str(len(content)), **named(name)}
    if way == "creation" or not content:
        assert_refused(request(server, "POST", "/files", {**length, **(OFFSET_STREAM if content else {})}, content))
        assert all_stored(server) == []
        return
    path = create(server, len(content), named(name))
    match way:
        case "one":
            answer = patch(server, path, 0, content)
        case "pieces":
            answer = in_pieces(server, path, content)
        case _:
            answer = in_chunks(server, path, content)
    assert_refused(answer)
    assert_removed(server, path)


def in_pieces(server: Server, path: str, content: bytes) -> Answer:
    """PATCH requests of 10 KB, until one of them is refused."""
    answer = None
    for start in range(0, len(content), 10_000):
        answer = patch(server, path, start, content[start : start + 10_000])
        if answer.status != 204:
            break
    assert answer is not None
    return answer


def in_chunks(server: Server, path: str, content: bytes) -> Answer:
    with Connection(server.port) as connection:
        begin_patch(connection, path, 0, None)
        for start in range(0, len(content), 3000):
            connection.send_chunk(content[start : start + 3000])
        connection.send_chunk(b"")
        return connection.read_answer()


@pytest.mark.parametrize("name", ["xorriso.iso", "ext4.img"])
def test_truncated_image_is_refused(server: Server, files: Mapping[str, Path], name: str) -> None:
    path = cut(files[name], files[name].stat().st_size // 2)
    run = tus_js.run(task(server, path, name, chunkSize=CHUNK))

    assert run.requests[-1] == ("PATCH", 415)
    assert run.named("error")
    assert_removed(server, str(run.named("url")[0]["url"]))


@pytest.mark.parametrize("options", [{}, {"chunkSize": CHUNK}], ids=["one", "chunks"])
def test_tus_js_client_gives_up_on_a_renamed_program(server: Server, tmp_path: Path, options: dict[str, Any]) -> None:
    program = write(tmp_path / "program", FOREIGN["ELF"][0] * 100)
    run = tus_js.run(task(server, program, "disc.iso", **options))

    assert run.requests == [("POST", 201), ("PATCH", 415)]
    assert "format-not-allowed" in run.named("error")[0]["message"]
    assert_removed(server, str(run.named("url")[0]["url"]))


def test_tus_js_client_s_parallel_upload_of_a_renamed_program_is_refused_when_it_is_put_together(
    server: Server, tmp_path: Path
) -> None:
    program = write(tmp_path / "program", FOREIGN["ELF"][0] * 100)
    run = tus_js.run(task(server, program, "disc.iso", parallelUploads=3))

    assert run.requests[-1] == ("POST", 415)
    assert run.requests.count(("POST", 415)) == 1
    assert len(all_stored(server)) == 3


def test_final_whose_last_part_comes_later_is_removed_quietly(server: Server) -> None:
    content = FOREIGN["ELF"][0]
    path = create(server, len(content), {"Upload-Concat": "partial"})
    answer = request(server, "POST", "/files", {"Upload-Concat": f"final;{path}", **named("disc.iso")})
    assert answer.status == 201
    assert patch(server, path, 0, content).status == 204
    assert head(server, answer.headers["location"]).status == 410
    assert [file.name for file in all_stored(server)] == [path.rpartition("/")[2]]


def test_tuspy_is_told(server: Server, tmp_path: Path) -> None:
    program = write(tmp_path / "program", FOREIGN["ELF"][0])
    with program.open("rb") as stream:
        upload = TusClient(server.url).uploader(file_stream=stream, metadata={"filename": "table.csv"})
        with pytest.raises(TusCommunicationError) as failed:
            upload.upload()
    assert failed.value.status_code == 415
    assert_removed(server, str(upload.url))


# Large wrong ones


LARGE = 200_000_000


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_large_wrong_file_is_stopped_after_a_few_megabytes(server: Server, framing: str) -> None:
    path = create(server, LARGE, named("zeros.iso"))
    piece = bytes(256 * 1024)
    sent = most = 0
    with Connection(server.port) as connection:
        begin_patch(connection, path, 0, LARGE if framing == "length" else None)
        while sent < LARGE and not select.select([connection.socket], [], [], 0)[0]:
            connection.send(piece) if framing == "length" else connection.send_chunk(piece)
            sent += len(piece)
            most = max(most, stored_size(server, path))
        answer = await_answer(connection)
    assert answer is not None
    assert_refused(answer)
    assert_removed(server, path)
    assert most < 4 * MEGABYTE
    assert sent < LARGE / 2


def test_large_wrong_file_is_stopped_early_by_tus_js_client(server: Server, tmp_path: Path) -> None:
    run = tus_js.run(task(server, blank(tmp_path / "zeros", LARGE), "zeros.iso"))

    assert run.requests == [("POST", 201), ("PATCH", 415)]
    assert_removed(server, str(run.named("url")[0]["url"]))


def test_slow_client_is_refused_as_soon_as_the_first_bytes_are_there(server: Server) -> None:
    path = create(server, LARGE, named("zeros.iso"))
    with Connection(server.port) as connection:
        begin_patch(connection, path, 0, LARGE)
        connection.send(bytes(65_000))
        poll(lambda: stored_size(server, path) == 65_000)
        assert not select.select([connection.socket], [], [], 1.5)[0]
        connection.send(bytes(536))
        answer = await_answer(connection)
    assert answer is not None
    assert_refused(answer)
    assert_removed(server, path)


def test_kill_before_the_first_bytes_were_looked_at_lets_nothing_through(area: Path) -> None:
    with serving(area / "data", allowed_extensions=ALLOWED, checkpoint_interval="0.05") as server:
        path = create(server, 300_000, named("zeros.iso"))
        with Connection(server.port) as connection:
            begin_patch(connection, path, 0, 300_000)
            connection.send(bytes(65_000))
            poll(lambda: offset_of(server, path) == 65_000)
            server.kill()
        server.start()
        assert offset_of(server, path) == 65_000
        assert_refused(patch(server, path, 65_000, bytes(235_000)))
        assert_removed(server, path)


def test_right_file_goes_on_after_a_kill(area: Path, files: Mapping[str, Path]) -> None:
    content = files["ext4.img"].read_bytes()
    with serving(area / "data", allowed_extensions=ALLOWED, checkpoint_interval="0.05") as server:
        path = create(server, len(content), named("ext4.img"))
        with Connection(server.port) as connection:
            begin_patch(connection, path, 0, len(content))
            connection.send(content[: 3 * MEGABYTE])
            poll(lambda: offset_of(server, path) > 100_000)
            server.kill()
        server.start()
        assert 100_000 < offset_of(server, path) < len(content)
        finish(server, path, content)
        assert_arrived(server, path, files["ext4.img"])
