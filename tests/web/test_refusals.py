import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from tests.e2e.accounts import PASSWORD, register
from tests.e2e.wire import all_stored, poll
from tests.serving import Server, serving
from tests.web.conftest import Visiting
from tests.web.steps import choose, expect_state, put, row, sign_in

pytestmark = pytest.mark.e2e

DAY = 3_000_000
LARGEST = 2_000_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that takes little: tables only, and not much of them."""
    data_dir = tmp_path_factory.mktemp("server") / "data"
    rules = {"allowed_extensions": ".csv", "max_size": str(LARGEST), "quota_daily": str(DAY)}
    with serving(data_dir, auth="local", admin_password=PASSWORD, registration="open", **rules) as running:
        yield running


def write(path: Path, size: int = 0, *, content: bytes = b"1,2,3\n") -> Path:
    """Write a file whose content is repeated until it has this size."""
    path.write_bytes(content * max(1, size // len(content)))
    return path


def refusal(page: Page, name: str) -> str:
    """Why a file was not taken."""
    refused = page.get_by_role("alert").get_by_role("listitem").filter(has_text=name)
    return refused.inner_text().replace("\xa0", " ")


def test_the_rules_are_there_before_a_file_is_chosen(server: Server, visiting: Visiting) -> None:
    page = sign_in(visiting(server.origin))
    rules = page.get_by_role("list", name="What may be uploaded")
    expect(rules).to_contain_text("Formats: .csv")
    expect(rules).to_contain_text("Up to 2 MB each")
    expect(page.get_by_role("region", name="Your quotas")).to_contain_text("3 MB of 3 MB left")
    assert page.locator("input[type=file]").first.get_attribute("accept") == ".csv"


def test_a_format_that_is_not_taken_is_refused_before_it_is_sent(
    server: Server, visiting: Visiting, tmp_path: Path
) -> None:
    visit = visiting(server.origin)
    page = sign_in(visit)
    choose(page, write(tmp_path / "program.exe"))
    assert ".exe files are not taken here. Choose .csv." in refusal(page, "program.exe")
    assert visit.created == []

    page.get_by_role("button", name="Dismiss: program.exe").click()
    expect(page.get_by_role("alert").get_by_role("listitem")).to_have_count(0)


def test_content_of_another_format_is_refused_with_what_it_is(
    server: Server, visiting: Visiting, tmp_path: Path
) -> None:
    visit = visiting(server.origin)
    page = sign_in(visit)
    choose(page, write(tmp_path / "renamed.csv", content=b"\x7fELF" + bytes(200_000)))
    expect(page.get_by_role("alert").get_by_role("listitem")).to_have_count(1)
    assert "The content does not pass as .csv: it is an ELF executable. Choose" in refusal(page, "renamed.csv")
    expect(row(page, "renamed.csv")).to_have_count(0)
    assert visit.count("POST", "/files") == 1
    poll(lambda: not all_stored(server))


def test_a_file_that_is_too_large_is_refused_with_the_limit(server: Server, visiting: Visiting, tmp_path: Path) -> None:
    visit = visiting(server.origin)
    page = sign_in(visit)
    choose(page, write(tmp_path / "large.csv", LARGEST + 100))
    assert "The file is larger than 2 MB" in refusal(page, "large.csv")
    assert "Split or compress it." in refusal(page, "large.csv")
    assert visit.created == []


def test_more_than_the_quota_is_refused_with_what_is_left_and_until_when(
    server: Server, visiting: Visiting, tmp_path: Path
) -> None:
    visit = visiting(server.origin)
    page = sign_in(visit)
    choose(page, write(tmp_path / "first.csv", 1_800_000))
    expect_state(page, "first.csv", "done")
    quotas = page.get_by_role("region", name="Your quotas")
    expect(quotas).to_contain_text("1.2 MB of 3 MB left")

    choose(page, write(tmp_path / "second.csv", 1_500_000))
    said = refusal(page, "second.csv")
    assert "It is more than you may still upload today (1.2 MB)." in said
    assert re.search(r"There is room again on \w{3} \d{1,2}, \d\d:\d\d\.", said)
    assert len(visit.created) == 1


def test_a_quota_that_was_used_up_meanwhile_is_told_by_the_server(
    server: Server, visiting: Visiting, tmp_path: Path
) -> None:
    ann = register(server, "ann")
    visit = visiting(server.origin)
    page = sign_in(visit, "ann")
    expect(page.get_by_role("region", name="Your quotas")).to_contain_text("3 MB of 3 MB left")
    visit.context.set_offline(True)
    choose(page, write(tmp_path / "late.csv", 1_500_000))
    expect_state(page, "late.csv", "waiting")
    put(server, ann, "elsewhere.csv", b"1,2,3\n" * 300_000)
    visit.context.set_offline(False)

    expect(page.get_by_role("alert").get_by_role("listitem")).to_have_count(1)
    said = refusal(page, "late.csv")
    assert "It is more than you may still upload today (1.2 MB)." in said
    assert re.search(r"There is room again on \w{3} \d{1,2}, \d\d:\d\d\.", said)
    expect(row(page, "late.csv")).to_have_count(0)
    expect(page.get_by_role("region", name="Your quotas")).to_contain_text("1.2 MB of 3 MB left")
    assert visit.created == []
