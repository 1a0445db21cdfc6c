"""The design effect: how much more the means of members vary because members of one unit act alike."""

from __future__ import annotations

from sqlglot import exp

from experiments.assignment.draws import unit_key
from experiments.queries import as_double, column, fetch_rows, named, relation
from uplift.evidence import Evidence


def design_effect(evidence: Evidence, value: exp.Expr) -> float:
    """The variance of a mean of members drawn by unit over that of as many drawn alone, at least 1.

    The ratio of the sums of squares of the units' sums, each about its arm's mean times the unit's members, to that of the
    members' values, over all arms (Kish 1965, "Survey Sampling"). 1 where members were assigned alone.

    Args:
        evidence: The test.
        value: What is added up, over the members' table.
    """
    unit = evidence.experiment.definition.audience.unit
    if unit is None:
        return 1.0
    engine, found = evidence.experiment.engine, as_double(value)
    mean = exp.Window(this=exp.Avg(this=found.copy()), partition_by=[column("arm")])
    centred = exp.select(
        named(column("arm"), "arm"),
        named(unit_key(engine, unit), "of unit"),
        named(exp.Sub(this=exp.paren(found), expression=mean), "centred"),
    ).from_(relation(evidence.units.relation))
    own = column("centred")
    by_unit = (
        exp.select(
            named(exp.Sum(this=own), "together"),
            named(exp.Sum(this=exp.Mul(this=own.copy(), expression=own.copy())), "alone"),
        )
        .from_(centred.subquery("centred_values"))
        .group_by(column("arm"), column("of unit"))
    )
    together = column("together")
    (row,) = fetch_rows(
        engine,
        exp.select(
            named(exp.Sum(this=exp.Mul(this=together, expression=together.copy())), "by_unit"),
            named(exp.Sum(this=column("alone")), "by_member"),
        ).from_(by_unit.subquery("by_unit")),
    )
    return max(1.0, float(row["by_unit"]) / float(row["by_member"])) if row["by_member"] else 1.0
