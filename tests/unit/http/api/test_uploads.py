"""Looking through uploads, reading of them, renaming and deleting them."""

import asyncio
import base64
import hashlib
import itertools
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.embedded import embedded
from tests.stateful.asgi import SOON
from tests.unit.http.api.world import World, opened, outcome

pytestmark = pytest.mark.anyio

# Lists


async def test_lists_uploads_as_they_are(world: World) -> None:
    done = await world.ann.upload("Report.csv", more={"Upload-Metadata": "filename UmVwb3J0LmNzdg==,type dGV4dC9jc3Y="})
    world.app.clock.advance(hours=1)
    begun = await world.ann.upload(data=b"ab", length=5)
    answer = await world.ann.ask("GET", "/api/uploads")
    assert answer.headers["cache-control"] == "no-store"
    owner = {"id": world.ann.id, "name": "ann"}
    assert answer.json() == {
        "uploads": [
            {
                "id": begun,
                "url": f"/files/{begun}",
                "state": "unfinished",
                "kind": "regular",
                "offset": 2,
                "length": 5,
                "name": None,
                "type": None,
                "owner": owner,
                "created_at": "2026-01-01T13:00:00Z",
                "completed_at": None,
                "expires_at": "2026-01-08T13:00:00Z",
            },
            {
                "id": done,
                "url": f"/files/{done}",
                "state": "completed",
                "kind": "regular",
                "offset": 3,
                "length": 3,
                "name": "Report.csv",
                "type": "text/csv",
                "owner": owner,
                "created_at": "2026-01-01T12:00:00Z",
                "completed_at": "2026-01-01T12:00:00Z",
                "expires_at": None,
            },
        ],
        "next": None,
    }


async def test_parts_are_listed_when_they_are_asked_for(world: World) -> None:
    part = await world.ann.upload(data=b"abc", more={"Upload-Concat": "partial"})
    final = await world.app.http.post(
        "/files",
        headers={"Tus-Resumable": "1.0.0", "Upload-Concat": f"final;/files/{part}", **world.ann.bearer},
    )
    final_id = final.headers["location"].rsplit("/", 1)[-1]
    assert await world.ann.listed() == [final_id]
    assert await world.ann.listed(kind="partial") == [part]
    assert set(await world.ann.listed(kind="any")) == {part, final_id}
    kinds = [upload["kind"] for upload in (await world.ann.ask("GET", "/api/uploads", kind="any")).json()["uploads"]]
    assert sorted(kinds) == ["final", "partial"]


async def test_completed_uploads_are_everybodys_and_unfinished_ones_their_owners(world: World) -> None:
    done, begun = await world.ann.upload("a"), await world.ann.upload("b", data=b"x", length=9)
    gone = await world.ann.upload("c")
    await world.ann.ask("DELETE", f"/api/uploads/{gone}")
    part = await world.ann.upload(more={"Upload-Concat": "partial"})
    every = {"state": ["unfinished", "completed", "terminated", "expired"], "kind": "any"}
    assert set(await world.bob.listed(**every)) == {done}
    assert set(await world.ann.listed(**every)) == {done, begun, gone, part}
    assert set(await world.admin.listed(**every)) == {done, begun, gone, part}
    assert await world.bob.listed(owner="me") == []
    assert set(await world.ann.listed(owner="me")) == {done, begun}
    assert await world.bob.listed(owner=world.ann.id) == [done]


async def test_private_uploads_are_their_owners_and_the_admins(tmp_path: Path) -> None:
    async with opened(tmp_path, visibility="private") as world:
        done = await world.ann.upload("a")
        for asking, status in ((world.ann, 200), (world.admin, 200), (world.bob, 404)):
            assert await asking.listed() == ([done] if status == 200 else [])
            assert (await asking.ask("GET", f"/api/uploads/{done}")).status_code == status
            assert (await asking.ask("GET", f"/files/{done}")).status_code == status


