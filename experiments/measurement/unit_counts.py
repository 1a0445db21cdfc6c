"""Unit counts: how many shops or households each arm has, where those were assigned instead of members."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlglot import exp

from experiments.assignment.assigned import Assigned
from experiments.assignment.draws import unit_key
from experiments.experiment import Experiment
from experiments.measurement.cells import cell_columns
from experiments.measurement.units import Units
from experiments.measurement.windows import PLANNED
from experiments.queries import Row, column, count_where, fetch_rows, named, number, relation


@dataclass(frozen=True)
class UnitCounts:
    """The units of assignment that have members assigned; a unit with members in several groups counts in each.

    Attributes:
        arms: Arm to its units.
        segments: Segment to arm to units.
        days: Planned send day (None where no send is planned) to arm to units.
        split: Units with members in more than one arm.
    """

    arms: Mapping[str, int]
    segments: Mapping[str, Mapping[str, int]]
    days: Mapping[date | None, Mapping[str, int]]
    split: int


def count_units(experiment: Experiment, members: Units | Assigned) -> UnitCounts | None:
    """Count the units over everybody assigned; None where the unit is the member."""
    definition, engine = experiment.definition, experiment.engine
    if definition.audience.unit is None:
        return None
    planned = engine.instant(column(PLANNED), members.columns[PLANNED], definition.zone)
    rows = exp.select(
        *cell_columns()[:2],
        named(unit_key(engine, definition.audience.unit), "unit"),
        named(engine.local_date(planned, definition.zone), "day"),
    ).from_(relation(members.relation))

    def by_arm(*groups: str) -> list[Row]:
        different = exp.Count(this=exp.Distinct(expressions=[column("unit")]))
        names = ("arm", *groups)
        query = exp.select(*map(column, names), named(different, "units")).from_(rows.subquery("assigned"))
        return fetch_rows(engine, query.group_by(*map(column, names)).order_by(*map(column, names)))

    arms = exp.Count(this=exp.Distinct(expressions=[column("arm")]))
    by_unit = exp.select(named(arms, "arms")).from_(rows.subquery("assigned")).group_by(column("unit"))
    split = named(count_where(column("arms") > number(1)), "split")
    (row,) = fetch_rows(engine, exp.select(split).from_(by_unit.subquery("units")))
    return UnitCounts(
        arms={row["arm"]: int(row["units"]) for row in by_arm()},
        segments=_nested(by_arm("segment"), "segment"),
        days=_nested(by_arm("day"), "day"),
        split=int(row["split"]),
    )


def _nested(rows: Sequence[Row], group: str) -> dict[Any, dict[str, int]]:
    found: dict[Any, dict[str, int]] = {}
    for row in rows:
        found.setdefault(row[group], {})[row["arm"]] = int(row["units"])
    return found
