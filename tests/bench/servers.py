"""The servers that are measured: how each is found, started by its documented way, and what it can do."""

import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
INSTALLED = REPOSITORY / "build" / "bench-servers"
APPS = Path(__file__).parent / "apps"

STARTUP_TIMEOUT = 30.0
STOP_TIMEOUT = 10.0

HOW_TO_INSTALL = "`make bench-servers` installs it"


class Kind:
    """A server to be measured; the class attributes say what it can do."""

    name: str
    creation_path = "/files"
    creation_fields: Mapping[str, str] = {}
    """Header fields that creating an upload takes besides those of the specification."""
    creation_with_upload = True
    checksum = False
    """Whether it verifies SHA-256 checksums."""
    small_requests = True
    """Whether it is for more than large bodies."""
    buffers_bodies = False
    """Whether it holds the whole body of a request in memory, and so cannot be sent one of many GiB."""
    uploads = True
    """Whether it takes uploads at all."""
    downloads = False
    """Whether the workloads about downloads are for it."""

    def missing(self) -> str | None:
        """What is missing on this machine and how to get it, if anything is."""
        raise NotImplementedError

    def command(self, port: int, data_dir: Path) -> Sequence[str]:
        """The command that serves on 127.0.0.1, without an access log."""
        raise NotImplementedError

    def environment(self, port: int, data_dir: Path) -> Mapping[str, str]:
        """Variables for the command."""
        return {"BENCH_DATA_DIR": str(data_dir), "BENCH_PORT": str(port)}

    def directory(self) -> Path:
        """Where the command is started."""
        return REPOSITORY


class Longshore(Kind):
    """The server of this repository, at its defaults but for two settings.

    Anybody may upload, and bytes are not forced to the disk unless asked for: so it is with the others.
    """

    checksum = True

    def __init__(self, fsync: str = "never") -> None:
        self.downloads = fsync == "never"
        self.name = "longshore" if fsync == "never" else f"longshore:{fsync}"
        self._fsync = fsync

    def missing(self) -> str | None:
        return None

    def command(self, port: int, data_dir: Path) -> Sequence[str]:
        return [sys.executable, "-m", "longshore", "serve", "--port", str(port)]

    def environment(self, port: int, data_dir: Path) -> Mapping[str, str]:
        settings = {"AUTH": "none", "DATA_DIR": str(data_dir), "FSYNC": self._fsync, "LOG_LEVEL": "warning"}
        if self._fsync == "never":
            # As the others do: they neither sync nor compute checksums of finished files.
            settings["CHECKSUM"] = "none"
        return {f"LONGSHORE_{name}": value for name, value in settings.items()}

    def directory(self) -> Path:
        # Away from anybody's .env.
        return APPS


class Bare(Kind):
    """The floor for large bodies: a loop of recv and write."""

    name = "bare loop"
    small_requests = False

    def missing(self) -> str | None:
        return None

    def command(self, port: int, data_dir: Path) -> Sequence[str]:
        return [sys.executable, "-m", "tests.bench.bare", str(port), str(data_dir)]


class Nginx(Kind):
    """The measure for downloads: a worker process for files, with sendfile."""

    name = "nginx"
    uploads = False
    downloads = True

    def missing(self) -> str | None:
        return None if _nginx() else "put nginx on the PATH (on Debian: apt-get install nginx-light)"

    def command(self, port: int, data_dir: Path) -> Sequence[str]:
        configuration = data_dir.parent / "nginx.conf"
        configuration.write_text(NGINX_CONF.format(user=getpass.getuser(), directory=data_dir, port=port))
        return [_nginx() or "nginx", "-p", str(data_dir.parent), "-c", str(configuration)]


class Tusd(Kind):
    """The reference server, in Go."""

    name = "tusd"
    downloads = True
    creation_path = "/files/"

    def missing(self) -> str | None:
        return None if _tusd() else f"{HOW_TO_INSTALL} (needs Go), or put tusd on the PATH"

    def command(self, port: int, data_dir: Path) -> Sequence[str]:
        return [
            *(_tusd() or "tusd", "-host", "127.0.0.1", "-port", str(port), "-upload-dir", str(data_dir)),
            *("-base-path", "/files/", "-verbose=false"),
        ]


class Rustus(Kind):
    """rustus, in Rust. It takes no body of more than 10 MiB unless told to."""

    name = "rustus"
    checksum = True
    buffers_bodies = True

    def missing(self) -> str | None:
        return None if _rustus() else f"{HOW_TO_INSTALL} (needs Cargo), or put rustus on the PATH"

    def command(self, port: int, data_dir: Path) -> Sequence[str]:
        return [
            *(_rustus() or "rustus", "--host", "127.0.0.1", "--port", str(port), "--url", "/files"),
            *("--data-dir", str(data_dir / "data"), "--info-dir", str(data_dir / "info")),
            *("--max-body-size", str(16 * 1024**3), "--log-level", "ERROR"),
        ]


