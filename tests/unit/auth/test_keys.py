"""Signing keys: the file that holds them, rotation, and a server that notices."""

import base64
import json
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import anyio
import pytest
from tests.unit.auth.world import Time, signing_key

from longshore.auth import keyfile
from longshore.auth.keyfile import SigningKey
from longshore.auth.keys import FLOOR, PERIOD, KeyRing

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def kids(keys: Sequence[SigningKey]) -> list[str]:
    return [key.kid for key in keys]


# The file


def test_makes_a_file_that_only_its_owner_can_read(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    before = os.umask(0)
    try:
        made = keyfile.load(path, now=NOW)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [len(key.secret) for key in made] == [32]
    assert keyfile.load(path, now=NOW + HOUR) == made
    assert list(tmp_path.iterdir()) == [path]


def test_every_file_has_a_key_of_its_own(tmp_path: Path) -> None:
    one, other = (keyfile.load(tmp_path / name, now=NOW)[0] for name in ("a", "b"))
    assert one.secret != other.secret
    assert one.kid != other.kid


def at_once(work: Callable[[], object], threads: int = 8) -> None:
    """Do something in several threads, which to a lock on a file are like processes."""
    start = threading.Barrier(threads)

    def begin(_: int) -> None:
        start.wait()
        work()

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(begin, range(threads)))


def _load_into(loaded: list[bytes], path: Path) -> None:
    loaded.append(keyfile.load(path, now=NOW)[0].secret)


def test_processes_that_start_at_once_agree_on_a_key(tmp_path: Path) -> None:
    for attempt in range(20):
        path = tmp_path / str(attempt)
        loaded: list[bytes] = []
        at_once(partial(_load_into, loaded, path))
        assert set(loaded) == {keyfile.read(path)[0].secret}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_refuses_a_file_that_is_open_to_others(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "keys.json"
    keyfile.load(path, now=NOW)
    path.chmod(mode)
    with pytest.raises(ValueError, match="open to others"):
        keyfile.load(path, now=NOW)


def entry(**changes: object) -> dict[str, object]:
    secret = base64.b64encode(b"0123456789abcdefghijklmnopqrstuv").decode()
    return {"kid": "k", "secret": secret, "created_at": "2026-01-01T00:00:00+00:00"} | changes


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        "[]",
        "null",
        "[1]",
        "not JSON: 0123456789abcdefghijklmnopqrstuv",
        json.dumps([entry(secret="c2hvcnQ=")]),
        json.dumps([entry(secret="0123456789abcdefghijklmnopqrstuv!")]),
        json.dumps([entry(kid="../etc/passwd")]),
        json.dumps([entry(kid=7)]),
        json.dumps([entry(created_at="yesterday")]),
        json.dumps([entry(), {"kid": "k"}]),
    ],
)
def test_refuses_a_file_of_something_else_without_quoting_it(tmp_path: Path, content: str) -> None:
    path = tmp_path / "keys.json"
    path.touch(0o600)
    path.write_text(content)
    with pytest.raises(ValueError, match="does not hold signing keys") as refused:
        keyfile.load(path, now=NOW)
    assert "0123456789" not in str(refused.value)
    assert refused.value.__cause__ is refused.value.__context__ is None
    assert path.read_text() == content


def test_refuses_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo", 0o600)
    with pytest.raises(ValueError, match="not a file"):
        keyfile.load(tmp_path / "fifo", now=NOW)


def test_a_key_shows_its_secret_to_nobody() -> None:
    assert "k1..." not in repr(signing_key("k1"))


# Rotation