async def test_pages_lead_through_the_whole_list(world: World) -> None:
    uploads = [await world.ann.upload(name) for name in ("b", "A", "c", "D", "e")]
    names = list[str]()
    cursor: Any = ""
    for _ in range(3):
        query = {"sort": "name", "order": "asc", "limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await world.bob.ask("GET", "/api/uploads", **query)).json()
        names += [upload["name"] for upload in page["uploads"]]
        cursor = page["next"]
    assert names == ["A", "b", "c", "D", "e"]
    assert cursor is None
    assert len(uploads) == 5


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"name": "REPORT"}, {"report.csv", "Report.pdf"}),
        ({"name": "%"}, {"100%"}),
        ({"created_after": "2026-01-01T13:00:00+00:00"}, {"100%"}),
        ({"created_before": "2026-01-01T14:00:00+01:00"}, {"report.csv", "Report.pdf"}),
        ({"completed_after": "2026-01-01T13:00:00Z"}, {"100%"}),
        ({"completed_before": "2026-01-01T13:00:00Z"}, {"report.csv"}),
        ({"state": "unfinished"}, {"Report.pdf"}),
        ({"type": "text/*"}, set()),
    ],
)
async def test_filters(tmp_path: Path, query: dict[str, Any], names: set[str]) -> None:
    async with embedded(tmp_path) as app:
        for name, length in (("cmVwb3J0LmNzdg==", 1), ("UmVwb3J0LnBkZg==", 9)):
            await app.post({"Upload-Length": str(length), "Upload-Metadata": f"filename {name}"}, b"x")
        app.clock.advance(hours=1)
        await app.post({"Upload-Length": "1", "Upload-Metadata": "filename MTAwJQ=="}, b"x")
        found = (await app.http.get("/api/uploads", params=query)).json()["uploads"]
        assert {upload["name"] for upload in found} == names


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=201",
        "limit=x",
        "limit=1&limit=2",
        "state=lost",
        "kind=",
        "sort=owner",
        "order=up",
        "page=2",
        "name=%00",
        "owner=%00",
        "type=image",
        "type=image/p*g",
        "created_after=2026-01-01",
        "created_after=2026-01-01T12:00:00",
        "created_after=0001-01-01T00:00:00%2B01:00",
        "cursor=nothing",
        "cursor=",
        "cursor=bnVsbA",  # null
        "cursor=WyJjcmVhdGVkX2F0IiwiZGVzYyIsIngiLCJ5Il0",  # a key that is no moment
        "cursor=WyJjcmVhdGVkX2F0IiwiZGVzYyIsIjIwMjYtMDEtMDFUMTI6MDA6MDAiLCJ5Il0",  # a moment without an offset
        "sort=size&cursor=WyJzaXplIiwiZGVzYyIsOTIyMzM3MjAzNjg1NDc3NTgwOCwieSJd",  # 2^63
        "sort=size&cursor=WyJzaXplIiwiZGVzYyIsMS41LCJ5Il0",  # 1.5
        "sort=name&cursor=WyJuYW1lIiwiZGVzYyIsIlx1MDAwMCIsInkiXQ",  # NUL
        "sort=name&cursor=WyJuYW1lIiwiZGVzYyIsIlx1ZDgwMCIsInkiXQ",  # half a character
        "sort=name&cursor=WyJzaXplIiwiZGVzYyIsIjEiLCJ5Il0",  # of a list in another order
    ],
)
async def test_refuses_queries_that_mean_nothing(tmp_path: Path, query: str) -> None:
    async with embedded(tmp_path) as app:
        assert outcome(await app.http.get(f"/api/uploads?{query}")) == (422, "invalid-request")


async def test_a_cursor_is_good_for_the_order_that_it_came_from(tmp_path: Path) -> None:
    async with embedded(tmp_path) as app:
        for _ in range(2):
            await app.new(3, b"abc")
        cursor = (await app.http.get("/api/uploads?limit=1")).json()["next"]
        assert (await app.http.get(f"/api/uploads?limit=1&cursor={cursor}")).status_code == 200
        answer = await app.http.get(f"/api/uploads?limit=1&order=asc&cursor={cursor}")
        assert outcome(answer) == (422, "invalid-request")


async def test_where_everybody_is_let_in_everybody_sees_all(tmp_path: Path) -> None:
    async with embedded(tmp_path, mount="/mounted") as app:
        created = await app.post({"Upload-Length": "3"}, path="/mounted/files")
        (upload,) = (await app.http.get("/mounted/api/uploads?owner=me")).json()["uploads"]
        assert (upload["url"], upload["owner"]) == (created.headers["location"], None)
        assert upload["url"].startswith("/mounted/files/")


