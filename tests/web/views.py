"""Every view that the client has, one after the other."""

from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Page, expect
from tests.e2e.accounts import User
from tests.e2e.samples import Sample
from tests.serving import Server
from tests.web.browser import Visit
from tests.web.line import Line
from tests.web.steps import choose, expect_state, give_credentials, open_account_menu, put, row

LONG_NAME = "a name that has no end, as people give them to files " * 3 + ".txt"


def fill(server: Server, user: User) -> None:
    """Put files on the server that make lists hard to lay out; it takes text and data alone."""
    put(server, user, LONG_NAME, b"long\n" * 100)
    put(server, user, "short.txt", b"short\n")
    put(server, user, "unfinished.bin", b"half", length=8)


def walk(visit: Visit, line: Line, sample: Sample, area: Path) -> Iterator[str]:
    """Go through the views; yields the name of each as soon as it is there. The server takes .txt and .bin."""
    page = visit.open()
    yield from _signed_out(page)
    give_credentials(page, "admin")
    expect(page.get_by_role("heading", name="Drop files or folders here")).to_be_visible()
    expect(page.get_by_role("region", name="Your quotas")).to_be_visible()
    yield "uploads, none yet"
    yield from _account(page)
    yield from _uploads(page, line, sample, area)
    yield from _files(page)
    page.goto(f"{visit.origin}/#/elsewhere")
    expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()
    yield "no such page"
    visit.context.set_offline(True)
    expect(page.get_by_text("You are offline.")).to_be_visible()
    yield "offline"
    visit.context.set_offline(False)


def _signed_out(page: Page) -> Iterator[str]:
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    yield "sign-in"
    give_credentials(page, "admin", "a wrong password")
    expect(page.get_by_role("alert")).to_be_visible()
    yield "sign-in, refused"
    page.get_by_role("button", name="Create an account").click()
    expect(page.get_by_role("button", name="Create account")).to_be_visible()
    yield "registration"
    page.get_by_role("button", name="I have an account").click()


def _account(page: Page) -> Iterator[str]:
    open_account_menu(page)
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    yield "account menu"
    page.get_by_role("button", name="Change the password").click()
    dialog = page.get_by_role("dialog", name="Change the password")
    dialog.get_by_label("Current password").fill("a wrong password")
    dialog.get_by_label("New password").fill("another password")
    dialog.get_by_role("button", name="Change it").click()
    expect(dialog.get_by_role("alert")).to_be_visible()
    yield "changing the password, refused"
    page.keyboard.press("Escape")


def _uploads(page: Page, line: Line, sample: Sample, area: Path) -> Iterator[str]:
    (area / "program.exe").write_bytes(b"MZ")
    (area / "done.txt").write_bytes(b"a text")
    (area / LONG_NAME).write_bytes(b"another text")
    choose(page, area / "program.exe", area / "done.txt", area / LONG_NAME)
    expect_state(page, "done.txt", "done")
    line.hold_after(sample.size // 2)
    choose(page, sample.path)
    line.wait_until_held()
    expect_state(page, sample.path.name, "uploading")
    yield "uploads"
    page.get_by_role("button", name=f"Pause {sample.path.name}").click()
    expect_state(page, sample.path.name, "paused")
    line.release()
    yield "uploads, paused"
    page.get_by_role("button", name=f"Cancel {sample.path.name}").click()
    expect(page.get_by_role("dialog", name="Cancel this upload?")).to_be_visible()
    yield "cancelling"
    page.get_by_role("dialog").get_by_role("button", name="Cancel the upload").click()
    expect(row(page, sample.path.name)).to_have_count(0)


def _files(page: Page) -> Iterator[str]:
    page.get_by_role("link", name="Files", exact=True).click()
    expect(page.get_by_role("link", name="short.txt")).to_be_visible()
    yield "files"
    page.get_by_role("button", name="Rename short.txt").click()
    expect(page.get_by_role("textbox", name="New name: short.txt")).to_be_focused()
    yield "renaming"
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Delete short.txt").click()
    expect(page.get_by_role("dialog", name="Delete this file?")).to_be_visible()
    yield "deleting"
    page.keyboard.press("Escape")
    page.get_by_role("link", name=LONG_NAME.strip()).first.click()
    expect(page.get_by_role("dialog").get_by_role("region", name="History")).to_contain_text("Finished")
    yield "details"
    page.get_by_role("button", name="Share…").click()
    sharing = page.get_by_role("dialog", name="Share this file")
    sharing.get_by_role("button", name="Copy the link").click()
    expect(sharing.get_by_role("textbox", name="Link")).to_be_visible()
    expect(sharing.get_by_role("button", name="Revoke the link").first).to_be_visible()
    yield "sharing"
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.get_by_role("searchbox", name="Search by name").fill("nothing of that name")
    expect(page.get_by_role("heading", name="Nothing found")).to_be_visible()
    yield "files, nothing found"
