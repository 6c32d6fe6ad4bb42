"""`longshore upload`, `ls`, `download` and `watch`, as processes beside a server, through whatever goes wrong."""

import hashlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.accounts import JSON, PASSWORD, command, register, sign_in
from tests.e2e.relay import Relay
from tests.e2e.samples import MEGABYTE, Sample, make_sample
from tests.e2e.wire import all_stored, assert_holds, create, downloaded_hash, poll, request, stored_hash
from tests.serving import Server, serving

pytestmark = pytest.mark.e2e

TIMEOUT = 60.0
HELD = 50 * MEGABYTE
STOPPED = "\nlongshore: stopped\n"
"""What is said after Ctrl-C, below what the terminal shows of that."""


class Client:
    """Somebody who runs commands: a home of their own, in which there is nothing but their state."""

    def __init__(self, home: Path, url: str, **settings: str) -> None:
        self.home = home
        home.mkdir()
        kept = {name: value for name, value in os.environ.items() if not name.startswith("LONGSHORE_")}
        given = {f"LONGSHORE_{name.upper()}": value for name, value in {"url": url, **settings}.items()}
        self.environment = {**kept, **given, "HOME": str(home), "XDG_STATE_HOME": str(home / "state")}

    def start(self, *arguments: object, stderr: int = subprocess.PIPE) -> subprocess.Popen[str]:
        """Start a command and go on."""
        return subprocess.Popen(
            [sys.executable, "-m", "longshore", *map(str, arguments)],
            env=self.environment,
            cwd=self.home,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )

    def run(self, *arguments: object, given: str = "") -> str:
        """Run a command that goes well; return what it printed. `given` is its standard input."""
        with self.start(*arguments) as process:
            out, err = process.communicate(given, timeout=TIMEOUT)
        assert (process.returncode, err) == (0, "")
        return out.removesuffix("\n")

    def complaint(self, *arguments: object, given: str = "") -> str:
        """Run a command that does not; return its one line."""
        with self.start(*arguments) as process:
            out, err = process.communicate(given, timeout=TIMEOUT)
        assert (process.returncode, out, err.count("\n")) == (2, "", 1), err
        assert err.startswith("longshore: ")
        return err.removeprefix("longshore: ").removesuffix("\n")

    def told(self, *arguments: object, given: str = "") -> dict[str, Any]:
        """The one object that a command prints with --json."""
        found: dict[str, Any] = json.loads(self.run(*arguments, "--json", given=given))
        return found


@pytest.fixture
def open_server(area: Path) -> Iterator[Server]:
    """A server on which all may upload."""
    with serving(area / "data") as running:
        yield running


@pytest.fixture(scope="module")
def accounts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with accounts, shared by a module's tests."""
    with serving(
        tmp_path_factory.mktemp("accounts") / "data",
        auth="local",
        admin_password=PASSWORD,
        registration="open",
        quota_daily="1MB",
    ) as running:
        yield running


def hash_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# Uploading


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_an_upload_goes_on_in_the_next_run(
    area: Path, open_server: Server, large: Sample, number: signal.Signals
) -> None:
    client = Client(area / "home", open_server.url)
    with Relay(open_server.port, up=HELD, then="hold") as network:
        # The next run finds the upload of the server by its own URL, so both have to name the same one.
        client.environment["LONGSHORE_URL"] = network.url
        with client.start("upload", large.path) as first:
            assert network.happened.wait(TIMEOUT)
            first.send_signal(number)
            out, err = first.communicate(timeout=TIMEOUT)
        ended = (-9, "") if number == signal.SIGKILL else (2, STOPPED)
        assert (first.returncode, err, out) == (*ended, "")
        network.released.set()

        second = client.told("upload", large.path)

        assert HELD - 2 * MEGABYTE < second["resumed_from"] < large.size
        assert len(all_stored(open_server)) == 1
        assert_holds(open_server, second["url"], large.size, large.sha256)
        assert client.told("upload", large.path) == {**second, "resumed_from": large.size}


