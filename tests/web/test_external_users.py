from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from tests.e2e.accounts import User
from tests.e2e.issuer import SETTINGS, claims, publishing
from tests.e2e.samples import Sample
from tests.serving import Server, serving
from tests.unit.auth.issuer import RSA, RSA2, PrivateKey, jwk
from tests.unit.auth.world import signed
from tests.web.browser import Visit
from tests.web.conftest import Visiting
from tests.web.line import Line
from tests.web.steps import choose, expect_state, expect_uploaded, open_account_menu, put

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose users another service knows."""
    data_dir = tmp_path_factory.mktemp("server") / "data"
    with publishing(jwk(RSA, "rsa")) as url, serving(data_dir, jwt_jwks_url=url, **SETTINGS) as running:
        yield running


def token(name: str, key: PrivateKey = RSA, **changes: Any) -> str:
    """A token of the other service."""
    said = claims(sub=f"id of {name}", preferred_username=name, **changes)
    return signed(said, key, "RS256", kid="rsa")


def use(page: Page, value: str) -> None:
    """Fill in the form, and send it."""
    page.get_by_label("Access token").fill(value)
    page.get_by_role("button", name="Use this token").click()


def enter(visit: Visit, value: str, path: str = "/") -> Page:
    """Open the page, and sign in there."""
    page = visit.open(path)
    use(page, value)
    expect(page.get_by_role("navigation", name="Main")).to_be_visible()
    return page


def test_a_token_of_the_issuer_signs_in_and_uploads(server: Server, visiting: Visiting, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("from elsewhere")
    page = enter(visiting(server.origin), f"  Bearer {token('ann')}\n")
    choose(page, tmp_path / "notes.txt")
    expect_state(page, "notes.txt", "done")
    page.get_by_role("link", name="Files", exact=True).click()
    expect(page.get_by_role("button", name="Rename notes.txt")).to_be_visible()


@pytest.mark.parametrize("value", ["nonsense", token("eve", RSA2), token("late", exp=1)])
def test_another_token_is_refused_with_what_to_do(server: Server, visiting: Visiting, value: str) -> None:
    page = visiting(server.origin).open()
    use(page, value)
    expect(page.get_by_role("alert")).to_have_text("The server does not take this token. Get a new one.")
    use(page, token("ann"))
    expect(page.get_by_role("button", name="Account of ann")).to_be_visible()


def test_there_is_no_password_to_be_changed(server: Server, visiting: Visiting) -> None:
    page = enter(visiting(server.origin), token("ann"))
    open_account_menu(page)
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    expect(page.get_by_role("button", name="Change the password")).to_have_count(0)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Access token")).to_be_visible()


def test_another_token_is_asked_for_when_it_ends_and_what_waits_goes_on(
    server: Server, visiting: Visiting, small: Sample
) -> None:
    with Line(server) as line:
        visit = visiting(line.origin)
        visit.page.clock.install()
        page = enter(visit, token("ben"))
        line.hold_after(small.size // 2)
        choose(page, small.path)
        line.wait_until_held()
        page.clock.fast_forward("25:00:00")
        again = page.get_by_role("dialog", name="Sign in again")
        expect(again).to_contain_text("Your session has ended.")
        expect_state(page, "small.bin", "signed-out")
        line.release()
        use(page, token("ben", exp=4_000_000_000))
        expect(again).to_have_count(0)
        expect_uploaded(server, visit, small)


def test_others_files_are_not_theirs_to_change(server: Server, visiting: Visiting) -> None:
    put(server, User("cem", token("cem")), "of cem.txt", b"a text")
    page = enter(visiting(server.origin), token("ann"), "/#/files")
    expect(page.get_by_role("button", name="Download of cem.txt")).to_be_visible()
    expect(page.get_by_role("button", name="Delete of cem.txt")).to_have_count(0)


def test_an_admin_of_the_issuer_renames_and_deletes_others_files(server: Server, visiting: Visiting) -> None:
    put(server, User("dan", token("dan")), "of dan.txt", b"a text")
    page = enter(visiting(server.origin), token("eva", roles=["longshore-admin"]), "/#/files")
    page.get_by_role("button", name="Rename of dan.txt").click()
    page.get_by_role("textbox", name="New name: of dan.txt").fill("kept.txt")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Delete kept.txt").click()
    page.get_by_role("dialog", name="Delete this file?").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("link", name="kept.txt")).to_have_count(0)
    expect(page.get_by_role("region", name="Notices")).to_contain_text("kept.txt is deleted.")
