"""Files that are not there any more, on a page that has not heard of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from tests.e2e.accounts import PASSWORD
from tests.e2e.accounts import sign_in as get_token
from tests.e2e.wire import poll, request
from tests.serving import Server, serving
from tests.web.conftest import Visiting
from tests.web.steps import put, sign_in

pytestmark = pytest.mark.e2e


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server where files expire soon, and are swept away, and their end told, long after that."""
    times = {"finished_ttl": "10s", "sweep_interval": "3600"}
    with serving(tmp_path / "data", auth="local", admin_password=PASSWORD, **times) as running:
        yield running


@pytest.fixture
def page(server: Server, visiting: Visiting) -> Page:
    """The list, with three files that have expired since."""
    page = sign_in(visiting(server.origin), path="/#/files")
    expect(page.get_by_role("heading", name="No files yet")).to_be_visible()
    admin = get_token(server)
    paths = [put(server, admin, f"{name}.txt", b"a text") for name in ("one", "two", "three")]
    expect_listed(page, "three.txt", "two.txt", "one.txt")
    poll(lambda: {request(server, "GET", path, admin.bearer).status for path in paths} == {410}, within=30)
    return page


def expect_listed(page: Page, *names: str) -> None:
    """Wait until the list is these files."""
    expect(page.get_by_role("table", name="Files").get_by_role("link")).to_have_text(list(names))


def test_whatever_is_done_with_them_says_so_and_takes_them_from_the_list(page: Page) -> None:
    notices = page.get_by_role("region", name="Notices")
    page.get_by_role("button", name="Download three.txt").click()
    expect(notices).to_contain_text("three.txt is not there any more.")
    expect_listed(page, "two.txt", "one.txt")
    expect(page.get_by_role("link", name="two.txt")).to_be_focused()

    page.get_by_role("button", name="Rename two.txt").click()
    page.get_by_role("textbox", name="New name: two.txt").fill("other.txt")
    page.keyboard.press("Enter")
    expect(notices).to_contain_text("two.txt is not there any more.")
    expect_listed(page, "one.txt")

    page.get_by_role("button", name="Delete one.txt").click()
    page.get_by_role("dialog", name="Delete this file?").get_by_role("button", name="Delete").click()
    expect(notices).to_contain_text("one.txt is deleted.")
    expect(page.get_by_role("heading", name="No files yet")).to_be_visible()


def test_details_open_and_their_buttons_say_so(page: Page) -> None:
    page.get_by_role("link", name="three.txt").click()
    details = page.get_by_role("dialog", name="File details")
    expect(details).to_contain_text("three.txt")
    details.get_by_role("button", name="Download").click()
    expect(page.get_by_role("region", name="Notices")).to_contain_text("The file is not there any more.")
    details.get_by_role("button", name="Rename").click()
    details.get_by_role("textbox", name="New name").fill("other.txt")
    page.keyboard.press("Enter")
    expect(details.get_by_role("alert")).to_contain_text("The file is not there any more.")