class TusNode(Kind):
    """@tus/server with @tus/file-store, on Node."""

    name = "@tus/server"

    def missing(self) -> str | None:
        if shutil.which("node") and (INSTALLED / "node" / "node_modules" / "@tus" / "server").is_dir():
            return None
        return f"{HOW_TO_INSTALL} (needs Node.js 20.19 or newer)"

    def command(self, port: int, data_dir: Path) -> Sequence[str]:
        return ["node", str(APPS / "tus_node_server.mjs")]

    def directory(self) -> Path:
        return INSTALLED / "node"


class AsgiApplication(Kind):
    """An ASGI application on uvicorn, in a virtual environment of its own."""

    def missing(self) -> str | None:
        return None if self._python.exists() else HOW_TO_INSTALL

    def command(self, port: int, data_dir: Path) -> Sequence[str]:
        app = f"{self.name.replace('-', '_')}_app:app"
        options = ("--host", "127.0.0.1", "--port", str(port), "--no-access-log", "--log-level", "warning")
        return [str(self._python), "-m", "uvicorn", "--app-dir", str(APPS), app, *options]

    @property
    def _python(self) -> Path:
        return INSTALLED / self.name / "bin" / "python"


class Tuspyserver(AsgiApplication):
    """tuspyserver, on FastAPI. It answers HEAD with 400 when an upload has no name and type."""

    name = "tuspyserver"
    creation_path = "/files/"
    creation_fields: Mapping[str, str] = {"Upload-Metadata": "filename Zg==,filetype dGV4dC9wbGFpbg=="}


class ResumableUpload(AsgiApplication):
    """resumable-upload, as an ASGI application."""

    name = "resumable-upload"
    checksum = True
    buffers_bodies = True


NGINX_CONF = """
daemon off;
user {user};
worker_processes 1;
pid {directory}/nginx.pid;
error_log stderr crit;
events {{}}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    client_body_temp_path {directory}/temp;
    proxy_temp_path {directory}/temp;
    fastcgi_temp_path {directory}/temp;
    uwsgi_temp_path {directory}/temp;
    scgi_temp_path {directory}/temp;
    server {{
        listen 127.0.0.1:{port};
        root {directory};
        location = /files {{ return 204; }}
    }}
}}
"""


KINDS: Sequence[Kind] = (
    Longshore(),
    Longshore("finish"),
    Bare(),
    Nginx(),
    Tusd(),
    Rustus(),
    TusNode(),
    Tuspyserver(),
    ResumableUpload(),
)


def _nginx() -> str | None:
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin")


def _tusd() -> str | None:
    return shutil.which("tusd", path=f"{INSTALLED / 'tusd'}{os.pathsep}{os.environ.get('PATH', '')}")


def _rustus() -> str | None:
    return shutil.which("rustus", path=f"{INSTALLED / 'rustus' / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}")


@dataclass(frozen=True)
class Running:
    """A server process that answers."""

    kind: Kind
    port: int
    pid: int
    data_dir: Path


@contextmanager
def running(kind: Kind, data_dir: Path, *, keep: bool = False) -> Iterator[Running]:
    """A server on a new and empty data directory; both are gone afterwards, unless that is to be kept.

    Raises `RuntimeError`.
    """
    data_dir.mkdir(parents=True)
    log = data_dir.with_suffix(".log")
    process: subprocess.Popen[bytes] | None = None
    try:
        port = _free_port()
        process = _start(kind, port, data_dir, log)
        _await_answer(process, kind, port, log)
        yield Running(kind, port, process.pid, data_dir)
    finally:
        if process is not None:
            _stop(process)
        if not keep:
            shutil.rmtree(data_dir, ignore_errors=True)
        log.unlink(missing_ok=True)


def _start(kind: Kind, port: int, data_dir: Path, log: Path) -> subprocess.Popen[bytes]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LONGSHORE_")}
    with log.open("wb") as output:
        return subprocess.Popen(
            kind.command(port, data_dir),
            env={**inherited, **kind.environment(port, data_dir)},
            cwd=kind.directory(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that it can be stopped with everything that it has started
        )


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _await_answer(process: subprocess.Popen[bytes], kind: Kind, port: int, log: Path) -> None:
    request = f"OPTIONS {kind.creation_path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode()
    deadline = time.monotonic() + STARTUP_TIMEOUT
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                connection.sendall(request)
                if connection.recv(16).startswith(b"HTTP/1.1 2"):
                    return
        except OSError:
            pass
        time.sleep(0.05)
    raise RuntimeError(f"{kind.name} did not start: {log.read_text(errors='replace')[-2000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    _signal(process, signal.SIGTERM)
    try:
        process.wait(STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        pass
    finally:
        _signal(process, signal.SIGKILL)
        process.wait()


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Signal the process and all that it has started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)
