"""The details of a file: what they say, and that their errors are seen."""

import hashlib
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, Route, expect
from tests.e2e.accounts import PASSWORD, User
from tests.e2e.accounts import sign_in as get_token
from tests.serving import Server, serving
from tests.web.browser import ELSEWHERE
from tests.web.conftest import Visiting
from tests.web.steps import open_details, put, sign_in

pytestmark = pytest.mark.e2e

CHECKSUM = hashlib.sha256(b"abc").hexdigest()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data_dir = tmp_path_factory.mktemp("server") / "data"
    with serving(data_dir, auth="local", admin_password=PASSWORD) as running:
        yield running


@pytest.fixture(scope="module")
def admin(server: Server) -> User:
    return get_token(server)


@pytest.fixture
def page(server: Server, visiting: Visiting) -> Page:
    """The list of files."""
    return sign_in(visiting(server.origin), path="/#/files")


def lose_file(page: Page, path: str) -> None:
    """Have what is asked about a file be asked about one that there never was."""
    address = f"/api/uploads/{path.rpartition('/')[2]}"
    page.route(
        f"**{address}", lambda route: route.continue_(url=route.request.url.replace(address, "/api/uploads/none"))
    )


def notices_in(dialog: Locator) -> Locator:
    """The notices that are shown within a dialog."""
    return dialog.get_by_role("region", name="Notices")


def test_a_failed_download_is_told_where_it_can_be_read_and_dismissed(server: Server, admin: User, page: Page) -> None:
    put(server, admin, "failing.txt", b"abc")
    details = open_details(page, "failing.txt")
    page.route("**/api/uploads/*/link", lambda route: route.abort())
    download = details.get_by_role("button", name="Download")
    download.click()
    expect(notices_in(details)).to_contain_text("The server cannot be reached.")
    notices_in(details).get_by_role("button", name="Dismiss").click()
    expect(notices_in(details).get_by_role("paragraph")).to_have_count(0)
    expect(download).to_be_focused()


def test_a_notice_goes_where_it_can_be_reached(server: Server, admin: User, page: Page) -> None:
    put(server, admin, "moving.txt", b"abc")
    notices = page.get_by_role("region", name="Notices")
    page.route("**/api/uploads/*/link", lambda route: route.abort())
    page.get_by_role("button", name="Download moving.txt").click()
    expect(notices).to_contain_text("The server cannot be reached.")

    details = open_details(page, "moving.txt")
    expect(notices_in(details)).to_contain_text("The server cannot be reached.")
    details.get_by_role("button", name="Delete").click()
    question = page.get_by_role("dialog", name="Delete this file?")
    expect(notices_in(question)).to_contain_text("The server cannot be reached.")
    question.get_by_role("button", name="Cancel").click()
    expect(notices_in(details)).to_contain_text("The server cannot be reached.")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    notices.get_by_role("button", name="Dismiss").click()
    expect(notices.get_by_role("paragraph")).to_have_count(0)


def test_the_checksum_is_copied(server: Server, admin: User, page: Page) -> None:
    put(server, admin, "copied.txt", b"abc")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    details = open_details(page, "copied.txt")
    details.get_by_role("button", name="Copy the SHA-256 checksum").click()
    expect(notices_in(details)).to_contain_text("The checksum is copied.")
    assert page.evaluate("navigator.clipboard.readText()") == CHECKSUM


def test_the_checksum_is_selected_where_pages_cannot_copy(server: Server, admin: User, visiting: Visiting) -> None:
    put(server, admin, "selected.txt", b"abc")
    page = sign_in(visiting(server.origin.replace("127.0.0.1", ELSEWHERE)), path="/#/files")
    assert page.evaluate("navigator.clipboard === undefined")
    details = open_details(page, "selected.txt")
    details.get_by_role("button", name="Copy the SHA-256 checksum").click()
    expect(notices_in(details)).to_contain_text("The checksum is selected.")
    assert page.evaluate("String(getSelection())") == CHECKSUM


def test_nothing_is_said_twice(server: Server, admin: User, page: Page) -> None:
    put(server, admin, "told.txt", b"abc")
    details = open_details(page, "told.txt")
    expect(details.get_by_role("region", name="History").get_by_role("listitem")).to_have_count(2)
    expect(details.get_by_role("term")).to_have_text(["State", "Size", "Type", "Owner", "SHA-256"])


def test_what_the_history_has_forgotten_is_said_beside_it(server: Server, admin: User, page: Page) -> None:
    put(server, admin, "old.txt", b"abc")

    def answer_without(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json={**answer.json(), "history": []})

    page.route("**/api/uploads/*", answer_without)
    details = open_details(page, "old.txt")
    expect(details.get_by_role("term").get_by_text("Added", exact=True)).to_be_visible()
    expect(details.get_by_role("term").get_by_text("Finished", exact=True)).to_be_visible()


def test_a_file_that_is_gone_is_said_to_be_and_leaves_the_list(server: Server, admin: User, page: Page) -> None:
    path = put(server, admin, "lost.txt", b"abc")
    expect(page.get_by_role("link", name="lost.txt")).to_be_visible()
    lose_file(page, path)
    details = open_details(page, "lost.txt")
    expect(details.get_by_role("alert")).to_have_text("The file is not there any more.")
    expect(details.get_by_role("button", name="Download")).to_have_count(0)
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="lost.txt")).to_have_count(0)
    expect(page.get_by_role("region", name="Notices")).to_contain_text("lost.txt is not there any more.")


def test_a_file_that_goes_while_it_is_renamed_is_said_to_be_gone(server: Server, admin: User, page: Page) -> None:
    path = put(server, admin, "leaving.txt", b"abc")
    details = open_details(page, "leaving.txt")
    expect(details.get_by_role("region", name="History")).to_contain_text("Finished")
    details.get_by_role("button", name="Rename").click()
    lose_file(page, path)
    details.get_by_role("textbox", name="New name").fill("staying.txt")
    page.keyboard.press("Enter")
    expect(details.get_by_role("alert")).to_have_text("The file is not there any more.")
    expect(details.get_by_role("textbox")).to_have_count(0)


def test_there_is_no_such_file(server: Server, admin: User, page: Page) -> None:
    page.goto(f"{server.origin}/#/files/0123456789abcdef")
    details = page.get_by_role("dialog", name="File details")
    expect(details).to_contain_text("There is no such file, or it is not yours to see.")
    page.keyboard.press("Escape")
    expect(page.get_by_role("main")).to_be_focused()
