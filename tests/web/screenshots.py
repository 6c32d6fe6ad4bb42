"""Makes the README's screenshots: `python -m tests.web.screenshots`, after `make setup`."""

import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, expect
from tests.e2e.accounts import PASSWORD, User, register
from tests.e2e.samples import MEGABYTE, make_sample
from tests.serving import Server, serving
from tests.web.browser import ROOT, Visit, running_chromium, why_not
from tests.web.line import Line
from tests.web.steps import choose, expect_state, put, sign_in

PICTURES = ROOT / "web" / "screenshots"
WINDOW = {"width": 1024, "height": 740}
LARGEST = 150_000
"""Bytes of a picture: the repository keeps every version of it."""

KINDS = {".iso": b"\0", ".csv": b"1,2,3\n", ".pdf": b"%PDF-1.7\n", ".mp4": b"\0\0\0\x20ftypisom", ".zip": b"PK\x03\x04"}


def main() -> None:
    """Make both."""
    if reason := why_not():
        raise SystemExit(reason)
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as area, running_chromium() as browser:
        settings = {"auth": "local", "admin_password": PASSWORD, "registration": "open", "quota_daily": "2GB"}
        with serving(Path(area) / "data", **settings) as server:
            anna, ben = register(server, "anna"), register(server, "ben")
            _fill(server, anna, ben)
            _show_uploads(browser, server, Path(area))
            _show_files(browser, server)


def _fill(server: Server, anna: User, ben: User) -> None:
    """What a group of people may have there."""
    for user, name, megabytes in [
        (anna, "survey-2026-q3.csv", 14.2),
        (ben, "debian-12.11.0-amd64-netinst.iso", 66),
        (anna, "site-plan.pdf", 3.41),
        (ben, "harbour-flight.mp4", 58.6),
        (anna, "measurements-october.zip", 27.8),
    ]:
        head = KINDS[Path(name).suffix]
        size = int(megabytes * MEGABYTE)
        put(server, user, name, (head * (size // len(head) + 1))[:size])


def _show_uploads(browser: Browser, server: Server, area: Path) -> None:
    """Uploads on their way, in the light."""
    with Line(server, rate=20 * MEGABYTE) as line:
        visit = Visit.begin(browser, line.origin, viewport=WINDOW, color_scheme="light")
        page = sign_in(visit, "anna")
        done = make_sample(area / "tide-tables.csv", 2 * MEGABYTE)
        choose(page, done.path)
        expect_state(page, done.path.name, "done")
        image = make_sample(area / "backup-2026-11-20.img", 640 * MEGABYTE)
        video = make_sample(area / "pier-inspection.mp4", 290 * MEGABYTE)
        line.hold_after(250 * MEGABYTE)
        choose(page, image.path, video.path)
        line.wait_until_held()
        page.get_by_role("button", name=f"Pause {video.path.name}").click()
        expect_state(page, video.path.name, "paused")
        _picture(page, "light")
        visit.context.close()


def _show_files(browser: Browser, server: Server) -> None:
    """The list of files, in the dark."""
    visit = Visit.begin(browser, server.origin, viewport=WINDOW, color_scheme="dark")
    page = sign_in(visit, "ben", "/#/files")
    expect(page.get_by_role("link", name="survey-2026-q3.csv")).to_be_visible()
    _picture(page, "dark")
    visit.context.close()


def _picture(page: Page, name: str) -> None:
    path = PICTURES / f"{name}.png"
    page.mouse.move(0, 0)
    page.screenshot(path=path)
    size = path.stat().st_size
    assert size <= LARGEST, f"{path} has {size} bytes"
    print(f"{path.relative_to(ROOT)}: {size} bytes")


if __name__ == "__main__":
    main()
