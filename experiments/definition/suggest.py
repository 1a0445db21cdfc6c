"""The nearest known word, for remedies that say what was probably meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_SHOWN = 12


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that is most like `word`, whatever the capitals; None where none is like it.

    >>> nearest("converterd", ["converted", "complained"])
    'converted'
    """
    by_folded = {one.casefold(): one for one in known}
    found = get_close_matches(word.casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[found[0]] if found else None


def choose(word: str, known: Iterable[str], what: str) -> str:
    """The remedy for an unknown word: the nearest known one, or all of them.

    >>> choose("holms", ["holm", "bh"], "correction")
    'did you mean `holm`?'
    >>> choose("xyz", ["holm", "bh"], "correction")
    'choose one of: holm, bh'
    """
    names = list(known)
    near = nearest(word, names)
    if near is not None:
        return f"did you mean `{near}`?"
    if not names:
        return f"there is no {what} yet, so define one"
    more = ", ..." if len(names) > _SHOWN else ""
    return f"choose one of: {', '.join(names[:_SHOWN])}{more}"
