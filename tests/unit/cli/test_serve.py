"""What `longshore serve` says before and while it starts. Running it for long is the end-to-end tests' business."""

import base64
import os
import re
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.serving import Server, serving

from longshore.cli.banner import banner
from longshore.config import Settings
from longshore.http.web import is_built
from longshore.protocol.capabilities import Capabilities

PASSWORD = "correct horse battery"
SHORT_KEY = base64.b64encode(b"short").decode()
GENERATED = re.compile(r"The user admin has been created\. Password \(shown only this once\): ([a-z0-9]{24})\n")
OPEN_DOORS = "auth is none: whoever reaches 0.0.0.0 may upload, read and delete everything"


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (
            {"signing_keys": f"a:{SHORT_KEY}"},
            "LONGSHORE_SIGNING_KEYS='...' is not valid:"
            " use name:base64, of 32 bytes or more, several separated by commas",
        ),
        ({"admin_password": "s3cret!"}, "LONGSHORE_ADMIN_PASSWORD='...' is not valid: use 8 to 1024 characters"),
        (
            {"webhook_url": "https://example.org", "webhook_secret": "s3cret-that-is-none"},
            "LONGSHORE_WEBHOOK_SECRET='...' is not valid: use whsec_ and 24 to 64 bytes in Base64",
        ),
        ({"auth": "external"}, "auth external needs LONGSHORE_JWT_ISSUER, LONGSHORE_JWT_AUDIENCE and its keys"),
        (
            {"jwt_issuer": "https://id.example", "jwt_jwks_url": "https://id.example/jwks"},
            "LONGSHORE_JWT_ISSUER needs LONGSHORE_JWT_AUDIENCE: tokens made for others must not be accepted",
        ),
        (
            {"jwt_issuer": "https://id.example", "jwt_audience": "longshore"},
            "LONGSHORE_JWT_ISSUER needs one of LONGSHORE_JWT_PUBLIC_KEY and LONGSHORE_JWT_JWKS_URL",
        ),
        (
            {"jwt_issuer": "https://id.example", "jwt_audience": "longshore", "jwt_public_key": "no-such.pem"},
            "LONGSHORE_JWT_PUBLIC_KEY: the file cannot be read (No such file or directory)",
        ),
        (
            {"jwt_issuer": "https://id.example", "jwt_audience": "longshore", "jwt_public_key": "-----BEGIN s3cret"},
            "the settings LONGSHORE_JWT_… cannot be used: the issuer's key is not a public key in PEM",
        ),
        (
            {"hooks": "no.such.Hook"},
            "the hook 'no.such.Hook' cannot be made (ModuleNotFoundError: No module named 'no')",
        ),
        ({"format_rules": ".png"}, "'.png' is no rule; one is like .png=image/png or .jpg=image/jpeg,image/pjpeg"),
    ],
)
def test_settings_that_will_not_do_end_it_with_one_line(tmp_path: Path, settings: dict[str, str], line: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "longshore", "serve", "--port", "0", "--data-dir", str(tmp_path / "data")],
        env=environment(settings),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"longshore: {line}\n"


def test_a_port_that_is_taken_ends_it_before_anything_is_made(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        line = (
            f"cannot listen on 127.0.0.1:{port}: another program listens there; --port (LONGSHORE_PORT) takes another"
        )
        assert complaint(tmp_path, "--port", str(port)) == line
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("192.0.2.1", "this machine does not have that address; --host (LONGSHORE_HOST) takes another"),
        ("no-such-host.invalid", "no-such-host.invalid is no address of this machine"),
    ],
)
def test_a_host_that_is_another_machine_ends_it(tmp_path: Path, host: str, reason: str) -> None:
    assert reason in complaint(tmp_path, "--host", host, "--port", "0")


