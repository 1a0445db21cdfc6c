"""Assignment: eligible members drawn into arms, once and for good, with a ledger, send lists and a locked definition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlglot import exp

from experiments.assignment.balance import balance
from experiments.assignment.draws import arm_hash, bound, leading, purpose_hash
from experiments.assignment.entry import refuse_day
from experiments.assignment.ledger import Ledger, hold, ledger_rows
from experiments.assignment.locked import differing_keys, refuse_changes
from experiments.assignment.open_ledger import open_ledger
from experiments.assignment.send import planned_send_at, send_days, write_send_lists
from experiments.assignment.strata import cumulative, rank_bounds, stratum_name
from experiments.audience.audience import Audience, build_audience, snapshot_of
from experiments.audience.exclusive_group import refuse_before_others
from experiments.data.catalogue import open_data
from experiments.definition.errors import InputError, RefusedError
from experiments.definition.lock import canonical_json
from experiments.documents import ArmMembers, Assignment, AssignmentFiles
from experiments.experiment import Experiment
from experiments.files import write_whole
from experiments.queries import column, count_where, double, fetch_rows, is_null, named, number, relation

_LEDGER = "ledger"
_ENTERING = "entering"
_ENTERED = "entered"
_RANKED = "ranked"


def assign(experiment: Experiment) -> Assignment:
    """Draw the eligible members who have no arm yet, write the ledger and the send lists, and lock the definition.

    The draw is the contract's: `hash` by the member's own md5, `stratified` by rank within a stratum and a
    batch. Members who are new since the last call, or for whom the sample still has room, are a new batch;
    nobody who has an arm ever changes it, and a call with nobody new changes no file's content. Where members enter day
    by day (`snapshot: daily`), each call is decided as of its day, and a day on which nobody enters adds no batch.

    Raises:
        InputError: The data do not fit the definition, or a day was asked for that members cannot enter on.
        RefusedError: The arms are recorded, the definition differs from the one that is locked, or an experiment that
            comes first has not assigned its members.
        OutsideError: The engine or the disk fails; the ledger is as it was.
    """
    definition = experiment.definition
    if definition.assignment.method == "recorded":
        raise RefusedError(
            [f"{definition.id} has recorded arms, so there is nothing to draw"],
            "go on with `offerwise analyze`, or write `method: stratified` to draw arms",
        )
    refuse_day(experiment)
    _refuse_units_in_strata(experiment)
    ledger = open_ledger(experiment.workspace, experiment.engine)
    with hold(experiment.workspace.out, experiment.progress), ledger.held(experiment.progress):
        refuse_changes(differing_keys(experiment))
        refuse_before_others(experiment)
        catalogue = open_data(experiment)
        audience = build_audience(experiment, catalogue)
        _add_batch(experiment, audience, ledger)
        ledger.read(_LEDGER)
        lists = write_send_lists(experiment, _LEDGER)
    experiment.progress("Comparing the arms before the experiment")
    sampled = ledger.state().members
    return Assignment(
        experiment=definition.id,
        eligible=audience.eligible,
        sampled=sampled,
        refused=audience.refused,
        arms=_arms(experiment, sampled),
        balance=balance(experiment, audience, _compared(experiment)),
        files=AssignmentFiles(ledger.place, {arm: str(path) for arm, path in lists.items()}),
        rules=audience.rules,
        contact_levels=audience.contact_levels,
    )


def _compared(experiment: Experiment) -> str:
    """The relation of those whose arms are compared by the audience: everybody, or those who entered on its day."""
    definition, engine = experiment.definition, experiment.engine
    if not definition.audience.is_daily or definition.send is None:
        return _LEDGER
    (day,) = send_days(definition, definition.send, snapshot_of(experiment))
    has_entered = exp.GTE(this=column("planned_send_at"), expression=engine.instant_literal(day.opens))
    engine.create(_ENTERED, exp.select("*").from_(relation(_LEDGER)).where(has_entered))
    return _ENTERED


def _refuse_units_in_strata(experiment: Experiment) -> None:
    definition = experiment.definition
    if definition.audience.unit is not None and definition.assignment.method == "stratified":
        cause = (
            f"`{definition.audience.unit}` is assigned together, and its members may be in different strata"
        )
        fault = definition.origin.fault(("audience", "unit"), cause, "write `method: hash` without strata")
        raise InputError([fault])


def _add_batch(experiment: Experiment, audience: Audience, ledger: Ledger) -> None:
    definition, engine = experiment.definition, experiment.engine
    before = ledger.state()
    wanted = definition.assignment.sample_size
    room = None if wanted is None else max(0, wanted - before.members)
    ledger.read(_LEDGER)
    experiment.progress("Drawing arms")
    engine.create(_ENTERING, _entering(experiment, audience, room))
    draw = _Draw(experiment, batch=before.batches)
    members, rows = draw.drawn()
    if members == 0:
        if not before.exists:
            raise _nobody(audience)
        return
    if not before.exists:
        ledger.prepare()
        write_whole(experiment.workspace.lock, canonical_json(definition))
    experiment.progress(f"Writing {members:,} members to the ledger")
    sha256 = definition.origin.sha256
    query = ledger_rows(
        rows,
        experiment=definition.id,
        batch=draw.batch,
        assigned_at=engine.instant_literal(experiment.now),
        definition_sha256=sha256,
    )
    ledger.append(query, members=members, definition_sha256=sha256)


def _nobody(audience: Audience) -> RefusedError:
    removed = [f"{reason} {count:,}" for reason, count in audience.refused.items() if count]
    removed_by = f"; removed by {', '.join(removed)}" if removed else ""
    return RefusedError(
        [f"none of {audience.members:,} members may enter{removed_by}"],
        "loosen the audience, or check the data and the snapshot",
    )


def _entering(experiment: Experiment, audience: Audience, room: int | None) -> exp.Select:
    """Who is drawn now: eligible, without an arm, and among the lowest (sample hash, key) where the sample has limits.

    Columns: `member, segment, stratum, drawn_by` (the key of the draw: the unit's, else the member's) and
    `digits` (the hash of the arm).
    """
    definition, engine = experiment.definition, experiment.engine
    unit = definition.audience.unit
    strata = [column(name, "people") for name in definition.assignment.strata]
    drawn_by = column("member", "people") if unit is None else engine.as_key(column(unit, "people"))
    query = (
        exp.select(
            named(column("member", "people"), "member"),
            named(column("segment", "people"), "segment"),
            named(stratum_name(engine, strata), "stratum"),
            named(drawn_by, "drawn_by"),
            named(arm_hash(engine, definition.salt, drawn_by), "digits"),
        )
        .from_(relation(audience.relation, "people"))
        .join(
            relation(_LEDGER, "before"),
            on=exp.EQ(this=column("member", "before"), expression=column("member", "people")),
            join_type="left",
        )
        .where(exp.and_(is_null(column("refused_by", "people")), is_null(column("member", "before"))))
    )
    if room is None:
        return query
    sample = purpose_hash(engine, definition.salt, "sample", column("drawn_by"))
    if unit is None:
        order = (sample, engine.collated(column("drawn_by")))
        return exp.select("*").from_(query.subquery("candidates")).order_by(*order).limit(room)
    return _whole_units(experiment, query, sample, room)


def _whole_units(experiment: Experiment, query: exp.Select, sample: exp.Expr, room: int) -> exp.Select:
    """Units in the order of (hash, key) as long as all members of the next one still find room."""
    order = exp.Order(
        expressions=[
            exp.Ordered(this=sample, nulls_first=False),
            exp.Ordered(this=experiment.engine.collated(column("drawn_by")), nulls_first=False),
        ]
    )
    counted = exp.Window(this=exp.Count(this=exp.Star()), order=order)
    running = exp.select("*", named(counted, "running")).from_(query.subquery("candidates"))
    names = ("member", "segment", "stratum", "drawn_by", "digits")
    fits = exp.LTE(this=column("running"), expression=number(room))
    return exp.select(*(column(name) for name in names)).from_(running.subquery("counted")).where(fits)


@dataclass(frozen=True)
class _Draw:
    """The arms of one batch, over the relation of those who enter."""

    experiment: Experiment
    batch: int

    def drawn(self) -> tuple[int, exp.Select]:
        """How many enter, and them with `arm`, `propensity` and `planned_send_at`."""
        experiment = self.experiment
        stratum = column("stratum")
        query = exp.select(stratum, named(exp.Count(this=exp.Star()), "members")).from_(relation(_ENTERING))
        found = fetch_rows(experiment.engine, query.group_by(stratum.copy()))
        sizes = {row["stratum"]: int(row["members"]) for row in found}
        if experiment.definition.assignment.method == "hash":
            rows, arm = exp.select("*").from_(relation(_ENTERING)), self._arm_by_hash()
        else:
            rows, arm = self._ranked(sizes), self._arm_by_rank()
        drawn = exp.select("*", named(arm, "arm")).from_(rows.subquery(_RANKED))
        entered = snapshot_of(experiment)
        planned = planned_send_at(experiment.definition, experiment.engine, column("member"), entered)
        propensity = exp.Case()
        for each in experiment.definition.all_arms:
            is_arm = exp.EQ(this=column("arm"), expression=exp.Literal.string(each.id))
            propensity = propensity.when(is_arm, double(float(each.share)))
        names = ("member", "segment", "stratum", "arm")
        selected = [
            *(column(name) for name in names),
            named(propensity, "propensity"),
            named(planned, "planned_send_at"),
        ]
        return sum(sizes.values()), exp.select(*selected).from_(drawn.subquery("drawn"))

    def _arm_by_hash(self) -> exp.Expr:
        """Arm i owns the hashes from ceil(c_i x 16^13) on, up to the next arm's."""
        arms = self.experiment.definition.all_arms
        first_digits = self.experiment.engine.collated(leading(column("digits")))
        ends = [
            exp.LT(this=first_digits.copy(), expression=exp.Literal.string(bound(share)))
            for share in cumulative([arm.share for arm in arms])[1:-1]
        ]
        return self._first_arm(ends)

    def _arm_by_rank(self) -> exp.Expr:
        arms = self.experiment.definition.all_arms
        ends = [
            exp.LT(this=column("rank"), expression=column(f"end_{place}")) for place in range(len(arms) - 1)
        ]
        return self._first_arm(ends)

    def _first_arm(self, ends: Sequence[exp.Expr]) -> exp.Expr:
        arms = self.experiment.definition.all_arms
        case = exp.Case()
        for arm, is_before_end in zip(arms, ends, strict=False):
            case = case.when(is_before_end, exp.Literal.string(arm.id))
        return case.else_(exp.Literal.string(arms[-1].id))

    def _ranked(self, sizes: dict[str, int]) -> exp.Select:
        """Everybody with the rank 0..n-1 by (hash, key) within the stratum, and where each arm's ranks end there."""
        engine, salt = self.experiment.engine, self.experiment.definition.salt
        shares = [arm.share for arm in self.experiment.definition.all_arms]
        rank = exp.Window(
            this=exp.RowNumber(),
            partition_by=[column("stratum", _ENTERING)],
            order=exp.Order(
                expressions=[
                    exp.Ordered(this=engine.collated(column("digits", _ENTERING)), nulls_first=False),
                    exp.Ordered(this=engine.collated(column("member", _ENTERING)), nulls_first=False),
                ]
            ),
        )
        ends = [f"end_{place}" for place in range(len(shares) - 1)]
        names = ("member", "segment", "stratum", "drawn_by")
        rows = [
            (stratum, *rank_bounds(shares, size, salt, stratum, self.batch)[1:-1])
            for stratum, size in sizes.items()
        ] or [("", *(0 for _ in ends))]
        bounds = exp.values(rows, alias="bounds", columns=["stratum", *ends])
        return (
            exp.select(
                *(named(column(name, _ENTERING), name) for name in names),
                *(named(exp.column(name, "bounds"), name) for name in ends),
                named(exp.paren(exp.Sub(this=rank, expression=number(1))), "rank"),
            )
            .from_(relation(_ENTERING))
            .join(
                bounds,
                on=exp.EQ(this=exp.column("stratum", "bounds"), expression=column("stratum", _ENTERING)),
            )
        )


def _arms(experiment: Experiment, sampled: int) -> tuple[ArmMembers, ...]:
    query = exp.select()
    for place, arm in enumerate(experiment.definition.all_arms):
        is_arm = exp.EQ(this=column("arm"), expression=exp.Literal.string(arm.id))
        query = query.select(named(count_where(is_arm), f"arm_{place}"))
    (row,) = fetch_rows(experiment.engine, query.from_(relation(_LEDGER)))
    counts = [int(row[f"arm_{place}"]) for place, _ in enumerate(experiment.definition.all_arms)]
    return tuple(
        ArmMembers(arm.id, count, count / sampled if sampled else 0.0)
        for arm, count in zip(experiment.definition.all_arms, counts, strict=True)
    )
