from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect
from tests.e2e.accounts import PASSWORD
from tests.e2e.samples import Sample
from tests.serving import Server, serving
from tests.web.conftest import Visiting
from tests.web.line import Line
from tests.web.steps import choose, expect_uploaded, row, sign_in

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

MOST = 60_000_000
"""Bytes of a connection, of the 100 MB of the file: a second one takes the rest."""


@pytest.fixture
def server(area: Path) -> Iterator[Server]:
    with serving(area / "data", auth="local", admin_password=PASSWORD) as running:
        yield running


@pytest.fixture
def line(server: Server) -> Iterator[Line]:
    with Line(server) as laid:
        yield laid


def test_goes_on_by_itself_where_a_network_swallows_what_is_sent(
    server: Server, line: Line, visiting: Visiting, medium: Sample
) -> None:
    visit = visiting(line.origin)
    visit.page.clock.install()
    page = sign_in(visit)
    line.hold_after(MOST)
    choose(page, medium.path)
    line.wait_until_held()

    page.clock.fast_forward(5_000)
    expect(row(page, "medium.bin")).to_contain_text("Stalled, waiting for the network")
    expect(row(page, "medium.bin")).not_to_contain_text("left")

    with page.expect_request(lambda request: request.method == "HEAD"):
        page.clock.fast_forward(60_000)
    expect_uploaded(server, visit, medium)
    assert visit.offsets()[-1] >= MOST // 2
