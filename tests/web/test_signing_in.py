import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect
from tests.e2e.accounts import PASSWORD
from tests.serving import Server, serving
from tests.web.conftest import Visiting
from tests.web.steps import choose, expect_state, give_credentials, sign_in, sign_out

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server where people may make themselves an account."""
    data_dir = tmp_path_factory.mktemp("server") / "data"
    with serving(data_dir, auth="local", admin_password=PASSWORD, registration="open") as running:
        yield running


def test_a_wrong_password_is_said_and_the_right_one_signs_in(server: Server, visiting: Visiting) -> None:
    page = visiting(server.origin).open()
    give_credentials(page, "admin", "a wrong password")
    expect(page.get_by_role("alert")).to_have_text("The user name or the password is wrong.")

    give_credentials(page, "admin")
    expect(page.get_by_role("button", name="Choose files")).to_be_visible()
    expect(page.get_by_role("banner")).to_contain_text("admin")
    expect(page.get_by_role("main", name="Upload")).to_be_focused()


def test_the_theme_switch_stays_where_it_is(server: Server, visiting: Visiting) -> None:
    page = visiting(server.origin).open()
    switch = page.get_by_role("group", name="Theme")
    expect(page.get_by_label("User name")).to_be_visible()
    before = switch.bounding_box()
    give_credentials(page, "admin")
    expect(page.get_by_role("button", name="Account of admin")).to_be_visible()
    assert switch.bounding_box() == before


def test_registering_is_called_so_and_begins_without_a_password(server: Server, visiting: Visiting) -> None:
    page = visiting(server.origin).open()
    expect(page).to_have_title("Sign in – Longshore")
    page.get_by_label("Password", exact=True).fill("mistyped")
    page.get_by_role("button", name="Create an account").click()
    expect(page.get_by_role("heading", name="Create an account")).to_be_visible()
    expect(page).to_have_title("Create an account – Longshore")
    expect(page.get_by_label("Password", exact=True)).to_have_value("")

    page.get_by_label("Password", exact=True).fill("another one")
    page.get_by_role("button", name="I have an account").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(page).to_have_title("Sign in – Longshore")
    expect(page.get_by_label("Password", exact=True)).to_have_value("")


def test_people_make_an_account_where_registration_is_open(server: Server, visiting: Visiting) -> None:
    page = visiting(server.origin).open()
    page.get_by_role("button", name="Create an account").click()
    page.get_by_label("User name").fill("ann")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_role("banner")).to_contain_text("ann")

    page = visiting(server.origin).open()
    page.get_by_role("button", name="Create an account").click()
    page.get_by_label("User name").fill("ann")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_role("alert")).to_have_text("This user name is taken. Choose another one.")


def test_a_reload_and_another_tab_stay_signed_in(server: Server, visiting: Visiting) -> None:
    visit = visiting(server.origin)
    page = sign_in(visit)
    page.reload()
    expect(page.get_by_role("button", name="Choose files")).to_be_visible()
    expect(visit.another_tab().get_by_role("button", name="Choose files")).to_be_visible()


def test_scripts_find_no_token_that_lasts(server: Server, visiting: Visiting) -> None:
    visit = visiting(server.origin)
    page = sign_in(visit)
    (cookie,) = visit.context.cookies(f"{server.origin}/auth/session")
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Strict", "/auth")
    kept = page.evaluate("JSON.stringify([document.cookie, {...localStorage}, {...sessionStorage}])")
    assert not re.search(r"eyJ|[Bb]earer", kept)
    assert cookie["value"] not in kept


def test_signing_out_ends_the_session_in_every_tab(server: Server, visiting: Visiting) -> None:
    visit = visiting(server.origin)
    page = sign_in(visit)
    other = visit.another_tab()
    expect(other.get_by_role("button", name="Choose files")).to_be_visible()

    sign_out(page)
    for tab in (page, other):
        expect(tab.get_by_role("heading", name="Sign in")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert visit.context.cookies(f"{server.origin}/auth/session") == []


def test_nobody_signs_in_where_everybody_may_upload(
    tmp_path_factory: pytest.TempPathFactory, visiting: Visiting
) -> None:
    directory = tmp_path_factory.mktemp("open")
    (directory / "notes.txt").write_text("nothing secret")
    with serving(directory / "data", auth="none") as server:
        page = visiting(server.origin).open()
        choose(page, directory / "notes.txt")
        expect_state(page, "notes.txt", "done")
        expect(page.get_by_role("banner").get_by_role("button")).to_have_count(0)
