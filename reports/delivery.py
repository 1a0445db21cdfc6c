"""Tables of delivery: whom the messages reached, and the effect on them."""

from __future__ import annotations

from experiments.documents.analysis import Analysis, ComplierRow, DeliveredShare
from reports.narrator import Narrator
from reports.tables import Cell, Column, Row, Table, absent, row, words


def delivery_table(narrator: Narrator, analysis: Analysis) -> Table:
    """The members reached in each arm."""
    say = narrator.say
    return Table(
        name="delivery",
        title=say("delivery.title"),
        about=say("delivery.about"),
        columns=(
            Column(say("column.arm"), align="left"),
            Column(say("column.members")),
            Column(say("column.reached")),
            Column(say("column.share_reached")),
        ),
        rows=tuple(_delivery_row(narrator, line) for line in analysis.delivery),
    )


def _delivery_row(narrator: Narrator, line: DeliveredShare) -> Row:
    share = (
        absent(narrator.say("why.nobody")) if line.share is None else Cell(narrator.numbers.share(line.share))
    )
    return row([narrator.arm_cell(line.arm), Cell(f"{line.members:,}"), Cell(f"{line.reached:,}"), share])


def compliers_table(narrator: Narrator, analysis: Analysis) -> Table:
    """The effect on the members reached because of their arm, for each metric and arm."""
    say = narrator.say
    one_sided = all(line.one_sided for line in analysis.compliers)
    return Table(
        name="compliers",
        title=say("compliers.title"),
        about=say("compliers.one_sided" if one_sided else "compliers.two_sided"),
        columns=(
            Column(say("column.metric"), align="left"),
            Column(say("column.arm"), align="left"),
            Column(say("column.compliers")),
            Column(say("column.complier_effect", level=narrator.level)),
        ),
        rows=tuple(_complier_row(narrator, line) for line in analysis.compliers),
    )


def _complier_row(narrator: Narrator, line: ComplierRow) -> Row:
    effect = absent(narrator.say("why.delivery_alike"))
    if line.effect is not None:
        text, interval = narrator.difference(line.metric, line.effect, line.low, line.high)
        effect = Cell(text, interval)
    return row(
        [
            words(narrator.metric(line.metric)),
            narrator.arm_cell(line.arm),
            Cell(narrator.numbers.share(line.compliers)),
            effect,
        ]
    )
