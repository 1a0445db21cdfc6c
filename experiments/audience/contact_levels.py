"""Contact levels: in each lifecycle stage, how many members are under the floor of a contact policy or at its ceiling."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product

from sqlglot import exp

from experiments.assignment.closing import closes_at
from experiments.audience.contact_counts import KINDS
from experiments.audience.floors import at_ceiling, below_floor
from experiments.definition.contact_policy import ContactKind, ContactPolicy
from experiments.documents.assignment import ContactLevel
from experiments.experiment import Experiment
from experiments.queries import (
    Row,
    all_of,
    column,
    count_where,
    fetch_rows,
    is_null,
    named,
    number,
    relation,
    when,
)

_PEOPLE = "people"
_SENT = "sent"


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
    stage, may_enter = column(policy.on), is_null(column("refused_by"))
    query = exp.select(
        named(stage, "stage"),
        named(exp.Count(this=exp.Star()), "members"),
        named(count_where(may_enter), "eligible"),
    )
    for kind in KINDS:
        counted = _counted(kind)
        below = below_floor(policy, kind, stage, counted)
        query = query.select(
            named(count_where(below), f"below_{kind}"),
            named(count_where(all_of([below.copy(), may_enter.copy()])), f"eligible_below_{kind}"),
            named(count_where(at_ceiling(policy, kind, stage, counted)), f"reached_{kind}"),
        )
    rows = fetch_rows(experiment.engine, query.from_(relation(audience)).group_by(stage.copy()))
    by_stage = {row["stage"]: row for row in rows}
    return tuple(
        _level(policy, stage_name, kind, by_stage.get(stage_name))
        for stage_name, kind in product(policy.stages, KINDS)
    )


def levels_after_send(
    experiment: Experiment, levels: tuple[ContactLevel, ...], audience: str, assigned: str
) -> tuple[ContactLevel, ...]:
    """The levels with how many eligible members will still be under the floor when the messages have been sent.

    A member of an arm that is contacted has one contact more, of the kind that is sent, if the policy counts its channel and the arm
    is not closed by then.

    Args:
        experiment: The experiment.
        levels: Those before the send.
        audience: The relation of the audience.
        assigned: The relation of those who are sent to, with `member`, `arm` and `planned_send_at`.

    Raises:
        OutsideError: The engine fails.
    """
    definition = experiment.definition
    policy = definition.audience.contact_policy
    if policy is None:
        return levels
    kind = definition.sent_kind
    stage = column(policy.on, _PEOPLE)
    added = when(exp.or_(*_are_contacts(experiment, policy)), number(1), number(0))
    counted = exp.paren(exp.Add(this=_counted(kind, _PEOPLE), expression=added))
    query = (
        exp.select(
            named(stage, "stage"),
            named(count_where(below_floor(policy, kind, stage, counted)), "below"),
        )
        .from_(relation(audience, _PEOPLE))
        .join(
            relation(assigned, _SENT),
            on=exp.EQ(this=column("member", _SENT), expression=column("member", _PEOPLE)),
            join_type="left",
        )
        .where(is_null(column("refused_by", _PEOPLE)))
        .group_by(stage.copy())
    )
    left = {row["stage"]: int(row["below"]) for row in fetch_rows(experiment.engine, query)}
    return tuple(
        replace(
            level,
            eligible_below_floor_after=left.get(level.stage, 0)
            if level.kind == kind
            else level.eligible_below_floor,
        )
        for level in levels
    )


def _counted(kind: ContactKind, alias: str | None = None) -> exp.Expr:
    return column(f"contacts__{kind}", alias) if alias else column(f"contacts__{kind}")


def _are_contacts(experiment: Experiment, policy: ContactPolicy) -> Iterator[exp.Expr]:
    """Whether a member of an arm is sent a message that the policy counts, for each arm."""
    definition = experiment.definition
    yield exp.false()
    for arm in definition.offer_arms:
        if policy.channels is not None and arm.channel not in policy.channels:
            continue
        is_sent: exp.Expr = exp.EQ(this=column("arm", _SENT), expression=exp.Literal.string(arm.id))
        if (closes := closes_at(definition, arm.id)) is not None:
            end = experiment.engine.instant_literal(closes)
            is_sent = all_of([is_sent, exp.LT(this=column("planned_send_at", _SENT), expression=end)])
        yield is_sent


def _level(policy: ContactPolicy, stage: str, kind: ContactKind, row: Row | None) -> ContactLevel:
    limits = policy.stages[stage]
    floor, ceiling = limits.bounds(kind)
    counts: Mapping[str, int] = {} if row is None else row
    return ContactLevel(
        stage=stage,
        kind=kind,
        days=limits.days,
        floor=floor,
        ceiling=ceiling,
        members=int(counts.get("members", 0)),
        below_floor=int(counts.get(f"below_{kind}", 0)),
        at_ceiling=int(counts.get(f"reached_{kind}", 0)),
        eligible=int(counts.get("eligible", 0)),
        eligible_below_floor=int(counts.get(f"eligible_below_{kind}", 0)),
    )
