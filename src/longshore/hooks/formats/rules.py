"""Which content goes with which extension: the defaults, and the setting that adds to them."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from longshore.hooks.formats.content import File
from longshore.hooks.formats.delimited import check_csv
from longshore.hooks.formats.discs import check_disc
from longshore.hooks.formats.images import check_image
from longshore.hooks.formats.names import normal_extension

Check = Callable[[File], Awaitable[None]]
"""Raises `content.Mismatch` when the file is certainly none of the format, `content.NotArrived` when that is open."""

_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]*/[a-z0-9][a-z0-9!#$&^_.+-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What a file has to be to bear an extension: of one of the types, if any are given, and past every check."""

    types: frozenset[str] = field(default_factory=frozenset)
    """MIME types as libmagic tells them."""
    checks: tuple[Check, ...] = ()


DEFAULT_RULES: Mapping[str, Rule] = MappingProxyType(
    {
        ".csv": Rule(checks=(check_csv,)),
        ".img": Rule(checks=(check_image,)),
        ".iso": Rule(checks=(check_disc,)),
    }
)


def parse_rules(text: str) -> Mapping[str, Rule]:
    """The default rules with those of a setting added or put in their place.

    The text is like `.png=image/png;.jpg=image/jpeg,image/pjpeg`. Raises `ValueError` that says what is wrong with it.
    """
    rules: dict[str, Rule] = {}
    for entry in filter(None, map(str.strip, text.split(";"))):
        extension, rule = _parse_rule(entry)
        if extension in rules:
            raise ValueError(f"{extension} has two rules")
        rules[extension] = rule
    return {**DEFAULT_RULES, **rules}


def _parse_rule(entry: str) -> tuple[str, Rule]:
    extension, separator, types = entry.partition("=")
    if not separator:
        raise ValueError(f"{entry!r} is no rule; one is like .png=image/png or .jpg=image/jpeg,image/pjpeg")
    names = [name.strip().lower() for name in types.split(",")]
    for name in names:
        if not _MEDIA_TYPE.fullmatch(name):
            raise ValueError(f"{name!r} in {entry!r} is not a MIME type such as image/png")
    return normal_extension(extension), Rule(types=frozenset(names))
