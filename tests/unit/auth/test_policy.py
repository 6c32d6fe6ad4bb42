"""The whole table of who may do what, written out a second time."""

from datetime import UTC, datetime

import pytest

from longshore.auth.policy import SHARED_TABLE, TABLE, Action, Verdict, Visibility, Who, is_shared, require, who
from longshore.auth.principal import EVERYBODY, Principal, Role
from longshore.protocol.errors import Forbidden, TusError, Unauthenticated, UploadNotFound
from longshore.protocol.upload import State, Upload

ALICE = Principal("local:alice", Role.USER, "alice")
ROOT = Principal("local:root", Role.ADMIN, "root")

PRINCIPALS = {"nobody": None, "stranger": Principal("local:bob", Role.USER, "bob"), "owner": ALICE, "admin": ROOT}

EXPECTED = """
                 nobody           stranger   owner      admin
create           unauthenticated  allow      allow      allow
inspect          unauthenticated  not-found  allow      allow
append           unauthenticated  not-found  allow      allow
terminate        unauthenticated  not-found  allow      allow
concatenate      unauthenticated  not-found  allow      allow
view             unauthenticated  not-found  allow      allow
download         unauthenticated  not-found  allow      allow
rename           unauthenticated  not-found  allow      allow
read-links       unauthenticated  not-found  allow      allow
read-usage       unauthenticated  forbidden  allow      allow
read-account     unauthenticated  forbidden  allow      allow
change-password  unauthenticated  forbidden  allow      allow
manage-users     unauthenticated  forbidden  forbidden  allow
clean-up         unauthenticated  forbidden  forbidden  allow
read-metrics     unauthenticated  forbidden  forbidden  allow
"""

OF_SHARED_UPLOADS = """
                 nobody           stranger   owner      admin
view             unauthenticated  allow      allow      allow
download         unauthenticated  allow      allow      allow
"""

ERRORS = {"unauthenticated": Unauthenticated, "not-found": UploadNotFound, "forbidden": Forbidden}


def cells(table: str = EXPECTED) -> list[tuple[str, str, str]]:
    columns, *rows = (line.split() for line in table.strip().splitlines())
    return [(row[0], column, verdict) for row in rows for column, verdict in zip(columns, row[1:], strict=True)]


@pytest.mark.parametrize(("action", "asking", "verdict"), cells())
def test_the_table_says(action: str, asking: str, verdict: str) -> None:
    if verdict == "allow":
        require(PRINCIPALS[asking], Action(action), owner=ALICE.subject)
        return
    with pytest.raises(ERRORS[verdict]) as refused:
        require(PRINCIPALS[asking], Action(action), owner=ALICE.subject)
    assert type(refused.value) is ERRORS[verdict]


@pytest.mark.parametrize(("action", "asking", "verdict"), cells(OF_SHARED_UPLOADS))
def test_the_table_of_shared_uploads_says(action: str, asking: str, verdict: str) -> None:
    assert {asking: verdict} == {asking: SHARED_TABLE[Action(action)][Who(asking)]}
    if verdict == "allow":
        require(PRINCIPALS[asking], Action(action), owner=ALICE.subject, shared=True)
        return
    with pytest.raises(ERRORS[verdict]):
        require(PRINCIPALS[asking], Action(action), owner=ALICE.subject, shared=True)


@pytest.mark.parametrize("action", Action)
def test_sharing_changes_nothing_else(action: Action) -> None:
    listed = {action for action, _, _ in cells(OF_SHARED_UPLOADS)}
    assert {action.value for action in SHARED_TABLE} == listed
    if action.value not in listed and TABLE[action][Who.STRANGER] is not Verdict.ALLOW:
        with pytest.raises((Forbidden, UploadNotFound)):
            require(PRINCIPALS["stranger"], action, owner=ALICE.subject, shared=True)


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("concat", ["", "partial", "final;/files/a"])
@pytest.mark.parametrize("visibility", Visibility)
def test_completed_files_are_shared_and_nothing_else(state: State, concat: str, visibility: Visibility) -> None:
    upload = Upload(id="a", created_at=datetime(2026, 5, 1, tzinfo=UTC), concat=concat, state=state)
    expected = visibility == "shared" and state == "completed" and concat != "partial"
    assert is_shared(upload, visibility) is expected


def test_the_table_has_no_other_cells() -> None:
    assert {(action, asking) for action, asking, _ in cells()} == {
        (action.value, asking.value) for action in Action for asking in Who
    }
    assert {(a.value, w.value): v.value for a, row in TABLE.items() for w, v in row.items()} == {
        (action, asking): verdict for action, asking, verdict in cells()
    }
    assert {verdict for _, _, verdict in cells()} == {verdict.value for verdict in Verdict}


def test_a_user_may_create_though_nothing_is_owned_yet() -> None:
    require(ALICE, Action.CREATE)
    with pytest.raises(Unauthenticated):
        require(None, Action.CREATE)


@pytest.mark.parametrize("action", [Action.INSPECT, Action.APPEND, Action.TERMINATE, Action.DOWNLOAD])
def test_what_nobody_owns_is_for_admins(action: Action) -> None:
    require(ROOT, action, owner="")
    require(EVERYBODY, action, owner="")
    with pytest.raises(UploadNotFound):
        require(ALICE, action, owner="")


def test_everybody_may_do_everything() -> None:
    for action in Action:
        require(EVERYBODY, action, owner="local:alice")


def test_an_admin_is_one_to_their_own_uploads_too() -> None:
    assert who(ROOT, ROOT.subject) is Who.ADMIN


@pytest.mark.parametrize("owner", ["local:Alice", "local:alice ", "local:alic", "", None])
def test_an_owner_is_the_same_to_the_letter(owner: str | None) -> None:
    assert who(ALICE, owner) is Who.STRANGER


def test_a_refusal_says_nothing_of_the_owner() -> None:
    with pytest.raises(TusError) as somebody_elses:
        require(ALICE, Action.INSPECT, owner="local:bob")
    assert (somebody_elses.value.detail, somebody_elses.value.members) == (UploadNotFound().detail, {})
