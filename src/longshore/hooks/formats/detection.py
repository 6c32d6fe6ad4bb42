"""libmagic: what kind of file it is, by the first bytes."""

import os
from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING

import anyio.to_thread

from longshore.hooks.formats.content import HEAD

if TYPE_CHECKING:
    from magic import Magic

EXECUTABLE_TYPES = frozenset(
    {
        "application/vnd.microsoft.portable-executable",
        "application/x-coredump",
        "application/x-dosexec",
        "application/x-executable",
        "application/x-mach-binary",
        "application/x-object",
        "application/x-pie-executable",
        "application/x-sharedlib",
    }
)


async def media_type(head: bytes) -> str:
    """The MIME type of the content that begins so. Takes a few milliseconds, in a worker thread."""
    return await anyio.to_thread.run_sync(_detect, head[:HEAD])


def load() -> None:
    """Load the library and its database, some 20 ms, so that the first upload need not wait for it.

    Raises `ImportError` where there is none.
    """
    _magic()


def _detect(head: bytes) -> str:
    # One cookie is not safe in two threads at a time; python-magic's Magic has a lock around it.
    return _magic().from_buffer(head)


@cache
def _magic() -> "Magic":
    before = dict(os.environ)  # noqa: TID251 - see _restore
    # pylibmagic brings the library; it has to be imported first, for python-magic to find it.
    import pylibmagic

    try:
        from magic import Magic
    finally:
        _restore(before, (*pylibmagic.keys, "MAGIC"))
    return Magic(mime=True, magic_file=str(pylibmagic.data / "magic.mgc"))


def _restore(before: Mapping[str, str], names: Iterable[str]) -> None:
    # pylibmagic puts itself, and with an empty entry the working directory, on the library path of every process that
    # is started from here on.
    for name in names:
        os.environ.pop(name, None)  # noqa: TID251
        if name in before:
            os.environ[name] = before[name]  # noqa: TID251
