"""The value of every measured metric for every member assigned, before caps and formulas."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from sqlglot import exp

from experiments.assignment.assigned import ASSIGNED, Assigned
from experiments.data.catalogue import Catalogue
from experiments.data.source_rows import SourceRows
from experiments.definition.columns import computed_column
from experiments.definition.metrics import (
    BinaryMetric,
    CountMetric,
    MeasuredMetric,
    Metric,
    Missing,
    SumMetric,
)
from experiments.experiment import Experiment
from experiments.measurement.cells import CellNumbers
from experiments.measurement.events import event_pass
from experiments.measurement.member_counts import MemberCount, count_members
from experiments.queries import as_double, coalesce, column, is_null, named, number, when


@dataclass(frozen=True)
class MemberValues:
    """One row for each member assigned.

    Attributes:
        query: The columns of the assignment, `CELL`, and those below.
        assigned: The assignment.
        members: Its members by cell, batch and planned send day.
        values: Measured metric to its column, a double: 0 without an event; where the value is missing NULL, or 0 if
            the metric says `missing: zero`.
        missing: Metric to the column that is true where its value is missing; only metrics that can miss one.
        numbers: The cells, by the numbers in `CELL`.
    """

    query: exp.Select
    assigned: Assigned
    members: tuple[MemberCount, ...]
    values: Mapping[str, str]
    missing: Mapping[str, str]
    numbers: CellNumbers


@dataclass(frozen=True)
class _Value:
    """A metric's number for a member, with whether it is missing; None where it cannot be."""

    number: exp.Expr
    missing: exp.Expr | None


@dataclass(frozen=True)
class _Joined:
    """What is joined to the members assigned, and the metrics' values over it."""

    table: exp.Expr
    member: exp.Expr
    values: Mapping[str, _Value]


def member_values(experiment: Experiment, catalogue: Catalogue, assigned: Assigned) -> MemberValues:
    """Every metric that reads rows: one pass for each event source, one join for each table of members.

    The members are counted first: which cells there are, and from when to when sends are planned.
    """
    members = count_members(experiment, assigned)
    numbers = CellNumbers.of(each.cell for each in members)
    days = [each.day for each in members if each.day is not None]
    planned = (min(days), max(days)) if days else None
    definition = experiment.definition
    query = assigned.rows()
    values: dict[str, str] = {}
    missing: dict[str, str] = {}
    for source, metrics in metrics_by_source(definition.metrics).items():
        experiment.progress(f"Reading {source} for {', '.join(metrics)}")
        alias = f"source_{source}"
        rows = SourceRows(
            definition, experiment.engine, definition.data[source], catalogue.sources[source], alias
        )
        joined = (
            _own_rows(rows, metrics)
            if rows.source.time is None
            else _events(rows, metrics, assigned.relation, planned)
        )
        of_member = exp.EQ(this=joined.member, expression=column("member", ASSIGNED))
        query = query.join(joined.table, on=of_member, join_type="left")
        for name, value in joined.values.items():
            values[name] = computed_column("value", name)
            query = query.select(named(value.number, values[name]))
            if value.missing is not None:
                missing[name] = computed_column("missing", name)
                query = query.select(named(value.missing, missing[name]))
    query = numbers.added_to(query, experiment.engine, ASSIGNED)
    return MemberValues(query, assigned, members, values, missing, numbers)


def missing_rule(metric: Metric) -> Missing | None:
    """What the definition says of a metric's missing values; None where it says nothing."""
    return metric.missing if isinstance(metric, BinaryMetric | SumMetric | CountMetric) else None


def metrics_by_source(metrics: Mapping[str, Metric]) -> Mapping[str, Mapping[str, MeasuredMetric]]:
    """Source to the metrics that read its rows, by name."""
    found: dict[str, dict[str, MeasuredMetric]] = {}
    for name, metric in metrics.items():
        if isinstance(metric, BinaryMetric | SumMetric | CountMetric):
            found.setdefault(metric.from_, {})[name] = metric
    return found


def _events(
    rows: SourceRows,
    metrics: Mapping[str, MeasuredMetric],
    assigned: str,
    planned: tuple[date, date] | None,
) -> _Joined:
    per_member = event_pass(rows, metrics, assigned, planned)
    values: dict[str, _Value] = {}
    for name in metrics:
        found = coalesce(column(per_member.values[name], rows.alias), as_double(number(0)))
        unknown = per_member.unknown.get(name)
        missing = None if unknown is None else coalesce(column(unknown, rows.alias), number(0)) > number(0)
        values[name] = _Value(found, missing)
    member = column("member", rows.alias)
    return _Joined(per_member.query.subquery(exp.to_identifier(rows.alias, quoted=True)), member, values)


def _own_rows(rows: SourceRows, metrics: Mapping[str, MeasuredMetric]) -> _Joined:
    return _Joined(
        rows.table, rows.member, {name: _own_value(rows, metric) for name, metric in metrics.items()}
    )


def _own_value(rows: SourceRows, metric: MeasuredMetric) -> _Value:
    """The value where `where` holds, 0 where it does not; missing where either cannot be told."""
    zero, one = as_double(number(0)), as_double(number(1))
    if metric.value is None:
        found: exp.Expr = one
        missing: exp.Expr = exp.false()
    elif isinstance(metric, BinaryMetric):
        true = rows.truth(metric.value)
        found, missing = when(true, one, zero), is_null(true)
    else:
        found, missing = as_double(rows.value(metric.value)), is_null(rows.value(metric.value))
    if metric.where is not None:
        counts = rows.condition(metric.where)
        found = when(counts, found, zero)
        missing = when(counts, missing, is_null(counts))
    return _Value(when(missing, zero if metric.missing == "zero" else exp.Null(), found), missing)
