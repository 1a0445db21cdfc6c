"""The money of each arm: what it brought as attributed and as incremental, what it cost, and what came back."""

from __future__ import annotations

from experiments.definition.arms import CONTROL
from experiments.documents.analysis import Analysis, Money
from reports.narrator import Narrator
from reports.tables import Cell, Column, Row, Table, absent, row, words


def money_table(narrator: Narrator, analysis: Analysis) -> Table:
    """What each arm brought: as attributed beside incremental to no contact."""
    say = narrator.say
    buyers, revenue, profit = say("group.buyers"), say("group.revenue"), say("group.profit")
    attributed, incremental = say("column.attributed"), say("column.incremental")
    return Table(
        name="money",
        title=say("money.title"),
        about=say("money.about", level=narrator.level),
        columns=(
            Column(say("column.arm"), align="left"),
            Column(say("column.members")),
            Column(attributed, buyers),
            Column(incremental, buyers),
            Column(attributed, revenue),
            Column(incremental, revenue),
            Column(attributed, profit),
            Column(incremental, profit),
        ),
        rows=tuple(_money_row(narrator, line, analysis.verdict.winner) for line in analysis.money),
    )


def _money_row(narrator: Narrator, line: Money, winner: str | None) -> Row:
    def why(code: str) -> str:
        return _why_not(narrator, line, code)

    attributed, buyers = line.attributed_buyers, line.incremental_buyers
    interval = (line.incremental_profit_low, line.incremental_profit_high)
    return row(
        [
            narrator.arm_cell(line.arm),
            words(narrator.numbers.count(line.members)),
            absent(narrator.say("why.no_buyers"))
            if attributed is None
            else words(narrator.numbers.count(attributed)),
            absent(why("no_buyers"))
            if buyers is None
            else Cell(narrator.numbers.number(buyers, 0, sign=True)),
            narrator.total(line.attributed_revenue, why=narrator.say("why.no_revenue")),
            narrator.total(line.incremental_revenue, why=why("no_revenue"), sign=True),
            narrator.total(line.attributed_profit, why=narrator.say("why.no_profit")),
            narrator.total(line.incremental_profit, *interval, why=why("no_profit"), sign=True),
        ],
        strong=line.arm == winner,
    )


def _why_not(narrator: Narrator, line: Money, code: str) -> str:
    """Why a figure of a money row does not exist: because the row is control's, or for the reason of that figure."""
    return narrator.say("why.control" if line.arm == CONTROL else f"why.{code}")


def cost_table(narrator: Narrator, analysis: Analysis) -> Table:
    """What each arm cost, and what came back for it."""
    say = narrator.say
    each = say("group.cost_per_buyer")
    capped = any(line.removed_by_cap is not None for line in analysis.money)
    return Table(
        name="cost",
        title=say("cost.title"),
        about=say("cost.about"),
        columns=(
            Column(say("column.arm"), align="left"),
            Column(say("column.cost_total")),
            Column(say("column.contact_cost")),
            Column(say("column.attributed"), each),
            Column(say("column.incremental"), each),
            Column(say("column.roi")),
            Column(say("column.break_even")),
            *([Column(say("column.above_cap"))] if capped else []),
        ),
        rows=tuple(
            _cost_row(narrator, line, analysis.verdict.winner, capped=capped) for line in analysis.money
        ),
    )


def _cost_row(narrator: Narrator, line: Money, winner: str | None, *, capped: bool) -> Row:
    def why(code: str) -> str:
        return _why_not(narrator, line, code)

    roi, break_even = line.roi, line.break_even_lift
    return row(
        [
            narrator.arm_cell(line.arm),
            narrator.total(line.cost, why=why("no_cost")),
            narrator.total(line.contact_cost, why=why("no_cost")),
            narrator.total(line.cost_per_attributed_buyer, why=why("no_attributed_buyer")),
            narrator.total(line.cost_per_incremental_buyer, why=why("no_incremental_buyer")),
            absent(why("no_roi")) if roi is None else Cell(narrator.numbers.share(roi, 0, sign=True)),
            absent(why("no_break_even"))
            if break_even is None
            else Cell(narrator.numbers.share(break_even, 1)),
            *([narrator.total(line.removed_by_cap, why=narrator.say("why.no_cap"))] if capped else []),
        ],
        strong=line.arm == winner,
    )
