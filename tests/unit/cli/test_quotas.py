import json

import pytest
from tests.unit.cli.terminal import Terminal

GB = 1000**3


@pytest.fixture
def ann(terminal: Terminal) -> Terminal:
    terminal.add("ann")
    return terminal


def quotas(terminal: Terminal, arguments: str) -> dict[str, tuple[str, str]]:
    """Run `user quota` and read its table: each quota, where it comes from."""
    rows = [line.split(maxsplit=2) for line in terminal.run(f"user quota {arguments}").text.splitlines()]
    return {name: (allowed, origin.strip("()")) for name, allowed, origin in rows}


DEFAULTS = {
    "daily": ("10GB", "settings"),
    "monthly": ("100GB", "settings"),
    "stored": ("none", "settings"),
    "size": ("none", "settings"),
    "unfinished": ("none", "settings"),
}


@pytest.mark.parametrize("whose", ["ann", "ANN", "--role user", "--role admin", "--subject auth0|5f7c"])
def test_without_changes_the_settings_hold(ann: Terminal, whose: str) -> None:
    assert quotas(ann, whose) == DEFAULTS


def test_the_table_is_one_line_for_each_quota(ann: Terminal) -> None:
    assert ann.run("user quota ann --stored 1.5TB --unfinished 3").text.splitlines() == [
        "daily       10GB         (settings)",
        "monthly     100GB        (settings)",
        "stored      1500GB       (set here)",
        "size        none         (settings)",
        "unfinished  3            (set here)",
    ]


def test_settings_are_what_holds_where_nothing_was_set(ann: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONGSHORE_QUOTA_DAILY", "512MiB")
    monkeypatch.setenv("LONGSHORE_QUOTA_MONTHLY", "none")
    monkeypatch.setenv("LONGSHORE_QUOTA_STORED", "123456789")
    monkeypatch.setenv("LONGSHORE_QUOTA_UNFINISHED", "7")
    assert quotas(ann, "ann") == {
        "daily": ("512MiB", "settings"),
        "monthly": ("none", "settings"),
        "stored": ("123456789", "settings"),
        "size": ("none", "settings"),
        "unfinished": ("7", "settings"),
    }


def test_a_users_own_win_over_the_roles_and_those_over_the_settings(ann: Terminal) -> None:
    assert quotas(ann, "--role user --daily 20GB --size 5GB") == DEFAULTS | {
        "daily": ("20GB", "set here"),
        "size": ("5GB", "set here"),
    }
    assert quotas(ann, "ann --daily 50GB --monthly none") == DEFAULTS | {
        "daily": ("50GB", "set here"),
        "monthly": ("none", "set here"),
        "size": ("5GB", "role user"),
    }
    assert quotas(ann, "ann --daily default") == DEFAULTS | {
        "daily": ("20GB", "role user"),
        "monthly": ("none", "set here"),
        "size": ("5GB", "role user"),
    }
    assert quotas(ann, "--role user --daily Default --size DEFAULT") == DEFAULTS
    assert quotas(ann, "--role admin") == DEFAULTS


def test_the_roles_are_those_of_the_users_role(ann: Terminal) -> None:
    ann.add("root", role="admin")
    quotas(ann, "--role admin --daily none")
    assert quotas(ann, "root")["daily"] == ("none", "role admin")
    assert quotas(ann, "ann")["daily"] == ("10GB", "settings")


def test_subjects_of_an_external_issuer_have_quotas_by_their_name(ann: Terminal) -> None:
    quotas(ann, "--subject auth0|5f7c --unfinished 2")
    assert quotas(ann, "--subject auth0|5f7c")["unfinished"] == ("2", "set here")
    assert quotas(ann, "--subject auth0|other")["unfinished"] == ("none", "settings")


def test_a_local_users_subject_is_the_user(ann: Terminal) -> None:
    subject = json.loads(ann.run("user list --json").text)["id"]
    quotas(ann, f"--subject {subject} --daily 1GB")
    assert quotas(ann, "ann")["daily"] == ("1GB", "set here")


def test_the_application_keeps_to_what_was_set(ann: Terminal) -> None:
    quotas(ann, "ann --daily 1GB --monthly none --stored 2GB --size 10MB --unfinished 4")
    usage = ann.ask("GET", "/api/usage", token=ann.token("ann")).json()
    assert {name: quota["limit"] for name, quota in usage.items()} == {
        "daily": GB,
        "monthly": None,
        "stored": 2 * GB,
        "size": 10 * 1000**2,
        "unfinished": 4,
    }


HELP = " (longshore --help lists what there is)"
SIZE = f"use a size of at least one byte, such as 500000, 64KiB, 10GB or 5GiB, or none for no limit{HELP}"
COUNT = f"use a number of at least 1, or none for no limit{HELP}"
WHOSE = f"give a user's NAME, or --role, or --subject{HELP}"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ("ann --daily 10Gb/s", f"--daily=10Gb/s is not valid: {SIZE}"),
        ("ann --monthly 0", f"--monthly=0 is not valid: {SIZE}"),
        ("ann --stored -5", f"--stored=-5 is not valid: {SIZE}"),
        ("ann --size never", f"--size=never is not valid: {SIZE}"),
        ("ann --daily=", f"--daily= is not valid: {SIZE}"),
        ("ann --unfinished 1GB", f"--unfinished=1GB is not valid: {COUNT}"),
        ("ann --daily 1GB --unfinished 0", f"--unfinished=0 is not valid: {COUNT}"),
        ("--daily 1GB", WHOSE),
        ("ann --role user --daily 1GB", WHOSE),
        ("--role user --subject x --daily 1GB", WHOSE),
        ("--subject= --daily 1GB", WHOSE),
        ("nobody --daily 1GB", "No such user"),
        ("--role root --daily 1GB", f"Invalid value for '--role': 'root' is not one of 'user', 'admin'.{HELP}"),
    ],
)
def test_what_is_refused_is_one_line_and_changes_nothing(ann: Terminal, arguments: str, line: str) -> None:
    assert ann.run(f"user quota {arguments}").complaint == line
    assert quotas(ann, "ann") == quotas(ann, "--role user") == DEFAULTS
