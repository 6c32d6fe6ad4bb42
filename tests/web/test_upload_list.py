import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect
from tests.e2e.accounts import PASSWORD
from tests.e2e.samples import Sample
from tests.serving import Server, serving
from tests.web.conftest import Visiting
from tests.web.line import Line
from tests.web.steps import choose, expect_state, row, sign_in

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

MIDDLE = 30_000_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("server") / "data", auth="local", admin_password=PASSWORD) as running:
        yield running


@pytest.fixture
def line(server: Server) -> Iterator[Line]:
    with Line(server) as laid:
        yield laid


@pytest.fixture
def small_ones(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / "first.txt", tmp_path / "second.txt"]
    for path in paths:
        path.write_text(path.name)
    return paths


def uploads(page: Page) -> Locator:
    return page.get_by_role("region", name="Uploads")


def begin(page: Page, line: Line, sample: Sample) -> None:
    """Begin to upload, and stop the network in the middle."""
    line.hold_after(MIDDLE)
    choose(page, sample.path)
    line.wait_until_held()
    expect_state(page, sample.path.name, "uploading")


def press(page: Page, name: str) -> None:
    """Use a button by the keyboard."""
    page.get_by_role("button", name=name).focus()
    page.keyboard.press("Enter")


def test_the_focus_goes_to_the_list_when_the_button_that_had_it_is_of_no_use_any_more(
    line: Line, visiting: Visiting, medium: Sample, small_ones: list[Path]
) -> None:
    page = sign_in(visiting(line.origin))
    choose(page, *small_ones)
    for path in small_ones:
        expect_state(page, path.name, "done")
    begin(page, line, medium)
    for button in ("Clear finished", "Pause all", "Resume all"):
        press(page, button)
        expect(page.get_by_role("button", name=button)).to_have_count(0)
        expect(uploads(page)).to_be_focused()


@pytest.mark.parametrize("button", ["Pause all", "Pause medium.bin"])
def test_the_focus_goes_to_the_list_when_the_last_upload_ends(
    line: Line, visiting: Visiting, medium: Sample, button: str
) -> None:
    page = sign_in(visiting(line.origin))
    begin(page, line, medium)
    page.get_by_role("button", name=button).focus()
    line.release()
    expect_state(page, "medium.bin", "done")
    expect(uploads(page)).to_be_focused()


def test_what_is_unfinished_stands_first_and_all_together_have_a_bar(
    line: Line, visiting: Visiting, medium: Sample, small_ones: list[Path]
) -> None:
    page = sign_in(visiting(line.origin))
    choose(page, *small_ones)
    expect_state(page, "second.txt", "done")
    begin(page, line, medium)
    expect(page.get_by_role("heading", name="2 of 3 files finished")).to_be_visible()
    expect(uploads(page).get_by_role("listitem").first).to_contain_text("medium.bin")
    bar = page.get_by_role("progressbar", name="Progress of all")
    expect(bar).to_have_attribute("aria-valuenow", re.compile("[2-5][0-9]"))
    expect(uploads(page).get_by_text("of 100\u00a0MB")).to_have_count(2)
    line.release()
    expect_state(page, "medium.bin", "done")
    expect(bar).to_have_count(0)


def test_what_the_buttons_do_is_said_to_those_who_point_at_them(
    line: Line, visiting: Visiting, medium: Sample, small_ones: list[Path]
) -> None:
    page = sign_in(visiting(line.origin))
    choose(page, small_ones[0])
    expect_state(page, "first.txt", "done")
    begin(page, line, medium)
    expect(page.get_by_role("button", name="Pause medium.bin")).to_have_attribute("title", "Pause")
    expect(page.get_by_role("button", name="Cancel medium.bin")).to_have_attribute("title", "Cancel")
    expect(page.get_by_role("button", name="Remove first.txt")).to_have_attribute("title", "Remove from the list")
    page.get_by_role("button", name="Pause medium.bin").click()
    expect(page.get_by_role("button", name="Resume medium.bin")).to_have_attribute("title", "Resume")


def test_a_finished_upload_leads_to_its_file(
    server: Server, visiting: Visiting, medium: Sample, small_ones: list[Path]
) -> None:
    page = sign_in(visiting(server.origin))
    for path in (small_ones[0], medium.path):
        choose(page, path)
        expect_state(page, path.name, "done")
        row(page, path.name).get_by_role("link", name=f"Show {path.name}").click()
        expect(page.get_by_role("dialog").get_by_text(path.name)).to_be_visible()
        page.go_back()
    page.get_by_role("button", name="Clear finished").click()
    expect(uploads(page).get_by_role("listitem")).to_have_count(0)


def test_nobody_is_told_to_drop_files_where_nothing_can_be_dropped(server: Server, visiting: Visiting) -> None:
    page = sign_in(visiting(server.origin, has_touch=True, is_mobile=True, viewport={"width": 390, "height": 800}))
    expect(page.get_by_role("heading", name="Choose files to upload")).to_be_visible()
    expect(page.get_by_role("main")).not_to_contain_text("Drop", use_inner_text=True)

    mouse = sign_in(visiting(server.origin))
    expect(mouse.get_by_role("heading", name="Drop files or folders here")).to_be_visible()
    expect(mouse.get_by_text("Drop files anywhere on this page")).to_be_visible()
