"""Whether the rows of the sources are fit for use: keys, recorded arms, recorded outcomes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sqlglot import exp

from experiments.data.contact_labels import check_contact_labels
from experiments.data.recorded import arm_of_label, recorded_source
from experiments.data.source_rows import SourceRows
from experiments.data.source_table import SourceTable
from experiments.data.value_checks import check_values
from experiments.definition.errors import Fault
from experiments.definition.metrics import BinaryMetric, CountMetric, MeasuredMetric, SumMetric
from experiments.definition.model import MEMBERS
from experiments.definition.sources import ROW_NUMBER
from experiments.definition.suggest import choose
from experiments.engines.protocol import ReadsInOrder
from experiments.experiment import Experiment
from experiments.queries import column, count_where, fetch_rows, is_null, named, when

_LABELS_SHOWN = 5
_ALIAS = "rows_of_source"


def check_rows(experiment: Experiment, sources: Mapping[str, SourceTable]) -> list[Fault]:
    """Check the rows of sources whose columns are in order."""
    definition = experiment.definition
    rows = {
        name: SourceRows(definition, experiment.engine, definition.data[name], table, _ALIAS)
        for name, table in sources.items()
    }
    faults = [fault for name, found in rows.items() for fault in _check_key(experiment, name, found)]
    faults += _check_unit(experiment, rows[MEMBERS])
    if definition.assignment.method == "recorded":
        faults += _check_labels(experiment, rows[recorded_source(definition)])
        faults += _check_outcomes(experiment, rows)
    return [*faults, *check_values(experiment, rows), *check_contact_labels(experiment, rows)]


def _check_key(experiment: Experiment, name: str, rows: SourceRows) -> Iterator[Fault]:
    """Where a source has one row a member, its key is there and unique."""
    source, origin = rows.source, experiment.definition.origin
    if source.time is not None or source.key == ROW_NUMBER:
        return
    engine = experiment.engine
    if isinstance(engine, ReadsInOrder) and engine.is_ascending(rows.opened.relation, source.key):
        return
    key = column(source.key, _ALIAS)
    counts = exp.select(
        named(exp.Count(this=exp.Star()), "rows"),
        named(exp.Count(this=key), "keys"),
        named(exp.Count(this=exp.Distinct(expressions=[key.copy()])), "members"),
    )
    (found,) = fetch_rows(engine, counts.from_(rows.table))
    at = ("data", name, "key")
    if missing := found["rows"] - found["keys"]:
        cause = f"`{source.key}` is missing in {_rows(missing)} of {name}"
        yield origin.fault(at, cause, "give every row the member's key, or take the rows out")
    if doubled := found["keys"] - found["members"]:
        example = exp.select(named(exp.Min(this=rows.member), "key")).from_(rows.table)
        example = example.group_by(key.copy()).having(
            exp.GT(this=exp.Count(this=key.copy()), expression=exp.Literal.number(1))
        )
        (first,) = fetch_rows(engine, example.order_by(column("key")).limit(1))
        cause = f"`{source.key}` repeats in {_rows(doubled)} of {name}, for example {first['key']}"
        yield origin.fault(at, cause, "keep one row a member")


def _check_unit(experiment: Experiment, rows: SourceRows) -> Iterator[Fault]:
    """Every member belongs to a unit, where units are drawn."""
    unit = experiment.definition.audience.unit
    if unit is None:
        return
    query = exp.select(named(count_where(is_null(column(unit, _ALIAS))), "missing")).from_(rows.table)
    (found,) = fetch_rows(experiment.engine, query)
    if found["missing"]:
        cause = f"`{unit}` is missing in {_rows(found['missing'])} of members"
        remedy = "give a member who belongs to nobody a value of its own"
        yield experiment.definition.origin.fault(("audience", "unit"), cause, remedy)


def _check_labels(experiment: Experiment, rows: SourceRows) -> Iterator[Fault]:
    """Every row of the recorded source has a label that is an arm."""
    definition = experiment.definition
    name = definition.assignment.column
    assert name is not None, "the definition asks recorded arms for their column"
    known, at = arm_of_label(definition), ("assignment", "column")
    unknown = _unknown_labels(experiment, rows, column(name, _ALIAS), tuple(known))
    for text, count, _ in unknown[:_LABELS_SHOWN]:
        if text is None:
            cause, remedy = f"`{name}` is missing in {_rows(count)}", "take them out, or give them their arm"
        else:
            cause = f"`{name}` holds {text!r}, which is no arm, in {_rows(count)}"
            remedy = choose(text, known, "label")
        yield definition.origin.fault(at, cause, remedy)
    if len(unknown) > _LABELS_SHOWN:
        more = unknown[0][2] - _LABELS_SHOWN
        cause = f"`{name}` holds {more:,} more values that are no arm"
        yield definition.origin.fault(at, cause, "name the column with the recorded arms")


def _unknown_labels(
    experiment: Experiment, rows: SourceRows, label: exp.Expr, known: Sequence[str]
) -> list[tuple[str | None, int, int]]:
    """The most frequent labels that are no arm: label, its rows, and how many such labels there are."""
    engine, text = experiment.engine, experiment.engine.as_key(label)
    is_known = exp.In(this=engine.collated(text), expressions=[exp.Literal.string(one) for one in known])
    query = (
        exp.select(
            named(text, "label"),
            named(exp.Count(this=exp.Star()), "rows"),
            named(exp.Window(this=exp.Count(this=exp.Star())), "labels"),
        )
        .from_(rows.table)
        .where(exp.or_(is_null(label.copy()), exp.not_(is_known)))
        .group_by(text.copy())
        .order_by(exp.Ordered(this=column("rows"), desc=True), engine.collated(column("label")))
        .limit(_LABELS_SHOWN + 1)
    )
    return [(row["label"], int(row["rows"]), int(row["labels"])) for row in fetch_rows(engine, query)]


def _check_outcomes(experiment: Experiment, rows: Mapping[str, SourceRows]) -> Iterator[Fault]:
    """A recorded outcome is there for every row, unless its metric says what a missing one means."""
    for name, metric in experiment.definition.metrics.items():
        if not isinstance(metric, BinaryMetric | SumMetric | CountMetric) or metric.missing is not None:
            continue
        source = rows[metric.from_]
        if source.source.time is not None:
            continue
        query = exp.select(named(count_where(_is_missing(source, metric)), "missing")).from_(source.table)
        (found,) = fetch_rows(experiment.engine, query)
        if found["missing"]:
            yield experiment.definition.origin.fault(
                ("metrics", name),
                f"the value is missing in {_rows(found['missing'])} of {metric.from_}",
                "say `missing: zero` or `missing: drop`, or mend the data",
            )


def _is_missing(rows: SourceRows, metric: MeasuredMetric) -> exp.Expr:
    """Whether a row's value cannot be told: its condition, or where that holds its value, is NULL."""
    condition = exp.true() if metric.where is None else rows.condition(metric.where)
    value = (
        None
        if metric.value is None
        else rows.truth(metric.value)
        if isinstance(metric, BinaryMetric)
        else rows.value(metric.value)
    )
    if value is None:
        return is_null(condition)
    return when(condition, is_null(value), is_null(condition.copy()))


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"
