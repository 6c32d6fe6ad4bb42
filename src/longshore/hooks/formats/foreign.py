"""Content that gives itself away with its first bytes, and is then never a disk image or a table."""

import re
import struct

WINDOWS = "a Windows or DOS executable"
ELF = "an ELF executable"
MACH = "a Mach-O executable"
EXECUTABLES = frozenset({WINDOWS, ELF, MACH})

_SIGNATURES = (
    (b"\x7fELF", ELF),
    (b"\xfe\xed\xfa\xce", MACH),
    (b"\xfe\xed\xfa\xcf", MACH),
    (b"\xce\xfa\xed\xfe", MACH),
    (b"\xcf\xfa\xed\xfe", MACH),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"PK\x05\x06", "a ZIP archive"),
    (b"\x1f\x8b", "gzip data"),
    *((b"BZh%d1AY&SY" % level, "bzip2 data") for level in range(1, 10)),
    (b"\xfd7zXZ\0", "xz data"),
    (b"\x28\xb5\x2f\xfd", "zstd data"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"MSCF\0\0\0\0", "a cabinet archive"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Office or installer document"),
    (b"%PDF-", "a PDF document"),
    (b"%!PS", "a PostScript document"),
    (b"{\\rtf", "an RTF document"),
)
_FAT_BINARY = b"\xca\xfe\xba\xbe"
_JAVA = 45
"""The oldest version of a Java class, which begins with the same bytes; nothing has as many architectures."""

_MARKUP = re.compile(
    rb"""\s*(?:<\?|<!--|<(?:!doctype[ ]html|html|head|script|iframe|h1|div|font|table|a|style|title|b|body|br|p|svg
    |meta|link|img|object|embed)[\s>/])""",
    re.IGNORECASE | re.VERBOSE,
)
"""How WHATWG's MIME Sniffing, section 7.1, tells HTML and XML; and what else begins a page in a browser."""

_SCRIPT = re.compile(rb"#![ \t]*/|[ \t]*@echo[ \t]+(?:off|on)\b", re.IGNORECASE)


def foreign_content(head: bytes) -> str | None:
    """What the first bytes (512 are enough) give away; None when nothing."""
    for signature, found in _SIGNATURES:
        if head.startswith(signature):
            return found
    return _executable(head) or _document(head)


def _executable(head: bytes) -> str | None:
    # MZ alone may begin a text; a DOS header always has zeros.
    if head[:2] in (b"MZ", b"ZM") and b"\0" in head[:64]:
        return WINDOWS
    if head.startswith(_FAT_BINARY) and len(head) >= 8 and struct.unpack_from(">I", head, 4)[0] < _JAVA:
        return MACH
    return None


def _document(head: bytes) -> str | None:
    if head[257:263] in (b"ustar\0", b"ustar "):
        return "a tar archive"
    text = head.removeprefix(b"\xef\xbb\xbf")
    if _MARKUP.match(text):
        return "an HTML or XML document"
    return "a script" if _SCRIPT.match(text) else None