@pytest.mark.parametrize("options", [(), ("--checksum",)])
def test_an_upload_goes_on_after_the_connection_was_cut(
    area: Path, open_server: Server, large: Sample, options: tuple[str, ...]
) -> None:
    with Relay(open_server.port, up=HELD) as network:
        url = Client(area / "home", network.url).run("upload", large.path, *options)

        assert network.happened.is_set()
    assert len(all_stored(open_server)) == 1
    assert_holds(open_server, url, large.size, large.sha256)


def test_an_upload_goes_on_when_the_server_is_back(area: Path, open_server: Server, large: Sample) -> None:
    with (
        Relay(open_server.port, up=HELD, then="hold") as network,
        Client(area / "home", network.url).start("upload", large.path) as upload,
    ):
        assert network.happened.wait(TIMEOUT)
        open_server.kill()
        network.released.set()
        open_server.start()
        out, err = upload.communicate(timeout=TIMEOUT)

    assert (upload.returncode, err) == (0, "")
    assert len(all_stored(open_server)) == 1
    assert_holds(open_server, out.strip(), large.size, large.sha256)


def test_several_files_at_a_time(area: Path, server: Server, medium: Sample, small: Sample) -> None:
    empty = make_sample(area / "empty.iso", 0)
    samples = {str(sample.path): sample for sample in (medium, small, empty)}
    said = Client(area / "home", server.url).run(
        "upload", "--json", "--parallel", 2, "--chunk-size", "1MiB", *samples, medium.path
    )

    told = [json.loads(line) for line in said.splitlines()]
    assert {one["file"] for one in told} == set(samples)
    for one in told:
        assert downloaded_hash(server, one["url"]) == samples[one["file"]].sha256


def test_what_goes_wrong_with_one_file_does_not_stop_the_others(area: Path, medium: Sample, small: Sample) -> None:
    with serving(area / "data", max_size="4MB") as server:
        with Client(area / "home", server.url).start("upload", medium.path, small.path) as upload:
            out, err = upload.communicate(timeout=TIMEOUT)

        assert (upload.returncode, err.count("\n")) == (2, 1)
        assert err.startswith("longshore: medium.bin: ")
        assert_holds(server, out.strip(), small.size, small.sha256)


def test_a_second_run_beside_the_first_is_refused(area: Path, server: Server, medium: Sample) -> None:
    with Relay(server.port, up=10 * MEGABYTE, then="hold") as network:
        client = Client(area / "home", network.url)
        with client.start("upload", medium.path) as first:
            assert network.happened.wait(TIMEOUT)
            assert client.complaint("upload", medium.path) == (
                "medium.bin: it is being uploaded by another run of this command"
            )
            network.released.set()
            out, _ = first.communicate(timeout=TIMEOUT)

    assert_holds(server, out.strip(), medium.size, medium.sha256)


def test_a_file_that_changes_meanwhile_is_refused(area: Path, server: Server) -> None:
    sample = make_sample(area / "log.bin", 40 * MEGABYTE)
    with (
        Relay(server.port, up=10 * MEGABYTE, then="hold") as network,
        Client(area / "home", network.url).start("upload", sample.path) as upload,
    ):
        assert network.happened.wait(TIMEOUT)
        with sample.path.open("ab") as file:
            file.write(b"more")
        network.released.set()
        _, err = upload.communicate(timeout=TIMEOUT)

    assert (upload.returncode, err) == (
        2,
        "longshore: log.bin: the file was changed while it was being uploaded: upload it again\n",
    )


def test_restart_begins_anew_and_so_does_other_metadata(area: Path, server: Server, small: Sample) -> None:
    client = Client(area / "home", server.url)
    first = client.run("upload", small.path)

    assert client.run("upload", small.path) == first
    assert client.run("upload", small.path, "--metadata", "filename=other.bin") != first
    again = client.run("upload", small.path, "--restart")
    assert again != first
    assert client.run("upload", small.path) == again
    assert {"small.bin", "other.bin"} <= {listed["name"] for listed in listed_by(client)}