# One upload


async def test_tells_everything_about_an_upload(world: World) -> None:
    upload_id = await world.ann.upload("a.bin", data=b"ab", length=4)
    world.app.clock.advance(hours=1)
    await world.ann.append(upload_id, 2, b"cd")
    told = (await world.bob.ask("GET", f"/api/uploads/{upload_id}")).json()
    assert (told["state"], told["offset"], told["completed_at"]) == ("completed", 4, "2026-01-01T13:00:00Z")
    assert told["speed"] is None
    assert told["history"] == [
        {"type": "created", "time": "2026-01-01T12:00:00Z"},
        {"type": "completed", "time": "2026-01-01T13:00:00Z"},
    ]


async def test_tells_the_checksum_of_a_file_once_it_is_known(world: World) -> None:
    upload_id = await world.ann.upload("a.bin", data=b"ab", length=4)
    assert (await world.ann.ask("GET", f"/api/uploads/{upload_id}")).json()["checksums"] == {}
    await world.ann.append(upload_id, 2, b"cd")
    async with asyncio.timeout(SOON):
        while not (told := (await world.bob.ask("GET", f"/api/uploads/{upload_id}")).json())["checksums"]:
            pass
    digest = hashlib.sha256(b"abcd")
    assert told["checksums"] == {"sha256": digest.hexdigest()}
    file = await world.bob.ask("GET", f"/files/{upload_id}")
    assert file.headers["repr-digest"] == f"sha-256=:{base64.b64encode(digest.digest()).decode()}:"


async def test_what_is_gone_is_still_told_of_to_its_owner(world: World) -> None:
    upload_id = await world.ann.upload("a.bin")
    assert (await world.ann.ask("DELETE", f"/api/uploads/{upload_id}")).status_code == 204
    told = (await world.ann.ask("GET", f"/api/uploads/{upload_id}")).json()
    assert (told["state"], told["name"]) == ("terminated", "a.bin")
    assert [event["type"] for event in told["history"]] == ["created", "completed", "terminated"]
    assert outcome(await world.bob.ask("GET", f"/api/uploads/{upload_id}")) == (404, "upload-not-found")


async def test_somebody_elses_upload_is_one_that_does_not_exist(world: World) -> None:
    anns = await world.ann.upload(data=b"a", length=9)
    for upload_id, method in itertools.product((anns, "unknown", "a%00b"), ("GET", "PATCH", "DELETE")):
        body = {"name": "x"} if method == "PATCH" else None
        answer = await world.bob.ask(method, f"/api/uploads/{upload_id}", body)
        assert outcome(answer) == (404, "upload-not-found"), (upload_id, method)
        assert world.ann.id not in answer.text


async def test_what_one_may_see_of_others_one_may_not_change(world: World) -> None:
    upload_id = await world.ann.upload("a")
    assert (await world.bob.ask("GET", f"/api/uploads/{upload_id}")).status_code == 200
    for method, body in (("PATCH", {"name": "x"}), ("DELETE", None)):
        answer = await world.bob.ask(method, f"/api/uploads/{upload_id}", body)
        assert outcome(answer) == (404, "upload-not-found")
    assert (await world.admin.ask("PATCH", f"/api/uploads/{upload_id}", {"name": "x"})).status_code == 200
    assert (await world.admin.ask("DELETE", f"/api/uploads/{upload_id}")).status_code == 204


async def test_deleting_is_what_tus_does(world: World) -> None:
    upload_id = await world.ann.upload("a")
    assert (await world.ann.ask("DELETE", f"/api/uploads/{upload_id}")).content == b""
    head = await world.app.http.head(f"/files/{upload_id}", headers={"Tus-Resumable": "1.0.0", **world.ann.bearer})
    assert head.status_code == 410
    answer = await world.ann.ask("DELETE", f"/api/uploads/{upload_id}")
    assert outcome(answer) == (410, "upload-terminated")


# Renaming


