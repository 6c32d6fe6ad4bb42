"""User names: what they may look like, and when two are the same."""

import unicodedata
from typing import Final

from longshore.auth.errors import InvalidUsername

LIMIT: Final = 64
"""Characters of a user name."""

# Decomposed, a name may be longer than it is once it has been normalized; this only bounds the work.
_RAW_LIMIT: Final = 4 * LIMIT
_PUNCTUATION: Final = frozenset("._@+-")


def normalize(username: str) -> str:
    """Give the name as it is stored: in Unicode's normalization form NFKC.

    It has 1 to 64 letters and digits of any script (with the marks that belong to them) and `._@+-`, and begins with a
    letter or a digit, so that a command never takes it for an option. Raises `InvalidUsername`.
    """
    name = unicodedata.normalize("NFKC", username[: _RAW_LIMIT + 1])
    if not 1 <= len(name) <= LIMIT:
        raise InvalidUsername(f"A user name has 1 to {LIMIT} characters.")
    if not all(map(_is_allowed, name)):
        raise InvalidUsername("A user name consists of letters, digits and ._@+-")
    if not name[0].isalnum():
        raise InvalidUsername("A user name begins with a letter or a digit.")
    return name


def _is_allowed(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] in "LM" or category == "Nd" or character in _PUNCTUATION


def comparable(username: str) -> str:
    """Give what two spellings of one name have in common: case and compatible forms do not count.

    Raises `InvalidUsername`. The rule is Unicode's NFKC_Casefold, less the characters that no name may have.
    """
    folded = normalize(username).casefold()
    return unicodedata.normalize("NFKC", folded)
