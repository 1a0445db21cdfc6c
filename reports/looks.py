"""The tables of looks: those that are planned, and those that were taken with what they spent."""

from __future__ import annotations

from datetime import datetime

from experiments.documents.analysis import Analysis, LookTaken
from experiments.documents.design import Design, PlannedLook
from reports.narrator import Narrator
from reports.tables import Cell, Column, Row, Table, absent, row, words


def looks_table(narrator: Narrator, analysis: Analysis) -> Table:
    """Every look that was taken; the one that this analysis reads is marked."""
    say = narrator.say
    return Table(
        name="looks",
        title=say("looks.title"),
        about=say("looks.about"),
        columns=(
            Column(say("column.look"), align="left"),
            Column(say("column.taken_at"), align="left"),
            Column(say("column.information")),
            Column(say("column.members")),
            Column(say("column.bound_z")),
            Column(say("column.alpha_spent")),
        ),
        rows=tuple(_look_row(narrator, analysis, look) for look in analysis.looks),
    )


def _look_row(narrator: Narrator, analysis: Analysis, look: LookTaken) -> Row:
    numbers, say = narrator.numbers, narrator.say
    taken = datetime.fromisoformat(look.taken_at).astimezone(narrator.definition.zone)
    level = (
        "" if look.nominal_level is None else say("looks.nominal", level=numbers.p_value(look.nominal_level))
    )
    spent = look.alpha_spent
    return row(
        [
            words(str(look.number), say("looks.final") if look.final else ""),
            words(f"{taken:%Y-%m-%d %H:%M}"),
            words(numbers.share(look.information)),
            words(numbers.count(sum(look.matured.values()))),
            absent(say("why.no_bound_yet"))
            if look.bound is None
            else Cell(numbers.number(look.bound, 3), level),
            absent(say("why.always_valid")) if spent is None else words(numbers.share(spent, 3)),
        ],
        strong=look.number == analysis.look,
    )


def planned_looks_table(narrator: Narrator, design: Design) -> Table:
    """The looks of a group-sequential plan: when each is due and what a comparison must exceed there."""
    say = narrator.say
    return Table(
        name="planned_looks",
        title=say("planned_looks.title"),
        about=say("planned_looks.about", times=narrator.numbers.number(design.inflation, 3)),
        columns=(
            Column(say("column.look"), align="left"),
            Column(say("column.information")),
            Column(say("column.members")),
            Column(say("column.bound_z")),
            Column(say("column.alpha_spent")),
        ),
        rows=tuple(_planned_row(narrator, look) for look in design.looks),
    )


def _planned_row(narrator: Narrator, look: PlannedLook) -> Row:
    numbers = narrator.numbers
    level = narrator.say("looks.nominal", level=numbers.p_value(look.nominal_level))
    return row(
        [
            words(str(look.number)),
            words(numbers.share(look.information)),
            words(numbers.count(look.members)),
            Cell(numbers.number(look.bound, 3), level),
            words(numbers.share(look.alpha_spent, 3)),
        ]
    )
