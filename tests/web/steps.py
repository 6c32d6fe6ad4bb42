"""What people do on the page, by the roles and names that they find there."""

import base64
import re
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Locator, Page, expect
from tests.e2e.accounts import PASSWORD, User
from tests.e2e.samples import Sample
from tests.e2e.wire import create, patch, poll, stored, stored_hash
from tests.serving import Server
from tests.web.browser import Visit


def sign_in(visit: Visit, username: str = "admin", path: str = "/") -> Page:
    """Open the page, and sign in there."""
    page = visit.open(path)
    give_credentials(page, username)
    expect(page.get_by_role("navigation", name="Main")).to_be_visible()
    return page


def open_account_menu(page: Page) -> None:
    """Show what can be done about who is signed in."""
    page.get_by_role("banner").get_by_role("button", name="Account of").click()


def sign_out(page: Page) -> None:
    """Sign out, with nothing unfinished."""
    open_account_menu(page)
    page.get_by_role("button", name="Sign out").click()


def give_credentials(page: Page, username: str, password: str = PASSWORD) -> None:
    """Fill in the form, and send it."""
    page.get_by_label("User name").fill(username)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in", exact=True).click()


def choose(page: Page, *paths: Path) -> None:
    """Choose files to upload. By their paths, so that their bytes go nowhere but to the server."""
    with page.expect_file_chooser() as opening:
        page.get_by_role("button", name="Choose files").click()
    opening.value.set_files(paths)


def row(page: Page, name: str) -> Locator:
    """An upload in the list."""
    return page.get_by_role("region", name="Uploads").get_by_role("listitem").filter(has_text=name)


def expect_state(page: Page, name: str, *states: str, within: float = 30.0) -> None:
    """Wait until an upload is in one of these states."""
    expected = re.compile("|".join(f"^{state}$" for state in states))
    expect(row(page, name)).to_have_attribute("data-state", expected, timeout=within * 1000)


def expect_uploaded(server: Server, visit: Visit, sample: Sample, *, within: float = 60.0) -> None:
    """Wait until a file is uploaded; it was created once, and is on the disk as it was."""
    expect_state(visit.page, sample.path.name, "done", within=within)
    (path,) = visit.created
    assert stored(server, path).stat().st_size == sample.size
    assert stored_hash(server, path) == sample.sha256


def open_details(page: Page, name: str) -> Locator:
    """Look at the details of a file in the list; returns the dialog."""
    page.get_by_role("link", name=name, exact=True).click()
    details = page.get_by_role("dialog", name="File details")
    expect(details).to_be_visible()
    return details


def expect_removed(server: Server, path: str) -> None:
    """Wait until nothing of an upload is on the disk."""
    poll(lambda: not stored(server, path).exists())


def put(server: Server, user: User | None, name: str, data: bytes, *, length: int | None = None) -> str:
    """Upload from elsewhere: bytes of a user's, or of a file that stays unfinished if its length is greater."""
    encoded = base64.b64encode(name.encode()).decode()
    headers = {} if user is None else user.bearer
    size = len(data) if length is None else length
    path = create(server, size, {**headers, "Upload-Metadata": f"filename {encoded}"})
    if data:
        assert patch(server, path, 0, data, headers).status == 204
    return urlsplit(path).path
