import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, Route, expect
from tests.e2e.accounts import PASSWORD, User
from tests.e2e.accounts import sign_in as get_token
from tests.e2e.samples import Sample
from tests.e2e.wire import Sender, all_stored
from tests.serving import Server, serving
from tests.web.browser import Visit
from tests.web.conftest import Visiting
from tests.web.steps import expect_removed, put, sign_in

pytestmark = pytest.mark.e2e


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path / "data", auth="local", admin_password=PASSWORD) as running:
        yield running
        for file in all_stored(running):
            file.unlink()


@pytest.fixture
def admin(server: Server) -> User:
    return get_token(server)


@pytest.fixture
def visit(server: Server, admin: User, visiting: Visiting) -> Visit:
    return visiting(server.origin)


def open_files(visit: Visit, query: str = "") -> Page:
    """Sign in, and look at the files."""
    return sign_in(visit, path=f"/#/files{query}")


def file(page: Page, name: str) -> Locator:
    """A file's row."""
    return page.get_by_role("table", name="Files").get_by_role("row").filter(has=page.get_by_role("link", name=name))


def expect_names(page: Page, *names: str) -> None:
    """Wait until the list is these files, in this order."""
    expect(page.get_by_role("table", name="Files").get_by_role("link")).to_have_text(list(names))


def test_an_empty_list_says_what_to_do(visit: Visit) -> None:
    page = open_files(visit)
    expect(page.get_by_role("heading", name="No files yet")).to_be_visible()
    page.get_by_role("link", name="Upload files").click()
    expect(page.get_by_role("button", name="Choose files")).to_be_visible()


@pytest.mark.parametrize("place", ["/", "/#/files"])
def test_the_usage_is_asked_for_once(visit: Visit, place: str) -> None:
    page = sign_in(visit)
    page.goto("about:blank")
    visit.sent.clear()
    with page.expect_response("**/api/usage"):
        visit.open(place)
    expect(page.get_by_role("region", name="Your quotas")).to_be_visible()
    # Whatever the page wants besides is asked for by then.
    page.wait_for_load_state("networkidle")
    assert visit.count("GET", "/api/usage") == 1


def test_who_when_size_and_type_are_shown(server: Server, admin: User, visit: Visit) -> None:
    put(server, admin, "report.pdf", b"%PDF-1.7\n" + bytes(1_500_000))
    page = open_files(visit)
    shown = file(page, "report.pdf")
    expect(shown).to_contain_text(re.compile(r"1\.5\sMB"))
    expect(shown).to_contain_text("PDF")
    expect(shown).to_contain_text("admin")
    expect(page.get_by_role("region", name="Your quotas")).to_contain_text(re.compile(r"10\sGB of 10\sGB left"))


def test_a_download_by_link_is_the_file(
    server: Server, admin: User, visit: Visit, medium: Sample, tmp_path: Path
) -> None:
    put(server, admin, "medium.bin", medium.read())
    page = open_files(visit)
    with page.expect_download() as downloading:
        page.get_by_role("button", name="Download medium.bin").click()
    assert downloading.value.suggested_filename == "medium.bin"
    downloading.value.save_as(tmp_path / "saved.bin")
    with (tmp_path / "saved.bin").open("rb") as saved:
        assert hashlib.file_digest(saved, "sha256").hexdigest() == medium.sha256
    assert admin.access_token not in downloading.value.url
    (tmp_path / "saved.bin").unlink()


def test_a_file_is_renamed_where_it_stands(server: Server, admin: User, visit: Visit) -> None:
    path = put(server, admin, "draft.txt", b"a text")
    page = open_files(visit)
    page.get_by_role("button", name="Rename draft.txt").click()
    page.get_by_role("textbox", name="New name: draft.txt").fill("final.txt")
    page.keyboard.press("Enter")
    expect_names(page, "final.txt")
    expect(page.get_by_role("button", name="Rename final.txt")).to_be_focused()

    page.get_by_role("link", name="final.txt").click()
    details = page.get_by_role("dialog", name="File details")
    expect(details).to_contain_text("final.txt")
    assert path.rpartition("/")[2] in page.url


