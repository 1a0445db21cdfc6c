"""Why one member may enter or not: each rule in order, with its outcome and what it reads of the member."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlglot import exp

from experiments.assignment.draws import leading
from experiments.audience.audience import snapshot_of, under_floor, used_columns
from experiments.audience.eligibility import PROFILE, Refusal, Rule, eligibility
from experiments.audience.features import Profile, profile
from experiments.data.catalogue import Catalogue
from experiments.definition.columns import UNDER_FLOOR
from experiments.definition.errors import InputError
from experiments.definition.origin import KeyPath
from experiments.experiment import Experiment
from experiments.queries import column, fetch_rows, named


@dataclass(frozen=True)
class RuleOutcome:
    """What one rule says of one member.

    Attributes:
        refusal: The reason that the rule gives when it removes a member, as in `refused`.
        key_path: Where the definition says it.
        text: What it says, in the definition's own words where it has any.
        removes: Whether it removes this member, whatever the rules before it say; the first that does is the reason.
        values: The columns and features that it decides by, as of the snapshot; a contact limit adds `contacts`, the
            number of contacts that it counts, a draw `digits`, the first 13 of the member's hash.
    """

    refusal: Refusal
    key_path: KeyPath
    text: str
    removes: bool
    values: Mapping[str, Any]


@dataclass(frozen=True)
class MemberRules:
    """Every rule for one member, in order.

    Attributes:
        outcomes: What each rule says.
        under_floor: Whether the member is under the floor of the own stage, and so comes first; None where the definition lets
            nobody.
    """

    outcomes: tuple[RuleOutcome, ...] = ()
    under_floor: bool | None = None


def explain_member(
    experiment: Experiment, catalogue: Catalogue, member: str, *, snapshot: date | None = None
) -> MemberRules:
    """Every rule of the audience for one member, in order, by rows before 00:00 of the snapshot only.

    The member may enter where no rule removes; otherwise the first that does is the reason.

    Args:
        experiment: The experiment.
        catalogue: Its data.
        member: The member's key as text.
        snapshot: The day to decide as of, when it is not the definition's.

    Raises:
        InputError: There is no such member.
        OutsideError: The engine fails, or the ledger of another experiment of the group cannot be read.
    """
    definition, engine = experiment.definition, experiment.engine
    day = snapshot or snapshot_of(experiment)
    found = profile(experiment, catalogue, day, used_columns(definition, catalogue))
    rules = eligibility(experiment, catalogue, found, day)
    query = exp.select(column("member", PROFILE))
    for place, rule in enumerate(rules.rules):
        query = query.select(named(rule.removes, f"rule_{place}"))
        query = query.select(*(named(value, f"{name}_{place}") for name, value in _read(found, rule).items()))
    query = query.select(*under_floor(definition, found))
    is_member = exp.EQ(
        this=engine.collated(column("member", PROFILE)),
        expression=engine.collated(exp.Literal.string(member)),
    )
    rows = fetch_rows(engine, rules.joined(query.from_(found.query.subquery(PROFILE)).where(is_member)))
    if not rows:
        raise InputError.single(
            f"there is no member `{member}`",
            "write the key as it stands in the data of `members`",
            key="--explain",
        )
    row = rows[0]
    outcomes = []
    for place, rule in enumerate(rules.rules):
        values = {name: row[f"{name}_{place}"] for name in _read(found, rule)}
        outcomes.append(
            RuleOutcome(rule.refusal, rule.key_path, rule.text, bool(row[f"rule_{place}"]), values)
        )
    return MemberRules(tuple(outcomes), row.get(UNDER_FLOOR))


def _read(found: Profile, rule: Rule) -> Mapping[str, exp.Expr]:
    """What a rule decides by, by the name under which it is told."""
    read: dict[str, exp.Expr] = {name: column(found.columns[name], PROFILE) for name in rule.reads}
    if rule.counts is not None:
        read["contacts"] = column(rule.counts, PROFILE)
    if rule.digits is not None:
        read["digits"] = leading(rule.digits)
    return read
