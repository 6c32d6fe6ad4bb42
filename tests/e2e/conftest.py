"""Room on the disk that is given back, and files to upload."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.samples import MEGABYTE, Sample, make_sample
from tests.serving import Server, serving


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    directory = tmp_path_factory.mktemp("samples")
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def large(samples: Path) -> Sample:
    """200 MB."""
    return make_sample(samples / "large.bin", 200 * MEGABYTE)


@pytest.fixture(scope="session")
def medium(samples: Path) -> Sample:
    """40 MB, and a bit, so that it is no multiple of anything."""
    return make_sample(samples / "medium.bin", 40 * MEGABYTE + 12_345)


@pytest.fixture(scope="session")
def small(samples: Path) -> Sample:
    """3 MB, and a bit."""
    return make_sample(samples / "small.bin", 3 * MEGABYTE + 1)


@pytest.fixture
def area(tmp_path: Path) -> Iterator[Path]:
    """A directory whose contents are removed after the test: what is uploaded is too large to be kept for later."""
    yield tmp_path
    shutil.rmtree(tmp_path)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with default settings, shared by a module's tests."""
    directory = tmp_path_factory.mktemp("server")
    with serving(directory / "data") as running:
        yield running
    shutil.rmtree(directory)