def test_a_name_that_is_too_long_keeps_its_extension_in_sight(server: Server, admin: User, visit: Visit) -> None:
    name = "the minutes of the last meeting of the harbour board with all of its annexes.pdf"
    put(server, admin, name, b"%PDF-1.7\n")
    visit.page.set_viewport_size({"width": 360, "height": 700})
    page = open_files(visit)
    link = page.get_by_role("link", name=name, exact=True)
    expect(link).to_have_text(name)
    start, end = (link.get_by_text(part, exact=True) for part in (name.removesuffix("exes.pdf"), "exes.pdf"))
    assert start.evaluate("element => element.scrollWidth > element.clientWidth")
    around, shown = link.bounding_box(), end.bounding_box()
    assert around is not None
    assert shown is not None
    assert shown["x"] + shown["width"] <= around["x"] + around["width"] + 1 < 360


def test_renaming_can_be_left(server: Server, admin: User, visit: Visit) -> None:
    put(server, admin, "kept.txt", b"a text")
    page = open_files(visit)
    page.get_by_role("button", name="Rename kept.txt").click()
    page.get_by_role("textbox", name="New name: kept.txt").fill("other.txt")
    page.keyboard.press("Escape")
    expect_names(page, "kept.txt")
    expect(page.get_by_role("button", name="Rename kept.txt")).to_be_focused()


def test_a_file_is_deleted_once_that_is_confirmed(server: Server, admin: User, visit: Visit) -> None:
    path = put(server, admin, "unwanted.txt", b"a text")
    put(server, admin, "wanted.txt", b"another one")
    page = open_files(visit)
    page.get_by_role("button", name="Delete unwanted.txt").click()
    page.get_by_role("dialog", name="Delete this file?").get_by_role("button", name="Cancel").click()
    expect_names(page, "wanted.txt", "unwanted.txt")

    page.get_by_role("button", name="Delete unwanted.txt").click()
    page.get_by_role("dialog", name="Delete this file?").get_by_role("button", name="Delete").click()
    expect_names(page, "wanted.txt")
    expect(page.get_by_role("region", name="Notices")).to_contain_text("unwanted.txt is deleted.")
    expect_removed(server, path)


def test_details_have_the_checksum_and_the_history(server: Server, admin: User, visit: Visit) -> None:
    data = os.urandom(100_000)
    put(server, admin, "data.bin", data)
    page = open_files(visit)
    page.get_by_role("link", name="data.bin").click()
    details = page.get_by_role("dialog", name="File details")
    expect(details).to_contain_text("100,000 bytes")
    expect(details).to_contain_text("admin (you)")
    expect(details).to_contain_text(f"SHA-256 {hashlib.sha256(data).hexdigest()}")
    expect(details.get_by_role("region", name="History").get_by_role("listitem")).to_have_text(
        [re.compile("Added"), re.compile("Finished")]
    )
    address = page.url

    page.keyboard.press("Escape")
    expect(details).to_have_count(0)
    expect(page.get_by_role("link", name="data.bin")).to_be_focused()
    page.goto("about:blank")
    page.goto(address)
    expect(details).to_contain_text("100,000 bytes")


def test_a_checksum_that_is_being_computed_is_shown_when_it_is_there(server: Server, admin: User, visit: Visit) -> None:
    put(server, admin, "data.bin", b"abc")
    page = open_files(visit)

    def answer_without(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json={**answer.json(), "checksums": {}})

    page.route("**/api/uploads/*", answer_without)
    page.get_by_role("link", name="data.bin").click()
    details = page.get_by_role("dialog", name="File details")
    expect(details).to_contain_text("Being computed")
    page.unroute("**/api/uploads/*", answer_without)
    expect(details).to_contain_text(hashlib.sha256(b"abc").hexdigest())
    expect(details).not_to_contain_text("Being computed")


