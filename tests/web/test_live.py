from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from tests.e2e.accounts import PASSWORD, User, ask, register
from tests.e2e.wire import request
from tests.serving import Server, serving
from tests.web.conftest import Visiting
from tests.web.line import Line
from tests.web.steps import choose, expect_state, open_details, put, sign_in

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data_dir = tmp_path_factory.mktemp("server") / "data"
    with serving(data_dir, auth="local", admin_password=PASSWORD, registration="open") as running:
        yield running


@pytest.fixture(scope="module")
def ann(server: Server) -> User:
    return register(server, "ann")


@pytest.fixture(scope="module")
def ben(server: Server) -> User:
    return register(server, "ben")


def expect_file(page: Page, name: str) -> None:
    """Wait until a file is in the list."""
    expect(page.get_by_role("table", name="Files").get_by_role("link", name=name, exact=True)).to_be_visible()


def watch_with_the_clock_stopped(server: Server, ben: User, visiting: Visiting, name: str) -> Page:
    """Look at the files as Ben, whose file of that name comes last before the clock stops."""
    visit = visiting(server.origin)
    visit.page.clock.install()
    page = sign_in(visit, ben.name, "/#/files")
    put(server, ben, name, b"first")
    expect_file(page, name)
    page.clock.pause_at(page.evaluate("Date.now()") / 1000 + 60)
    return page


def test_a_colleague_sees_a_file_arrive(
    server: Server, ann: User, ben: User, visiting: Visiting, tmp_path: Path
) -> None:
    there = sign_in(visiting(server.origin), ben.name, "/#/files")
    # Something of his own first, so that he is certainly listening.
    put(server, ben, "from ben.txt", b"first")
    expect_file(there, "from ben.txt")
    (tmp_path / "from ann.txt").write_text("for everybody")
    here = sign_in(visiting(server.origin), ann.name)
    choose(here, tmp_path / "from ann.txt")
    expect_state(here, "from ann.txt", "done")

    expect_file(there, "from ann.txt")
    notices = there.get_by_role("region", name="Notices")
    expect(notices).to_contain_text("ann uploaded from ann.txt.")
    expect(here.get_by_role("region", name="Notices")).not_to_contain_text("from ann.txt")
    # Nobody is told of what they did themselves.
    expect(notices).not_to_contain_text("from ben.txt")
    notices.get_by_role("button", name="Show").click()
    expect(there.get_by_role("dialog", name="File details")).to_contain_text("from ann.txt")


def test_several_files_are_told_of_once_and_there_is_nowhere_to_go_from_the_list(
    server: Server, ann: User, ben: User, visiting: Visiting
) -> None:
    page = watch_with_the_clock_stopped(server, ben, visiting, "before several.txt")
    for name in ("one of two.txt", "two of two.txt"):
        put(server, ann, name, b"a text")
        expect_file(page, name)
    page.clock.run_for(1_000)
    notices = page.get_by_role("region", name="Notices")
    expect(notices).to_contain_text("2 files have arrived.")
    expect(notices.get_by_role("button", name="Show")).to_have_count(0)
    page.clock.run_for(8_000)
    expect(notices.get_by_role("paragraph")).to_have_count(0)


def test_the_details_of_a_file_that_arrives_take_the_place_of_anothers(
    server: Server, ann: User, ben: User, visiting: Visiting
) -> None:
    page = watch_with_the_clock_stopped(server, ben, visiting, "looked at.txt")
    details = open_details(page, "looked at.txt")
    put(server, ann, "arriving.txt", b"a text")
    expect_file(page, "arriving.txt")
    page.clock.run_for(1_000)
    details.get_by_role("region", name="Notices").get_by_role("button", name="Show").click()
    expect(details).to_contain_text("arriving.txt")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page).to_have_url(f"{server.origin}/#/files")


def test_a_notice_stays_while_somebody_is_at_it(server: Server, ann: User, ben: User, visiting: Visiting) -> None:
    page = watch_with_the_clock_stopped(server, ben, visiting, "before staying.txt")
    put(server, ann, "staying.txt", b"a text")
    expect_file(page, "staying.txt")
    page.clock.run_for(1_000)
    notice = page.get_by_role("region", name="Notices").get_by_role("paragraph")
    expect(notice).to_have_text("ann uploaded staying.txt.")
    notice.hover()
    page.clock.run_for(60_000)
    expect(notice).to_be_visible()
    page.get_by_role("region", name="Notices").get_by_role("button", name="Show").focus()
    page.mouse.move(0, 0)
    page.clock.run_for(60_000)
    expect(notice).to_be_visible()
    page.get_by_role("searchbox", name="Search by name").focus()
    page.clock.run_for(19_000)
    expect(notice).to_be_visible()
    page.clock.run_for(1_000)
    expect(notice).to_have_count(0)


def test_what_is_deleted_elsewhere_goes_here(server: Server, ann: User, ben: User, visiting: Visiting) -> None:
    path = put(server, ann, "for a while.txt", b"a text")
    page = sign_in(visiting(server.origin), ben.name, "/#/files")
    expect_file(page, "for a while.txt")
    assert request(server, "DELETE", path, ann.bearer).status == 204
    expect(page.get_by_role("link", name="for a while.txt")).to_have_count(0)


def test_a_new_name_is_shown_in_every_tab(server: Server, ann: User, ben: User, visiting: Visiting) -> None:
    put(server, ann, "draft.txt", b"a text")
    there = sign_in(visiting(server.origin), ben.name, "/#/files")
    expect_file(there, "draft.txt")
    there.get_by_role("link", name="draft.txt").click()
    details = there.get_by_role("dialog", name="File details")
    expect(details.get_by_role("region", name="History")).to_contain_text("Finished")
    here = sign_in(visiting(server.origin), ann.name, "/#/files")
    here.get_by_role("button", name="Rename draft.txt").click()
    here.get_by_role("textbox", name="New name").fill("fair copy.txt")
    here.keyboard.press("Enter")

    expect_file(here, "fair copy.txt")
    expect(details).to_contain_text("fair copy.txt")
    expect(details.get_by_role("region", name="History")).to_contain_text("Renamed")
    there.keyboard.press("Escape")
    expect_file(there, "fair copy.txt")
    expect(there.get_by_role("link", name="draft.txt")).to_have_count(0)


def test_nothing_is_missed_while_the_server_is_out_of_reach(
    server: Server, ann: User, ben: User, visiting: Visiting
) -> None:
    with Line(server) as line:
        page = sign_in(visiting(line.origin), ben.name, "/#/files")
        put(server, ben, "before.txt", b"first")
        expect_file(page, "before.txt")
        line.cut()
        expect(page.get_by_text("The server cannot be reached. Trying again until it can.")).to_be_visible()
        put(server, ann, "meanwhile.txt", b"while he was away")
        line.mend()
        expect_file(page, "meanwhile.txt")
        expect(page.get_by_role("region", name="Notices")).to_contain_text("ann uploaded meanwhile.txt.")
        expect(page.get_by_text("The server cannot be reached.")).to_have_count(0)


def test_what_others_have_not_finished_is_not_shown(server: Server, ann: User, ben: User, visiting: Visiting) -> None:
    put(server, ann, "half.txt", b"half", length=100)
    page = sign_in(visiting(server.origin), ben.name, "/#/files")
    put(server, ben, "whole.txt", b"whole")
    expect_file(page, "whole.txt")
    expect(page.get_by_role("link", name="half.txt")).to_have_count(0)
    assert ask(server, "/api/uploads?name=half.txt", ben.bearer).body.count(b"half.txt") == 0
