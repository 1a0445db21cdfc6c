"""The table of arms that were closed in the middle of the test."""

from __future__ import annotations

from collections.abc import Iterator

from experiments.documents.analysis import Analysis, ClosedArm
from reports.narrator import Narrator
from reports.tables import Column, Row, Table, absent, row, words


def closed_arms_table(narrator: Narrator, analysis: Analysis) -> Table:
    """Each closed arm against the control of its days, a row for each metric; no row where no arm was closed."""
    say = narrator.say
    return Table(
        name="closed-arms",
        title=say("closed_arms.title"),
        about=say("closed_arms.about"),
        columns=(
            Column(say("column.arm"), align="left"),
            Column(say("column.closed_from"), align="left"),
            Column(say("column.members")),
            Column(say("column.left_out")),
            Column(say("column.metric"), align="left"),
            Column(say("column.difference", level=narrator.level)),
        ),
        rows=tuple(line for arm in analysis.closed_arms for line in _rows(narrator, arm)),
    )


def _rows(narrator: Narrator, closed: ClosedArm) -> Iterator[Row]:
    count = narrator.numbers.count
    first = [
        narrator.arm_cell(closed.arm),
        words(closed.closed_from),
        words(count(closed.members)),
        words(count(closed.left_out)),
    ]
    if not closed.effects:
        nothing = absent(narrator.say("why.no_effect_yet"))
        yield row([*first, nothing, nothing])
    for effect in closed.effects:
        yield row([*first, words(narrator.metric(effect.metric)), narrator.difference_cell(effect)])
