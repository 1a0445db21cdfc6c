"""Member counts: how many members each cell has, by batch and planned send day, and who stands there twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from sqlglot import exp

from experiments.assignment.assigned import Assigned
from experiments.data.recorded import recorded_source
from experiments.definition.model import Definition
from experiments.experiment import Experiment
from experiments.measurement.cells import Cell, cell_columns
from experiments.measurement.windows import PLANNED
from experiments.queries import coalesce, column, count_where, fetch_rows, named, number, relation


@dataclass(frozen=True)
class MemberCount:
    """How many members of a cell came in one batch and are planned for one day.

    Attributes:
        cell: Their arm, segment and stratum.
        batch: Their batch of the ledger, from 0; arms that were recorded have one batch, 0.
        day: Their planned send day in the definition's time zone; None where no send is planned.
        members: How many.
    """

    cell: Cell
    batch: int
    day: date | None
    members: int


def count_members(experiment: Experiment, assigned: Assigned) -> tuple[MemberCount, ...]:
    """The members assigned by cell, batch and planned send day."""
    engine, zone = experiment.engine, experiment.definition.zone
    texts = ("arm", "segment", "stratum", "batch")
    rows = exp.select(
        *cell_columns(), named(coalesce(column("batch"), number(0)), "batch"), named(column(PLANNED), "slot")
    ).from_(relation(assigned.relation))
    # Members share few moments of sending, so that the calendar is asked once for each of these and not for each member.
    slots = (
        exp.select(*map(column, (*texts, "slot")), named(exp.Count(this=exp.Star()), "members"))
        .from_(rows.subquery("assigned_rows"))
        .group_by(*map(column, (*texts, "slot")))
    )
    day = engine.local_date(engine.instant(column("slot"), assigned.columns[PLANNED], zone), zone)
    days = exp.select(*map(column, texts), named(day, "day"), column("members")).from_(
        slots.subquery("slots")
    )
    query = (
        exp.select(*map(column, (*texts, "day")), named(exp.Sum(this=column("members")), "members"))
        .from_(days.subquery("days"))
        .group_by(*map(column, (*texts, "day")))
    )
    counts = [
        MemberCount(
            Cell(str(row["arm"]), str(row["segment"]), str(row["stratum"])),
            int(row["batch"]),
            row["day"],
            int(row["members"]),
        )
        for row in fetch_rows(experiment.engine, query)
    ]
    return tuple(sorted(counts, key=lambda each: (each.cell, each.batch, each.day is None, each.day)))


def members_by_cell(counts: Iterable[MemberCount]) -> Mapping[Cell, int]:
    """The members of each cell."""
    found: dict[Cell, int] = {}
    for each in counts:
        found[each.cell] = found.get(each.cell, 0) + each.members
    return found


def repeated_members(experiment: Experiment, assigned: Assigned, counts: Iterable[MemberCount]) -> int:
    """How many members stand in the assignment more than once; `counts` are those of its members.

    Nobody is looked for where nobody can be: one batch of a ledger is drawn from members whose keys were seen to be unique,
    and its file is checked by its SHA-256.
    """
    once = (
        _keys_are_unique(experiment.definition)
        if assigned.recorded
        else len({each.batch for each in counts}) < 2
    )
    if once:
        return 0
    member = column("member")
    counts = exp.select(
        named(exp.Count(this=exp.Star()), "rows"),
        named(exp.Count(this=exp.Distinct(expressions=[member])), "members"),
    )
    (found,) = fetch_rows(experiment.engine, counts.from_(relation(assigned.relation)))
    if found["rows"] == found["members"]:
        return 0
    times = exp.select(named(exp.Count(this=exp.Star()), "times")).from_(relation(assigned.relation))
    repeated = named(count_where(column("times") > number(1)), "repeated")
    query = exp.select(repeated).from_(times.group_by(member.copy()).subquery("members"))
    (row,) = fetch_rows(experiment.engine, query)
    return int(row["repeated"])


def _keys_are_unique(definition: Definition) -> bool:
    """Whether the checks of the data have seen that the recorded arms have one row for each member."""
    return definition.data[recorded_source(definition)].time is None
