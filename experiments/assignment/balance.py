"""Balance: whether arms were alike before the experiment, feature by feature."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from sqlglot import exp

from experiments.assignment.assigned import Assigned
from experiments.definition.arms import CONTROL
from experiments.documents import Balance
from experiments.engines.protocol import ColumnType
from experiments.experiment import Experiment
from experiments.queries import as_double, column, fetch_rows, is_null, named, relation

_MAX_VALUES = 50
"""A text with more values than this is an identifier rather than a feature."""
_OF_ASSIGNMENT = frozenset({"member", "arm", "stratum", "batch", "propensity", "planned_send_at"})


def balance(experiment: Experiment, assigned: Assigned) -> tuple[Balance, ...]:
    """The largest standardised difference between any arm and control, for each feature known before the snapshot.

    |mean_arm - mean_control| / sqrt((variance_arm + variance_control) / 2), over members whose value is known
    (Austin 2009, Statistics in Medicine 28). A text counts as one feature of 0 and 1 for each of its values,
    and the largest of these is shown; so does a boolean. A feature without variance in both arms has 0; one
    that control does not know is left out.

    Returns:
        One row a feature, the largest difference first.
    """
    found = [
        Balance(name, largest)
        for name, kind in assigned.columns.items()
        if name not in _OF_ASSIGNMENT and (largest := _largest(experiment, assigned, name, kind)) is not None
    ]
    return tuple(sorted(found, key=lambda row: -row.max_standardised_difference))


def _largest(experiment: Experiment, assigned: Assigned, name: str, kind: ColumnType) -> float | None:
    if kind.is_numeric:
        arms = _numbers(experiment, assigned, name)
        return (
            max((_difference(one, arms[CONTROL]) for one in arms.values()), default=None)
            if CONTROL in arms
            else None
        )
    if kind in {ColumnType.TEXT, ColumnType.BOOLEAN}:
        return max(_of_values(experiment, assigned, name), default=None)
    return None


def _numbers(experiment: Experiment, assigned: Assigned, name: str) -> Mapping[str, tuple[float, float]]:
    """Arm to mean and variance."""
    value = as_double(column(name))
    query = exp.select(
        named(column("arm"), "arm"),
        named(exp.Avg(this=value), "mean"),
        named(exp.Variance(this=value.copy()), "variance"),
    ).from_(relation(assigned.relation))
    rows = fetch_rows(experiment.engine, query.group_by(column("arm")))
    return {row["arm"]: (row["mean"], row["variance"] or 0.0) for row in rows if row["mean"] is not None}


def _of_values(experiment: Experiment, assigned: Assigned, name: str) -> Iterator[float]:
    """The largest difference of each value's share; nothing where there are too many values."""
    value = experiment.engine.as_key(column(name))
    query = exp.select(
        named(column("arm"), "arm"), named(value, "value"), named(exp.Count(this=exp.Star()), "members")
    ).from_(relation(assigned.relation))
    known = exp.not_(is_null(column(name)))
    values = exp.select(exp.Count(this=exp.Distinct(expressions=[value.copy()]))).from_(
        relation(assigned.relation)
    )
    if experiment.engine.rows(values)[0][0] > _MAX_VALUES:
        return
    rows = fetch_rows(experiment.engine, query.where(known).group_by(column("arm"), value.copy()))
    totals: dict[str, int] = {}
    for row in rows:
        totals[row["arm"]] = totals.get(row["arm"], 0) + int(row["members"])
    if CONTROL not in totals:
        return
    counts = {(row["arm"], row["value"]): int(row["members"]) for row in rows}
    for one in {row["value"] for row in rows}:
        shares = {arm: counts.get((arm, one), 0) / total for arm, total in totals.items()}
        arms = {arm: (share, share * (1 - share)) for arm, share in shares.items()}
        yield max(_difference(each, arms[CONTROL]) for each in arms.values())


def _difference(one: tuple[float, float], control: tuple[float, float]) -> float:
    spread = math.sqrt((one[1] + control[1]) / 2)
    return abs(one[0] - control[0]) / spread if spread > 0 else 0.0
