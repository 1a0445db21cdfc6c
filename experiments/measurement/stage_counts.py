"""Stage counts: of the members assigned, how many were sent a message, and how many the analysis counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TypeAlias

from sqlglot import exp

from experiments.definition.metrics import RatioMetric
from experiments.definition.model import Definition
from experiments.experiment import Experiment
from experiments.measurement.cells import cell_columns
from experiments.measurement.measurement import Measurement
from experiments.measurement.member_counts import MemberCount
from experiments.measurement.units import Units
from experiments.measurement.windows import PLANNED
from experiments.queries import all_of, column, count_where, fetch_rows, is_null, named, number, relation

Place: TypeAlias = tuple[str, str, date | None]
"""An arm, a segment and a planned send day."""


@dataclass(frozen=True)
class StageCount:
    """How far the members of one arm in one segment, planned for one day, have come.

    Attributes:
        arm: The arm's id.
        segment: The segment's id; empty where there are none.
        day: The planned send day in the definition's time zone; None where no send is planned.
        assigned: Members assigned.
        measured: Members among them whose windows have closed, at a look; else all.
        sent: Members measured who were sent a message; None where the definition does not say who was.
        analysed: Members measured with a value of the primary metric.
    """

    arm: str
    segment: str
    day: date | None
    assigned: int
    measured: int
    sent: int | None
    analysed: int


def count_stages(experiment: Experiment, units: Units, measurement: Measurement) -> tuple[StageCount, ...]:
    """The stages of every arm, segment and planned day.

    Where the definition says who was sent, or members without a value are dropped, it is one pass over the units; else nothing is
    asked of the engine.
    """
    definition = experiment.definition
    primary = measurement.metrics[definition.goals.primary.metric]
    assigned, measured = _by_place(measurement.assigned), _by_place(units.members)
    sent, analysed = Counter[Place](), measured
    if definition.delivery is not None or any(primary.dropped.values()):
        sent, analysed = _sent_and_analysed(experiment, units)
    return tuple(
        StageCount(
            *place,
            assigned=assigned[place],
            measured=measured[place],
            sent=None if definition.delivery is None else sent[place],
            analysed=analysed[place],
        )
        for place in sorted(assigned, key=str)
    )


def _by_place(members: Sequence[MemberCount]) -> Counter[Place]:
    found = Counter[Place]()
    for each in members:
        found[each.cell.arm, each.cell.segment, each.day] += each.members
    return found


def _sent_and_analysed(experiment: Experiment, units: Units) -> tuple[Counter[Place], Counter[Place]]:
    definition, engine = experiment.definition, experiment.engine
    complete = all_of(exp.not_(is_null(column(name))) for name in _primary_columns(definition, units))
    was_sent: exp.Expr = exp.false()
    if definition.delivery is not None:
        was_sent = column(units.metric_columns[definition.delivery.sent_metric]) > number(0)
    planned = engine.instant(column(PLANNED), units.columns[PLANNED], definition.zone)
    places = [*cell_columns()[:2], named(planned, "slot")]
    rows = exp.select(*places, named(was_sent, "was_sent"), named(complete, "is_complete"))
    query = exp.select(
        *map(column, ("arm", "segment", "slot")),
        named(count_where(column("was_sent")), "sent"),
        named(count_where(column("is_complete")), "analysed"),
    ).from_(rows.from_(relation(units.relation)).subquery("stages"))
    sent, analysed = Counter[Place](), Counter[Place]()
    for row in fetch_rows(engine, query.group_by(*map(column, ("arm", "segment", "slot")))):
        day = None if row["slot"] is None else row["slot"].astimezone(definition.zone).date()
        place = str(row["arm"]), str(row["segment"]), day
        sent[place] += int(row["sent"])
        analysed[place] += int(row["analysed"])
    return sent, analysed


def _primary_columns(definition: Definition, units: Units) -> tuple[str, ...]:
    """The columns that a member must have to count for the primary metric."""
    name = definition.goals.primary.metric
    metric = definition.metrics[name]
    parts = (metric.numerator, metric.denominator) if isinstance(metric, RatioMetric) else (name,)
    return tuple(units.metric_columns[part] for part in parts)
