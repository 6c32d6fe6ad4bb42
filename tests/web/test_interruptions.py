from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from tests.e2e.accounts import PASSWORD
from tests.e2e.samples import Sample
from tests.e2e.wire import poll, stored_size
from tests.serving import Server, serving
from tests.web.browser import Visit
from tests.web.conftest import Visiting
from tests.web.line import Line
from tests.web.steps import choose, expect_state, expect_uploaded, row, sign_in

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.fixture
def server(area: Path) -> Iterator[Server]:
    with serving(area / "data", auth="local", admin_password=PASSWORD) as running:
        yield running


@pytest.fixture
def line(server: Server) -> Iterator[Line]:
    with Line(server) as laid:
        yield laid


@pytest.fixture
def visit(line: Line, visiting: Visiting) -> Visit:
    return visiting(line.origin)


def upload_half(visit: Visit, line: Line, sample: Sample, server: Server) -> Page:
    """Begin to upload, and stop the network in the middle; what has got through is on the server's disk."""
    page = sign_in(visit)
    half = sample.size // 2
    line.hold_after(half)
    choose(page, sample.path)
    line.wait_until_held()
    # A small file is wholly on its way by then.
    expect_state(page, sample.path.name, "uploading", "finishing")
    poll(lambda: bool(visit.created) and stored_size(server, visit.created[0]) > half // 2)
    return page


def assert_not_sent_again(visit: Visit, line: Line, sample: Sample) -> None:
    """What had arrived was not sent a second time."""
    assert visit.count("POST", "/files") == 1
    assert line.sent < sample.size * 1.05


def test_goes_on_when_the_network_is_back(server: Server, line: Line, visit: Visit, large: Sample) -> None:
    page = upload_half(visit, line, large, server)
    visit.context.set_offline(True)
    line.cut()
    expect(page.get_by_text("You are offline. Uploads go on when the connection is back.")).to_be_visible()
    expect_state(page, "large.bin", "waiting", "checking")

    line.mend()
    visit.context.set_offline(False)
    expect_uploaded(server, visit, large)
    assert_not_sent_again(visit, line, large)


def test_a_lost_connection_alone_needs_nobody(server: Server, line: Line, visit: Visit, large: Sample) -> None:
    page = upload_half(visit, line, large, server)
    line.cut()
    expect_state(page, "large.bin", "waiting", "checking")
    line.mend()
    expect_uploaded(server, visit, large)
    assert_not_sent_again(visit, line, large)


def test_a_large_file_goes_on_after_a_reload_once_it_is_chosen_again(
    server: Server, line: Line, visit: Visit, large: Sample
) -> None:
    page = upload_half(visit, line, large, server)
    page.reload()
    line.release()
    expect_state(page, "large.bin", "lost")
    with page.expect_file_chooser() as opening:
        row(page, "large.bin").get_by_role("button", name="Choose it again").click()
    opening.value.set_files(large.path)
    expect_uploaded(server, visit, large)
    assert_not_sent_again(visit, line, large)


def test_a_file_that_is_chosen_anew_after_a_reload_goes_on_as_well(
    server: Server, line: Line, visit: Visit, large: Sample
) -> None:
    page = upload_half(visit, line, large, server)
    page.reload()
    line.release()
    expect_state(page, "large.bin", "lost")
    choose(page, large.path)
    expect_uploaded(server, visit, large)
    assert_not_sent_again(visit, line, large)


def test_a_small_file_goes_on_after_a_reload_by_itself(server: Server, line: Line, visit: Visit, small: Sample) -> None:
    page = upload_half(visit, line, small, server)
    page.reload()
    line.release()
    expect_uploaded(server, visit, small)


def test_a_small_file_goes_on_by_itself_after_a_crash_of_the_tab(
    server: Server, line: Line, visit: Visit, small: Sample
) -> None:
    upload_half(visit, line, small, server)
    visit.crash()
    line.release()
    visit.open_anew()
    expect_uploaded(server, visit, small)
    assert visit.count("POST", "/files") == 1


def test_a_large_file_is_asked_for_after_a_crash_of_the_tab_and_goes_on(
    server: Server, line: Line, visit: Visit, large: Sample
) -> None:
    upload_half(visit, line, large, server)
    visit.crash()
    line.release()
    page = visit.open_anew()
    expect_state(page, "large.bin", "lost")
    expect(row(page, "large.bin")).to_contain_text("Waiting for the file")
    expect(row(page, "large.bin")).to_contain_text("browsers keep only small files")
    with page.expect_file_chooser() as opening:
        row(page, "large.bin").get_by_role("button", name="Choose it again").click()
    opening.value.set_files(large.path)
    expect_uploaded(server, visit, large)
    assert_not_sent_again(visit, line, large)


def test_goes_on_after_the_server_was_restarted(server: Server, line: Line, visit: Visit, large: Sample) -> None:
    page = upload_half(visit, line, large, server)
    assert server.stop() == 0
    expect_state(page, "large.bin", "waiting", "checking")
    line.release()
    server.start()
    expect_uploaded(server, visit, large)
    assert_not_sent_again(visit, line, large)


def test_goes_on_after_the_server_was_killed(server: Server, line: Line, visit: Visit, large: Sample) -> None:
    page = upload_half(visit, line, large, server)
    server.kill()
    expect_state(page, "large.bin", "waiting", "checking")
    line.release()
    server.start()
    expect_uploaded(server, visit, large)
    assert visit.count("POST", "/files") == 1
    # What arrived within the last second may be lost.
    assert max(visit.offsets()) > 0
