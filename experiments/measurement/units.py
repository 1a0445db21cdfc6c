"""Units: one row for each member assigned, with one number for each metric."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlglot import exp

from experiments.assignment.assigned import Assigned
from experiments.data.catalogue import Catalogue
from experiments.definition.columns import computed_column
from experiments.definition.errors import Fault, InputError
from experiments.definition.metrics import BinaryMetric, CountMetric, FormulaMetric, RatioMetric, SumMetric
from experiments.definition.model import Definition
from experiments.definition.origin import KeyPath
from experiments.engines.protocol import ColumnType
from experiments.experiment import Experiment
from experiments.measurement.cells import CELL, CellNumbers
from experiments.measurement.formulas import formula_value, measured_parts
from experiments.measurement.member_counts import MemberCount
from experiments.measurement.member_values import MemberValues, member_values, missing_rule
from experiments.measurement.moments_query import mean_pilot
from experiments.measurement.windows import window_days
from experiments.queries import (
    all_of,
    as_double,
    column,
    count_where,
    double,
    fetch_rows,
    is_null,
    named,
    number,
    relation,
    when,
)

_RELATION = "units"
_VALUES = "metric_values"
_LARGEST = 1e100
"""Beyond this, products of squares, as variances of variances need them, are no doubles any more."""


@dataclass(frozen=True)
class Units:
    """The member-level table of an experiment, in the engine; the unit of every estimate is its row.

    A member without an event has 0. A member whose value is missing under `missing: drop` has NULL, and so have the
    formulas that use it; every other value is a finite double.

    Attributes:
        relation: The temporary table: every column of the assignment (`member, arm, segment, stratum, batch,
            propensity, planned_send_at`, features, covariates), `cells.CELL`, whether values
            are missing, and the columns below.
        columns: Its columns and their types.
        metric_columns: Metric to its column, capped where it is winsorised; a ratio has none, its parts have.
        raw_columns: Metric to the column without any cap, for each metric that is winsorised and each formula that
            uses one.
        caps: Winsorised metric to its cap: the `winsorize_at` quantile (the smallest value whose cumulative share is at
            least q) of the non-zero values of all members assigned. A metric without a positive cap is not here: it
            is not capped.
        covariate_columns: Covariate of the design to its column, a double; NULL where it is missing.
        missing: Metric to the members whose value is missing and was set to 0 (`zero`) or dropped (`drop`);
            only metrics that say `missing`.
        assigned: The assignment that the rows are of.
        members: Its members by cell, batch and planned send day.
        numbers: The cells, by the numbers in `cells.CELL`.
        pilots: Each column of a metric, a raw value or a covariate to what its sums are taken about: its mean over the
            members who have it; 0 where nobody has, and for values of 0 and 1, whose sums lose nothing.
    """

    relation: str
    columns: Mapping[str, ColumnType]
    metric_columns: Mapping[str, str]
    raw_columns: Mapping[str, str]
    caps: Mapping[str, float]
    covariate_columns: Mapping[str, str]
    missing: Mapping[str, int]
    assigned: Assigned
    members: tuple[MemberCount, ...]
    numbers: CellNumbers
    pilots: Mapping[str, float]

    def binary_columns(self, definition: Definition) -> frozenset[str]:
        """The columns of metrics whose values are 0 or 1."""
        return frozenset(
            of
            for name, of in self.metric_columns.items()
            if isinstance(definition.metrics[name], BinaryMetric)
        )


def build_units(experiment: Experiment, catalogue: Catalogue, assigned: Assigned) -> Units:
    """Compute every metric for every member assigned.

    Metrics that read one event source are computed in one pass over it; money stays exact until it is a sum of the
    member. Formulas are computed for each member, from capped values.

    Raises:
        InputError: Members have a missing value and the metric does not say `missing: zero` or `missing: drop`, a
            formula cannot be computed for some member, or a value is not finite or too large to square.
    """
    values = member_values(experiment, catalogue, assigned)
    winsorised = _winsorised(experiment.definition)
    rows: exp.Expr = values.query.subquery(_VALUES)
    caps: Mapping[str, float] = {}
    if winsorised:
        # A cap is known after all values are.
        experiment.engine.create(_VALUES, values.query)
        rows = relation(_VALUES)
        caps = _caps(experiment, values, winsorised)
    units = _create(experiment, values, rows, caps)
    missing = _missing(experiment, values)
    _refuse_unmeasured(experiment.definition, missing)
    pilots = _pilots(experiment, units)
    ruled = {name: n for name, n in missing.items() if missing_rule(experiment.definition.metrics[name])}
    return replace(units, missing=ruled, pilots=pilots)


def _winsorised(definition: Definition) -> Mapping[str, float]:
    """Metric to the quantile that it is capped at."""
    return {
        name: metric.winsorize_at
        for name, metric in definition.metrics.items()
        if isinstance(metric, SumMetric | CountMetric) and metric.winsorize_at is not None
    }


def _caps(experiment: Experiment, values: MemberValues, winsorised: Mapping[str, float]) -> dict[str, float]:
    """Metric to its cap, where that is positive."""
    query = exp.select()
    for name, quantile in winsorised.items():
        nonzero = exp.Nullif(this=column(values.values[name]), expression=as_double(number(0)))
        query = query.select(named(experiment.engine.quantile_disc(nonzero, quantile), name))
    (row,) = fetch_rows(experiment.engine, query.from_(relation(_VALUES)))
    return {name: float(cap) for name, cap in row.items() if cap is not None and cap > 0}


def _missing(experiment: Experiment, values: MemberValues) -> Mapping[str, int]:
    """Metric to the members whose value is missing."""
    if not values.missing:
        return {}
    query = exp.select(*(named(count_where(column(of)), name) for name, of in values.missing.items()))
    (row,) = fetch_rows(experiment.engine, query.from_(relation(_RELATION)))
    return {name: int(row[name]) for name in values.missing}


def _refuse_unmeasured(definition: Definition, missing: Mapping[str, int]) -> None:
    """Refuse a missing value that nothing is said about."""
    faults: list[Fault] = []
    for name, members in missing.items():
        metric = definition.metrics[name]
        if not members or missing_rule(metric) is not None:
            continue
        if window_days(definition, metric) is None:
            cause = f"{members:,} members assigned have a missing value"
            remedy = "say `missing: zero` or `missing: drop`, or mend the data"
        else:
            cause = f"{members:,} members assigned have a row in their window whose `value` is missing"
            remedy = "say in `value` what a missing one counts, such as COALESCE(refund, 0), or leave such rows out in `where`"
        faults.append(definition.origin.fault(("metrics", name), cause, remedy))
    if faults:
        raise InputError(faults)


def _create(experiment: Experiment, values: MemberValues, rows: exp.Expr, caps: Mapping[str, float]) -> Units:
    """The units, from rows with the members' values; missing values are not counted yet, and there are no pilots."""
    definition = experiment.definition
    metrics = {name: each for name, each in definition.metrics.items() if not isinstance(each, RatioMetric)}
    raw = {name: column(of) for name, of in values.values.items()}
    capped = {name: _capped(value, caps.get(name)) for name, value in raw.items()}
    with_raw = [name for name in metrics if any(part in caps for part in measured_parts(metrics, name))]
    metric_columns = {name: computed_column("metric", name) for name in metrics}
    raw_columns = {name: computed_column("raw", name) for name in with_raw}
    covariate_columns = {name: computed_column("covariate", name) for name in definition.design.covariates}
    kept = (*values.assigned.columns, CELL, *values.missing.values())
    query = exp.select(*(named(column(name), name) for name in kept)).select(
        *(named(_metric(experiment, name, capped), of) for name, of in metric_columns.items()),
        *(named(_metric(experiment, name, raw), of) for name, of in raw_columns.items()),
        *(
            named(_covariate(name, values.assigned.columns[name]), of)
            for name, of in covariate_columns.items()
        ),
    )
    experiment.engine.create(_RELATION, query.from_(rows))
    return Units(
        relation=_RELATION,
        columns=experiment.engine.columns(_RELATION),
        metric_columns=metric_columns,
        raw_columns=raw_columns,
        caps=caps,
        covariate_columns=covariate_columns,
        missing={},
        assigned=values.assigned,
        members=values.members,
        numbers=values.numbers,
        pilots={},
    )


