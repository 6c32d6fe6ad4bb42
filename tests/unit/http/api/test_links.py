"""Download links: made by whoever may download, used without a token, seen and revoked by whose they are."""

import pytest
from tests.unit.http.api.world import World, outcome

pytestmark = pytest.mark.anyio


async def make(world: World, upload_id: str, **wanted: int | None) -> dict[str, str]:
    answer = await world.bob.ask("POST", f"/api/uploads/{upload_id}/link", {"ttl": 60, **wanted})
    assert answer.status_code == 201, answer.text
    made: dict[str, str] = answer.json()
    return made


async def test_a_link_opens_the_file_without_a_token_until_it_ends(world: World) -> None:
    upload_id = await world.ann.upload("a.txt")
    link = await make(world, upload_id)
    assert link["url"].startswith(f"/files/{upload_id}?link=")
    assert {name: link[name] for name in ("created_by", "created_at", "expires_at", "max_uses", "uses")} == {
        "created_by": world.bob.id,
        "created_at": "2026-01-01T12:00:00Z",
        "expires_at": "2026-01-01T12:01:00Z",
        "max_uses": None,
        "uses": 0,
    }
    assert (await world.app.http.get(link["url"])).content == b"abc"
    world.app.clock.advance(seconds=60)
    assert (await world.app.http.get(link["url"])).status_code == 410


async def test_a_link_is_good_for_so_many_downloads(world: World) -> None:
    link = await make(world, await world.ann.upload(), max_uses=1)
    assert [(await world.app.http.get(link["url"])).status_code for _ in range(2)] == [200, 410]


async def test_links_are_seen_and_revoked_by_whose_they_are(world: World) -> None:
    upload_id = await world.ann.upload()
    path = f"/api/uploads/{upload_id}/links"
    bobs = await make(world, upload_id)
    anns = (await world.ann.ask("POST", f"/api/uploads/{upload_id}/link", {"ttl": 60})).json()
    seen = {}
    for user in (world.ann, world.bob, world.admin):
        listed = (await user.ask("GET", path)).json()["links"]
        assert all("url" not in link for link in listed)
        seen[user.name] = {link["id"] for link in listed}
    assert seen == {"ann": {bobs["id"], anns["id"]}, "bob": {bobs["id"]}, "admin": {bobs["id"], anns["id"]}}
    assert outcome(await world.bob.ask("DELETE", f"{path}/{anns['id']}")) == (404, "link-not-found")
    assert (await world.app.http.get(anns["url"])).status_code == 200
    assert (await world.ann.ask("DELETE", f"{path}/{bobs['id']}")).status_code == 204
    assert (await world.app.http.get(bobs["url"])).status_code == 410
    assert outcome(await world.ann.ask("DELETE", f"{path}/{bobs['id']}")) == (404, "link-not-found")


async def test_refuses_links_that_cannot_be(world: World) -> None:
    done, begun = await world.ann.upload(), await world.ann.upload(data=b"x", length=9)
    for body in ({}, {"ttl": 0}, {"ttl": 10**9}, {"ttl": 60, "max_uses": 0}, {"ttl": 60, "max_uses": 2**31}):
        answer = await world.ann.ask("POST", f"/api/uploads/{done}/link", body)
        assert outcome(answer) == (422, "invalid-request"), body
    answer = await world.ann.ask("POST", f"/api/uploads/{begun}/link", {"ttl": 60})
    assert outcome(answer) == (409, "upload-unfinished")
    for method, path in (("POST", "link"), ("GET", "links"), ("DELETE", "links/x")):
        answer = await world.bob.ask(method, f"/api/uploads/{begun}/{path}", {"ttl": 60} if method == "POST" else None)
        assert outcome(answer) == (404, "upload-not-found"), path
        answer = await world.app.http.request(method, f"/api/uploads/{done}/{path}")
        assert outcome(answer) == (401, "unauthenticated"), path