def test_a_new_key_signs_and_the_old_ones_stay(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    first = keyfile.load(path, now=NOW)[0]
    second = keyfile.rotate(path, now=NOW + HOUR, drop_before=NOW)
    third = keyfile.rotate(path, now=NOW + 2 * HOUR, drop_before=NOW)
    assert kids(keyfile.read(path)) == [third.kid, second.kid, first.kid]
    assert path.stat().st_mode & 0o777 == 0o600


def test_drops_keys_that_have_not_signed_of_late(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    keyfile.load(path, now=NOW)
    second = keyfile.rotate(path, now=NOW + HOUR, drop_before=NOW)
    # The first signed until an hour after NOW; the second, though older than the limit, until this moment.
    third = keyfile.rotate(path, now=NOW + 3 * HOUR, drop_before=NOW + 2 * HOUR)
    assert kids(keyfile.read(path)) == [third.kid, second.kid]


def test_drops_every_old_key_when_told_to(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    keyfile.load(path, now=NOW)
    new = keyfile.rotate(path, now=NOW + HOUR, drop_before=NOW + HOUR)
    assert kids(keyfile.read(path)) == [new.kid]


def test_does_not_rotate_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        keyfile.rotate(tmp_path / "keys.json", now=NOW, drop_before=NOW)
    assert list(tmp_path.iterdir()) == []


def test_rotations_at_once_lose_no_key(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    keyfile.load(path, now=NOW)
    at_once(lambda: [keyfile.rotate(path, now=NOW + HOUR, drop_before=NOW) for _ in range(5)])
    assert len({key.kid for key in keyfile.read(path)}) == 1 + 8 * 5


# The ring


def test_the_first_key_of_a_setting_signs() -> None:
    one, other = (base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2))
    ring = KeyRing.from_setting(f"new:{one}, old:{other}")
    assert (ring.signing.kid, ring.signing.secret) == ("new", b"\1" * 32)
    old = ring.find("old")
    assert old is not None
    assert old.secret == b"\2" * 32
    assert ring.find("other") is None


def test_a_setting_may_be_in_the_base64_of_urls() -> None:
    secret = b"\xff\xfe" * 16
    assert KeyRing.from_setting("k:" + base64.urlsafe_b64encode(secret).decode()).signing.secret == secret


UNFIT = ["", "k", "k:", ":" + "A" * 44, "k:c2VjcmV0LXRoYXQtaXMtc2hvcnQ=", "k:secret that is not base64 at all...."]
UNFIT += ["k d:" + "A" * 43 + "=", "c2VjcmV0" * 6, "c2VjcmV0" * 6 + ":!", ",".join(["k:" + "A" * 43 + "="] * 2)]


@pytest.mark.parametrize("setting", UNFIT)
def test_refuses_a_setting_without_quoting_its_secrets(setting: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        KeyRing.from_setting(setting)
    assert "secret" not in str(refused.value)
    assert "c2VjcmV0" not in str(refused.value)


@pytest.mark.anyio
async def test_notices_a_rotation_by_another_process(tmp_path: Path) -> None:
    path, time = tmp_path / "keys.json", Time()
    ring = KeyRing.from_file(path, clock=time, monotonic=time.monotonic)
    new = keyfile.rotate(path, now=NOW, drop_before=NOW)
    await ring.refresh()
    assert ring.find(new.kid) is None
    time.advance(timedelta(seconds=PERIOD))
    await ring.refresh()
    assert ring.find(new.kid) == ring.signing == new


@pytest.mark.anyio
async def test_looks_no_more_often_than_the_floor_allows(tmp_path: Path) -> None:
    path, time = tmp_path / "keys.json", Time()
    ring = KeyRing.from_file(path, clock=time, monotonic=time.monotonic)
    new = keyfile.rotate(path, now=NOW, drop_before=NOW)
    time.advance(timedelta(seconds=FLOOR * 0.9))
    await ring.refresh(floor=FLOOR)
    assert ring.find(new.kid) is None
    time.advance(timedelta(seconds=FLOOR * 0.1))
    await ring.refresh(floor=FLOOR)
    assert ring.find(new.kid) == new


@pytest.mark.anyio
async def test_everybody_who_asks_at_once_gets_the_new_key(tmp_path: Path) -> None:
    path, time = tmp_path / "keys.json", Time()
    ring = KeyRing.from_file(path, clock=time, monotonic=time.monotonic)
    new = keyfile.rotate(path, now=NOW, drop_before=NOW)
    time.advance(timedelta(seconds=FLOOR))
    found: list[SigningKey | None] = []

    async def ask() -> None:
        await ring.refresh(floor=FLOOR)
        found.append(ring.find(new.kid))

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(ask)
    assert found == [new] * 5


@pytest.mark.anyio
async def test_one_looks_for_all_who_ask_at_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, time = tmp_path / "keys.json", Time()
    ring = KeyRing.from_file(path, clock=time, monotonic=time.monotonic)
    # Whoever looks says so.
    path.unlink()
    time.advance(timedelta(seconds=PERIOD))
    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(ring.refresh)
    assert len(caplog.records) == 1


@pytest.mark.anyio
@pytest.mark.parametrize("harm", ["removed", "opened", "broken"])
async def test_goes_on_with_the_keys_it_has_when_the_file_is_no_good(
    tmp_path: Path, harm: str, caplog: pytest.LogCaptureFixture
) -> None:
    path, time = tmp_path / "keys.json", Time()
    ring = KeyRing.from_file(path, clock=time, monotonic=time.monotonic)
    before = ring.signing
    match harm:
        case "removed":
            path.unlink()
        case "opened":
            path.chmod(0o644)
        case _:
            path.write_text("[")
    time.advance(timedelta(seconds=PERIOD))
    await ring.refresh()
    assert ring.signing == before
    assert "signing keys stay as they are" in caplog.text


@pytest.mark.anyio
async def test_keys_of_a_setting_stay() -> None:
    ring = KeyRing([signing_key("k1")])
    await ring.refresh(floor=0)
    assert ring.signing == signing_key("k1")


@pytest.mark.parametrize("keys", [[], [signing_key("a"), signing_key("a")]])
def test_refuses_no_keys_or_two_of_a_name(keys: Sequence[SigningKey]) -> None:
    with pytest.raises(ValueError, match="signing key"):
        KeyRing(keys)
