"""Sentences: both languages hold the same codes and the same facts, in every package."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from string import Formatter

import pytest

PACKAGES = ("experiments", "uplift", "reports", "offerwise.demo")


def sentences(package: str, language: str) -> dict[str, str]:
    file = files(package).joinpath("wording", f"{language}.toml")
    if not file.is_file():
        pytest.skip(f"{package} says nothing that depends on the language")
    tables = tomllib.loads(file.read_text(encoding="utf8"))
    return {f"{table}.{code}": text for table, entries in tables.items() for code, text in entries.items()}


def facts(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("package", PACKAGES)
def test_both_languages_say_the_same(package: str) -> None:
    english, chinese = sentences(package, "en"), sentences(package, "zh")
    assert set(english) == set(chinese)
    different = {code for code in english if facts(english[code]) != facts(chinese[code])}
    assert not different
