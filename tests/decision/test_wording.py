"""Sentences: both languages hold the same codes and the same facts, in every package."""

from __future__ import annotations

from pathlib import Path
from string import Formatter

import pytest

from experiments.decision.sentences import Sentences
from experiments.language import Language, Words, sentences
from tests.decision.campaign import define

PACKAGES = ("experiments", "uplift", "reports", "offerwise", "offerwise.demo")


def facts(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("package", PACKAGES)
def test_both_languages_say_the_same(package: str) -> None:
    english, chinese = sentences(package, "en"), sentences(package, "zh")
    assert set(english) == set(chinese)
    different = {code for code in english if facts(english[code]) != facts(chinese[code])}
    assert not different


@pytest.mark.parametrize(
    ("language", "currency", "loss", "gain"),
    [
        ("en", "USD", "−$0.05", "+$0.91"),
        ("zh", "CNY", "−¥0.05", "+¥0.91"),
        ("en", "CNY", "−CN¥0.05", "+CN¥0.91"),
    ],
)
def test_an_amount_reads_as_the_report_writes_it(
    tmp_path: Path, language: Language, currency: str, loss: str, gain: str
) -> None:
    told = Sentences(define(tmp_path, currency=currency), Words(language))
    assert (told.change("profit", -0.05), told.change("profit", 0.91)) == (loss, gain)
    assert told.amount(-2785.4) == loss.replace("0.05", "2,785")
    assert told.change("converted", -0.0123).startswith("−1.23")
