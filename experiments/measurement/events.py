"""Metrics from event sources: every metric that reads one source, in one pass over its rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from sqlglot import exp

from experiments.assignment.assigned import ASSIGNED
from experiments.data.source_rows import SourceRows
from experiments.definition.columns import computed_column
from experiments.definition.metrics import BinaryMetric, MeasuredMetric, SumMetric
from experiments.measurement.windows import PLANNED, in_window
from experiments.queries import (
    all_of,
    as_double,
    coalesce,
    column,
    is_null,
    named,
    number,
    relation,
    when,
)


@dataclass(frozen=True)
class EventPass:
    """What one pass over an event source computes for each member who has a row in the longest window.

    A row counts for a metric when it belongs to a member assigned, its time lies in the member's window and `where`
    holds. Rows of other members, outside of the window or without a time count for nobody. Equal rows are separate
    events: a source names the member and the time of an event, not the event.

    Attributes:
        query: One row a member: `member`, and the columns below.
        values: Metric to the column with its value; rows that count but have no value are left out of a sum.
        unknown: Sum metric to the column that is 1 where a row counts but has no value, else 0.
    """

    query: exp.Query
    values: Mapping[str, str]
    unknown: Mapping[str, str]


def event_pass(
    rows: SourceRows, metrics: Mapping[str, MeasuredMetric], assigned: str, planned: tuple[date, date] | None
) -> EventPass:
    """One pass over an event source for all `metrics` that read it.

    Args:
        rows: The source.
        metrics: The metrics that read it, by name; each has a window.
        assigned: The relation of the members assigned, with `member` and `planned_send_at`.
        planned: The first and the last day of `planned_send_at` in the definition's time zone; None where no send
            is planned.
    """
    longest = max(_days(metric) for metric in metrics.values())
    happened = rows.happened if planned is None else rows.happened_around(*planned, longest)

    def within(days: int) -> exp.Expr:
        return in_window(rows.engine, happened.copy(), column(PLANNED, ASSIGNED), days)

    common = _common_condition(rows, metrics)
    member = column("member", ASSIGNED)
    selected: list[exp.Expr] = [named(member, "member")]
    values: dict[str, str] = {}
    unknown: dict[str, str] = {}
    for name, metric in metrics.items():
        counts = [] if _days(metric) == longest else [within(_days(metric))]
        if metric.where is not None and common is None:
            counts.append(rows.condition(metric.where))
        values[name] = computed_column("value", name)
        selected.append(named(_aggregated(rows, metric, all_of(counts)), values[name]))
        if isinstance(metric, SumMetric):
            unknown[name] = computed_column("unknown", name)
            selected.append(named(_any(all_of([*counts, is_null(rows.value(metric.value))])), unknown[name]))
    windows = []
    if planned is not None:
        windows.append(rows.around(*planned, longest))
    query = (
        exp.select(*selected)
        .from_(rows.table)
        .join(relation(assigned, ASSIGNED), on=exp.EQ(this=rows.member, expression=member.copy()))
        .where(all_of([*windows, within(longest), *([common] if common is not None else [])]))
        .group_by(member.copy())
    )
    return EventPass(query, values, unknown)


def _days(metric: MeasuredMetric) -> int:
    assert metric.window_days is not None, (
        "the definition asks every metric of an event source for its window"
    )
    return metric.window_days


def _common_condition(rows: SourceRows, metrics: Mapping[str, MeasuredMetric]) -> exp.Expr | None:
    """The condition that all metrics share, so that other rows need not be joined."""
    conditions = {metric.where for metric in metrics.values()}
    only = conditions.pop() if len(conditions) == 1 else None
    return None if only is None else rows.condition(only)


def _aggregated(rows: SourceRows, metric: MeasuredMetric, counts: exp.Expr) -> exp.Expr:
    if isinstance(metric, SumMetric):
        total = exp.Sum(this=when(counts, rows.value(metric.value)))
        return coalesce(as_double(total), as_double(number(0)))
    if isinstance(metric, BinaryMetric):
        return as_double(_any(counts))
    return as_double(exp.Count(this=when(counts, number(1))))


def _any(condition: exp.Expr) -> exp.Expr:
    """1 where some row meets a condition, else 0."""
    return exp.Max(this=when(condition, number(1), number(0)))
