from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from tests.e2e.accounts import PASSWORD
from tests.e2e.accounts import sign_in as get_token
from tests.e2e.samples import Sample
from tests.e2e.wire import poll
from tests.serving import Server, serving
from tests.web.axe import severe_violations
from tests.web.conftest import Visiting
from tests.web.line import Line
from tests.web.steps import sign_in
from tests.web.views import fill, walk

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data_dir = tmp_path_factory.mktemp("server") / "data"
    settings = {"auth": "local", "admin_password": PASSWORD, "registration": "open", "login_attempts": "1000"}
    with serving(data_dir, allowed_extensions=".txt,.bin", **settings) as running:
        fill(running, get_token(running))
        yield running


@pytest.fixture
def line(server: Server) -> Iterator[Line]:
    with Line(server) as laid:
        yield laid


def scrolls_sideways(page: Page) -> bool:
    """Whether the page is wider than the window."""
    return bool(page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))


def brightness(page: Page) -> int:
    """Of the page's background, from 0 to 255."""
    found: int = page.evaluate(
        """() => {
            const context = document.createElement("canvas").getContext("2d");
            context.fillStyle = getComputedStyle(document.documentElement).backgroundColor;
            context.fillRect(0, 0, 1, 1);
            return Math.max(...context.getImageData(0, 0, 1, 1).data.slice(0, 3));
        }"""
    )
    return found


def expect_dark(page: Page) -> None:
    """Wait until the page has a dark background."""
    poll(lambda: brightness(page) < 80)


def expect_light(page: Page) -> None:
    """Wait until the page has a light background."""
    poll(lambda: brightness(page) > 200)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious_on_any_view(
    line: Line, visiting: Visiting, medium: Sample, tmp_path: Path, theme: str
) -> None:
    visit = visiting(line.origin, color_scheme=theme)
    found = {view: severe_violations(visit.page) for view in walk(visit, line, medium, tmp_path)}
    assert len(found) >= 10
    assert {view: violations for view, violations in found.items() if violations} == {}


@pytest.mark.parametrize("width", [360, 768, 1440])
def test_no_view_is_wider_than_the_window(
    line: Line, visiting: Visiting, medium: Sample, tmp_path: Path, width: int
) -> None:
    visit = visiting(line.origin, viewport={"width": width, "height": 800})
    wide = [view for view in walk(visit, line, medium, tmp_path) if scrolls_sideways(visit.page)]
    assert wide == []


def test_the_checks_find_what_they_are_there_for(server: Server, visiting: Visiting) -> None:
    visit = visiting(server.origin)
    page = visit.open()
    page.evaluate(
        """() => {
            const wide = document.body.appendChild(document.createElement("button"));
            wide.style.width = "3000px";
            const script = document.createElement("script");
            script.textContent = "window.ran = true";
            document.body.append(script);
            fetch("http://127.0.0.1:9/elsewhere").catch(() => undefined);
        }"""
    )
    assert [rule for rule, _ in severe_violations(page)] == ["button-name"]
    assert scrolls_sideways(page)
    assert page.evaluate("window.ran") is None
    assert any("inline script" in fault for fault in visit.faults)
    assert any("elsewhere" in fault for fault in visit.faults)
    visit.faults.clear()


def test_the_theme_is_the_systems_until_another_is_chosen(server: Server, visiting: Visiting) -> None:
    visit = visiting(server.origin, color_scheme="dark")
    page = sign_in(visit)
    expect_dark(page)
    page.emulate_media(color_scheme="light")
    expect_light(page)

    themes = page.get_by_role("group", name="Theme")
    themes.get_by_role("radio", name="Dark").check(force=True)
    expect_dark(page)
    page.reload()
    expect(themes.get_by_role("radio", name="Dark")).to_be_checked()
    expect_dark(page)

    page.emulate_media(color_scheme="dark")
    themes.get_by_role("radio", name="Light").check(force=True)
    expect_light(page)
    themes.get_by_role("radio", name="System").check(force=True)
    expect_dark(page)
    page.reload()
    expect(themes.get_by_role("radio", name="System")).to_be_checked()
    expect_dark(page)


def test_a_chosen_theme_is_there_before_anything_is_painted(server: Server, visiting: Visiting) -> None:
    visit = visiting(server.origin, color_scheme="light")
    page = sign_in(visit)
    page.get_by_role("group", name="Theme").get_by_role("radio", name="Dark").check(force=True)
    # When the document's body begins, and before modules are run.
    visit.context.add_init_script(
        """new MutationObserver((_, observer) => {
            if (!document.body) return;
            window.themeAtFirst = document.documentElement.dataset.theme;
            observer.disconnect();
        }).observe(document, { childList: true, subtree: true });"""
    )
    page.reload()
    assert page.evaluate("window.themeAtFirst") == "dark"
