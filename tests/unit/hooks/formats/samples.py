"""Files of many kinds, most of them made by the tools that people make them with, and a way to ask about them."""

import base64
import bz2
import gzip
import io
import lzma
import shutil
import struct
import subprocess
import tarfile
import zipfile
import zlib
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from longshore.hooks.formats import DEFAULT_RULES, Formats, Rule
from longshore.ports.hooks import HookEvent
from longshore.protocol.errors import FormatNotAllowed
from longshore.protocol.upload import Upload

FIRST = 64 * 1024
ALLOWED = (".iso", ".img", ".csv")
SECTOR = 512
MEGABYTE = 1024 * 1024

_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Arrived:
    """The bytes of a file on disk, as far as they are said to have arrived."""

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self.size = size
        self.was_read = 0

    async def read(self, start: int, end: int) -> bytes:
        with self.path.open("rb") as file:
            file.seek(start)
            read = file.read(max(0, min(end, self.size) - start))
        self.was_read += len(read)
        return read


def upload_named(name: str | bytes, *, length: int | None = None) -> Upload:
    raw = name.encode() if isinstance(name, str) else name
    metadata = f"filename {base64.b64encode(raw).decode()}"
    return Upload(id="a" * 32, created_at=datetime(2026, 5, 1, tzinfo=UTC), length=length, metadata=metadata)


def formats(allowed: Collection[str] = ALLOWED, rules: Mapping[str, Rule] = DEFAULT_RULES) -> Formats:
    return Formats(allowed, rules)


async def found_first(
    name: str, path: Path, *, shown: int = FIRST, length: int | None = -1, hook: Formats | None = None
) -> str | None:
    """What is refused when the first bytes are there; None when nothing is."""
    total = path.stat().st_size
    upload = upload_named(name, length=total if length == -1 else length)
    event = HookEvent(upload=upload, content=Arrived(path, min(shown, total)))
    try:
        await (hook or formats()).inspect(event)
    except FormatNotAllowed as refusal:
        return str(refusal.members["found"])
    return None


async def found_whole(name: str, path: Path, *, hook: Formats | None = None) -> str | None:
    """What is refused when all bytes are there; None when nothing is."""
    total = path.stat().st_size
    event = HookEvent(upload=upload_named(name, length=total), content=Arrived(path, total))
    try:
        await (hook or formats()).pre_finish(event)
    except FormatNotAllowed as refusal:
        return str(refusal.members["found"])
    return None


def run(*command: str | Path) -> None:
    """Run a tool, which is among the system's; skip the test where there is none."""
    tool = shutil.which(command[0], path=_SYSTEM_PATH)
    if tool is None:
        pytest.skip(f"{command[0]} is not installed")
    subprocess.run([tool, *command[1:]], check=True, capture_output=True, timeout=60)


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def blank(path: Path, size: int) -> Path:
    with path.open("wb") as file:
        file.truncate(size)
    return path


def cut(path: Path, size: int) -> Path:
    """A copy of the first bytes of a file."""
    copy = path.with_name(f"cut-{size}-{path.name}")
    shutil.copyfile(path, copy)
    with copy.open("r+b") as file:
        file.truncate(size)
    return copy


def patched(path: Path, start: int, data: bytes) -> Path:
    """A copy of a file with some bytes overwritten."""
    copy = path.with_name(f"patched-{path.name}")
    shutil.copyfile(path, copy)
    with copy.open("r+b") as file:
        file.seek(start)
        file.write(data)
    return copy


def tree(directory: Path) -> Path:
    """A directory with something in it, to make images of."""
    made = directory / "tree"
    made.mkdir(exist_ok=True)
    (made / "data.bin").write_bytes(bytes(range(256)) * 8192)
    (made / "read me.txt").write_text("hello\n")
    return made


def iso(directory: Path, *options: str) -> Path:
    made = directory / "made.iso"
    run("xorriso", "-as", "mkisofs", "-quiet", "-J", "-R", *options, "-o", made, tree(directory))
    return made


