"""The hook that refuses files which the operator does not take."""

from collections.abc import Collection, Mapping
from contextlib import suppress

from longshore.hooks.formats import detection
from longshore.hooks.formats.content import HEAD, File, Mismatch, NotArrived
from longshore.hooks.formats.foreign import EXECUTABLES, foreign_content
from longshore.hooks.formats.names import MisleadingName, extension_of, file_name, normal_extension
from longshore.hooks.formats.rules import DEFAULT_RULES, Rule
from longshore.ports.hooks import Changes, HookEvent
from longshore.protocol.errors import FormatNotAllowed
from longshore.protocol.upload import Upload

_PROGRAMS = frozenset(
    {
        ".a",
        ".appimage",
        ".axf",
        ".bin",
        ".bundle",
        ".com",
        ".cpl",
        ".dll",
        ".dylib",
        ".efi",
        ".elf",
        ".exe",
        ".ko",
        ".mod",
        ".o",
        ".obj",
        ".ocx",
        ".out",
        ".run",
        ".scr",
        ".so",
        ".sys",
    }
)
"""Extensions under which an operator who allows them expects executables."""


class Formats:
    """Takes files with one of the allowed extensions whose content is what the extension says; all when there are none.

    The name is looked at when the upload is created, the content when its first bytes are there and when all are.
    Partial uploads have no name and pass; what is put together of them is looked at. Of a file without a rule only
    executables are refused, unless its extension is one of theirs. Raises `ValueError` for what is no extension.
    """

    def __init__(self, allowed: Collection[str], rules: Mapping[str, Rule] = DEFAULT_RULES) -> None:
        self._allowed = frozenset(normal_extension(extension) for extension in allowed)
        self._rules = rules
        if self._allowed:
            detection.load()

    async def pre_create(self, event: HookEvent) -> Changes | None:
        """Refuse a name that is not allowed, is missing, or could be read as another one. Raises `FormatNotAllowed`."""
        if self._concerns(event.upload):
            self._require_name(event.upload)
        return None

    async def pre_rename(self, event: HookEvent) -> None:
        """Refuse a name that would be refused for a new upload, or that does not go with the content that is there."""
        await self.pre_create(event)
        await self.pre_finish(event)

    async def inspect(self, event: HookEvent) -> None:
        """Refuse what the first bytes show to be wrong. Raises `FormatNotAllowed`."""
        if event.content is not None and self._concerns(event.upload):
            with suppress(NotArrived):
                await self._require(event.upload, File(event.content, event.upload.length))

    async def pre_finish(self, event: HookEvent) -> None:
        """Refuse what the whole content shows to be wrong. Raises `FormatNotAllowed`."""
        if event.content is not None and self._concerns(event.upload):
            await self._require(event.upload, File(event.content, event.content.size))

    def _concerns(self, upload: Upload) -> bool:
        return bool(self._allowed) and not upload.is_partial

    def _require_name(self, upload: Upload) -> str:
        """The extension, if it is an allowed one."""
        allowed = ", ".join(sorted(self._allowed))
        try:
            extension = extension_of(file_name(upload), self._allowed)
        except MisleadingName as error:
            raise FormatNotAllowed(str(error), allowed=allowed) from None
        if extension not in self._allowed:
            detail = f"The extension of a file name has to be one of these: {allowed}."
            raise FormatNotAllowed(detail, extension=extension, allowed=allowed)
        return extension

    async def _require(self, upload: Upload, file: File) -> None:
        extension = self._require_name(upload)
        try:
            await _check(file, extension, self._rules.get(extension))
        except Mismatch as mismatch:
            detail = f"The content does not pass as {extension}: it is {mismatch.found}."
            raise FormatNotAllowed(
                detail, extension=extension, allowed=", ".join(sorted(self._allowed)), found=mismatch.found
            ) from None


async def _check(file: File, extension: str, rule: Rule | None) -> None:
    """Raises `Mismatch`, `NotArrived`."""
    if rule is None:
        if extension not in _PROGRAMS:
            await _refuse_executable(file)
        return
    if file.is_whole and not file.length:
        raise Mismatch("an empty file")
    if rule.types:
        await _require_type(file, rule.types)
    for check in rule.checks:
        await check(file)


async def _refuse_executable(file: File) -> None:
    head = await file.beginning(HEAD)
    found = foreign_content(head)
    if found in EXECUTABLES or await detection.media_type(head) in detection.EXECUTABLE_TYPES:
        raise Mismatch(found or "an executable")


async def _require_type(file: File, types: Collection[str]) -> None:
    found = await detection.media_type(await file.read(0, HEAD))
    if found not in types:
        raise Mismatch(f"of the type {found}")
