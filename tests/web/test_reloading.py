from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect
from tests.e2e.accounts import PASSWORD
from tests.e2e.accounts import sign_in as get_token
from tests.e2e.samples import Sample
from tests.e2e.wire import patch, request
from tests.serving import Server, serving
from tests.web.browser import Visit
from tests.web.conftest import Visiting
from tests.web.line import Line
from tests.web.steps import choose, expect_state, expect_uploaded, row, sign_in

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

MIDDLE = 60_000_000


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


def leave_in_the_middle(visit: Visit, line: Line, sample: Sample) -> Page:
    """Leave the page while it uploads, for one of the same origin."""
    page = sign_in(visit)
    line.hold_after(MIDDLE)
    choose(page, sample.path)
    line.wait_until_held()
    visit.open("/api/configuration")
    line.release()
    return page


def forget(page: Page) -> None:
    """Have the browser lose what is written down with some delay, as if the page had been left before."""
    page.evaluate(
        """() => new Promise((resolve, reject) => {
            const request = indexedDB.deleteDatabase("uppy-blobs");
            request.onsuccess = resolve;
            request.onerror = request.onblocked = reject;
        })"""
    )


def offset_of(server: Server, path: str) -> int:
    """What the server has, of the only user's upload."""
    return int(request(server, "HEAD", path, get_token(server).bearer).headers["upload-offset"])


def test_what_the_server_has_is_shown_even_if_the_browser_has_not_kept_it(
    server: Server, line: Line, visit: Visit, medium: Sample
) -> None:
    page = leave_in_the_middle(visit, line, medium)
    forget(page)
    visit.open()
    expect_state(page, "medium.bin", "lost")
    arrived = offset_of(server, visit.created[0])
    assert arrived > MIDDLE // 2
    expect(row(page, "medium.bin")).to_contain_text(f"{arrived / 1e6:.1f}\u00a0MB of 100\u00a0MB")
    choose(page, medium.path)
    expect_uploaded(server, visit, medium)
    assert visit.count("POST", "/files") == 1


def test_what_was_sent_from_elsewhere_meanwhile_counts(
    server: Server, line: Line, visit: Visit, medium: Sample
) -> None:
    page = leave_in_the_middle(visit, line, medium)
    path = visit.created[0]
    arrived = offset_of(server, path)
    rest = medium.path.read_bytes()[arrived:]
    assert patch(server, path, arrived, rest, get_token(server).bearer).status == 204
    visit.open()
    expect_state(page, "medium.bin", "done")
    expect(row(page, "medium.bin").get_by_role("link", name="Show medium.bin")).to_have_attribute(
        "href", f"#/files/{urlsplit(path).path.split('/')[-1]}"
    )


def test_what_the_server_has_not_any_more_is_not_shown_as_half_done(
    server: Server, line: Line, visit: Visit, medium: Sample
) -> None:
    page = leave_in_the_middle(visit, line, medium)
    assert request(server, "DELETE", visit.created[0], get_token(server).bearer).status == 204
    visit.open()
    expect(row(page, "medium.bin")).to_contain_text("0\u00a0B of 100\u00a0MB")
    assert page.evaluate("Object.keys(localStorage).filter((key) => key.startsWith('tus::'))") == []
