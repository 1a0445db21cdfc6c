"""The audience: who may enter, by what was known before the snapshot, and each member's segment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sqlglot import exp

from experiments.audience.contact_levels import contact_levels
from experiments.audience.eligibility import (
    PROFILE,
    REFUSALS,
    Conditions,
    Eligibility,
    Rule,
    eligibility,
)
from experiments.audience.features import Profile, profile
from experiments.audience.floors import below_floor
from experiments.data.catalogue import Catalogue
from experiments.definition.columns import UNDER_FLOOR, is_reserved
from experiments.definition.expressions import Expression
from experiments.definition.model import Definition
from experiments.definition.origin import dotted
from experiments.documents.assignment import ContactLevel, RuleRemoval
from experiments.engines.protocol import ColumnType
from experiments.experiment import Experiment
from experiments.queries import column, fetch_rows, named, number, relation

_RELATION = "audience"
_RULE = "refused_rule"
_DECIDED = "decided"


@dataclass(frozen=True)
class Audience:
    """Every member, with segment and eligibility.

    Attributes:
        relation: The temporary table with one row a member: `member` (the key as text), `segment` (NULL where
            the definition has none), `refused_by` (the first reason of `REFUSALS` that removes the member;
            NULL for eligible), `refused_rule` (which rule that was, from 0), every feature, the contacts that a
            contact policy counts, `under_floor` where its `prefer` asks for it, and each members' column that the
            definition uses under its own name, unless `definition.columns.is_reserved` has it.
        columns: Its columns and their types.
        members: How many members there are.
        eligible: How many may enter.
        refused: Reason to the members it removed, all reasons in order; members whom an earlier reason
            removed are not counted again.
        rules: The same by rule: how many each removed and how many were left.
        contact_levels: Where a contact policy is, how many members of each stage are under a floor or at a ceiling.
    """

    relation: str
    columns: Mapping[str, ColumnType]
    members: int
    eligible: int
    refused: Mapping[str, int]
    rules: tuple[RuleRemoval, ...] = ()
    contact_levels: tuple[ContactLevel, ...] = ()


def build_audience(experiment: Experiment, catalogue: Catalogue, *, snapshot: date | None = None) -> Audience:
    """Decide on every member, by rows before 00:00 of the snapshot only.

    Args:
        experiment: The experiment.
        catalogue: Its data.
        snapshot: The day to decide as of, when it is not the definition's (a send day).

    Raises:
        OutsideError: The engine fails, or the ledger of another experiment of the group cannot be read.
    """
    definition, engine = experiment.definition, experiment.engine
    day = snapshot or snapshot_of(experiment)
    experiment.progress("Building the audience")
    found = profile(experiment, catalogue, day, used_columns(definition, catalogue))
    rules = eligibility(experiment, catalogue, found, day)
    decided = rules.joined(
        exp.select(
            named(column("member", PROFILE), "member"),
            named(segment_of(Conditions(experiment, catalogue, found)), "segment"),
            *(named(value, name) for name, value in carried(found).items()),
            *(named(column(name, PROFILE), name) for name in found.contacts.values()),
            *under_floor(definition, found),
            named(_first(rules), _RULE),
        ).from_(found.query.subquery(PROFILE))
    )
    refused = exp.select("*", named(_reason(rules), "refused_by")).from_(decided.subquery(_DECIDED))
    engine.create(_RELATION, refused)
    return _counted(experiment, rules)


def snapshot_of(experiment: Experiment) -> date:
    """The definition's snapshot; where it has none, or a new one each day, the day that is asked for, else today in its time zone."""
    definition = experiment.definition
    today = experiment.now.astimezone(definition.zone).date()
    return definition.audience.day or experiment.as_of or today


def used_columns(definition: Definition, catalogue: Catalogue) -> tuple[str, ...]:
    """The members' columns that conditions, strata, covariates or policies read, in the order of the data."""
    audience = definition.audience
    names = {name for _, condition in audience.conditions() for name in condition.columns}
    names |= {*definition.assignment.strata, *definition.design.covariates}
    names |= {
        *(definition.uplift.features if definition.uplift else ()),
        *([audience.unit] if audience.unit else []),
    }
    return tuple(name for name in catalogue.members.columns if name in names)


def carried(found: Profile) -> Mapping[str, exp.Expr]:
    """What a profile hands on: name to column; a column with the name of one of ours stays behind."""
    return {name: column(alias, PROFILE) for name, alias in found.columns.items() if not is_reserved(name)}


def segment_of(known: Conditions) -> exp.Expr:
    """The first segment whose condition holds."""
    case = exp.Case()
    for segment in known.experiment.definition.audience.segments:
        holds = known.holds(segment.when) if isinstance(segment.when, Expression) else exp.true()
        case = case.when(holds, exp.Literal.string(segment.id))
    return case if case.args.get("ifs") else exp.cast(exp.null(), exp.DType.TEXT)


def under_floor(definition: Definition, found: Profile) -> Iterator[exp.Expr]:
    """Whether a member comes first, as a column over a profile; none where the definition lets nobody."""
    policy = definition.audience.contact_policy
    if policy is not None and definition.prefers_under_floor:
        kind = definition.sent_kind
        stage, counted = (column(name, PROFILE) for name in (found.columns[policy.on], found.contacts[kind]))
        yield named(below_floor(policy, kind, stage, counted), UNDER_FLOOR)


def _first(found: Eligibility) -> exp.Expr:
    """The place of the first rule that removes a member."""
    case = exp.Case()
    for place, rule in enumerate(found.rules):
        case = case.when(rule.removes, number(place))
    return exp.cast(case if found.rules else exp.null(), exp.DType.INT)


def _reason(found: Eligibility) -> exp.Expr:
    """The reason that the first rule gives."""
    case = exp.Case(this=column(_RULE, _DECIDED))
    for place, rule in enumerate(found.rules):
        case = case.when(number(place), exp.Literal.string(rule.refusal))
    return case if found.rules else exp.cast(exp.null(), exp.DType.TEXT)


def _counted(experiment: Experiment, found: Eligibility) -> Audience:
    engine = experiment.engine
    place = column(_RULE)
    query = exp.select(place, named(exp.Count(this=exp.Star()), "members")).from_(relation(_RELATION))
    counts = {row[_RULE]: int(row["members"]) for row in fetch_rows(engine, query.group_by(place.copy()))}
    members = sum(counts.values())
    removed = [counts.get(place, 0) for place, _ in enumerate(found.rules)]
    by_reason: dict[str, int] = dict.fromkeys(REFUSALS, 0)
    for rule, count in zip(found.rules, removed, strict=True):
        by_reason[rule.refusal] += count
    return Audience(
        relation=_RELATION,
        columns=engine.columns(_RELATION),
        members=members,
        eligible=counts.get(None, 0),
        refused=by_reason,
        rules=tuple(_removals(found.rules, removed, members)),
        contact_levels=contact_levels(experiment, _RELATION),
    )


def _removals(rules: Sequence[Rule], removed: Sequence[int], members: int) -> Iterator[RuleRemoval]:
    left = members
    for rule, count in zip(rules, removed, strict=True):
        left -= count
        yield RuleRemoval(rule.refusal, dotted(rule.key_path), rule.text, count, left)
