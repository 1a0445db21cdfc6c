"""The batch: who is drawn now, eligible, without an arm and in the sample, each with stratum and hash."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from experiments.assignment.draws import arm_hash, purpose_hash
from experiments.assignment.strata import stratum_name
from experiments.audience.audience import Audience
from experiments.definition.columns import UNDER_FLOOR
from experiments.definition.errors import InputError
from experiments.definition.model import Definition
from experiments.experiment import Experiment
from experiments.queries import column, fetch_rows, is_null, named, number, relation, when

ENTERING = "entering"
"""The relation of those who enter."""

ARM_OF_UNIT = "arm_of_unit"
_PLACE = "unit_place"

_SHOWN = 5


def ranks_units(definition: Definition) -> bool:
    """Whether shops or households are ranked within their strata, instead of members."""
    return definition.audience.unit is not None and definition.assignment.method == "stratified"


def create_entering(
    experiment: Experiment, audience: Audience, ledger: str, room: int | None, salt: str
) -> None:
    """Create the relation of those who enter now: of a sample with limits, those with the lowest (sample hash, key).

    Where the definition lets members under the floor of their stage come first, these by (hash, key), and then the others.

    Columns: `member, segment, stratum` and `digits` (the hash of the arm); where units are drawn, `drawn_by` (the unit's key);
    where they are ranked, `arm_of_unit`: the arm that the member's unit has already.

    Args:
        experiment: The experiment.
        audience: Who may enter.
        ledger: The relation of those who have an arm.
        room: So many members still find room; None for all.
        salt: What draws the arms.

    Raises:
        InputError: Units are ranked within strata, and one has members in several.
    """
    definition, engine = experiment.definition, experiment.engine
    draws_at_once = definition.assignment.method == "hash" and definition.assignment.rerandomise is None
    keep = engine.defer if draws_at_once and room is None else engine.create
    keep(ENTERING, _entering(experiment, audience, ledger, room, salt))
    if ranks_units(definition):
        _refuse_straddling(experiment)


def _refuse_straddling(experiment: Experiment) -> None:
    """A unit that is ranked is in one stratum."""
    strata = exp.Count(this=exp.Distinct(expressions=[column("stratum")]))
    query = (
        exp.select(named(column("drawn_by"), "unit")).from_(relation(ENTERING)).group_by(column("drawn_by"))
    )
    straddling = query.having(exp.GT(this=strata, expression=number(1))).subquery("straddling")
    counted = exp.select(
        named(column("unit"), "unit"), named(exp.Window(this=exp.Count(this=exp.Star())), "units")
    ).from_(straddling)
    order = experiment.engine.collated(column("unit"))
    found = fetch_rows(experiment.engine, counted.order_by(order).limit(_SHOWN))
    if found:
        definition = experiment.definition
        shown = ", ".join(str(row["unit"]) for row in found)
        more = ", ..." if found[0]["units"] > len(found) else ""
        cause = f"{found[0]['units']:,} values of `{definition.audience.unit}` have members in several strata: {shown}{more}"
        remedy = f"use strata that are the same for a whole `{definition.audience.unit}`, or write `method: hash` without strata"
        raise InputError([definition.origin.fault(("assignment", "strata"), cause, remedy)])


def _entering(
    experiment: Experiment, audience: Audience, ledger: str, room: int | None, salt: str
) -> exp.Select:
    definition, engine = experiment.definition, experiment.engine
    unit = definition.audience.unit
    strata = [column(name, "people") for name in definition.assignment.strata]
    drawn_by = column("member", "people") if unit is None else engine.as_key(column(unit, "people"))
    query = (
        exp.select(
            named(column("member", "people"), "member"),
            named(column("segment", "people"), "segment"),
            named(stratum_name(engine, strata), "stratum"),
            *([] if unit is None else [named(drawn_by, "drawn_by")]),
            named(arm_hash(engine, salt, drawn_by), "digits"),
        )
        .from_(relation(audience.relation, "people"))
        .join(
            relation(ledger, "before"),
            on=exp.EQ(this=column("member", "before"), expression=column("member", "people")),
            join_type="left",
        )
        .where(exp.and_(is_null(column("refused_by", "people")), is_null(column("member", "before"))))
    )
    if unit is not None and ranks_units(definition):
        query = _with_arm_of_unit(query, drawn_by, _arms_of_units(experiment, audience, ledger, unit))
    if room is None:
        return query
    prefers = definition.prefers_under_floor
    sample = purpose_hash(engine, definition.salt, "sample", column("member" if unit is None else "drawn_by"))
    names = query.named_selects
    candidates = query.select(named(column(UNDER_FLOOR, "people"), UNDER_FLOOR)) if prefers else query
    if unit is not None:
        order = [sample, engine.collated(column("drawn_by"))]
        return _whole_units(candidates, names, order, room, prefers=prefers)
    place = [_place()] if prefers else []
    drawn = exp.select(*map(column, names)).from_(candidates.subquery("candidates"))
    return drawn.order_by(*place, sample, engine.collated(column("member"))).limit(room)


def _place() -> exp.Expr:
    """0 for those who come first, 1 for the others."""
    return when(column(UNDER_FLOOR), number(0), number(1))


def _whole_units(
    candidates: exp.Select, names: Sequence[str], order: Sequence[exp.Expr], room: int, *, prefers: bool
) -> exp.Select:
    """Units in the order of (hash, key) as long as all members of the next one still find room.

    Where members under a floor come first, units of which one is under it do.
    """
    if prefers:
        of_unit = exp.Window(this=exp.Min(this=_place()), partition_by=[column("drawn_by")])
        candidates = exp.select(*map(column, names), named(of_unit, _PLACE)).from_(
            candidates.subquery("people_first")
        )
        order = [column(_PLACE), *order]
    in_order = exp.Order(expressions=[exp.Ordered(this=each, nulls_first=False) for each in order])
    counted = exp.Window(this=exp.Count(this=exp.Star()), order=in_order)
    running = exp.select("*", named(counted, "running")).from_(candidates.subquery("candidates"))
    fits = exp.LTE(this=column("running"), expression=number(room))
    return exp.select(*map(column, names)).from_(running.subquery("counted")).where(fits)


def _arms_of_units(experiment: Experiment, audience: Audience, ledger: str, unit: str) -> exp.Select:
    """The arm of every unit of which somebody has one; later members of a shop come into its arm.

    It is that of most of its members, the first by name among equals: one who has moved in from another shop brings an arm along.
    """
    engine = experiment.engine
    same = exp.EQ(this=column("member", "people"), expression=column("member", "drawn"))
    key, arm = engine.as_key(column(unit, "people")), column("arm", "drawn")
    counted = (
        exp.select(named(key, "unit"), named(arm, "arm"), named(exp.Count(this=exp.Star()), "members"))
        .from_(relation(ledger, "drawn"))
        .join(relation(audience.relation, "people"), on=same)
        .group_by(key.copy(), arm.copy())
    )
    order = [
        exp.Ordered(this=column("members"), desc=True, nulls_first=False),
        engine.collated(column("arm")),
    ]
    place = exp.Window(
        this=exp.RowNumber(), partition_by=[column("unit")], order=exp.Order(expressions=order)
    )
    placed = exp.select(column("unit"), column("arm"), named(place, "place")).from_(
        counted.subquery("counted")
    )
    first = exp.EQ(this=column("place"), expression=number(1))
    return (
        exp.select(column("unit"), named(column("arm"), ARM_OF_UNIT))
        .from_(placed.subquery("placed"))
        .where(first)
    )


def _with_arm_of_unit(query: exp.Select, drawn_by: exp.Expr, arms: exp.Select) -> exp.Select:
    same = exp.EQ(this=column("unit", "units"), expression=drawn_by.copy())
    query = query.join(arms.subquery("units"), on=same, join_type="left")
    return query.select(named(column(ARM_OF_UNIT, "units"), ARM_OF_UNIT))
