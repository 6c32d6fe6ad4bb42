"""Links for those who have no account."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect
from tests.e2e.accounts import PASSWORD, register
from tests.e2e.accounts import sign_in as get_token
from tests.serving import Answer, Connection, Server, serving
from tests.web.browser import ELSEWHERE
from tests.web.conftest import Visiting
from tests.web.steps import open_details, put, sign_in

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data_dir = tmp_path_factory.mktemp("server") / "data"
    with serving(data_dir, auth="local", admin_password=PASSWORD, registration="open") as running:
        yield running


@pytest.fixture
def page(server: Server, visiting: Visiting) -> Page:
    """The list of files, in a browser that lets the page use the clipboard."""
    page = sign_in(visiting(server.origin), path="/#/files")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    return page


def open_sharing(page: Page, name: str) -> Locator:
    """Ask for links to a file; returns the dialog."""
    open_details(page, name).get_by_role("button", name="Share…").click()
    return page.get_by_role("dialog", name="Share this file")


def copy_link(page: Page, dialog: Locator) -> str:
    """Have a link made, and take it from the clipboard."""
    page.evaluate("navigator.clipboard.writeText('')")
    dialog.get_by_role("button", name="Copy the link").click()
    expect(dialog.get_by_role("region", name="Notices").get_by_text("The link is copied.").last).to_be_visible()
    page.wait_for_function("async () => await navigator.clipboard.readText() !== ''")
    copied: str = page.evaluate("navigator.clipboard.readText()")
    return copied


def links(dialog: Locator) -> Locator:
    """The links that there are, with a button each."""
    return dialog.get_by_role("region", name="Links to this file").get_by_role("listitem")


def fetch(server: Server, url: str) -> Answer:
    """What somebody without an account gets."""
    parts = urlsplit(url)
    with Connection(server.port) as connection:
        return connection.request("GET", f"{parts.path}?{parts.query}", {})


def test_whoever_has_the_link_gets_the_file_until_it_is_revoked(server: Server, page: Page) -> None:
    put(server, get_token(server), "for everybody.txt", b"shared")
    dialog = open_sharing(page, "for everybody.txt")
    expect(links(dialog)).to_have_text(["There are none."])
    dialog.get_by_role("combobox", name="Good for").select_option("7 days")
    url = copy_link(page, dialog)
    assert url.startswith(f"{server.origin}/files/")
    assert fetch(server, url).body == b"shared"
    expect(links(dialog)).to_have_count(1)
    # The same one again.
    assert copy_link(page, dialog) == url
    expect(links(dialog)).to_have_count(1)

    page.keyboard.press("Escape")
    open_sharing_again = page.get_by_role("button", name="Share…")
    expect(open_sharing_again).to_be_focused()
    open_sharing_again.click()
    expect(links(dialog)).to_contain_text("1 download")
    dialog.get_by_role("button", name="Revoke the link").click()
    expect(links(dialog)).to_have_text(["There are none."])
    expect(dialog.get_by_role("region", name="Links to this file")).to_be_focused()
    assert fetch(server, url).status == 410


def test_a_link_for_one_download_is_good_for_one(server: Server, page: Page) -> None:
    put(server, get_token(server), "once.txt", b"shared once")
    dialog = open_sharing(page, "once.txt")
    dialog.get_by_role("combobox", name="Downloads").select_option("One")
    url = copy_link(page, dialog)
    expect(links(dialog)).to_contain_text("0 of 1 download")
    assert fetch(server, url).body == b"shared once"
    assert fetch(server, url).status == 410
    # Another choice is another link.
    dialog.get_by_role("combobox", name="Downloads").select_option("Any number")
    assert copy_link(page, dialog) != url
    expect(links(dialog)).to_have_count(2)


def test_the_link_can_be_copied_by_hand_where_pages_cannot_copy(server: Server, visiting: Visiting) -> None:
    put(server, get_token(server), "by hand.txt", b"shared by hand")
    page = sign_in(visiting(server.origin.replace("127.0.0.1", ELSEWHERE)), path="/#/files")
    assert page.evaluate("navigator.clipboard === undefined")
    dialog = open_sharing(page, "by hand.txt")
    dialog.get_by_role("button", name="Copy the link").click()
    field = dialog.get_by_role("textbox", name="Link")
    expect(field).to_be_focused()
    url = field.input_value()
    assert field.evaluate("({ selectionStart, selectionEnd }) => [selectionStart, selectionEnd]") == [0, len(url)]
    assert fetch(server, url).body == b"shared by hand"


def test_what_cannot_be_made_is_said(server: Server, page: Page) -> None:
    put(server, get_token(server), "unreachable.txt", b"a text")
    dialog = open_sharing(page, "unreachable.txt")
    page.route("**/api/uploads/*/link", lambda route: route.abort())
    dialog.get_by_role("button", name="Copy the link").click()
    expect(dialog.get_by_role("alert")).to_contain_text("The server cannot be reached.")
    expect(links(dialog)).to_have_text(["There are none."])


def test_links_of_downloads_are_not_listed(server: Server, page: Page) -> None:
    put(server, get_token(server), "downloaded.txt", b"a text")
    with page.expect_download():
        page.get_by_role("button", name="Download downloaded.txt").click()
    dialog = open_sharing(page, "downloaded.txt")
    expect(links(dialog)).to_have_text(["There are none."])


def test_owners_see_who_made_a_link_and_others_see_their_own(server: Server, visiting: Visiting) -> None:
    ann, ben = register(server, "ann"), register(server, "ben")
    put(server, ann, "of ann.txt", b"a text")
    put(server, ben, "of ben.txt", b"another one")
    there = sign_in(visiting(server.origin), "ben", "/#/files")
    there.context.grant_permissions(["clipboard-read", "clipboard-write"])
    copy_link(there, open_sharing(there, "of ann.txt"))

    here = sign_in(visiting(server.origin), "ann", "/#/files")
    here.context.grant_permissions(["clipboard-read", "clipboard-write"])
    dialog = open_sharing(here, "of ann.txt")
    expect(links(dialog)).to_contain_text("by ben")
    copy_link(here, dialog)
    expect(links(dialog)).to_have_count(2)

    there.keyboard.press("Escape")
    there.get_by_role("button", name="Share…").click()
    expect(links(there.get_by_role("dialog", name="Share this file"))).to_have_count(1)


def test_what_is_not_finished_is_not_shared(server: Server, page: Page) -> None:
    put(server, get_token(server), "half.txt", b"half", length=8)
    details = open_details(page, "half.txt")
    expect(details.get_by_role("button", name="Rename")).to_be_visible()
    expect(details.get_by_role("button", name="Share…")).to_have_count(0)
