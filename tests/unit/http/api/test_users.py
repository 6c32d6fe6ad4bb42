"""Users, invitations and quotas, for admins."""

from typing import Any

import pytest
from tests.unit.http.api.world import PASSWORD, Somebody, World, outcome, sign_in

pytestmark = pytest.mark.anyio

OTHER = "another correct horse"


async def test_lists_accounts_and_no_secrets(world: World) -> None:
    answer = await world.admin.ask("GET", "/api/users")
    assert [user["username"] for user in answer.json()["users"]] == ["admin", "ann", "bob"]
    assert answer.json()["users"][1] == {
        "id": world.ann.id,
        "username": "ann",
        "role": "user",
        "disabled": False,
        "created_at": "2026-01-01T12:00:00Z",
    }
    assert "argon2" not in answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert (await world.admin.ask("GET", f"/api/users/{world.ann.id}")).json() == answer.json()["users"][1]


async def pages(somebody: Somebody, **query: Any) -> list[list[str]]:
    """The names on each page of the list of users."""
    found, cursor = list[list[str]](), None
    while cursor or not found:
        page = (await somebody.ask("GET", "/api/users", **query, **({"cursor": cursor} if cursor else {}))).json()
        found.append([user["username"] for user in page["users"]])
        cursor = page["next"]
    return found


async def test_lists_accounts_page_by_page(world: World) -> None:
    for name in ("Émile", "Ann-2"):
        made = await world.admin.ask("POST", "/api/users", {"username": name, "password": OTHER})
        assert made.status_code == 201
    expected = {
        1: [["admin"], ["ann"], ["Ann-2"], ["bob"], ["Émile"]],
        2: [["admin", "ann"], ["Ann-2", "bob"], ["Émile"]],
        4: [["admin", "ann", "Ann-2", "bob"], ["Émile"]],
        5: [["admin", "ann", "Ann-2", "bob", "Émile"]],
        200: [["admin", "ann", "Ann-2", "bob", "Émile"]],
    }
    assert {limit: await pages(world.admin, limit=limit) for limit in expected} == expected


async def test_who_comes_meanwhile_shifts_nobody(world: World) -> None:
    first = (await world.admin.ask("GET", "/api/users", limit=2)).json()
    await world.admin.ask("POST", "/api/users", {"username": "aaron", "password": OTHER})
    await world.admin.ask("POST", "/api/users", {"username": "zoe", "password": OTHER})
    second = (await world.admin.ask("GET", "/api/users", limit=2, cursor=first["next"])).json()
    assert [user["username"] for user in first["users"]] == ["admin", "ann"]
    assert [user["username"] for user in second["users"]] == ["bob", "zoe"]
    assert second["next"] is None


async def test_refuses_pages_that_are_none(world: World) -> None:
    uploads = [await world.admin.upload(f"{number}.bin") for number in range(2)]
    cursor_of_uploads = (await world.admin.ask("GET", "/api/uploads", limit=1)).json()["next"]
    assert uploads
    assert cursor_of_uploads
    refused: list[dict[str, Any]] = [{"limit": limit} for limit in (0, 201, "many")]
    refused += [{"cursor": cursor} for cursor in ("x", "", "AAAA", "ä", "W10", "Wzlb", cursor_of_uploads, "a" * 9000)]
    for query in (*refused, {"page": 2}):
        assert outcome(await world.admin.ask("GET", "/api/users", **query)) == (422, "invalid-request"), query


async def test_makes_accounts(world: World) -> None:
    made = await world.admin.ask("POST", "/api/users", {"username": "Eve", "password": OTHER, "role": "admin"})
    assert (made.status_code, made.json()["role"]) == (201, "admin")
    eve = await sign_in(world.app, "eve", OTHER)
    assert eve.id == made.json()["id"]
    assert (await eve.ask("GET", "/api/users")).status_code == 200


async def test_changes_several_things_at_once_or_none(world: World) -> None:
    path = f"/api/users/{world.ann.id}"
    answer = await world.admin.ask("PATCH", path, {"role": "admin", "password": OTHER})
    assert (answer.status_code, answer.json()["role"]) == (200, "admin")
    ann = await sign_in(world.app, "ann", OTHER)
    refused = await world.admin.ask("PATCH", path, {"role": "user", "password": "short"})
    assert outcome(refused) == (422, "invalid-password")
    assert (await ann.ask("GET", "/api/users")).status_code == 200
    assert (await world.admin.ask("PATCH", path, {})).json()["role"] == "admin"


async def test_who_is_disabled_is_out_at_once_and_may_come_back(world: World) -> None:
    path = f"/api/users/{world.ann.id}"
    assert (await world.admin.ask("PATCH", path, {"disabled": True})).json()["disabled"] is True
    assert outcome(await world.ann.ask("GET", "/auth/me")) == (401, "invalid-token")
    assert (await world.admin.ask("PATCH", path, {"disabled": False})).json()["disabled"] is False
    await sign_in(world.app, "ann")


async def test_the_last_admin_stays(world: World) -> None:
    for change in ({"role": "user"}, {"disabled": True}, {"disabled": True, "password": OTHER}):
        answer = await world.admin.ask("PATCH", f"/api/users/{world.admin.id}", change)
        assert outcome(answer) == (422, "last-admin"), change
    assert (await world.admin.ask("GET", "/api/users")).status_code == 200
    await sign_in(world.app, "admin", PASSWORD)


