"""How the demo ends on the terminal: what was found beside what was planted, and where to look on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from experiments.definition.arms import CONTROL
from experiments.language import Words
from offerwise.demo.comparison import PACKAGE, ComparedEffect

if TYPE_CHECKING:
    from offerwise.demo.journey import Demo


def show_ending(console: Console, demo: Demo, words: Words) -> None:
    """Print the planted truth beside the findings, the statements, the verdict, and where report and runs are.

    Args:
        console: Where people read.
        demo: How the demo ended.
        words: The language of the sentences.
    """
    comparison = demo.comparison
    console.print(_table(tuple(row for row in comparison.effects if row.segment is None), words))
    facts = {
        "covered": comparison.covered,
        "total": len(comparison.effects),
        "misses": f"{comparison.expected_misses:.1f}",
    }
    console.print(words.say(PACKAGE, "ending.coverage", **facts))
    for statement in comparison.statements:
        console.print(f"{'✓' if statement.agrees else '✗'} {statement.text}", markup=False)
    console.print()
    for line in _where(demo, words):
        console.print(line, markup=False, soft_wrap=True)


def _where(demo: Demo, words: Words) -> Iterator[str]:
    verdict = demo.verdict
    offers = ", ".join(f"{segment} {arm}" for segment, arm in verdict.winner_by_segment.items())
    yield words.say(
        PACKAGE, "ending.verdict", status=verdict.status, offers=offers or verdict.winner or CONTROL
    )
    yield words.say(PACKAGE, "ending.truth", path=demo.truth)
    yield words.say(PACKAGE, "ending.report", path=demo.report)
    if demo.mlflow is not None:
        code = "ending.server" if demo.mlflow.startswith("http") else "ending.store"
        yield words.say(PACKAGE, code, uri=demo.mlflow)


def _table(rows: tuple[ComparedEffect, ...], words: Words) -> Table:
    def say(code: str) -> str:
        return words.say(PACKAGE, f"ending.{code}")

    table = Table(title=say("title"), title_justify="left")
    table.add_column(say("metric"))
    table.add_column(say("arm"))
    for code in ("planted", "found", "interval"):
        table.add_column(say(code), justify="right")
    table.add_column(say("holds"))
    for row in rows:
        digits = 4 if row.metric == "converted" else 2
        figures = [f"{value:+.{digits}f}" for value in (row.truth, row.found, row.low, row.high)]
        interval = f"{figures[2]} … {figures[3]}"
        table.add_row(row.metric, row.arm, *figures[:2], interval, say("yes" if row.covered else "no"))
    return table