async def test_a_renamed_file_has_its_new_name_everywhere(world: World) -> None:
    upload_id = await world.ann.upload("old.txt", more={"Upload-Metadata": "name b2xkLnR4dA==,note aGk="})
    answer = await world.ann.ask("PATCH", f"/api/uploads/{upload_id}", {"name": "Né w.txt"})
    assert (answer.status_code, answer.json()["name"]) == (200, "Né w.txt")
    assert await world.bob.listed(name="né w") == [upload_id]
    head = await world.app.http.head(f"/files/{upload_id}", headers={"Tus-Resumable": "1.0.0", **world.ann.bearer})
    assert head.headers["upload-metadata"] == "name TsOpIHcudHh0,note aGk="
    download = await world.ann.ask("GET", f"/files/{upload_id}")
    assert "N%C3%A9%20w.txt" in download.headers["content-disposition"]


async def test_an_unfinished_upload_is_renamed_and_goes_on(world: World) -> None:
    upload_id = await world.ann.upload(data=b"ab", length=4)
    assert (await world.ann.ask("PATCH", f"/api/uploads/{upload_id}", {"name": "new"})).status_code == 200
    assert (await world.ann.append(upload_id, 2, b"cd")).status_code == 204
    told = (await world.ann.ask("GET", f"/api/uploads/{upload_id}")).json()
    assert (told["name"], told["state"]) == ("new", "completed")
    assert world.app.events[-1].upload.metadata == "filename bmV3"


@pytest.mark.parametrize(
    "name", ["", ".", "..", " x", "x ", "x.", ".x", "a/b", "a\\b", "a\nb", "a\u202eb", "a\u0000b", "x" * 256]
)
async def test_refuses_names_that_would_be_given_back_otherwise(tmp_path: Path, name: str) -> None:
    async with embedded(tmp_path) as app:
        path = (await app.new(3, b"abc")).replace("/files", "/api/uploads")
        answer = await app.http.patch(path, json={"name": name})
        assert outcome(answer) == (422, "invalid-request" if "\0" in name else "invalid-name")
        assert (await app.http.get(path)).json()["name"] is None


async def test_refuses_a_name_for_which_the_metadata_has_no_room(tmp_path: Path) -> None:
    async with embedded(tmp_path, max_metadata_size=100) as app:
        path = (await app.new(3, b"abc")).replace("/files", "/api/uploads")
        assert (await app.http.patch(path, json={"name": "x" * 50})).status_code == 200
        assert outcome(await app.http.patch(path, json={"name": "x" * 90})) == (431, "metadata-too-large")


async def test_what_is_gone_cannot_be_renamed(tmp_path: Path) -> None:
    async with embedded(tmp_path) as app:
        path = (await app.new(3)).replace("/files", "/api/uploads")
        await app.http.delete(path)
        assert outcome(await app.http.patch(path, json={"name": "x"})) == (410, "upload-terminated")


@pytest.mark.parametrize(
    ("name", "data", "status"),
    [
        ("b.csv", b"a,b\n1,2\n", 200),
        ("b.exe", b"a,b\n1,2\n", 415),
        ("b", b"a,b\n1,2\n", 415),
        ("b.iso", b"a,b\n1,2\n", 415),
    ],
)
async def test_a_name_must_be_one_that_a_new_upload_of_that_content_may_have(
    tmp_path: Path, name: str, data: bytes, status: int
) -> None:
    async with embedded(tmp_path, allowed_extensions=(".csv", ".iso")) as app:
        created = await app.post({"Upload-Length": str(len(data)), "Upload-Metadata": "filename YS5jc3Y="}, data)
        path = created.headers["location"].replace("/files", "/api/uploads")
        answer = await app.http.patch(path, json={"name": name})
        assert answer.status_code == status
        if status == 415:
            assert outcome(answer) == (415, "format-not-allowed")
        assert (await app.http.get(path)).json()["name"] == (name if status == 200 else "a.csv")


async def test_a_transfer_is_not_disturbed_by_renaming(tmp_path: Path) -> None:
    async with embedded(tmp_path, lock_timeout=0.1) as app:
        path, go_on, begun = await app.new(4), asyncio.Event(), asyncio.Event()

        async def slow() -> Any:
            yield b"ab"
            begun.set()
            await go_on.wait()
            yield b"cd"

        headers = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
        sending = asyncio.create_task(app.http.patch(path, content=slow(), headers=headers))
        await begun.wait()
        answer = await app.http.patch(path.replace("/files", "/api/uploads"), json={"name": "x"})
        assert outcome(answer) == (423, "upload-locked")
        go_on.set()
        assert (await sending).status_code == 204