def _capped(value: exp.Expr, cap: float | None) -> exp.Expr:
    return value if cap is None else when(value > double(cap), double(cap), value)


def _metric(experiment: Experiment, name: str, values: Mapping[str, exp.Expr]) -> exp.Expr:
    """A metric's value; a formula only where every part that may be dropped is there, even if it could do without."""
    metrics = experiment.definition.metrics
    found = as_double(formula_value(experiment.definition, experiment.engine, name, values, column("arm")))
    dropped = [
        values[part] for part in measured_parts(metrics, name) if missing_rule(metrics[part]) == "drop"
    ]
    if not dropped or not isinstance(metrics[name], FormulaMetric):
        return found
    return when(all_of(exp.not_(is_null(part)) for part in dropped), found)


def _covariate(name: str, kind: ColumnType) -> exp.Expr:
    value = column(name)
    if kind is ColumnType.BOOLEAN:
        return as_double(when(value, number(1), when(is_null(value), exp.Null(), number(0))))
    return as_double(value)


def _pilots(experiment: Experiment, units: Units) -> dict[str, float]:
    """The pilot of each column of a value, from the pass that refuses what cannot be measured.

    Refused are a formula without a value although its parts have one, and values whose squares are beyond any double.
    """
    definition = experiment.definition
    binary = units.binary_columns(definition)
    keys: dict[str, KeyPath] = {of: ("metrics", name, "value") for name, of in units.metric_columns.items()}
    keys |= {of: ("metrics", name, "value") for name, of in units.raw_columns.items()}
    keys |= {of: ("design", "covariates", place) for place, of in enumerate(units.covariate_columns.values())}
    formulas = [name for name, metric in definition.metrics.items() if isinstance(metric, FormulaMetric)]
    query = exp.select(*(named(exp.Max(this=exp.Abs(this=column(of))), of) for of in keys)).select(
        *(named(mean_pilot(column(of), _LARGEST), f"pilot__{of}") for of in keys if of not in binary)
    )
    for name in formulas:
        parts = [column(units.metric_columns[part]) for part in measured_parts(definition.metrics, name)]
        formula = column(units.metric_columns[name])
        undefined = all_of([is_null(formula), *(exp.not_(is_null(part)) for part in parts)])
        query = query.select(named(count_where(undefined), f"undefined__{name}"))
    (row,) = fetch_rows(experiment.engine, query.from_(relation(units.relation)))
    names = {of: name for name, of in (*units.metric_columns.items(), *units.covariate_columns.items())}
    names |= {of: name for name, of in units.raw_columns.items()}
    faults = [
        definition.origin.fault(key, *_beyond(names[of], row[of]))
        for of, key in keys.items()
        if row[of] is not None and not row[of] <= _LARGEST
    ]
    faults += [
        definition.origin.fault(
            ("metrics", name, "value"),
            f"the formula has no value for {row[f'undefined__{name}']:,} members, because it divides by 0",
            "divide by what is never 0, or make a metric of type ratio",
        )
        for name in formulas
        if row[f"undefined__{name}"]
    ]
    if faults:
        raise InputError(faults)
    return {of: float(row.get(f"pilot__{of}") or 0.0) for of in keys}


def _beyond(name: str, largest: float) -> tuple[str, str]:
    """Cause and remedy of a value that no estimate can be made with."""
    if not math.isfinite(largest):
        return "a member's value is not a finite number", "mend the rows that are infinite"
    return (
        f"a member's {name} is {largest:.3g}, too large to square",
        "mend such rows, or count in larger units",
    )
