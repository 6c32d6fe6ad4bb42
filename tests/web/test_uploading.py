from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect
from tests.e2e.accounts import PASSWORD
from tests.e2e.samples import Sample
from tests.e2e.wire import all_stored, stored
from tests.serving import Server, serving
from tests.web.conftest import Visiting
from tests.web.line import Line
from tests.web.steps import choose, expect_removed, expect_state, expect_uploaded, row, sign_in

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

MIDDLE = 30_000_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data_dir = tmp_path_factory.mktemp("server") / "data"
    with serving(data_dir, auth="local", admin_password=PASSWORD) as running:
        yield running
        for file in all_stored(running):
            file.unlink()


@pytest.fixture
def line(server: Server) -> Iterator[Line]:
    with Line(server) as laid:
        yield laid


def test_uploads_300_megabytes(server: Server, visiting: Visiting, large: Sample) -> None:
    visit = visiting(server.origin)
    choose(sign_in(visit), large.path)
    expect_uploaded(server, visit, large)


def test_a_paused_upload_goes_on_where_it_stopped(
    server: Server, line: Line, visiting: Visiting, medium: Sample
) -> None:
    visit = visiting(line.origin)
    page = sign_in(visit)
    line.hold_after(MIDDLE)
    choose(page, medium.path)
    line.wait_until_held()
    page.get_by_role("button", name="Pause medium.bin").click()
    expect_state(page, "medium.bin", "paused")
    line.release()
    page.get_by_role("button", name="Resume medium.bin").click()
    expect_uploaded(server, visit, medium)
    assert visit.offsets()[0] == 0
    assert visit.offsets()[1] > MIDDLE // 2


def test_a_cancelled_upload_leaves_nothing_behind(
    server: Server, line: Line, visiting: Visiting, medium: Sample
) -> None:
    visit = visiting(line.origin)
    page = sign_in(visit)
    line.hold_after(MIDDLE)
    choose(page, medium.path)
    line.wait_until_held()
    page.get_by_role("button", name="Cancel medium.bin").click()
    page.get_by_role("dialog", name="Cancel this upload?").get_by_role("button", name="Go on uploading").click()
    expect_state(page, "medium.bin", "uploading", "waiting")

    page.get_by_role("button", name="Cancel medium.bin").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel the upload").click()
    expect(row(page, "medium.bin")).to_have_count(0)
    expect_removed(server, visit.created[0])


def test_many_files_and_a_folder_arrive(server: Server, visiting: Visiting, tmp_path: Path) -> None:
    folder = tmp_path / "measurements"
    (folder / "deeper").mkdir(parents=True)
    for number in range(5):
        (folder / f"{number}.txt").write_text(f"in the folder {number}")
        (tmp_path / f"beside-{number}.txt").write_text(f"beside it {number}")
    (folder / "deeper" / "last.txt").write_text("further down")

    visit = visiting(server.origin)
    page = sign_in(visit)
    choose(page, *tmp_path.glob("beside-*.txt"))
    with page.expect_file_chooser() as opening:
        page.get_by_role("button", name="Choose a folder").click()
    opening.value.set_files(folder)
    expect(page.get_by_role("heading", name="11 of 11 files finished")).to_be_visible()
    expect(row(page, "last.txt")).to_contain_text("measurements/deeper")
    arrived = {stored(server, path).read_text() for path in visit.created}
    assert arrived == {file.read_text() for file in tmp_path.rglob("*.txt")}


def test_takes_what_is_dropped_on_any_page(server: Server, visiting: Visiting) -> None:
    visit = visiting(server.origin)
    page = sign_in(visit, path="/#/files")
    dropped = page.evaluate_handle(
        """() => {
            const dropped = new DataTransfer();
            dropped.items.add(new File(["let go"], "dropped.txt", { type: "text/plain" }));
            return dropped;
        }"""
    )
    page.dispatch_event("body", "drop", {"dataTransfer": dropped})
    expect_state(page, "dropped.txt", "done")
    assert stored(server, visit.created[0]).read_text() == "let go"