def test_the_list_is_searched_sorted_and_filtered(server: Server, admin: User, visit: Visit) -> None:
    put(server, admin, "apples.csv", b"1,2,3\n" * 3)
    put(server, admin, "Pears.txt", b"green pears\n" * 10)
    put(server, admin, "apple pie.txt", b"recipe\n" * 1000)
    put(server, admin, "unfinished apple.txt", b"half", length=100_000)
    page = open_files(visit)
    expect_names(page, "unfinished apple.txt", "apple pie.txt", "Pears.txt", "apples.csv")
    expect(file(page, "unfinished apple.txt")).to_contain_text("Unfinished, 0 % arrived")

    page.get_by_role("button", name="Size", exact=True).click()
    expect_names(page, "unfinished apple.txt", "apple pie.txt", "Pears.txt", "apples.csv")
    expect(page.get_by_role("columnheader", name="Size")).to_have_attribute("aria-sort", "descending")
    page.get_by_role("button", name="Name", exact=True).click()
    expect_names(page, "apple pie.txt", "apples.csv", "Pears.txt", "unfinished apple.txt")

    page.get_by_role("combobox", name="State").select_option("Finished")
    page.get_by_role("searchbox", name="Search by name").fill("APPLE")
    expect_names(page, "apple pie.txt", "apples.csv")
    page.reload()
    expect_names(page, "apple pie.txt", "apples.csv")

    page.get_by_role("searchbox", name="Search by name").fill("nothing of that name")
    expect(page.get_by_role("heading", name="Nothing found")).to_be_visible()
    page.get_by_role("button", name="Clear the filters").click()
    expect_names(page, "apple pie.txt", "apples.csv", "Pears.txt", "unfinished apple.txt")


def test_what_is_typed_while_the_details_close_is_looked_for(server: Server, admin: User, visit: Visit) -> None:
    put(server, admin, "one.txt", b"1")
    put(server, admin, "two.txt", b"2")
    page = open_files(visit)
    # Browsers go back when they get to it.
    page.evaluate("() => { const back = history.back.bind(history); history.back = () => setTimeout(back, 1000) }")
    page.get_by_role("link", name="one.txt").click()
    expect(page.get_by_role("dialog", name="File details")).to_be_visible()

    page.keyboard.press("Escape")
    page.get_by_role("searchbox", name="Search by name").fill("two")
    expect_names(page, "two.txt")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("searchbox", name="Search by name")).to_have_value("two")


def test_a_long_list_comes_in_pages(server: Server, admin: User, visit: Visit) -> None:
    for number in range(60):
        put(server, admin, f"{number:02}.txt", b"")
    page = open_files(visit, "?sort=name")
    links = page.get_by_role("table", name="Files").get_by_role("link")
    expect(links).to_have_count(50)
    page.get_by_role("button", name="Show more").click()
    expect_names(page, *(f"{number:02}.txt" for number in range(60)))
    expect(page.get_by_role("button", name="Show more")).to_have_count(0)


def test_the_progress_of_an_upload_elsewhere_is_shown(server: Server, admin: User, visit: Visit) -> None:
    page = open_files(visit)
    expect(page.get_by_role("heading", name="No files yet")).to_be_visible()
    path = put(server, admin, "growing.bin", b"", length=1_000_000)
    expect(file(page, "growing.bin")).to_contain_text("Unfinished, 0 % arrived")
    with Sender(server, path, bytes(1_000_000), rate=250_000, headers=admin.bearer) as sender:
        expect(file(page, "growing.bin")).to_contain_text(re.compile(r"Unfinished, [1-9]\d? % arrived"))
        answer = sender.finished()
        assert answer is not None
        assert answer.status == 204
    expect(page.get_by_role("button", name="Download growing.bin")).to_be_visible()
