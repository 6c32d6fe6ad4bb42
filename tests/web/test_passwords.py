from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect
from tests.e2e.accounts import PASSWORD, register
from tests.e2e.samples import Sample
from tests.serving import Server, serving
from tests.web.conftest import Visiting
from tests.web.line import Line
from tests.web.steps import (
    choose,
    expect_state,
    expect_uploaded,
    give_credentials,
    open_account_menu,
    sign_in,
    sign_out,
)

pytestmark = pytest.mark.e2e

ANOTHER = "wrong donkey generator paperclip"


@pytest.fixture
def server(area: Path) -> Iterator[Server]:
    with serving(area / "data", auth="local", admin_password=PASSWORD, registration="open") as running:
        yield running


def ask_for_another(page: Page, current: str, wanted: str) -> Locator:
    """Fill in the dialog and send it; returns it."""
    open_account_menu(page)
    page.get_by_role("button", name="Change the password").click()
    dialog = page.get_by_role("dialog", name="Change the password")
    send(dialog, current, wanted)
    return dialog


def send(dialog: Locator, current: str, wanted: str) -> None:
    """Fill in the dialog, and send it."""
    dialog.get_by_label("Current password").fill(current)
    dialog.get_by_label("New password").fill(wanted)
    dialog.get_by_role("button", name="Change it").click()


def expect_changed(page: Page) -> None:
    """Wait until the page says that it is changed."""
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("region", name="Notices")).to_contain_text("Your password is changed.")


def test_another_password_is_the_one_from_then_on(server: Server, visiting: Visiting) -> None:
    register(server, "ann")
    page = sign_in(visiting(server.origin), "ann")
    ask_for_another(page, PASSWORD, ANOTHER)
    expect_changed(page)
    expect(page.get_by_role("button", name="Account of ann")).to_be_focused()

    sign_out(page)
    give_credentials(page, "ann", PASSWORD)
    expect(page.get_by_role("alert")).to_have_text("The user name or the password is wrong.")
    give_credentials(page, "ann", ANOTHER)
    expect(page.get_by_role("button", name="Account of ann")).to_be_visible()


def test_what_is_wrong_is_said_and_nothing_is_changed(server: Server, visiting: Visiting) -> None:
    page = sign_in(visiting(server.origin))
    dialog = ask_for_another(page, "a wrong password", ANOTHER)
    expect(dialog).to_contain_text("At least 8 characters.")
    expect(dialog.get_by_role("alert")).to_contain_text("That is not your current password.")
    send(dialog, PASSWORD, "x" * 2000)
    expect(dialog.get_by_role("alert")).to_contain_text("A password has 8 to 1024 characters.")
    send(dialog, PASSWORD, "short")
    expect(dialog.get_by_label("New password")).to_have_js_property("validity.valid", value=False)

    dialog.get_by_role("button", name="Cancel").click()
    sign_out(page)
    give_credentials(page, "admin", PASSWORD)
    expect(page.get_by_role("button", name="Account of admin")).to_be_visible()


def test_other_browsers_have_to_sign_in_again_and_other_tabs_do_not(server: Server, visiting: Visiting) -> None:
    here, elsewhere = visiting(server.origin), visiting(server.origin)
    page, there = sign_in(here), sign_in(elsewhere)
    tab = here.another_tab("/")
    expect(tab.get_by_role("button", name="Choose files")).to_be_visible()
    ask_for_another(page, PASSWORD, ANOTHER)
    expect_changed(page)

    again = there.get_by_role("dialog", name="Sign in again")
    there.get_by_role("link", name="Files", exact=True).click()
    again.get_by_label("Password", exact=True).fill(ANOTHER)
    again.get_by_role("button", name="Sign in", exact=True).click()
    for view in (there, tab):
        view.get_by_role("link", name="Files", exact=True).click()
        expect(view.get_by_role("heading", name="No files yet")).to_be_visible()
    tab.reload()
    expect(tab.get_by_role("heading", name="No files yet")).to_be_visible()


@pytest.mark.slow
def test_an_upload_under_way_does_not_notice(server: Server, visiting: Visiting, large: Sample) -> None:
    with Line(server) as line:
        visit = visiting(line.origin)
        page = sign_in(visit)
        line.hold_after(large.size // 2)
        choose(page, large.path)
        line.wait_until_held()
        ask_for_another(page, PASSWORD, ANOTHER)
        expect_changed(page)
        expect_state(page, "large.bin", "uploading")
        line.release()
        expect_uploaded(server, visit, large)
        assert {status for method, _, status in visit.statuses if method == "PATCH"} == {204}
        assert line.sent < large.size * 1.05


def test_the_menu_closes_by_itself(server: Server, visiting: Visiting) -> None:
    page = sign_in(visiting(server.origin))
    button, item = page.get_by_role("button", name="Account of admin"), page.get_by_role("button", name="Sign out")
    button.click()
    expect(button).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Change the password")).to_be_focused()
    page.keyboard.press("Escape")
    expect(item).to_be_hidden()
    expect(button).to_be_focused()

    page.keyboard.press("Enter")
    expect(item).to_be_visible()
    for _ in range(3):
        page.keyboard.press("Tab")
    expect(item).to_be_hidden()
    button.click()
    page.get_by_text("Nothing is being uploaded").filter(visible=True).click()
    expect(item).to_be_hidden()
