"""The contract of `auth.records.AccountRecords`, over every database."""

import asyncio
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, text

from longshore.auth.errors import InvitationInvalid, LastAdmin, UsernameTaken
from longshore.auth.principal import Role
from longshore.auth.records import AccountRecords, Invitation, Session, User
from longshore.db.accounts import SqlAccounts
from longshore.db.database import Database

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 2, 3, 4, 5, 6, 789, tzinfo=UTC)
SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)


@pytest.fixture
async def records(database: Database, anyio_backend: object) -> AccountRecords:
    return SqlAccounts(database)


def user(name: str, *, role: Role = Role.USER, disabled: bool = False, generation: int = 0) -> User:
    return User(
        id=f"local:{name}",
        username=name,
        username_key=name.casefold(),
        password_hash=f"hash of {name}",
        role=role,
        created_at=NOW,
        disabled=disabled,
        generation=generation,
    )


def session(session_id: str, owner: User, *, generation: int = 0, expires_at: datetime = NOW + DAY) -> Session:
    return Session(
        id=session_id,
        user_id=owner.id,
        generation=generation,
        secret_hash=f"secret {generation}",
        created_at=NOW,
        expires_at=expires_at,
    )


def invitation(code_hash: str, *, role: Role = Role.USER, expires_at: datetime = NOW + DAY) -> Invitation:
    return Invitation(code_hash=code_hash, role=role, created_at=NOW, expires_at=expires_at)


async def add(records: AccountRecords, *new: User) -> None:
    for one in new:
        await records.add_user(one)


async def rotate(
    records: AccountRecords,
    session_id: str,
    generation: int,
    *,
    secret: str | None = None,
    now: datetime = NOW,
    expires_at: datetime = NOW + DAY,
) -> User | None:
    secret_hash = secret or f"secret {generation}"
    new_hash = f"secret {generation + 1}"
    return await records.rotate(session_id, generation, secret_hash, new_hash=new_hash, now=now, expires_at=expires_at)


ALICE = user("Alice")
BOB = user("bob")
ROOT = user("root", role=Role.ADMIN)


# Users


@pytest.mark.parametrize("one", [ALICE, ROOT, user("d", disabled=True, generation=2**40), user("Ünïcödé")])
async def test_gives_back_who_was_added(records: AccountRecords, one: User) -> None:
    await add(records, one)
    assert await records.user(one.id) == one
    assert await records.user_named(one.username_key) == one
    assert await records.users() == [one]


async def test_knows_nobody_who_was_not_added(records: AccountRecords) -> None:
    await add(records, ALICE)
    assert await records.user("local:nobody") is None
    assert await records.user_named("Alice") is None


async def test_lists_users_by_name(records: AccountRecords) -> None:
    await add(records, ROOT, BOB, ALICE)
    assert await records.users() == [ALICE, BOB, ROOT]
    assert await records.users(limit=2) == [ALICE, BOB]
    assert await records.users(after=ALICE.username_key) == [BOB, ROOT]
    assert await records.users(after="b", limit=1) == [BOB]
    assert await records.users(after=ROOT.username_key, limit=5) == []


async def test_refuses_a_name_that_is_taken(records: AccountRecords) -> None:
    await add(records, ALICE)
    with pytest.raises(UsernameTaken):
        await records.add_user(replace(ALICE, id="local:other", username="ALICE"))
    assert await records.users() == [ALICE]


async def test_a_taken_name_quotes_no_hash(records: AccountRecords) -> None:
    await add(records, ALICE)
    with pytest.raises(UsernameTaken) as refused:
        await records.add_user(replace(ALICE, id="local:other"))
    assert refused.value.__suppress_context__
    assert "hash" not in str(refused.value)


async def test_of_many_who_want_a_name_one_gets_it(records: AccountRecords) -> None:
    wanting = [replace(ALICE, id=f"local:{n}") for n in range(8)]
    came = await asyncio.gather(*(records.add_user(one) for one in wanting), return_exceptions=True)
    assert [type(one) for one in came if one is not None] == [UsernameTaken] * 7
    assert len(await records.users()) == 1


# The first user


async def test_adds_a_first_user_once(records: AccountRecords) -> None:
    assert not await records.has_users()
    assert await records.add_first_user(ROOT)
    assert await records.has_users()
    assert not await records.add_first_user(ALICE)
    assert await records.users() == [ROOT]


async def test_of_many_first_users_one_is_added(records: AccountRecords) -> None:
    added = await asyncio.gather(*(records.add_first_user(user(f"u{n}")) for n in range(8)))
    assert sorted(added) == [False] * 7 + [True]
    assert len(await records.users()) == 1