def test_what_was_removed_from_the_server_is_sent_again(area: Path, server: Server, small: Sample) -> None:
    client = Client(area / "home", server.url)
    first = client.told("upload", small.path)
    assert request(server, "DELETE", first["url"], {}).status == 204
    second = client.told("upload", small.path)

    assert second["resumed_from"] == 0
    assert_holds(server, second["url"], small.size, small.sha256)


def test_bars_with_speed_on_a_terminal_and_urls_on_standard_output(area: Path, server: Server, medium: Sample) -> None:
    client = Client(area / "home", server.url)
    client.environment |= {"TERM": "xterm", "COLUMNS": "120"}
    near, far = pty.openpty()
    with Relay(server.port, up=20 * MEGABYTE, then="slow") as network:
        client.environment["LONGSHORE_URL"] = network.url
        upload = client.start("upload", medium.path, stderr=far)
        os.close(far)
        shown = b""
        while piece := read_terminal(near):
            shown += piece
        out, _ = upload.communicate(timeout=TIMEOUT)
    os.close(near)

    assert upload.returncode == 0
    assert b"medium.bin" in shown
    assert b"/40.0 MB" in shown
    assert re.search(rb"\d [kM]?B/s", shown)
    assert_holds(server, out.strip(), medium.size, medium.sha256)


def read_terminal(descriptor: int) -> bytes:
    """What is written to the terminal; nothing once nobody has it open any more."""
    try:
        return os.read(descriptor, 65536)
    except OSError:
        return b""


# Who asks


def test_signing_in_lasts_as_long_as_the_upload_and_no_longer(area: Path, large: Sample) -> None:
    settings = {"auth": "local", "admin_password": PASSWORD, "access_token_ttl": "1s", "access_log": "true"}
    with serving(area / "data", **settings) as server:
        client = Client(area / "home", server.url)
        url = client.run("upload", large.path, "--user", "admin", "--chunk-size", "512KiB", given=f"{PASSWORD}\n")

        assert stored_hash(server, url) == large.sha256
        said = server.said()
        assert said.count("/auth/refresh") > 0
        assert said.count("/auth/token") == 1
        assert said.count("/auth/logout") == 1
        assert PASSWORD not in said


@pytest.mark.parametrize("way", ["variable", "file", "option"])
def test_a_token(accounts: Server, area: Path, small: Sample, way: str) -> None:
    token = command(accounts.data_dir, "token", "issue", "--user", "admin")
    client = Client(area / "home", accounts.url, **({"token": token} if way == "variable" else {}))
    (area / "token").write_text(f"{token}\n")
    options = {"variable": (), "file": ("--token-file", area / "token"), "option": ("--token", token)}[way]

    assert isinstance(listed_by(client, *options), list)


def listed_by(client: Client, *options: object) -> list[dict[str, Any]]:
    return [json.loads(line) for line in client.run("ls", "--json", *options).splitlines()]


@pytest.mark.parametrize(
    ("token", "complaint"),
    [
        ("", "the server wants a token: use --user NAME, --token-file FILE or LONGSHORE_TOKEN"),
        ("nonsense", "The token is malformed"),
    ],
)
def test_no_token_and_a_wrong_one_are_one_line(
    accounts: Server, area: Path, small: Sample, token: str, complaint: str
) -> None:
    client = Client(area / "home", accounts.url, token=token)

    for arguments in (("ls",), ("download", "0" * 32), ("watch",)):
        assert client.complaint(*arguments) == complaint
    assert client.complaint("upload", small.path) == f"small.bin: {complaint}"


def test_a_wrong_password_and_none_are_one_line(accounts: Server, area: Path) -> None:
    client = Client(area / "home", accounts.url)

    assert "User name or password is wrong" in client.complaint("ls", "--user", "admin", given="wrong password\n")
    assert "no password" in client.complaint("ls", "--user", "admin")


