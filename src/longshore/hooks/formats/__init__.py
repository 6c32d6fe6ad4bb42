"""Which files the operator takes: by name when an upload is created, by content when the first bytes and all are there.

- `hook`: `Formats`, the hook.
- `names`: the extension of the name that a client gave, and names that are refused because they could mislead.
- `rules`: which content goes with which extension, and the setting that says so.
- `content`: what a check sees of an upload, and how it says no.
- `images`, `discs`, `partitions`, `filesystems`: disk images, ISO 9660 and UDF, partition tables, file systems.
- `delimited`, `text`: CSV, and text by its encodings.
- `foreign`, `detection`: content that gives itself away with its first bytes; libmagic.
"""

from longshore.hooks.formats.hook import Formats
from longshore.hooks.formats.rules import DEFAULT_RULES, Rule, parse_rules

__all__ = ["DEFAULT_RULES", "Formats", "Rule", "parse_rules"]
