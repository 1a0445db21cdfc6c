"""Whether values are what their use takes them for: a binary outcome is 0 or 1, a moment lies in the calendar."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sqlglot import exp

from experiments.data.source_rows import SourceRows
from experiments.definition.errors import Fault
from experiments.definition.expressions import Expression
from experiments.definition.metrics import BinaryMetric, CountMetric, SumMetric
from experiments.definition.model import MEMBERS, Definition
from experiments.definition.origin import KeyPath
from experiments.engines.protocol import ColumnType
from experiments.engines.translate import kind_of
from experiments.experiment import Experiment
from experiments.queries import Row, all_of, column, count_where, fetch_rows, named, number

_CALENDAR = ("0001-01-01", "9999-12-31")
"""Every engine and Python know these days; some have other words for what lies outside, such as infinity."""

_DTYPES = {
    ColumnType.DATE: exp.DType.DATE,
    ColumnType.TIMESTAMP: exp.DType.TIMESTAMP,
    ColumnType.INSTANT: exp.DType.TIMESTAMPTZ,
}


def check_values(experiment: Experiment, rows: Mapping[str, SourceRows]) -> Iterator[Fault]:
    """Check the values of sources whose columns are in order: one query for each source that has something to check."""
    for name, source in rows.items():
        wrong = {
            **_not_binary(experiment.definition, name, source),
            **_out_of_calendar(experiment, name, source),
        }
        if not wrong:
            continue
        query = exp.select(
            *(named(count_where(each), f"wrong_{place}") for place, each in enumerate(wrong.values()))
        )
        time = source.source.time
        if time is not None:
            times = named(exp.Count(this=column(time, source.alias)), "times")
            query = query.select(named(exp.Count(this=exp.Star()), "rows"), times)
        (found,) = fetch_rows(experiment.engine, query.from_(source.table))
        if time is not None:
            yield from _without_times(experiment, name, found)
        for place, (at, what) in enumerate(wrong):
            if count := found[f"wrong_{place}"]:
                yield _fault(experiment.definition, name, at, what, count)


def _without_times(experiment: Experiment, name: str, found: Row) -> Iterator[Fault]:
    """An event source without a single time has no row that could ever count."""
    if found["rows"] and not found["times"]:
        time = experiment.definition.data[name].time
        cause = f"the column `{time}` is missing in every row of {name}, so none of them counts"
        remedy = "name the column with the moment, or mend how the file was written"
        yield experiment.definition.origin.fault(("data", name, "time"), cause, remedy)


def _fault(definition: Definition, source: str, at: KeyPath, what: str, count: int) -> Fault:
    place = f"in {count:,} row{'' if count == 1 else 's'} of {source}"
    if at[0] == "metrics":
        remedy = f"write a condition, such as `{what} > 0`, or make the metric a sum"
        return definition.origin.fault(at, f"`{what}` is neither 0 nor 1 {place}", remedy)
    cause = f"the column `{what}` lies outside of the years 1 to 9999 {place}"
    return definition.origin.fault(at, cause, "mend the rows, or leave the moment out where it is not known")


def _not_binary(
    definition: Definition, name: str, rows: SourceRows
) -> Mapping[tuple[KeyPath, str], exp.Expr]:
    """When a binary metric's own value is a number that says neither yes nor no, in rows that count."""
    found: dict[tuple[KeyPath, str], exp.Expr] = {}
    for metric_name, metric in definition.metrics.items():
        if not isinstance(metric, BinaryMetric) or metric.from_ != name or metric.value is None:
            continue
        if kind_of(metric.value, rows.opened.columns) is ColumnType.BOOLEAN:
            continue
        other = exp.not_(exp.In(this=rows.value(metric.value), expressions=[number(0), number(1)]))
        conditions = [other] if metric.where is None else [rows.condition(metric.where), other]
        found[("metrics", metric_name, "value"), metric.value.text] = all_of(conditions)
    return found


def _out_of_calendar(
    experiment: Experiment, name: str, rows: SourceRows
) -> Mapping[tuple[KeyPath, str], exp.Expr]:
    """When a moment that is computed with cannot be told in the calendar of every engine."""
    found: dict[tuple[KeyPath, str], exp.Expr] = {}
    for each in sorted(_read(experiment.definition, name)):
        kind = rows.opened.columns.get(each)
        if kind is None or not kind.is_time:
            continue
        at = ("data", name, "time") if each == rows.source.time else ("data", name, "table")
        first, last = (exp.cast(exp.Literal.string(day), _DTYPES[kind]) for day in _CALENDAR)
        moment = column(each, rows.alias)
        found[at, each] = exp.or_(
            exp.LT(this=moment, expression=first), exp.GT(this=moment.copy(), expression=last)
        )
    return found


def _read(definition: Definition, source: str) -> set[str]:
    """The columns of a source that its time, metrics, features or conditions on members read."""
    own = definition.data[source].time
    read: list[Expression | str | None] = []
    for metric in definition.metrics.values():
        if isinstance(metric, BinaryMetric | SumMetric | CountMetric) and metric.from_ == source:
            read += [metric.where, metric.value]
    for feature in definition.features.values():
        if feature.from_ == source:
            read += [feature.where, feature.sum, feature.mean, feature.share, feature.of]
    if source == MEMBERS:
        read += [condition for _, condition in definition.audience.conditions()]
        read += [each.days_since for each in definition.features.values() if each.from_ == MEMBERS]
    names = {name for each in read if isinstance(each, Expression) for name in each.columns}
    return names | {name for name in (own, *read) if isinstance(name, str)}
