from pathlib import Path

import pytest
from playwright.sync_api import expect
from tests.e2e.accounts import PASSWORD, ask
from tests.e2e.samples import Sample
from tests.serving import serving
from tests.web.conftest import Visiting
from tests.web.line import Line
from tests.web.steps import choose, expect_state, expect_uploaded, sign_in

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

SECONDS = 3
"""For which an access token is good."""

CHUNK = 64 * 1024 * 1024
"""Bytes of a request."""


def test_a_long_upload_does_not_notice_that_tokens_end(area: Path, visiting: Visiting, large: Sample) -> None:
    settings = {"auth": "local", "admin_password": PASSWORD, "access_token_ttl": f"{SECONDS}s"}
    with (
        serving(area / "data", **settings) as server,
        Line(server, rate=large.size / (SECONDS * 3)) as line,
    ):
        visit = visiting(line.origin)
        choose(sign_in(visit), large.path)
        expect_uploaded(server, visit, large, within=90)
        assert visit.count("POST", "/auth/session/refresh") >= 3
        assert {status for method, _, status in visit.statuses if method == "PATCH"} == {204}
        assert line.sent < large.size * 1.05


def test_an_upload_goes_on_when_somebody_signs_in_again(area: Path, visiting: Visiting, large: Sample) -> None:
    settings = {"auth": "local", "admin_password": PASSWORD, "access_token_ttl": f"{SECONDS}s"}
    with serving(area / "data", **settings) as server, Line(server) as line:
        visit = visiting(line.origin)
        page = sign_in(visit)
        line.hold_after(large.size // 2)
        choose(page, large.path)
        line.wait_until_held()
        (cookie,) = visit.context.cookies(f"{line.origin}/auth/session")
        assert ask(server, "/auth/logout", refresh_token=cookie["value"]).status == 204
        line.release()

        dialog = page.get_by_role("dialog", name="Sign in again")
        expect(dialog).to_contain_text("Your session has ended.")
        expect_state(page, "large.bin", "signed-out")
        dialog.get_by_label("Password", exact=True).fill(PASSWORD)
        dialog.get_by_role("button", name="Sign in", exact=True).click()
        expect(dialog).to_have_count(0)
        expect_uploaded(server, visit, large)
        # The request whose token was refused may have been sent as a whole.
        assert line.sent < large.size * 1.05 + CHUNK