async def test_two_processes_add_one_first_user(postgres_url: str) -> None:
    async with Database(postgres_url) as one, Database(postgres_url) as other:
        several = [SqlAccounts(one), SqlAccounts(other)] * 4
        added = await asyncio.gather(*(each.add_first_user(user(f"u{n}")) for n, each in enumerate(several)))
    assert sorted(added) == [False] * 7 + [True]


# Invitations


async def test_an_invitation_makes_a_user_of_its_role_once(records: AccountRecords) -> None:
    await records.add_invitation(invitation("code", role=Role.ADMIN))
    added = await records.add_invited_user(ALICE, "code", NOW)
    assert added == replace(ALICE, role=Role.ADMIN)
    assert await records.users() == [added]
    with pytest.raises(InvitationInvalid):
        await records.add_invited_user(BOB, "code", NOW)


async def test_refuses_an_invitation_that_is_unknown_or_has_expired(records: AccountRecords) -> None:
    await records.add_invitation(invitation("old", expires_at=NOW))
    for code in ("old", "unknown"):
        with pytest.raises(InvitationInvalid):
            await records.add_invited_user(ALICE, code, NOW)
    assert not await records.has_users()


async def test_says_that_a_name_is_taken_only_to_the_invited_and_keeps_the_invitation(records: AccountRecords) -> None:
    await add(records, ALICE)
    await records.add_invitation(invitation("code"))
    other = replace(ALICE, id="local:other")
    with pytest.raises(InvitationInvalid):
        await records.add_invited_user(other, "unknown", NOW)
    with pytest.raises(UsernameTaken):
        await records.add_invited_user(other, "code", NOW)
    assert await records.add_invited_user(BOB, "code", NOW) == BOB


async def test_of_many_who_use_an_invitation_one_becomes_a_user(records: AccountRecords) -> None:
    await records.add_invitation(invitation("code"))
    came = await asyncio.gather(
        *(records.add_invited_user(user(f"u{n}"), "code", NOW) for n in range(8)), return_exceptions=True
    )
    assert sorted(type(one).__name__ for one in came) == ["InvitationInvalid"] * 7 + ["User"]
    assert len(await records.users()) == 1


# Changing users


async def test_rehashes_only_what_has_not_been_changed(records: AccountRecords) -> None:
    await add(records, ALICE, BOB)
    await records.rehash(ALICE.id, ALICE.password_hash, "new")
    await records.rehash(BOB.id, "another password's", "new")
    assert await records.users() == [replace(ALICE, password_hash="new"), BOB]


async def test_a_changed_password_begins_a_generation_and_ends_the_other_sessions(records: AccountRecords) -> None:
    await add(records, ALICE, BOB)
    for one in (session("kept", ALICE), session("ended", ALICE)):
        await records.add_session(one, ALICE)
    await records.add_session(session("bob's", BOB), BOB)
    assert await records.change_password(ALICE.id, "new", generation=0, keep="kept")
    changed = replace(ALICE, password_hash="new", generation=1)
    assert await records.user(ALICE.id, session="kept") == changed
    assert await records.user(ALICE.id, session="ended") is None
    assert await records.users() == [changed, BOB]
    assert await records.user(BOB.id, session="bob's") == BOB
    assert await records.change_password(ALICE.id, "newer")
    assert await records.user(ALICE.id, session="kept") is None


async def test_leaves_a_password_that_was_changed_meanwhile(records: AccountRecords) -> None:
    await add(records, ALICE)
    await records.add_session(session("s", ALICE), ALICE)
    assert not await records.change_password(ALICE.id, "new", generation=1)
    assert not await records.change_password("local:nobody", "new")
    assert await records.user(ALICE.id, session="s") == ALICE


async def test_disabling_begins_a_generation_and_ends_the_sessions(records: AccountRecords) -> None:
    await add(records, ALICE, BOB)
    for one in (ALICE, BOB):
        await records.add_session(session(one.username, one), one)
    assert await records.set_disabled(ALICE.id, True)
    assert await records.users() == [replace(ALICE, disabled=True, generation=1), BOB]
    assert await records.set_disabled(ALICE.id, False)
    assert await records.users() == [replace(ALICE, generation=1), BOB]
    assert await records.user(ALICE.id, session="Alice") is None
    assert await records.user(BOB.id, session="bob") == BOB
    assert not await records.set_disabled("local:nobody", True)


async def test_changes_a_role(records: AccountRecords) -> None:
    await add(records, ALICE, BOB)
    assert await records.set_role(ALICE.id, Role.ADMIN)
    assert await records.users() == [replace(ALICE, role=Role.ADMIN), BOB]
    assert not await records.set_role("local:nobody", Role.USER)


async def test_refuses_to_disable_or_demote_the_last_enabled_admin(records: AccountRecords) -> None:
    await add(records, ROOT, user("former", role=Role.ADMIN, disabled=True), ALICE)
    before = await records.users()
    with pytest.raises(LastAdmin):
        await records.set_disabled(ROOT.id, True)
    with pytest.raises(LastAdmin):
        await records.set_role(ROOT.id, Role.USER)
    assert await records.users() == before


