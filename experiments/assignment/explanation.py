"""Why a member is in or out of an experiment, and in which arm: every rule, and a draw that anyone can compute again by hand."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from sqlglot import exp

from experiments.assignment.batch import ranks_units
from experiments.assignment.closing import closes_at, recorded_closing
from experiments.assignment.draws import DIGITS, arm_hash, bound
from experiments.assignment.entry import entry_day
from experiments.assignment.locked import differing_keys, refuse_changes
from experiments.assignment.open_ledger import open_ledger
from experiments.assignment.rerandomise import accepted_salt
from experiments.assignment.send import send_days
from experiments.assignment.strata import cumulative, rank_bounds
from experiments.audience.audience import snapshot_of
from experiments.audience.explanation import MemberRules, explain_member
from experiments.data.catalogue import Catalogue, open_data
from experiments.definition.errors import InputError
from experiments.definition.model import MEMBERS, Definition
from experiments.definition.origin import dotted
from experiments.documents.explanation import (
    ArmRange,
    ExplainedClosing,
    ExplainedDraw,
    ExplainedRule,
    ExplainedTime,
    Explanation,
    MemberStatus,
)
from experiments.experiment import Experiment
from experiments.queries import Row, all_of, column, count_where, fetch_rows, named, relation
from experiments.refusals import refusal

_LEDGER = "ledger"


def explain_assignment(experiment: Experiment, member: str) -> Explanation:
    """Say of one member why it is in or out, and how its arm and its planned time were drawn; nothing is written.

    Raises:
        InputError: The data do not fit the definition, or neither they nor the ledger know the member.
        RefusedError: Arms are recorded, or the definition differs from the one that is locked.
        OutsideError: The engine fails, or the ledger or the record of closed arms is damaged.
    """
    definition = experiment.definition
    if definition.assignment.method == "recorded":
        raise refusal(experiment.words, "recorded_explain", experiment=definition.id)
    refuse_changes(experiment.words, differing_keys(experiment))
    catalogue = open_data(experiment)
    drawn = _ledger_row(experiment, member)
    entered = None if drawn is None else entry_day(definition, drawn["planned_send_at"])
    day = entered or snapshot_of(experiment)
    rules = _rules(experiment, catalogue, member, day, is_assigned=drawn is not None)
    refused_by = next((rule.refusal for rule in rules.outcomes if rule.removes), None)
    found = Explanation(
        experiment=definition.id,
        member=member,
        status=_status(experiment, drawn, refused_by),
        refused_by=refused_by,
        snapshot=day.isoformat(),
        rules=tuple(
            ExplainedRule(rule.refusal, dotted(rule.key_path), rule.text, rule.removes, _plain(rule.values))
            for rule in rules.outcomes
        ),
        under_floor=rules.under_floor,
    )
    return found if drawn is None else _with_arm(experiment, catalogue, found, drawn)


def _ledger_row(experiment: Experiment, member: str) -> Row | None:
    engine = experiment.engine
    open_ledger(experiment.workspace, engine).read(_LEDGER)
    names = ("arm", "segment", "stratum", "batch", "propensity", "planned_send_at", "assigned_at")
    is_member = exp.EQ(
        this=engine.collated(column("member")), expression=engine.collated(exp.Literal.string(member))
    )
    query = exp.select(*map(column, names)).from_(relation(_LEDGER)).where(is_member)
    return next(iter(fetch_rows(engine, query)), None)


def _rules(
    experiment: Experiment, catalogue: Catalogue, member: str, day: date, *, is_assigned: bool
) -> MemberRules:
    try:
        return explain_member(experiment, catalogue, member, snapshot=day)
    except InputError:
        if is_assigned:  # who has left the data keeps an arm
            return MemberRules()
        raise


def _status(experiment: Experiment, drawn: Row | None, refused_by: str | None) -> MemberStatus:
    if drawn is not None:
        return "assigned"
    if refused_by is not None:
        return "refused"
    has_run = open_ledger(experiment.workspace, experiment.engine).state().exists
    return "not_sampled" if has_run and experiment.definition.assignment.sample_size else "not_drawn"


def _with_arm(experiment: Experiment, catalogue: Catalogue, found: Explanation, drawn: Row) -> Explanation:
    definition, arm = experiment.definition, str(drawn["arm"])
    planned: datetime | None = drawn["planned_send_at"]
    return replace(
        found,
        arm=arm,
        label=definition.arm(arm).label,
        segment=drawn["segment"],
        stratum=drawn["stratum"],
        batch=int(drawn["batch"]),
        propensity=float(drawn["propensity"]),
        assigned_at=_local(definition, drawn["assigned_at"]),
        draw=_draw(experiment, catalogue, found.member, drawn),
        send=None if planned is None else _time(definition, found.member, planned),
        closing=None if planned is None else _closing(experiment, arm, planned),
    )


def _closing(experiment: Experiment, arm: str, planned: datetime) -> ExplainedClosing | None:
    definition = experiment.definition
    closes = closes_at(definition, arm)
    if closes is None:
        return None
    recorded_at = datetime.fromisoformat(recorded_closing(experiment, arm).recorded_at)
    return ExplainedClosing(
        closed_from=closes.date().isoformat(),
        recorded_at=_local(definition, recorded_at),
        is_sent=planned < closes,
    )


def _draw(experiment: Experiment, catalogue: Catalogue, member: str, drawn: Row) -> ExplainedDraw:
    definition = experiment.definition
    key = _drawn_by(experiment, catalogue, member)
    salt = accepted_salt(experiment)
    hashed = f"{salt}|{key}"
    digits, arms = _md5(hashed), definition.all_arms
    if definition.assignment.method == "hash":
        bounds: list[str | int] = [bound(share) for share in cumulative([arm.share for arm in arms])]
        return ExplainedDraw("hash", hashed, digits, _ranges(definition, bounds))
    ranked = _ranked(experiment, catalogue)
    batch = _first_batch(experiment, ranked, key) if ranks_units(definition) else int(drawn["batch"])
    stratum = str(drawn["stratum"])
    rank, members = _rank(experiment, ranked, (digits, key), stratum, batch)
    ends = rank_bounds([arm.share for arm in arms], members, salt, stratum, batch)
    offset = f"{salt}|{stratum}|{batch}"
    return ExplainedDraw(
        "stratified",
        hashed,
        digits,
        _ranges(definition, list(ends)),
        rank=rank,
        members=members,
        offset_hashed=offset,
        offset=_md5(offset)[:DIGITS],
    )


def _ranges(definition: Definition, bounds: Sequence[str | int]) -> tuple[ArmRange, ...]:
    pairs = zip(definition.all_arms, bounds, bounds[1:], strict=False)
    return tuple(ArmRange(arm.id, first, until) for arm, first, until in pairs)


def _drawn_by(experiment: Experiment, catalogue: Catalogue, member: str) -> str:
    """The key of the draw: the unit's where units are drawn and the data still know the member."""
    definition, engine = experiment.definition, experiment.engine
    unit = definition.audience.unit
    if unit is None:
        return member
    key = engine.collated(engine.as_key(column(definition.data[MEMBERS].key)))
    query = exp.select(named(engine.as_key(column(unit)), "unit")).from_(relation(catalogue.members.relation))
    rows = fetch_rows(
        engine, query.where(exp.EQ(this=key, expression=engine.collated(exp.Literal.string(member))))
    )
    return str(rows[0]["unit"]) if rows else member


