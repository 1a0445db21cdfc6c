"""What people read, in English and Chinese: sentences by code, filled with facts."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Literal

Language = Literal["en", "zh"]


@dataclass(frozen=True)
class Words:
    """The sentences of one language.

    A room's sentences stand in `<package>/wording/<language>.toml`, by table and code, as format strings. Both languages
    hold the same codes and the same facts; a test sees to it.

    >>> Words("en").has("experiments", "no.such.code")
    False
    """

    language: Language = "en"

    def has(self, package: str, code: str) -> bool:
        """Whether there is a sentence for a code."""
        return code in sentences(package, self.language)

    def say(self, package: str, code: str, **facts: object) -> str:
        """The sentence of `code` (`table.name`) with its facts filled in; KeyError where there is none."""
        return sentences(package, self.language)[code].format(**facts)


ENGLISH = Words()
"""Where nobody says which language people read."""


@lru_cache(maxsize=16)
def sentences(package: str, language: Language) -> Mapping[str, str]:
    """All sentences of one room in one language, by `table.code`."""
    text = files(package).joinpath("wording", f"{language}.toml").read_text(encoding="utf8")
    return {
        f"{table}.{code}": sentence
        for table, entries in tomllib.loads(text).items()
        for code, sentence in entries.items()
    }