async def test_disables_and_demotes_one_of_two_admins(records: AccountRecords) -> None:
    await add(records, ROOT, user("second", role=Role.ADMIN), user("third", role=Role.ADMIN))
    assert await records.set_disabled("local:second", True)
    assert await records.set_role("local:third", Role.USER)
    with pytest.raises(LastAdmin):
        await records.set_disabled(ROOT.id, True)


async def test_changes_several_things_about_a_user_at_once(records: AccountRecords) -> None:
    await add(records, ROOT, ALICE, BOB)
    for one in (ALICE, BOB):
        await records.add_session(session(one.username, one), one)
    assert await records.change_user(ALICE.id, role=Role.ADMIN)
    assert await records.user(ALICE.id, session=ALICE.username) == replace(ALICE, role=Role.ADMIN)
    assert await records.change_user(ALICE.id)
    assert await records.change_user(ALICE.id, role=Role.USER, password_hash="new")
    assert await records.users() == [replace(ALICE, password_hash="new", generation=1), BOB, ROOT]
    assert await records.user(ALICE.id, session=ALICE.username) is None
    assert await records.change_user(ALICE.id, disabled=True)
    assert await records.change_user(ALICE.id, disabled=False)
    assert await records.users() == [replace(ALICE, password_hash="new", generation=2), BOB, ROOT]
    assert await records.user(BOB.id, session=BOB.username) == BOB
    assert not await records.change_user("local:nobody", role=Role.ADMIN, password_hash="new")


async def test_changes_nothing_of_what_would_leave_no_admin(records: AccountRecords) -> None:
    await add(records, ROOT, ALICE)
    await records.add_session(session("s", ROOT), ROOT)
    for role, disabled in ((Role.USER, None), (None, True), (Role.ADMIN, True)):
        with pytest.raises(LastAdmin):
            await records.change_user(ROOT.id, role=role, disabled=disabled, password_hash="new")
    assert await records.user(ROOT.id, session="s") == ROOT


async def test_of_admins_who_demote_each_other_one_is_left(records: AccountRecords) -> None:
    admins = [user(f"admin{n}", role=Role.ADMIN) for n in range(6)]
    await add(records, *admins)
    changes = [
        records.set_role(one.id, Role.USER) if n % 2 else records.set_disabled(one.id, True)
        for n, one in enumerate(admins)
    ]
    came = await asyncio.gather(*changes, return_exceptions=True)
    assert [type(one) for one in came if one is not True] == [LastAdmin]
    assert len([one for one in await records.users() if one.role is Role.ADMIN and not one.disabled]) == 1


async def test_an_admin_whom_another_process_demotes_just_now_does_not_count(postgres_url: str) -> None:
    demoted, go_on = threading.Event(), threading.Event()

    def demote(connection: Connection) -> None:
        connection.execute(text("UPDATE users SET role = 'user' WHERE id = 'local:second'"))
        demoted.set()
        assert go_on.wait(10)

    async with Database(postgres_url) as one, Database(postgres_url) as other:
        await add(SqlAccounts(one), ROOT, user("second", role=Role.ADMIN))
        first = asyncio.create_task(one.write(demote))
        await asyncio.to_thread(demoted.wait, 10)
        second = asyncio.create_task(SqlAccounts(other).set_role(ROOT.id, Role.USER))
        while not second.done() and not await one.read(_somebody_waits):
            pass
        go_on.set()
        await first
        with pytest.raises(LastAdmin):
            await second


def _somebody_waits(connection: Connection) -> bool:
    waiting = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'users'::regclass)"
    return bool(connection.execute(text(waiting)).scalar_one())


# Sessions


async def test_finds_a_user_by_a_session_of_theirs_alone(records: AccountRecords) -> None:
    await add(records, ALICE, BOB)
    assert await records.add_session(session("s", ALICE), ALICE)
    assert await records.user(ALICE.id, session="s") == ALICE
    assert await records.user(BOB.id, session="s") is None
    assert await records.user(ALICE.id, session="unknown") is None


async def test_finds_many_users_at_once_as_it_finds_each(records: AccountRecords) -> None:
    many = [user(f"user {number}") for number in range(1100)]
    await add(records, ALICE, BOB, user("gone", disabled=True), *many[::500])
    assert await records.add_session(session("s", ALICE), ALICE)
    asked = [(ALICE.id, "s"), (ALICE.id, None), (BOB.id, "s"), (BOB.id, "unknown"), ("local:gone", None)]
    asked += [(one.id, None) for one in many]
    found = await records.users_by_session(asked)
    each = {key: await records.user(key[0], session=key[1]) for key in (*asked[:6], (many[500].id, None))}
    assert {key: found.get(key) for key in each} == each
    assert len(found) == 3 + 3
    assert await records.users_by_session([]) == {}