async def test_refuses_accounts_that_cannot_be(world: World) -> None:
    refused: list[tuple[dict[str, Any], str]] = [
        ({"username": "ANN", "password": OTHER}, "username-taken"),
        ({"username": "", "password": OTHER}, "invalid-username"),
        ({"username": "eve", "password": "short"}, "invalid-password"),
        ({"username": "eve"}, "invalid-request"),
        ({"username": "eve", "password": OTHER, "role": "root"}, "invalid-request"),
        ({"username": "eve", "password": OTHER, "disabled": True}, "invalid-request"),
    ]
    for body, code in refused:
        answer = await world.admin.ask("POST", "/api/users", body)
        assert outcome(answer) == (422, code), body
        assert OTHER not in answer.text


async def test_invites(world: World) -> None:
    answer = await world.admin.ask("POST", "/api/invitations", {"role": "admin", "ttl": 60.0})
    assert (answer.status_code, answer.json()["role"], answer.json()["expires_in"]) == (201, "admin", 60)
    body = {"username": "eve", "password": OTHER, "invitation": answer.json()["code"]}
    assert (await world.app.http.post("/auth/register", json=body)).json()["role"] == "admin"
    world.app.clock.advance(seconds=1)
    late = (await world.admin.ask("POST", "/api/invitations", {"ttl": 1})).json()["code"]
    world.app.clock.advance(seconds=1)
    body = {"username": "mallory", "password": OTHER, "invitation": late}
    assert outcome(await world.app.http.post("/auth/register", json=body)) == (403, "invitation-invalid")


# Quotas


async def test_quotas_of_a_user_are_set_all_at_once(world: World) -> None:
    path = f"/api/users/{world.ann.id}/quotas"
    assert (await world.admin.ask("GET", path)).json() == {}
    answer = await world.admin.ask("PUT", path, {"size": 5, "daily": None})
    assert answer.json() == {"size": 5, "daily": None}
    usage = (await world.admin.ask("GET", f"/api/users/{world.ann.id}/usage")).json()
    assert (usage["size"]["limit"], usage["daily"]["limit"], usage["monthly"]["limit"]) == (5, None, 100 * 1000**3)
    assert outcome(await world.app.post({**world.ann.bearer, "Upload-Length": "6"})) == (413, "quota-exceeded")
    assert (await world.admin.ask("PUT", path, {"monthly": 7})).json() == {"monthly": 7}
    assert (await world.admin.ask("GET", path)).json() == {"monthly": 7}


async def test_quotas_of_a_role_hold_for_those_without_their_own(world: World) -> None:
    assert (await world.admin.ask("PUT", "/api/roles/user/quotas", {"stored": 10, "size": 4})).status_code == 200
    await world.admin.ask("PUT", f"/api/users/{world.ann.id}/quotas", {"stored": 99})
    limits = {}
    for user in (world.ann, world.bob, world.admin):
        usage = (await user.ask("GET", "/api/usage")).json()
        limits[user.name] = (usage["stored"]["limit"], usage["size"]["limit"])
    assert limits == {"ann": (99, 4), "bob": (10, 4), "admin": (None, None)}
    assert (await world.admin.ask("GET", "/api/roles/user/quotas")).json() == {"stored": 10, "size": 4}


async def test_quotas_of_subjects_of_an_external_issuer_are_set_by_their_subject(world: World) -> None:
    for subject in ("auth0%7C123", "spiffe://example.org/a"):
        path = f"/api/users/{subject}/quotas"
        assert (await world.admin.ask("PUT", path, {"unfinished": 1.0})).json() == {"unfinished": 1}
        assert (await world.admin.ask("GET", path)).json() == {"unfinished": 1}
        usage = (await world.admin.ask("GET", f"/api/users/{subject}/usage")).json()
        assert usage["unfinished"] == {"limit": 1, "used": 0}


async def test_refuses_quotas_that_are_none(world: World) -> None:
    refused: list[Any] = [{"size": size} for size in (-1, 2**63, "1", 1.5, True)]
    for body in (*refused, {"hourly": 1}, []):
        answer = await world.admin.ask("PUT", "/api/roles/user/quotas", body)
        assert outcome(answer) == (422, "invalid-request"), body
    assert (await world.admin.ask("GET", "/api/roles/user/quotas")).json() == {}


async def test_nobody_is_found_where_nobody_is(world: World) -> None:
    for path, code in (
        ("/api/users/local:nobody", "user-not-found"),
        ("/api/users/a%00b", "user-not-found"),
        ("/api/users/local:nobody/quotas", "user-not-found"),
        ("/api/users/local:nobody/usage", "user-not-found"),
        ("/api/users//usage", "user-not-found"),
        ("/api/users/a%00b/usage", "user-not-found"),
        ("/api/roles/root/quotas", "role-not-found"),
    ):
        assert outcome(await world.admin.ask("GET", path)) == (404, code), path


async def test_all_of_it_is_for_admins(world: World) -> None:
    asked = {
        ("GET", "/api/users"): None,
        ("POST", "/api/users"): {"username": "eve", "password": OTHER},
        ("GET", f"/api/users/{world.ann.id}"): None,
        ("PATCH", f"/api/users/{world.ann.id}"): {"role": "admin"},
        ("GET", f"/api/users/{world.ann.id}/quotas"): None,
        ("PUT", f"/api/users/{world.ann.id}/quotas"): {},
        ("GET", f"/api/users/{world.ann.id}/usage"): None,
        ("GET", "/api/roles/user/quotas"): None,
        ("PUT", "/api/roles/user/quotas"): {},
        ("POST", "/api/invitations"): {},
    }
    nobody = Somebody(world.app, "", "", {})
    for (method, path), body in asked.items():
        assert outcome(await world.ann.ask(method, path, body)) == (403, "forbidden"), path
        assert outcome(await nobody.ask(method, path, body)) == (401, "unauthenticated"), path
    assert len((await world.admin.ask("GET", "/api/users")).json()["users"]) == 3