def test_what_cannot_be_is_one_line(accounts: Server, area: Path, small: Sample) -> None:
    client = Client(area / "home", accounts.url, token=register(accounts, "ann").access_token)

    assert client.complaint("upload", small.path) == (
        "small.bin: At most 1000000 bytes may be uploaded in a day, and 0 are taken"
    )
    assert "'nothing.iso' does not exist" in client.complaint("upload", "nothing.iso")
    assert client.complaint("download", "0" * 32) == "No such upload"
    assert "There is no type 'nonsense'" in client.complaint("watch", "--type", "nonsense")


def test_a_server_that_is_not_there_is_one_line_at_once(area: Path, small: Sample) -> None:
    client = Client(area / "home", "http://127.0.0.1:1/files")

    for arguments in (("upload", small.path), ("watch",)):
        assert "http://127.0.0.1:1/files cannot be reached" in client.complaint(*arguments)


def test_listing(accounts: Server, area: Path) -> None:
    token = command(accounts.data_dir, "token", "issue", "--user", "admin")
    client = Client(area / "home", accounts.url, token=token)
    names = [f"list-{number}.csv" for number in range(3)]
    for name in names:
        (area / name).write_bytes(b"1,2\n")
    client.run("upload", *(area / name for name in names))

    found = listed_by(client, "--name", "LIST-", "--state", "completed", "--owner", "me", "--limit", 2)
    assert [one["name"] for one in found] == names[:0:-1]
    lines = client.run("ls", "--name", "list-").splitlines()
    assert len(lines) == 3
    assert lines[0].split() == [found[0]["id"], *lines[0].split()[1:3], "completed", "4", "B", "admin", "list-2.csv"]


# Downloading


def test_a_download_goes_on_in_the_next_run(area: Path, open_server: Server, large: Sample) -> None:
    client = Client(area / "home", open_server.url)
    upload_id = client.run("upload", large.path).rpartition("/")[2]
    with Relay(open_server.port, down=HELD, then="hold") as network:
        client.environment["LONGSHORE_URL"] = network.url
        with client.start("download", upload_id) as first:
            assert network.happened.wait(TIMEOUT)
            poll(lambda: sum(part.stat().st_size for part in client.home.glob("large.bin.*.part")) > HELD - MEGABYTE)
            first.kill()
        network.released.set()
        assert not (client.home / "large.bin").exists()

        second = client.told("download", upload_id)

    assert HELD - MEGABYTE < second["resumed_from"] < large.size
    assert hash_of(client.home / "large.bin") == large.sha256
    assert list(client.home.glob("*.part")) == []


def test_a_download_goes_on_after_the_connection_was_cut(area: Path, open_server: Server, large: Sample) -> None:
    url = Client(area / "sender", open_server.url).run("upload", large.path)
    with Relay(open_server.port, down=HELD) as network:
        client = Client(area / "home", network.url)
        assert client.run("download", url.rpartition("/")[2], "-o", "here.bin") == "here.bin"

        assert network.happened.is_set()
    assert hash_of(client.home / "here.bin") == large.sha256


def test_a_download_by_a_link_goes_on_in_the_next_run_and_counts_once(area: Path, large: Sample) -> None:
    with serving(area / "data", auth="local", admin_password=PASSWORD) as server:
        admin = sign_in(server)
        upload_id = Client(area / "sender", server.url).run("upload", large.path, "--token", admin.access_token)
        upload_id = upload_id.rpartition("/")[2]
        asked = json.dumps({"ttl": 3600, "max_uses": 1}).encode()
        path = f"/api/uploads/{upload_id}/link"
        link = json.loads(request(server, "POST", path, {**admin.bearer, **JSON}, asked).body)["url"]
        # Somebody without an account, and without a word about which server.
        with Relay(server.port, down=HELD, then="hold") as network:
            client = Client(area / "home", "")
            link = network.url.removesuffix("/files") + link
            with client.start("download", link) as first:
                assert network.happened.wait(TIMEOUT)
                poll(lambda: sum(part.stat().st_size for part in client.home.glob("*.part")) > HELD - MEGABYTE)
                first.kill()
            network.released.set()

            second = client.told("download", link)

            assert client.complaint("download", link, "-o", "again.bin") == "This link has been used up"
    assert HELD - MEGABYTE < second["resumed_from"] < large.size
    assert hash_of(client.home / "large.bin") == large.sha256
    assert list(client.home.glob("large.bin.*.part")) == []
    assert not (client.home / "again.bin").exists()


