from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect
from tests.e2e.accounts import PASSWORD
from tests.e2e.accounts import sign_in as get_token
from tests.e2e.samples import Sample
from tests.serving import Server, serving
from tests.web.conftest import Visiting
from tests.web.line import Line
from tests.web.steps import choose, expect_removed, expect_state, open_details, put, sign_in

pytestmark = pytest.mark.e2e

MOST = 40
"""Presses of the Tab key that somebody may need."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data_dir = tmp_path_factory.mktemp("server") / "data"
    with serving(data_dir, auth="local", admin_password=PASSWORD) as running:
        yield running


def tab_to(page: Page, target: Locator) -> None:
    """Press Tab until an element has the focus, which has to be visible there."""
    target.wait_for()
    for _ in range(MOST):
        if target.evaluate("element => element === document.activeElement"):
            shown = target.evaluate(
                "element => { const { outlineStyle, outlineWidth } = getComputedStyle(element);"
                " return outlineStyle !== 'none' && parseFloat(outlineWidth) >= 1 }"
            )
            assert shown, "the focus cannot be seen"
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{target} is not reached with {MOST} presses of Tab")


def test_sign_in_upload_and_delete_need_no_mouse(server: Server, visiting: Visiting, tmp_path: Path) -> None:
    (tmp_path / "typed.txt").write_text("without a mouse")
    visit = visiting(server.origin)
    page = visit.open()
    expect(page.get_by_label("User name")).to_be_focused()
    page.keyboard.type("admin")
    tab_to(page, page.get_by_label("Password", exact=True))
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")

    tab_to(page, page.get_by_role("button", name="Choose files"))
    with page.expect_file_chooser() as opening:
        page.keyboard.press("Enter")
    opening.value.set_files(tmp_path / "typed.txt")
    expect_state(page, "typed.txt", "done")

    page.keyboard.press("Control+Home")
    tab_to(page, page.get_by_role("link", name="Files", exact=True))
    page.keyboard.press("Enter")
    tab_to(page, page.get_by_role("button", name="Delete typed.txt"))
    page.keyboard.press("Enter")
    tab_to(page, page.get_by_role("dialog", name="Delete this file?").get_by_role("button", name="Delete"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="typed.txt")).to_have_count(0)
    expect_removed(server, visit.created[0])


def test_the_first_tab_skips_to_the_content(server: Server, visiting: Visiting) -> None:
    page = visiting(server.origin).open()
    expect(page.get_by_label("User name")).to_be_focused()
    page.evaluate("document.activeElement.blur()")
    tab_to(page, page.get_by_role("link", name="Skip to the content"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()


def test_the_focus_goes_to_the_view_that_is_gone_to(server: Server, visiting: Visiting) -> None:
    put(server, get_token(server), "looked at.txt", b"a text")
    page = sign_in(visiting(server.origin))
    expect(page).to_have_title("Upload – Longshore")
    tab_to(page, page.get_by_role("link", name="Files", exact=True))
    page.keyboard.press("Enter")
    expect(page.get_by_role("main", name="Files")).to_be_focused()
    expect(page).to_have_title("Files – Longshore")
    open_details(page, "looked at.txt")
    expect(page).to_have_title("File details – Longshore")
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="looked at.txt")).to_be_focused()
    expect(page).to_have_title("Files – Longshore")

    page.goto(f"{page.url.partition('#')[0]}#/elsewhere")
    expect(page.get_by_role("main", name="There is no such page")).to_be_focused()
    expect(page).to_have_title("There is no such page – Longshore")
    back = page.get_by_role("link", name="Go to the uploads")
    box = back.bounding_box()
    assert box is not None
    assert box["height"] >= 24
    back.press("Enter")
    expect(page.get_by_role("main", name="Upload")).to_be_focused()


def test_a_reload_leaves_the_focus_where_reading_begins(server: Server, visiting: Visiting) -> None:
    page = sign_in(visiting(server.origin))
    page.reload()
    expect(page.get_by_role("button", name="Choose files")).to_be_visible()
    expect(page.locator("body")).to_be_focused()


def test_escape_closes_a_dialog_and_the_focus_goes_back(server: Server, visiting: Visiting) -> None:
    put(server, get_token(server), "kept.txt", b"kept")
    page = sign_in(visiting(server.origin), path="/#/files")
    delete = page.get_by_role("button", name="Delete kept.txt")
    tab_to(page, delete)
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Delete this file?")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(delete).to_be_focused()


def test_the_focus_stays_when_an_upload_is_paused(server: Server, visiting: Visiting, medium: Sample) -> None:
    with Line(server) as line:
        page = sign_in(visiting(line.origin))
        line.hold_after(medium.size // 4)
        choose(page, medium.path)
        line.wait_until_held()
        tab_to(page, page.get_by_role("button", name="Pause medium.bin"))
        page.keyboard.press("Enter")
        expect_state(page, "medium.bin", "paused")
        expect(page.get_by_role("button", name="Resume medium.bin")).to_be_focused()
