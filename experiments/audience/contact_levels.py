"""Contact levels: in each lifecycle stage, how many members are under the floor of a contact policy or at its ceiling."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from sqlglot import exp

from experiments.audience.contact_counts import KINDS
from experiments.definition.contact_policy import ContactPolicy
from experiments.documents.assignment import ContactLevel
from experiments.experiment import Experiment
from experiments.queries import column, count_where, fetch_rows, named, number, relation


def contact_levels(experiment: Experiment, audience: str) -> tuple[ContactLevel, ...]:
    """The levels over all members of a stage, whether they may enter or not: the forgotten ones are among those who may not.

    Args:
        experiment: The experiment; without a contact policy there are no levels.
        audience: The relation of the audience.

    Raises:
        OutsideError: The engine fails.
    """
    policy = experiment.definition.audience.contact_policy
    if policy is None:
        return ()
    stage = column(policy.on)
    query = exp.select(named(stage, "stage"), named(exp.Count(this=exp.Star()), "members"))
    for kind in KINDS:
        counted = column(f"contacts__{kind}")
        below, reached = exp.Case(this=stage.copy()), exp.Case(this=stage.copy())
        for name, limits in policy.stages.items():
            floor, ceiling = limits.bounds(kind)
            is_below = exp.LT(this=counted.copy(), expression=number(floor))
            is_reached = (
                exp.false() if ceiling is None else exp.GTE(this=counted.copy(), expression=number(ceiling))
            )
            below = below.when(exp.Literal.string(name), is_below)
            reached = reached.when(exp.Literal.string(name), is_reached)
        query = query.select(named(count_where(below), f"below_{kind}"))
        query = query.select(named(count_where(reached), f"reached_{kind}"))
    rows = fetch_rows(experiment.engine, query.from_(relation(audience)).group_by(stage.copy()))
    return tuple(_levels(policy, {row["stage"]: row for row in rows}))


def _levels(policy: ContactPolicy, rows: dict[str | None, object]) -> Iterator[ContactLevel]:
    for (stage, limits), kind in product(policy.stages.items(), KINDS):
        floor, ceiling = limits.bounds(kind)
        row = rows.get(stage)
        yield ContactLevel(
            stage=stage,
            kind=kind,
            days=limits.days,
            floor=floor,
            ceiling=ceiling,
            members=_count(row, "members"),
            below_floor=_count(row, f"below_{kind}"),
            at_ceiling=_count(row, f"reached_{kind}"),
        )


def _count(row: object, name: str) -> int:
    return int(row[name]) if isinstance(row, dict) else 0
