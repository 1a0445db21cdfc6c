"""Balance: whether arms were alike before the experiment, feature by feature."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from sqlglot import exp

from experiments.audience.audience import Audience
from experiments.audience.eligibility import PROFILE
from experiments.definition.arms import CONTROL
from experiments.definition.audience import SEGMENT
from experiments.definition.columns import is_reserved
from experiments.documents.assignment import Balance
from experiments.engines.protocol import ColumnType, Engine
from experiments.experiment import Experiment
from experiments.queries import as_double, column, fetch_rows, is_null, named, relation

_RELATION = "balanced"
_MAX_VALUES = 50
"""A text with more values than this is an identifier rather than a feature."""


def balance(experiment: Experiment, audience: Audience, ledger: str) -> tuple[Balance, ...]:
    """The largest standardised difference between any arm and control, for each feature known before the snapshot.

    |mean_arm - mean_control| / sqrt((variance_arm + variance_control) / 2), over members whose value is known
    (Austin 2009, Statistics in Medicine 28). A text counts as one feature of 0 and 1 for each of its values,
    and the largest of these is shown; so does a boolean. A feature without variance in both arms has 0; one
    that control does not know is left out.

    Args:
        experiment: The experiment.
        audience: What is known of the members.
        ledger: The relation of everybody assigned.

    Returns:
        One row a feature, the largest difference first.
    """
    engine = experiment.engine
    kinds = {name: kind for name, kind in audience.columns.items() if not is_reserved(name)}
    members = relation(audience.relation, PROFILE)
    same = exp.EQ(this=column("member", PROFILE), expression=column("member", ledger))
    query = exp.select(named(column("arm", ledger), "arm"), named(column(SEGMENT, ledger), SEGMENT))
    query = query.select(*(named(column(name, PROFILE), name) for name in kinds))
    engine.create(_RELATION, query.from_(relation(ledger)).join(members, on=same, join_type="left"))
    texts = [name for name, kind in kinds.items() if kind in {ColumnType.TEXT, ColumnType.BOOLEAN}]
    numbers = [name for name, kind in kinds.items() if kind.is_numeric]
    found = {**_of_numbers(engine, numbers), **_of_texts(engine, [SEGMENT, *texts])}
    rows = [Balance(name, found[name]) for name in (SEGMENT, *kinds) if name in found]
    return tuple(sorted(rows, key=lambda row: -row.max_standardised_difference))


def _of_numbers(engine: Engine, names: Sequence[str]) -> Mapping[str, float]:
    if not names:
        return {}
    query = exp.select(named(column("arm"), "arm"))
    for place, name in enumerate(names):
        value = as_double(column(name))
        mean, variance = exp.Avg(this=value), exp.Variance(this=value.copy())
        query = query.select(named(mean, f"mean_{place}"), named(variance, f"variance_{place}"))
    rows = fetch_rows(engine, query.from_(relation(_RELATION)).group_by(column("arm")))
    found = {}
    for place, name in enumerate(names):
        arms = {
            row["arm"]: (row[f"mean_{place}"], row[f"variance_{place}"] or 0.0)
            for row in rows
            if row[f"mean_{place}"] is not None
        }
        if CONTROL in arms:
            found[name] = max(_difference(one, arms[CONTROL]) for one in arms.values())
    return found


def _of_texts(engine: Engine, names: Sequence[str]) -> Mapping[str, float]:
    different = [
        named(exp.Count(this=exp.Distinct(expressions=[engine.as_key(column(name))])), f"values_{place}")
        for place, name in enumerate(names)
    ]
    (counts,) = fetch_rows(engine, exp.select(*different).from_(relation(_RELATION)))
    few = [name for place, name in enumerate(names) if counts[f"values_{place}"] <= _MAX_VALUES]
    largest = {name: max(_of_values(engine, name), default=None) for name in few}
    return {name: difference for name, difference in largest.items() if difference is not None}


def _of_values(engine: Engine, name: str) -> Iterator[float]:
    """The largest difference of each value's share."""
    value = engine.as_key(column(name))
    query = exp.select(
        named(column("arm"), "arm"), named(value, "value"), named(exp.Count(this=exp.Star()), "members")
    ).from_(relation(_RELATION))
    known = exp.not_(is_null(column(name)))
    rows = fetch_rows(engine, query.where(known).group_by(column("arm"), value.copy()))
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
