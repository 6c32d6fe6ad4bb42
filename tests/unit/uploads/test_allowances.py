"""Which quotas hold: the user's, else the role's, else the defaults; and how soon a change is felt."""

from collections.abc import AsyncIterator

import pytest

from longshore.auth.principal import EVERYBODY, Principal, Role
from longshore.db.database import Database
from longshore.db.migrate import upgrade_on
from longshore.db.quota_settings import SqlQuotas
from longshore.ports.quotas import Quotas
from longshore.protocol.errors import ShuttingDown
from longshore.uploads import allowances
from longshore.uploads.allowances import Allowances

pytestmark = pytest.mark.anyio

DEFAULTS = Quotas(daily=10, monthly=100, unfinished=3)
USER = Principal("local:one", Role.USER, "one")
ADMIN = Principal("local:two", Role.ADMIN, "two")


class Seconds:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
async def stored(anyio_backend: str) -> AsyncIterator[SqlQuotas]:
    async with Database("sqlite://") as database:
        await database.write(upgrade_on)
        yield SqlQuotas(database)


@pytest.fixture
def allowed(stored: SqlQuotas, seconds: Seconds) -> Allowances:
    return Allowances(DEFAULTS, stored, now=seconds)


async def test_nobody_has_no_quotas(allowed: Allowances) -> None:
    assert await allowed.of(EVERYBODY) is None


async def test_defaults_hold_where_nothing_was_set(allowed: Allowances) -> None:
    assert await allowed.of(USER) == DEFAULTS


async def test_user_s_own_win_over_the_role_s_and_those_over_the_defaults(
    allowed: Allowances, stored: SqlQuotas
) -> None:
    await stored.put("role:user", "daily", 20)
    await stored.put("role:user", "monthly", 200)
    await stored.put("user:local:one", "daily", None)
    await stored.put("user:local:one", "size", 0)
    await stored.put("user:local:two", "unfinished", 1)
    assert await allowed.of(USER) == Quotas(daily=None, monthly=200, size=0, unfinished=3)
    assert await allowed.of(ADMIN) == Quotas(daily=10, monthly=100, unfinished=1)


async def test_change_is_felt_after_five_seconds(allowed: Allowances, stored: SqlQuotas, seconds: Seconds) -> None:
    await allowed.of(USER)
    await stored.put("user:local:one", "daily", 5)
    seconds.now += 4.9
    assert await allowed.of(USER) == DEFAULTS
    seconds.now += 0.1
    changed = await allowed.of(USER)
    assert changed is not None
    assert changed.daily == 5
    await stored.remove("user:local:one", "daily")
    seconds.now += 5
    assert await allowed.of(USER) == DEFAULTS


async def test_new_role_is_felt_at_once(allowed: Allowances, stored: SqlQuotas) -> None:
    await stored.put("role:admin", "daily", None)
    assert await allowed.of(USER) == DEFAULTS
    promoted = await allowed.of(Principal(USER.subject, Role.ADMIN, USER.name))
    assert promoted is not None
    assert promoted.daily is None


async def test_only_so_many_users_are_remembered(
    allowed: Allowances, stored: SqlQuotas, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(allowances, "_MOST", 3)
    for number in range(10):
        await allowed.of(Principal(f"local:{number}", Role.USER, ""))
        assert len(allowed._known) <= 3
    assert await allowed.of(USER) == DEFAULTS


async def test_quotas_that_cannot_be_read_let_nobody_through(allowed: Allowances, stored: SqlQuotas) -> None:
    await stored._database.close()
    with pytest.raises(ShuttingDown):
        await allowed.of(USER)
