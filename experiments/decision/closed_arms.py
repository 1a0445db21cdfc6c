"""Closed arms: what is told of an arm that was closed in the middle of the test."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from experiments.assignment.assigned import Assigned
from experiments.assignment.closing import closes_at
from experiments.data.catalogue import Catalogue
from experiments.decision.contrasts import read_by_decision
from experiments.decision.effects import effect_rows, overall_family, roles
from experiments.documents.analysis import ClosedArm, Effect
from experiments.experiment import Experiment
from experiments.measurement.measurement import measure
from experiments.measurement.open_arms import closed_beside_control
from experiments.measurement.units import build_units
from experiments.measurement.windows import PLANNED
from experiments.queries import column, count_where, fetch_rows, named, relation


def closed_arms(
    experiment: Experiment, catalogue: Catalogue, everybody: Assigned, *, shows_effects: bool
) -> tuple[ClosedArm, ...]:
    """Every arm that was closed, with its differences from control over the days on which both were open.

    They are read as the decision reads others, adjusted where these are. Where an arm was closed because of what its members
    had done, its difference looks worse than it is.

    Args:
        experiment: With all arms.
        catalogue: Its sources.
        everybody: Everybody assigned.
        shows_effects: Whether effects may be told; else there are only counts.
    """
    found = []
    for each in experiment.definition.assignment.closed or ():
        members, left_out = _members(experiment, everybody, each.arm)
        effects = tuple(_effects(experiment, catalogue, everybody, each.arm)) if shows_effects else ()
        label = experiment.definition.arm(each.arm).label
        found.append(ClosedArm(each.arm, label, each.from_.isoformat(), members, left_out, effects))
    return tuple(found)


def _members(experiment: Experiment, everybody: Assigned, arm: str) -> tuple[int, int]:
    """Members of an arm who were planned before it closed, and those who were planned later."""
    closes = closes_at(experiment.definition, arm)
    assert closes is not None, f"{arm} was not closed"
    moment = experiment.engine.instant_literal(closes)
    has_arm = exp.EQ(this=column("arm"), expression=exp.Literal.string(arm))
    query = exp.select(
        named(count_where(exp.LT(this=column(PLANNED), expression=moment)), "members"),
        named(count_where(exp.GTE(this=column(PLANNED), expression=moment.copy())), "left_out"),
    )
    (row,) = fetch_rows(experiment.engine, query.from_(relation(everybody.relation)).where(has_arm))
    return int(row["members"]), int(row["left_out"])


def _effects(experiment: Experiment, catalogue: Catalogue, everybody: Assigned, arm: str) -> Iterator[Effect]:
    experiment.progress(f"Measuring {arm} and control on the days before it was closed")
    beside, members = closed_beside_control(experiment, everybody, arm)
    measurement = measure(beside, build_units(beside, catalogue, members))
    contrasts = read_by_decision(beside.definition, measurement.metrics)
    for metric, role in roles(beside.definition.goals):
        yield from effect_rows(metric, role, overall_family(beside.definition, contrasts, metric))
