"""Chromium, and what a page in it does that nobody sees: its requests, and what goes wrong there."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Error, Page, Request, sync_playwright

ROOT: Final = Path(__file__).parents[2]
BUILD: Final = ROOT / "web" / "dist" / "index.html"
AXE: Final = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
NAMES: Final = ("chromium", "chromium-browser", "google-chrome-stable")

ELSEWHERE: Final = "longshore.test"
"""A name of this machine that browsers take for one on a network: without TLS there is less that pages may do."""

TIMEOUT: Final = 20_000
"""Milliseconds in which a page does what it is asked."""


def why_not() -> str | None:
    """Why browser tests cannot run here; None if they can."""
    if find_chromium() is None:
        return "there is no Chromium (on Debian: apt-get install chromium)"
    if not BUILD.is_file():
        return "the browser client has not been built (make setup)"
    return None


def is_required() -> bool:
    """Whether it is a failure if they cannot."""
    return os.environ.get("REQUIRE_CHROMIUM", "") == "true"


def find_chromium() -> str | None:
    """The browser's path."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@contextmanager
def running_chromium() -> Iterator[Browser]:
    """A browser without a window."""
    with sync_playwright() as playwright:
        arguments = [f"--host-resolver-rules=MAP {ELSEWHERE} 127.0.0.1"]
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=arguments)
        yield browser
        browser.close()


@dataclass(frozen=True)
class Sent:
    """A request of the page."""

    method: str
    path: str
    offset: int | None
    """`Upload-Offset`, of those that have it."""


@dataclass
class Visit:
    """One person's browser at a server: the page, and what happened behind it."""

    context: BrowserContext
    page: Page
    origin: str
    sent: list[Sent] = field(default_factory=list)
    statuses: list[tuple[str, str, int]] = field(default_factory=list)
    """Method, path and status of each answer."""
    created: list[str] = field(default_factory=list)
    """Paths of the uploads that were created."""
    faults: list[str] = field(default_factory=list)
    """What must not happen on any page: uncaught errors, violations of the policy, requests to other origins."""

    @classmethod
    def begin(cls, browser: Browser, origin: str, **options: Any) -> "Visit":
        """Open a page, with nothing of earlier visits left; `options` are those of a browser context."""
        # Movement would make screenshots and contrast a matter of luck.
        context = browser.new_context(**{"reduced_motion": "reduce", "locale": "en", **options})
        context.set_default_timeout(TIMEOUT)
        visit = cls(context, context.new_page(), origin)
        visit._watch(visit.page)
        return visit

    def open(self, path: str = "/") -> Page:
        """Go to a page of the server."""
        self.page.goto(self.origin + path)
        return self.page

    def another_tab(self, path: str = "/") -> Page:
        """A second page of the same person."""
        page = self.context.new_page()
        self._watch(page)
        page.goto(self.origin + path)
        return page

    def crash(self) -> None:
        """Have the page's process killed; the page is of no use then."""
        # The request goes nowhere: the process falls over on the way.
        with self.page.expect_event("crash"), contextlib.suppress(Error):
            self.page.goto("chrome://crash")
        self.page.close()

    def open_anew(self, path: str = "/") -> Page:
        """Open a page in place of the one that is gone."""
        self.page = self.another_tab(path)
        return self.page

    def offsets(self) -> list[int]:
        """Where each PATCH request began."""
        return [sent.offset for sent in self.sent if sent.method == "PATCH" and sent.offset is not None]

    def count(self, method: str, path: str) -> int:
        """How many requests there were."""
        return sum(1 for sent in self.sent if (sent.method, sent.path) == (method, path))

    def _watch(self, page: Page) -> None:
        page.on("request", self._note_request)
        page.on("response", lambda response: self._note_answer(response.request, response.status, response.headers))
        page.on("websocket", lambda websocket: self._check_origin(websocket.url.replace("ws", "http", 1)))
        page.on("console", self._note_message)
        page.on("pageerror", lambda error: self.faults.append(f"uncaught: {error}"))
        page.on("dialog", self._answer)
        # From the beginning, because a chooser that opens before it is known that somebody waits for one is lost.
        page.on("filechooser", lambda _: None)

    def _note_request(self, request: Request) -> None:
        self._check_origin(request.url)
        offset = request.headers.get("upload-offset")
        self.sent.append(Sent(request.method, urlsplit(request.url).path, None if offset is None else int(offset)))

    def _note_answer(self, request: Request, status: int, headers: dict[str, str]) -> None:
        path = urlsplit(request.url).path
        self.statuses.append((request.method, path, status))
        if request.method == "POST" and status == 201 and "location" in headers:
            self.created.append(urlsplit(headers["location"]).path)

    def _note_message(self, message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            self.faults.append(message.text)

    def _check_origin(self, url: str) -> None:
        if urlsplit(url).scheme in ("http", "https") and not url.startswith(f"{self.origin}/"):
            self.faults.append(f"a request to {url}")

    def _answer(self, dialog: Dialog) -> None:
        """Leave the page where it asks whether to; nothing else may ask."""
        if dialog.type != "beforeunload":
            self.faults.append(f"a {dialog.type} dialog: {dialog.message}")
        dialog.accept()
