"""What a check sees of an upload's bytes, and how it says that they are not what they should be."""

from longshore.ports.hooks import Content

HEAD = 64 * 1024
"""Bytes from the start that tell a kind of file: as many as `inspect` is promised."""


class Mismatch(Exception):
    """The content is not that of the format. `found` is a phrase that says what it is, or what is wrong with it."""

    def __init__(self, found: str) -> None:
        super().__init__(found)
        self.found = found


class NotArrived(Exception):
    """The question cannot be answered yet: the bytes, or the length, are still to come."""


class File:
    """The bytes of an upload that are there so far, and how many it will be: one check serves at any time of it."""

    def __init__(self, content: Content, length: int | None) -> None:
        self._content = content
        self._length = length

    @property
    def length(self) -> int:
        """How many bytes the file has when it is whole. Raises `NotArrived` while nobody knows."""
        if self._length is None:
            raise NotArrived
        return self._length

    @property
    def is_whole(self) -> bool:
        """Whether all bytes are there."""
        return self._length is not None and self._content.size >= self._length

    async def read(self, start: int, end: int) -> bytes:
        """The bytes from start up to, and without, end; fewer only at the end of the file. Raises `NotArrived`."""
        if self._length is not None:
            end = min(end, self._length)
        if start >= end:
            return b""
        if end > self._content.size:
            raise NotArrived
        read = await self._content.read(start, end)
        if len(read) < end - start:
            raise NotArrived
        return read

    async def beginning(self, most: int) -> bytes:
        """The first bytes, at most so many, as far as they have arrived."""
        return await self._content.read(0, min(most, self._content.size))
