"""Stages and layers: a member's place in the lifecycle, from days and counts."""

from __future__ import annotations

from sqlglot import exp

from experiments.definition.features import LAYERS, Feature, Layers, StageDays, StagesOfNever, stages_of
from experiments.queries import all_of, is_null, number


def stage(feature: Feature, days: exp.Expr, days_of_never: exp.Expr | None = None) -> exp.Expr:
    """The stage whose half-open range of days holds `days`; NULL where none does.

    Args:
        feature: Its stages, and the stage of members without days.
        days: The days that are cut.
        days_of_never: The days by which members without `days` are cut, where the feature names them.
    """
    case = _ranges(stages_of(feature), days, exp.Case())
    if isinstance(feature.never, StagesOfNever) and days_of_never is not None:
        other = _ranges(feature.never.stages, days_of_never, exp.Case())
        return case.when(is_null(days.copy()), other)
    if isinstance(feature.never, str):
        return case.when(is_null(days.copy()), exp.Literal.string(feature.never))
    return case


def _ranges(ranges: StageDays, days: exp.Expr, case: exp.Case) -> exp.Case:
    for name, (low, high) in ranges.items():
        above = exp.GTE(this=days.copy(), expression=number(low))
        below = [] if high is None else [exp.LT(this=days.copy(), expression=number(high))]
        case = case.when(all_of([above, *below]), exp.Literal.string(name))
    return case


def layer(layers: Layers, first: exp.Expr, last: exp.Expr, rows: exp.Expr) -> exp.Expr:
    """The first of the seven layers that fits a member.

    Args:
        layers: Where they begin and end.
        first: Days since the member's first row.
        last: Days since the last.
        rows: How many rows the member has.
    """
    potential, churned, new, trial, active, high, low = map(exp.Literal.string, LAYERS)
    return (
        exp.Case()
        .when(exp.EQ(this=rows, expression=number(0)), potential)
        .when(exp.GTE(this=last, expression=number(layers.churned)), churned)
        .when(exp.LT(this=first, expression=number(layers.new)), new)
        .when(exp.EQ(this=rows.copy(), expression=number(1)), trial)
        .when(exp.LT(this=last.copy(), expression=number(layers.active)), active)
        .when(exp.GTE(this=rows.copy(), expression=number(layers.high_repurchase)), high)
        .else_(low)
    )
