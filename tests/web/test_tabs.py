from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect
from tests.e2e.accounts import PASSWORD
from tests.e2e.wire import poll
from tests.serving import Server, serving
from tests.web.browser import ELSEWHERE, Visit
from tests.web.conftest import Visiting
from tests.web.line import Line
from tests.web.steps import sign_in

pytestmark = pytest.mark.e2e

REFRESH = "/auth/session/refresh"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data_dir = tmp_path_factory.mktemp("server") / "data"
    with serving(data_dir, auth="local", admin_password=PASSWORD) as running:
        yield running


@pytest.fixture
def line(server: Server) -> Iterator[Line]:
    with Line(server) as laid:
        yield laid


def open_two(visit: Visit) -> tuple[Page, Page]:
    """Two tabs of somebody who has signed in. They have one clock, which can be set."""
    visit.context.clock.install()
    page = sign_in(visit)
    other = visit.another_tab()
    expect(other.get_by_role("navigation", name="Main")).to_be_visible()
    return page, other


def show_files(page: Page) -> None:
    """Ask for something that takes a token."""
    page.get_by_role("link", name="Files", exact=True).click()


def expect_signed_in(*tabs: Page) -> None:
    """Wait until the tabs have what takes a token, now and after a reload."""
    for page in tabs:
        expect(page.get_by_role("heading", name="No files yet")).to_be_visible()
    for page in tabs:
        page.reload()
        expect(page.get_by_role("heading", name="No files yet")).to_be_visible()


def waits_its_turn(page: Page) -> bool:
    """Whether one tab refreshes while another waits for that."""
    found = page.evaluate("navigator.locks.query()")
    held, waiting = ({lock["name"] for lock in found[kind]} for kind in ("held", "pending"))
    return "longshore.session" in held & waiting


def test_tabs_take_turns_to_refresh_and_stay_signed_in(line: Line, visiting: Visiting) -> None:
    visit = visiting(line.origin)
    tabs = open_two(visit)
    before = visit.count("POST", REFRESH)
    line.hold_after(0)
    visit.context.clock.fast_forward("15:00")
    for tab in tabs:
        show_files(tab)
    poll(lambda: waits_its_turn(tabs[0]))
    assert visit.count("POST", REFRESH) == before + 1
    line.release()
    expect_signed_in(*tabs)


def test_tabs_that_refresh_at_once_where_browsers_have_no_locks_stay_signed_in(line: Line, visiting: Visiting) -> None:
    visit = visiting(line.origin.replace("127.0.0.1", ELSEWHERE))
    tabs = open_two(visit)
    assert tabs[0].evaluate("navigator.locks === undefined")
    line.hold_after(0)
    first, second = tabs
    with first.expect_request(f"**{REFRESH}"), second.expect_request(f"**{REFRESH}"):
        visit.context.clock.fast_forward("15:00")
        show_files(first)
        show_files(second)
    line.release()
    expect_signed_in(*tabs)
