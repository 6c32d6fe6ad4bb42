import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect
from tests.e2e.accounts import PASSWORD, register
from tests.e2e.accounts import sign_in as get_token
from tests.serving import Server, serving
from tests.web.conftest import Visiting
from tests.web.steps import put, sign_in

pytestmark = pytest.mark.e2e

TOLD = re.compile(r"ann uploaded secret\.txt\.|2 files have arrived\.")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server where files are their owners' alone."""
    data_dir = tmp_path_factory.mktemp("server") / "data"
    settings = {"auth": "local", "registration": "open", "visibility": "private"}
    with serving(data_dir, admin_password=PASSWORD, **settings) as running:
        yield running


def expect_listed(page: Page, *names: str) -> None:
    """Wait until the list is these files, the newest first."""
    expect(page.get_by_role("table", name="Files").get_by_role("link")).to_have_text(list(names))


def test_others_do_not_see_a_file_and_admins_do(server: Server, visiting: Visiting) -> None:
    ann, ben, admin = register(server, "ann"), register(server, "ben"), get_token(server)
    visit = visiting(server.origin)
    visit.page.clock.install()
    page = sign_in(visit, ben.name, "/#/files")
    admins = sign_in(visiting(server.origin), path="/#/files")
    # Something of their own first, so that both are certainly listening.
    put(server, ben, "first.txt", b"1")
    expect_listed(page, "first.txt")
    put(server, admin, "admin.txt", b"1")
    expect(admins.get_by_role("link", name="admin.txt")).to_be_visible()

    path = put(server, ann, "secret.txt", b"2")
    expect(admins.get_by_role("link", name="secret.txt")).to_be_visible()
    # With his first file, which is told of in the same notice or in one of its own.
    expect(admins.get_by_role("region", name="Notices")).to_contain_text(TOLD)
    # What comes later is told later.
    put(server, ben, "last.txt", b"3")
    expect_listed(page, "last.txt", "first.txt")
    page.clock.fast_forward(20_000)
    expect(page.get_by_role("region", name="Notices").get_by_role("paragraph")).to_have_count(0)
    page.reload()
    expect_listed(page, "last.txt", "first.txt")

    address = f"{server.origin}/#/files/{path.rpartition('/')[2]}"
    for view, text in ((page, "There is no such file, or it is not yours to see."), (admins, "secret.txt")):
        view.goto(address)
        expect(view.get_by_role("dialog", name="File details")).to_contain_text(text)