def master_boot_record(*partitions: tuple[int, int], code: bytes = b"\xfa\x31\xc0") -> bytes:
    """A first sector with partitions given as first sector and count."""
    entries = b"".join(struct.pack("<B3xB3xII", 0x80, 0x83, *partition) for partition in partitions)
    return code.ljust(446, b"\0") + entries.ljust(64, b"\0") + b"\x55\xaa"


def guid_partition_table(first: int, last: int, *, sector: int = SECTOR) -> bytes:
    """A protective MBR and a GPT with one partition, as UEFI has them; without the copy at the end."""
    entry = struct.pack("<16s16sQQ", b"t" * 16, b"u" * 16, first, last).ljust(128, b"\0")
    entries = entry.ljust(128 * 128, b"\0")
    fields = (0, 0, 1, last + 34, 34, last, b"d" * 16, 2, 128, 128, zlib.crc32(entries))
    header = struct.pack("<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, *fields)
    header = header[:16] + struct.pack("<I", zlib.crc32(header)) + header[20:]
    mbr = b"\0" * 446 + struct.pack("<B3xB3xII", 0, 0xEE, 1, 0xFFFFFFFF).ljust(64, b"\0") + b"\x55\xaa"
    return mbr.ljust(sector, b"\0") + header.ljust(sector, b"\0") + entries


def portable_executable() -> bytes:
    """The beginning of a program for Windows, whose DOS part is 64 bytes."""
    dos = b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff".ljust(60, b"\0") + struct.pack("<I", 64)
    return dos + b"PE\0\0\x64\x86\x01\0".ljust(448, b"\0") + b"\xcc" * 4096


def zip_archive() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("table.csv", "a,b\n1,2\n" * 100)
    return made.getvalue()


def tar_archive() -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        member = tarfile.TarInfo("table.csv")
        member.size = 8
        archive.addfile(member, io.BytesIO(b"a,b\n1,2\n"))
    return made.getvalue()


TABLE = b"name,price\r\nfish,1.50\r\n" * 400

FOREIGN: Mapping[str, tuple[bytes, str]] = {
    "ELF": (Path("/bin/true").read_bytes(), "an ELF executable"),
    "PE": (portable_executable(), "a Windows or DOS executable"),
    "Mach-O": (b"\xcf\xfa\xed\xfe\x07\0\0\x01".ljust(4096, b"\0"), "a Mach-O executable"),
    "Mach-O, fat": (b"\xca\xfe\xba\xbe\0\0\0\x02".ljust(4096, b"\0"), "a Mach-O executable"),
    "zip": (zip_archive(), "a ZIP archive"),
    "gzip": (gzip.compress(TABLE), "gzip data"),
    "bzip2": (bz2.compress(TABLE), "bzip2 data"),
    "xz": (lzma.compress(TABLE), "xz data"),
    "zstd": (b"\x28\xb5\x2f\xfd" + bytes(range(64)), "zstd data"),
    "7z": (b"7z\xbc\xaf\x27\x1c\0\x04" + bytes(range(64)), "a 7-Zip archive"),
    "RAR": (b"Rar!\x1a\x07\x01\0" + bytes(range(64)), "a RAR archive"),
    "tar": (tar_archive(), "a tar archive"),
    "OLE": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".ljust(4096, b"\0"), "an Office or installer document"),
    "PDF": (b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n", "a PDF document"),
    "PostScript": (b"%!PS-Adobe-3.0\nshowpage\n", "a PostScript document"),
    "RTF": (b"{\\rtf1\\ansi hello}", "an RTF document"),
    "HTML": (b"<!DOCTYPE html>\n<html><body>a,b</body></html>\n", "an HTML or XML document"),
    "HTML, indented": (b"\xef\xbb\xbf \r\n\t<HTML>\n<script>alert(1)</script>", "an HTML or XML document"),
    "XML": (b'<?xml version="1.0"?>\n<a/>\n', "an HTML or XML document"),
    "SVG": (b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>', "an HTML or XML document"),
    "PHP": (b"<?php system($_GET['c']);", "an HTML or XML document"),
    "shell": (b"#!/bin/sh\necho a,b\n", "a script"),
    "batch": (b"@echo off\r\ndir\r\n", "a script"),
}
"""What may be found under a wrong name, and what it is called."""
