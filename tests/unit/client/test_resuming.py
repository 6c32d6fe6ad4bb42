import os
import stat
import time
from dataclasses import replace
from pathlib import Path

import pytest

from longshore.client.errors import ClientError
from longshore.client.resuming import Begun, Identity

URL = "http://localhost/files/abc"


@pytest.fixture
def identity(tmp_path: Path) -> Identity:
    return Identity(
        path=tmp_path / "big.iso",
        size=5,
        modified=1,
        server="http://localhost/files",
        subject="ann",
        metadata={"filename": "big.iso"},
    )


def test_keeps_a_url_from_run_to_run(tmp_path: Path, identity: Identity) -> None:
    with Begun(tmp_path / "state" / "uploads").entry(identity) as entry:
        assert entry.read() is None
        entry.remember(f"{URL}/longer")
        entry.remember(URL)
        assert entry.read() == URL

    with Begun(tmp_path / "state" / "uploads").entry(identity) as entry:
        assert entry.read() == URL
        entry.forget()
        assert entry.read() is None


def test_nobody_else_can_read_it(tmp_path: Path, identity: Identity) -> None:
    directory = tmp_path / "uploads"
    with Begun(directory).entry(identity) as entry:
        entry.remember(URL)

    (file,) = directory.iterdir()
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "big" not in file.name


@pytest.mark.parametrize(
    "change",
    [
        {"path": Path("/other.iso")},
        {"path": Path(os.fsdecode(b"/\xff.iso"))},
        {"size": 6},
        {"modified": 2},
        {"server": "http://elsewhere/files"},
        {"subject": "bob"},
        {"metadata": {"filename": "other.iso"}},
    ],
)
def test_another_file_server_user_or_metadata_is_another_upload(
    tmp_path: Path, identity: Identity, change: dict[str, object]
) -> None:
    begun = Begun(tmp_path / "uploads")
    with begun.entry(identity) as entry, begun.entry(replace(identity, **change)) as other:  # type: ignore[arg-type]
        entry.remember(URL)
        assert other.read() is None


def test_only_one_run_holds_it(tmp_path: Path, identity: Identity) -> None:
    begun = Begun(tmp_path / "uploads")
    with begun.entry(identity), pytest.raises(ClientError, match="another run"), begun.entry(identity):
        pass
    with begun.entry(identity):
        pass


@pytest.mark.parametrize("written", [b"http://localhost/fil", b"\0\0\0\0\n", b"\xff\n", b""])
def test_what_was_not_written_to_its_end_counts_as_nothing(tmp_path: Path, identity: Identity, written: bytes) -> None:
    directory = tmp_path / "uploads"
    begun = Begun(directory)
    (directory / identity.key).write_bytes(written)

    with begun.entry(identity) as entry:
        assert entry.read() is None


def test_what_is_old_is_forgotten(tmp_path: Path, identity: Identity) -> None:
    directory = tmp_path / "uploads"
    begun = Begun(directory)
    for name, age in ((identity.key, 29), ("old", 31)):
        (directory / name).write_text(f"{URL}\n")
        then = time.time() - age * 86_400
        os.utime(directory / name, (then, then))

    with begun.entry(identity):
        Begun(directory)
    assert [path.name for path in directory.iterdir()] == [identity.key]


def test_a_directory_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ClientError, match=r"cannot be kept in .*Not a directory"):
        Begun(tmp_path / "file" / "uploads")