def complaint(tmp_path: Path, *options: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "longshore", "serve", "--data-dir", str(tmp_path / "data"), *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    return done.stderr.removeprefix("longshore: ").rstrip()


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    return {**os.environ, **{f"LONGSHORE_{name.upper()}": value for name, value in settings.items()}}


def test_the_admins_generated_password_is_shown_once_over_two_starts(tmp_path: Path) -> None:
    with Server(tmp_path / "data", auth="local") as server:
        assert server.stop() == 0
        server.start()
        assert server.stop() == 0
        said = server.said()
    (password,) = GENERATED.findall(said)
    assert said.count(password) == 1
    assert said.count("Longshore is ready") == 2
    assert password.encode() not in b"".join(path.read_bytes() for path in (tmp_path / "data").rglob("*.*"))


def test_an_admins_password_that_was_given_is_never_shown(tmp_path: Path) -> None:
    with Server(tmp_path / "data", auth="local", admin_password=PASSWORD, log_level="debug") as server:
        assert server.stop() == 0
        server.start()
        assert server.stop() == 0
        said = server.said()
    assert said.count("Longshore is ready") == 2
    assert PASSWORD not in said
    assert "admin has been created" not in said


@pytest.mark.parametrize(
    ("settings", "warned"),
    [
        ({"auth": "none", "host": "0.0.0.0"}, True),
        ({"auth": "none", "host": "127.0.0.1"}, False),
        ({"auth": "none", "host": "localhost"}, False),
        ({"auth": "local", "host": "0.0.0.0", "admin_password": PASSWORD}, False),
    ],
)
def test_open_doors_are_warned_of(tmp_path: Path, settings: dict[str, str], warned: bool) -> None:
    with serving(tmp_path / "data", **settings) as server:
        said = server.said()
    assert (OPEN_DOORS in said) is warned
    assert ("WARNING" in said) is warned


CAPABILITIES = Capabilities(extensions=frozenset({"creation", "termination"}), max_size=None, max_metadata_size=8192)
ISSUER = {"jwt_issuer": "https://id.example", "jwt_audience": "longshore", "jwt_jwks_url": "https://id.example/jwks"}


def test_the_banner_tells_where_things_are_and_what_is_enabled(tmp_path: Path) -> None:
    settings = Settings(
        data_dir=tmp_path,
        max_size="20GB",
        allowed_extensions=".iso,.img,.csv",
        registration="invite",
        unfinished_ttl="36h",
    )
    assert banner(settings, CAPABILITIES, "127.0.0.1", 8000).splitlines() == [
        "Longshore is ready",
        "  listening:  http://127.0.0.1:8000/files",
        f"  data:       {tmp_path} (database: SQLite)",
        "  extensions: creation, termination",
        "  limits:     at most 20GB; unfinished uploads expire after 36h",
        "  formats:    .iso, .img, .csv",
        "  auth:       accounts, registration invite",
    ]


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"auth": "none"}, "  auth:       none, whoever reaches the port may upload"),
        ({"auth": "local"}, "  auth:       accounts, registration off"),
        ({"auth": "external", **ISSUER}, "  auth:       tokens of https://id.example"),
        ({**ISSUER}, "  auth:       accounts, registration off; and tokens of https://id.example"),
        ({}, "  formats:    all"),
        ({"unfinished_ttl": "never"}, "  limits:     no largest size; unfinished uploads never expire"),
        ({}, "  listening:  http://[::1]:8000/files"),
        (
            {"data_dir": "/srv/uploads", "database_url": "postgresql://u:s3cret@h/d"},
            "  data:       /srv/uploads (database: PostgreSQL)",
        ),
    ],
)
def test_a_line_of_the_banner(settings: dict[str, Any], line: str) -> None:
    shown = banner(Settings(**settings), CAPABILITIES, "::1", 8000)
    assert line in shown.splitlines()
    assert "s3cret" not in shown


@pytest.mark.parametrize(
    ("settings", "host", "page"),
    [
        ({}, "127.0.0.1", "Open http://127.0.0.1:8000/"),
        ({}, "0.0.0.0", "Open http://127.0.0.1:8000/"),
        ({}, "::", "Open http://[::1]:8000/"),
        ({}, "192.168.1.2", "Open http://192.168.1.2:8000/"),
        ({"public_url": "https://example.org/up"}, "127.0.0.1", "Open https://example.org/up/"),
    ],
)
def test_the_banner_ends_with_the_address_of_the_page(settings: dict[str, Any], host: str, page: str) -> None:
    assert banner(Settings(**settings), CAPABILITIES, host, 8000, has_page=True).splitlines()[-1] == page
    assert "Open" not in banner(Settings(**settings), CAPABILITIES, host, 8000)


@pytest.mark.parametrize("wanted", [True, False])
def test_the_page_is_there_where_it_is_wanted_and_built(tmp_path: Path, wanted: bool) -> None:
    expected = wanted and is_built()
    with Server(tmp_path / "data", web_client=str(wanted)) as server:
        said = server.said()
        answer = httpx.get(f"{server.origin}/")
    assert (f"Open {server.origin}/\n" in said) is expected
    assert answer.status_code == (200 if expected else 404)


def test_a_server_without_a_page_is_an_option() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "longshore", "serve", "--help"], capture_output=True, text=True, check=True, timeout=60
    )
    assert "--web-client / --no-web-client" in done.stdout
