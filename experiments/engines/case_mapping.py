"""Small letters and capitals, character for character: Unicode's simple case mapping, which does not know of languages.

Engines that follow the full mapping make two letters of one, or look at the letters around; and a database may follow the
rules of its language. For those, these are the arguments of TRANSLATE.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

_LAST = 0x1FFFF
"""Beyond this there are no letters that have case."""


@cache
def small_letters() -> tuple[str, str]:
    """The characters that have a small letter, and these, in the same order.

    >>> before, after = small_letters()
    >>> after[before.index("Ü")], after[before.index("Σ")], "ü" in before
    ('ü', 'σ', False)
    """
    return _changed(lambda character: "i" if character == "İ" else character.lower())


@cache
def capitals() -> tuple[str, str]:
    """The characters that have a capital, and these, in the same order; the simple capital of ᾳ is the titlecase ᾼ.

    >>> before, after = capitals()
    >>> after[before.index("ü")], after[before.index("ᾳ")], "ﬁ" in before
    ('Ü', 'ᾼ', False)
    """

    def capital(character: str) -> str:
        upper = "ẞ" if character == "ß" else character.upper()
        return upper if len(upper) == 1 else character.title()

    return _changed(capital)


def _changed(mapping: Callable[[str], str]) -> tuple[str, str]:
    pairs = [(character, mapping(character)) for character in map(chr, range(1, _LAST))]
    kept = [(before, after) for before, after in pairs if len(after) == 1 and before != after]
    return "".join(before for before, _ in kept), "".join(after for _, after in kept)