async def test_adds_no_session_for_somebody_who_has_changed_meanwhile(records: AccountRecords) -> None:
    await add(records, ALICE, user("gone", disabled=True))
    await records.change_password(ALICE.id, "new")
    assert not await records.add_session(session("s", ALICE), ALICE)
    assert not await records.add_session(session("t", user("gone")), user("gone"))
    assert not await records.add_session(session("u", BOB), BOB)
    assert await records.user(ALICE.id, session="s") is None


async def test_no_session_outlives_a_change_that_is_made_at_the_same_time(records: AccountRecords) -> None:
    await add(records, ALICE)
    ids = [f"s{n}" for n in range(20)]
    adding = [records.add_session(session(one, ALICE), ALICE) for one in ids]
    await asyncio.gather(*adding[:10], records.set_disabled(ALICE.id, True), *adding[10:])
    await records.set_disabled(ALICE.id, False)
    assert [await records.user(ALICE.id, session=one) for one in ids] == [None] * 20


async def test_a_refresh_token_is_taken_once(records: AccountRecords) -> None:
    await add(records, ALICE)
    await records.add_session(session("s", ALICE), ALICE)
    assert await rotate(records, "s", 0) == ALICE
    assert await rotate(records, "s", 1) == ALICE
    assert await rotate(records, "s", 2) == ALICE


async def test_a_used_refresh_token_ends_the_session(records: AccountRecords) -> None:
    await add(records, ALICE)
    for one in ("s", "other"):
        await records.add_session(session(one, ALICE), ALICE)
    await rotate(records, "s", 0)
    assert await rotate(records, "s", 0) is None
    assert await rotate(records, "s", 1) is None
    assert await records.user(ALICE.id, session="s") is None
    assert await rotate(records, "other", 0) == ALICE


async def test_of_many_who_show_a_refresh_token_at_once_one_gets_the_next(records: AccountRecords) -> None:
    await add(records, ALICE)
    await records.add_session(session("s", ALICE), ALICE)
    came = await asyncio.gather(*(rotate(records, "s", 0) for _ in range(8)))
    assert came.count(ALICE) == 1
    assert await records.user(ALICE.id, session="s") is None


async def test_a_refresh_token_that_was_never_given_changes_nothing(records: AccountRecords) -> None:
    await add(records, ALICE)
    await records.add_session(session("s", ALICE), ALICE)
    assert await rotate(records, "s", 0, secret="guessed") is None
    assert await rotate(records, "s", 1, secret="secret 0") is None
    assert await rotate(records, "unknown", 0) is None
    assert await rotate(records, "s", 0) == ALICE


async def test_a_session_lives_on_with_its_use_and_ends_without(records: AccountRecords) -> None:
    await add(records, ALICE)
    await records.add_session(session("s", ALICE, expires_at=NOW + SECOND), ALICE)
    assert await rotate(records, "s", 0, now=NOW, expires_at=NOW + 3 * SECOND) == ALICE
    assert await rotate(records, "s", 1, now=NOW + 2 * SECOND, expires_at=NOW + 4 * SECOND) == ALICE
    assert await rotate(records, "s", 2, now=NOW + 4 * SECOND) is None


async def test_gives_the_user_as_they_are_when_a_session_is_refreshed(records: AccountRecords) -> None:
    await add(records, ALICE)
    await records.add_session(session("s", ALICE), ALICE)
    await records.change_password(ALICE.id, "new", keep="s")
    assert await rotate(records, "s", 0) == replace(ALICE, password_hash="new", generation=1)


async def test_ends_a_session(records: AccountRecords) -> None:
    await add(records, ALICE)
    await records.add_session(session("s", ALICE), ALICE)
    assert await records.end_session("s") == ALICE.id
    assert await records.end_session("s") is None
    assert await rotate(records, "s", 0) is None


# Forgetting


async def test_forgets_what_has_expired_a_few_at_a_time(records: AccountRecords) -> None:
    await add(records, ALICE)
    for n in range(3):
        await records.add_session(session(f"old{n}", ALICE, expires_at=NOW), ALICE)
        await records.add_invitation(invitation(f"old{n}", expires_at=NOW))
    await records.add_session(session("new", ALICE, expires_at=NOW + SECOND), ALICE)
    await records.add_invitation(invitation("new", expires_at=NOW + SECOND))
    assert [await records.forget(NOW, 2) for _ in range(3)] == [4, 2, 0]
    assert await records.user(ALICE.id, session="old0") is None
    assert await records.user(ALICE.id, session="new") == ALICE
    assert await records.add_invited_user(BOB, "new", NOW) == BOB
