"""Browsers, and files that are too large to be made for each test."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from tests.e2e.samples import MEGABYTE, Sample, make_sample
from tests.web.browser import TIMEOUT, Visit, is_required, running_chromium, why_not

expect.set_options(timeout=TIMEOUT)

Visiting = Callable[..., Visit]


# For a module, because Playwright's loop would be in the way of asynchronous tests that come after.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    if reason := why_not():
        (pytest.fail if is_required() else pytest.skip)(f"browser tests: {reason}")
    with running_chromium() as browser:
        yield browser


@pytest.fixture
def visiting(chromium: Browser) -> Iterator[Visiting]:
    """Begin visits; whatever else a test is about, nothing may go wrong behind the page."""
    visits: list[Visit] = []

    def begin(origin: str, **options: object) -> Visit:
        visits.append(Visit.begin(chromium, origin, **options))
        return visits[-1]

    yield begin
    for visit in visits:
        visit.context.close()
    assert [fault for visit in visits for fault in visit.faults] == []


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    directory = tmp_path_factory.mktemp("samples")
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def large(samples: Path) -> Sample:
    """300 MB."""
    return make_sample(samples / "large.bin", 300 * MEGABYTE)


@pytest.fixture(scope="session")
def medium(samples: Path) -> Sample:
    """More than one request's worth (64 MiB), and more than browsers keep for a reload (10 MiB)."""
    return make_sample(samples / "medium.bin", 100 * MEGABYTE)


@pytest.fixture(scope="session")
def small(samples: Path) -> Sample:
    """8 MB, which browsers keep for a reload."""
    return make_sample(samples / "small.bin", 8 * MEGABYTE)


@pytest.fixture
def area(tmp_path: Path) -> Iterator[Path]:
    """A directory whose contents are removed after the test: what is uploaded is too large to be kept for later."""
    yield tmp_path
    shutil.rmtree(tmp_path)