def _ranked(experiment: Experiment, catalogue: Catalogue) -> exp.Select:
    """What is ranked: members, or units with the first batch in which somebody of theirs entered; `key, stratum, batch`."""
    definition, engine = experiment.definition, experiment.engine
    unit = definition.audience.unit
    if unit is None or not ranks_units(definition):
        return exp.select(named(column("member"), "key"), column("stratum"), column("batch")).from_(
            relation(_LEDGER)
        )
    member = engine.as_key(column(definition.data[MEMBERS].key, "people"))
    key = engine.as_key(column(unit, "people"))
    return (
        exp.select(
            named(key, "key"),
            named(column("stratum", _LEDGER), "stratum"),
            named(exp.Min(this=column("batch", _LEDGER)), "batch"),
        )
        .from_(relation(_LEDGER))
        .join(
            relation(catalogue.members.relation, "people"),
            on=exp.EQ(this=member, expression=column("member", _LEDGER)),
        )
        .group_by(key.copy(), column("stratum", _LEDGER))
    )


def _first_batch(experiment: Experiment, ranked: exp.Select, unit: str) -> int:
    engine = experiment.engine
    own = exp.EQ(this=engine.collated(column("key")), expression=engine.collated(exp.Literal.string(unit)))
    query = exp.select(named(exp.Min(this=column("batch")), "batch")).from_(ranked.subquery("ranked"))
    (row,) = fetch_rows(engine, query.where(own))
    return int(row["batch"])


def _rank(
    experiment: Experiment, ranked: exp.Select, own: tuple[str, str], stratum: str, batch: int
) -> tuple[int, int]:
    """The rank of (digits, key) in a stratum and batch, and how many are ranked there."""
    engine = experiment.engine
    key = engine.collated(column("key"))
    digits = engine.collated(arm_hash(engine, accepted_salt(experiment), column("key")))
    own_digits, own_key = (engine.collated(exp.Literal.string(text)) for text in own)
    is_before = exp.or_(
        exp.LT(this=digits, expression=own_digits),
        all_of(
            [
                exp.EQ(this=digits.copy(), expression=own_digits.copy()),
                exp.LT(this=key, expression=own_key),
            ]
        ),
    )
    same_stratum = exp.EQ(
        this=engine.collated(column("stratum")), expression=engine.collated(exp.Literal.string(stratum))
    )
    same_batch = exp.EQ(this=column("batch"), expression=exp.Literal.number(batch))
    query = exp.select(
        named(count_where(is_before), "rank"), named(exp.Count(this=exp.Star()), "ranked")
    ).from_(ranked.subquery("ranked"))
    (row,) = fetch_rows(engine, query.where(all_of([same_stratum, same_batch])))
    return int(row["rank"]), int(row["ranked"])


def _time(definition: Definition, member: str, planned: datetime) -> ExplainedTime:
    assert definition.send is not None, "members are planned where there is a send"
    hashed = f"{definition.salt}|send|{member}"
    digits = _md5(hashed)[:DIGITS]
    entered = entry_day(definition, planned) or planned.date()
    slots = sum(day.slots for day in send_days(definition, definition.send, entered))
    return ExplainedTime(
        hashed, digits, slots, int(digits, 16) * slots >> 4 * DIGITS, _local(definition, planned)
    )


def _local(definition: Definition, moment: datetime) -> str:
    return moment.astimezone(definition.zone).isoformat(timespec="seconds")


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def _plain(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Values as JSON has them; days, moments and decimals as text."""
    return {
        name: value if value is None or isinstance(value, bool | int | float | str) else str(value)
        for name, value in values.items()
    }