def test_a_download_writes_over_nothing_unless_told_so(area: Path, server: Server, small: Sample) -> None:
    client = Client(area / "home", server.url)
    url = client.run("upload", small.path)
    (client.home / "small.bin").write_text("mine")

    assert client.complaint("download", url) == "'small.bin' exists: --force writes over it, -o names another file"
    assert (client.home / "small.bin").read_text() == "mine"
    assert client.run("download", url, "--force") == "small.bin"
    assert hash_of(client.home / "small.bin") == small.sha256
    assert [path.name for path in client.home.iterdir() if path.is_file()] == ["small.bin"]


@pytest.mark.parametrize("name", ["../../evil.bin", "/etc/evil.bin", "..\\evil.bin", ".evil.bin"])
def test_a_download_stays_in_its_directory(area: Path, server: Server, small: Sample, name: str) -> None:
    client = Client(area / "home", server.url)
    url = client.run("upload", small.path, "--metadata", f"filename={name}")

    assert client.run("download", url) == "evil.bin"
    assert hash_of(client.home / "evil.bin") == small.sha256


def test_an_unfinished_upload_is_no_download(area: Path, server: Server) -> None:
    client = Client(area / "home", server.url)
    path = create(server, 5)

    assert client.complaint("download", path).startswith("The upload")

    assert [path for path in client.home.iterdir() if path.is_file()] == []


# Watching


def test_watching_through_a_restart_of_the_server_misses_nothing(
    area: Path, open_server: Server, small: Sample, medium: Sample
) -> None:
    client = Client(area / "home", open_server.url)
    with client.start("watch", "--after", 0, "--json", "--type", "created", "--type", "completed") as watch:
        assert watch.stdout
        client.run("upload", small.path)
        seen = [json.loads(watch.stdout.readline()) for _ in range(2)]
        open_server.kill()
        open_server.start()
        # It may or may not be back when these happen.
        client.run("upload", medium.path)
        client.run("upload", small.path, "--restart")
        seen += [json.loads(watch.stdout.readline()) for _ in range(4)]
        watch.send_signal(signal.SIGINT)
        out, err = watch.communicate(timeout=TIMEOUT)

    assert (watch.returncode, out, err) == (2, "", STOPPED)
    assert [event["id"] for event in seen] == ["1", "2", "3", "4", "5", "6"]
    assert [event["type"].rpartition(".")[2] for event in seen] == ["created", "completed"] * 3
    assert [event["data"]["name"] for event in seen] == ["small.bin"] * 2 + ["medium.bin"] * 2 + ["small.bin"] * 2


def test_watching_for_people(area: Path, server: Server, small: Sample) -> None:
    client = Client(area / "home", server.url)
    upload_id = client.run("upload", small.path).rpartition("/")[2]
    with client.start("watch", "--after", 0, "--upload", upload_id, "--type", "completed") as watch:
        assert watch.stdout
        line = watch.stdout.readline().split()
        watch.kill()

    assert line[2:] == ["completed", upload_id, "3.0", "MB", "small.bin"]


def test_watching_lasts_longer_than_a_token(area: Path, small: Sample) -> None:
    settings = {"auth": "local", "admin_password": PASSWORD, "access_token_ttl": "2s", "access_log": "true"}
    with serving(area / "data", **settings) as server:
        client = Client(area / "home", server.url)
        with client.start("watch", "--user", "admin", "--json", "--type", "completed", "--after", 0) as watch:
            assert watch.stdin
            assert watch.stdout
            watch.stdin.write(f"{PASSWORD}\n")
            watch.stdin.flush()
            poll(lambda: server.said().count("/auth/refresh") >= 2, within=20)
            admin = sign_in(server)
            client.run("upload", small.path, "--token", admin.access_token)
            event = json.loads(watch.stdout.readline())
            watch.kill()

        assert event["data"]["name"] == "small.bin"
