"""The audience: who may enter, by what was known before the snapshot, and each member's segment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal, get_args

from sqlglot import exp

from experiments.assignment.draws import below_share, purpose_hash
from experiments.audience.exclusion import open_exclude_list
from experiments.audience.exclusive_group import members_in_running_tests
from experiments.audience.features import Profile, profile
from experiments.data.catalogue import Catalogue
from experiments.definition.columns import is_reserved
from experiments.definition.expressions import Expression
from experiments.definition.model import Definition
from experiments.engines.protocol import ColumnType
from experiments.engines.translate import translate
from experiments.experiment import Experiment
from experiments.queries import coalesce, column, fetch_rows, is_null, named, number, relation

Refusal = Literal["include", "exclude_lists", "holdout", "exclusive_group", "contact_caps"]
REFUSALS: tuple[Refusal, ...] = get_args(Refusal)
"""Why a member may not enter, in the order in which the reasons are asked for."""

_RELATION = "audience"
PROFILE = "profile"
"""The alias under which queries read a profile."""


@dataclass(frozen=True)
class Audience:
    """Every member, with segment and eligibility.

    Attributes:
        relation: The temporary table with one row a member: `member` (the key as text), `segment` (NULL where
            the definition has none), `refused_by` (the first reason of `REFUSALS` that removes the member;
            NULL for eligible), every feature, and each members' column that the definition uses under its own
            name, unless `definition.columns.is_reserved` has it.
        columns: Its columns and their types.
        members: How many members there are.
        eligible: How many may enter.
        refused: Reason to the members it removed, all reasons in order; members whom an earlier reason
            removed are not counted again.
    """

    relation: str
    columns: Mapping[str, ColumnType]
    members: int
    eligible: int
    refused: Mapping[str, int]


def build_audience(experiment: Experiment, catalogue: Catalogue, *, snapshot: date | None = None) -> Audience:
    """Decide on every member, by rows before 00:00 of the snapshot only.

    A condition that is NULL does not hold. A contact cap removes a member who already had `max` contacts in
    its rolling days, because the test would add one.

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
    known = _Conditions(experiment, catalogue, found)
    query = exp.select(
        named(column("member", PROFILE), "member"),
        named(known.segment(), "segment"),
        *(named(value, name) for name, value in carried(found).items()),
    ).from_(found.query.subquery(PROFILE))
    refusals: dict[Refusal, exp.Expr] = {}
    if definition.audience.include is not None:
        refusals["include"] = exp.not_(coalesce(known.condition(definition.audience.include), exp.false()))
    for reason, keys in _lists(experiment, day).items():
        query = query.join(
            keys.subquery(reason),
            on=exp.EQ(this=column("member", reason), expression=column("member", PROFILE)),
            join_type="left",
        )
        refusals[reason] = exp.not_(is_null(column("member", reason)))
    if definition.holdout is not None and definition.audience.global_holdout == "exclude":
        drawn = purpose_hash(engine, definition.holdout.salt, "holdout", column("member", PROFILE))
        refusals["holdout"] = below_share(engine, drawn, definition.holdout.share)
    if found.caps:
        refusals["contact_caps"] = exp.or_(
            *(
                exp.GTE(this=column(name, PROFILE), expression=number(cap.max))
                for name, cap in zip(found.caps, definition.audience.contact_caps, strict=True)
            )
        )
    engine.create(_RELATION, query.select(named(_first(refusals), "refused_by")))
    return _counted(experiment)


def snapshot_of(experiment: Experiment) -> date:
    """The definition's snapshot; today in its time zone where it has none."""
    definition = experiment.definition
    return definition.audience.snapshot or experiment.now.astimezone(definition.zone).date()


def used_columns(definition: Definition, catalogue: Catalogue) -> tuple[str, ...]:
    """The members' columns that conditions, strata, covariates or policies read, in the order of the data."""
    audience = definition.audience
    conditions = [audience.include, *(segment.when for segment in audience.segments)]
    names = {
        name for condition in conditions if isinstance(condition, Expression) for name in condition.columns
    }
    names |= {*definition.assignment.strata, *definition.design.covariates}
    names |= {
        *(definition.uplift.features if definition.uplift else ()),
        *([audience.unit] if audience.unit else []),
    }
    return tuple(name for name in catalogue.members.columns if name in names)


def carried(found: Profile) -> Mapping[str, exp.Expr]:
    """What a profile hands on: name to column; a column with the name of one of ours stays behind."""
    return {name: column(alias, PROFILE) for name, alias in found.columns.items() if not is_reserved(name)}


@dataclass(frozen=True)
class _Conditions:
    """Conditions over members' columns and features, over a profile."""

    experiment: Experiment
    catalogue: Catalogue
    found: Profile

    def condition(self, expression: Expression) -> exp.Expr:
        return translate(
            expression,
            lambda name: column(self.found.columns[name], PROFILE),
            self.catalogue.member_kinds,
            self.experiment.engine,
            self.experiment.definition.zone,
        )

    def segment(self) -> exp.Expr:
        """The first segment whose condition holds."""
        case = exp.Case()
        for segment in self.experiment.definition.audience.segments:
            holds = self.condition(segment.when) if isinstance(segment.when, Expression) else exp.true()
            case = case.when(holds, exp.Literal.string(segment.id))
        return case if case.args.get("ifs") else exp.cast(exp.null(), exp.DType.TEXT)


def _lists(experiment: Experiment, day: date) -> dict[Refusal, exp.Select]:
    """Refusals that are lists of members: the keys of each, once, under the name `member`."""
    found: dict[Refusal, exp.Select] = {}
    lists = [
        open_exclude_list(experiment, place).members(experiment)
        for place, _ in enumerate(experiment.definition.audience.exclude_lists)
    ]
    if lists:
        found["exclude_lists"] = _distinct(lists)
    running = members_in_running_tests(experiment, day)
    if running:
        found["exclusive_group"] = _distinct(running)
    return found


def _distinct(queries: list[exp.Select]) -> exp.Select:
    together: exp.Query = queries[0] if len(queries) == 1 else exp.union(*queries, distinct=False)
    return exp.select(column("member")).distinct().from_(together.subquery("lists"))


def _first(refusals: Mapping[Refusal, exp.Expr]) -> exp.Expr:
    case = exp.Case()
    for reason in REFUSALS:
        if reason in refusals:
            case = case.when(refusals[reason], exp.Literal.string(reason))
    return case if case.args.get("ifs") else exp.cast(exp.null(), exp.DType.TEXT)


def _counted(experiment: Experiment) -> Audience:
    engine = experiment.engine
    reason = column("refused_by")
    query = exp.select(reason, named(exp.Count(this=exp.Star()), "members")).from_(relation(_RELATION))
    counts = {
        row["refused_by"]: int(row["members"]) for row in fetch_rows(engine, query.group_by(reason.copy()))
    }
    return Audience(
        relation=_RELATION,
        columns=engine.columns(_RELATION),
        members=sum(counts.values()),
        eligible=counts.get(None, 0),
        refused={each: counts.get(each, 0) for each in REFUSALS},
    )
