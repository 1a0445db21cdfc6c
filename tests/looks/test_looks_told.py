"""What people read of a look: which one it is, what it spent, and nothing of effects before their bound is crossed."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from experiments.analysis import analyze
from experiments.design.design import design
from experiments.documents.analysis import Analysis
from experiments.documents.design import Design
from experiments.language import Language, Words
from offerwise.opening import open_experiment
from reports.html import render_report
from reports.terminal import show
from tests.looks.campaign import BEFORE, buy, draw, morning, write


def told(file: Path, day: int, language: Language) -> tuple[str, str]:
    """What the terminal and the page say of the analysis on a day."""
    with open_experiment(file, out=file.parent / "runs", now=morning(day)) as opened:
        experiment = replace(opened, words=Words(language))
        found: Analysis = analyze(experiment)
        shown = StringIO()
        show(Console(file=shown, width=300), found, experiment)
        page = render_report(experiment, found, design=plan(file), uplift=None, rollout=None, assignment=None)
        return shown.getvalue(), page


def plan(file: Path) -> Design:
    with open_experiment(file, out=file.parent / "runs", now=BEFORE) as experiment:
        return design(experiment)


@pytest.mark.parametrize(
    ("language", "which", "method", "waiting", "table"),
    [
        (
            "en",
            "This is look 1",
            "score test, bound of the look",
            "no look has settled it",
            "Looks that are planned",
        ),
        ("zh", "这是第 1 次查看", "得分检验，该次查看的界限", "还没有一次查看能够定论", "计划的查看"),
    ],
)
def test_terminal_and_report_say_which_look_it_was(
    tmp_path: Path, language: Language, which: str, method: str, waiting: str, table: str
) -> None:
    file = write(tmp_path)
    buy(file, draw(file), {"control": 5, "mail": 2})
    for text in told(file, 3, language):
        assert waiting in text
        assert which not in text
    terminal, page = told(file, 5, language)
    for text in (terminal, page):
        assert which in text
        assert method in text
        assert "0.291%" in text
        assert "p 0.0029" in text
    assert table in page


def test_an_unsettled_look_shows_its_bound_and_no_effect(tmp_path: Path) -> None:
    file = write(tmp_path)
    buy(file, draw(file), {"control": 5, "mail": 5})
    for text in told(file, 5, "en"):
        assert "This is look 1" in text
        assert "2.977" in text
        assert "Effects overall" not in text
        assert "Money for each arm" not in text
