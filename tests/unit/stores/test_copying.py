"""Both ways of copying, and the way from one to the other, on real files."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from longshore.stores.copying import CHUNK, copy, copy_by_hand, copy_in_kernel

CONTENT = bytes(range(256)) * (CHUNK // 128) + b"odd"

Copy = Callable[[int, int, int], object]


@pytest.fixture
def files() -> Iterator[Callable[[Path, Path], tuple[int, int]]]:
    """Open one file to read and one to write."""
    with ExitStack() as stack:

        def open_both(source: Path, target: Path) -> tuple[int, int]:
            both = os.open(source, os.O_RDONLY), os.open(target, os.O_WRONLY | os.O_CREAT)
            for each in both:
                stack.callback(os.close, each)
            return both

        yield open_both


Files = Callable[[Path, Path], tuple[int, int]]


@pytest.mark.parametrize("way", [copy, copy_by_hand])
@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, len(CONTENT)])
def test_copies_just_so_many_bytes(tmp_path: Path, files: Files, way: Copy, size: int) -> None:
    (tmp_path / "source").write_bytes(CONTENT)
    way(*files(tmp_path / "source", tmp_path / "target"), size)
    assert (tmp_path / "target").read_bytes() == CONTENT[:size]


@pytest.mark.parametrize("way", [copy, copy_by_hand])
def test_goes_on_where_both_files_stand(tmp_path: Path, files: Files, way: Copy) -> None:
    (tmp_path / "source").write_bytes(CONTENT)
    source, target = files(tmp_path / "source", tmp_path / "target")
    os.write(target, b"before")
    os.lseek(source, 100, os.SEEK_SET)
    way(source, target, 1000)
    way(source, target, 1000)
    assert (tmp_path / "target").read_bytes() == b"before" + CONTENT[100:2100]


@pytest.mark.parametrize("way", [copy, copy_by_hand])
def test_source_that_ends_early_is_told(tmp_path: Path, files: Files, way: Copy) -> None:
    (tmp_path / "source").write_bytes(b"abc")
    with pytest.raises(EOFError):
        way(*files(tmp_path / "source", tmp_path / "target"), 4)


@pytest.mark.skipif(sys.platform != "linux", reason="copy_file_range is Linux's")
def test_the_kernel_copies_what_it_can(tmp_path: Path, files: Files) -> None:
    (tmp_path / "source").write_bytes(CONTENT)
    assert copy_in_kernel(*files(tmp_path / "source", tmp_path / "target"), len(CONTENT)) == len(CONTENT)
    assert (tmp_path / "target").read_bytes() == CONTENT


@pytest.mark.skipif(sys.platform != "linux", reason="copy_file_range is Linux's")
def test_what_the_kernel_refuses_is_copied_by_hand(tmp_path: Path, files: Files) -> None:
    # It does not copy to a file that is open for appending (EBADF), so take one that it cannot seek in: a pipe.
    (tmp_path / "source").write_bytes(CONTENT[:1000])
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    source, target = files(tmp_path / "source", tmp_path / "pipe")
    assert copy_in_kernel(source, target, 1000) == 0
    copy(source, target, 1000)
    assert os.read(reader, 2000) == CONTENT[:1000]
    os.close(reader)


def test_errors_that_are_no_refusal_are_raised(tmp_path: Path, files: Files) -> None:
    (tmp_path / "source").write_bytes(CONTENT)
    source, _ = files(tmp_path / "source", tmp_path / "target")
    with pytest.raises(OSError, match="Bad file descriptor"):
        copy(source, source, 1)
