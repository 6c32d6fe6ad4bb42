"""Bearer tokens: where they are looked for, and what is none."""

from collections.abc import AsyncIterator

import pytest
from tests.unit.auth.world import World, opened

from longshore.auth.accounts import ACCESS_TTL
from longshore.auth.claims import MAX_SIZE
from longshore.auth.principal import EVERYBODY, Principal, Role
from longshore.http.authentication import by_bearer_token, everybody
from longshore.protocol.errors import InvalidToken, Unauthenticated

pytestmark = pytest.mark.anyio

REALM = 'Bearer realm="longshore"'


@pytest.fixture
async def world(anyio_backend: str) -> AsyncIterator[World]:
    async with opened() as world:
        yield world


async def identify(world: World, *fields: bytes, query: bytes = b"") -> Principal:
    headers = [(b"host", b"localhost"), *((b"authorization", field) for field in fields)]
    scope = {"type": "http", "method": "HEAD", "path": "/files/a", "query_string": query, "headers": headers}
    return await by_bearer_token(world.authenticator)(scope)


async def issued(world: World, role: Role = Role.USER) -> bytes:
    user = await world.accounts.add_user(f"somebody-{role}", "correct horse battery staple", role)
    return (await world.tokens.issue(user.id, None, ACCESS_TTL)).encode()


@pytest.mark.parametrize("form", [b"Bearer %s", b"bearer %s", b"BEARER   %s", b" Bearer %s "])
async def test_the_scheme_is_written_in_any_case(world: World, form: bytes) -> None:
    principal = await identify(world, form % await issued(world, Role.ADMIN))
    assert (principal.name, principal.role) == ("somebody-admin", Role.ADMIN)


async def test_without_a_token_the_answer_says_what_would_do(world: World) -> None:
    with pytest.raises(Unauthenticated) as refused:
        await identify(world)
    assert (refused.value.status, refused.value.code) == (401, "unauthenticated")
    assert dict(refused.value.headers) == {"WWW-Authenticate": REALM}


async def test_a_token_in_the_query_is_not_looked_at(world: World) -> None:
    token = await issued(world)
    with pytest.raises(Unauthenticated) as refused:
        await identify(world, query=b"access_token=" + token)
    assert refused.value.code == "unauthenticated"


@pytest.mark.parametrize(
    "form",
    [
        b"",
        b"Bearer",
        b"Bearer ",
        b"Bearer\t%s",
        b"Bearer:%s",
        b"Basic %s",
        b"%s",
        b"Bearer %s %s",
        b"Bearer %s, Bearer %s",
        b"Bearer %s,",
        b'Bearer "%s"',
        b"Bearer %s\xa0",
        b"Bearer %s\x00",
        b"Bearer =%s",
        b"Bearer %s\xc3\xa9",
        b"Bearer a.b.c",
        b"Bearer " + b"a" * (MAX_SIZE + 1),
    ],
)
async def test_refuses_what_is_not_one_token(world: World, form: bytes) -> None:
    token = await issued(world)
    with pytest.raises(InvalidToken) as refused:
        await identify(world, form.replace(b"%s", token))
    assert (refused.value.status, refused.value.code) == (401, "invalid-token")
    assert dict(refused.value.headers) == {"WWW-Authenticate": f'{REALM}, error="invalid_token"'}
    assert token.decode() not in str(refused.value)


async def test_refuses_two_header_fields_even_if_they_agree(world: World) -> None:
    field = b"Bearer " + await issued(world)
    assert (await identify(world, field)).role is Role.USER
    for fields in ((field, field), (field, b"Basic x"), (b"Basic x", field)):
        with pytest.raises(InvalidToken):
            await identify(world, *fields)


async def test_everybody_is_let_in_where_nobody_is_asked() -> None:
    assert await everybody({"headers": [(b"authorization", b"Bearer nonsense")]}) is EVERYBODY
