"""The rollout's draw: everybody who may be offered something, with part, role and ramp step, by hashes that anyone can re-compute."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from sqlglot import exp

from experiments.assignment.draws import below_share, purpose_hash, unit_key
from experiments.audience.audience import Audience
from experiments.definition.columns import UNDER_FLOOR
from experiments.definition.rollout import Rollout
from experiments.engines.protocol import Engine
from experiments.experiment import Experiment
from experiments.queries import column, fetch_rows, is_null, named, number, relation, when
from uplift.budget import Groups
from uplift.evidence import Evidence
from uplift.features import Array
from uplift.offers import Offers
from uplift.rules import Individual
from uplift.scoring import score_members, worth_column
from uplift.sql import SEGMENT

PEOPLE = "rollout_people"
OFFERABLE = "offer"
_CANDIDATES = "rollout_candidates"
_DRAWN_BY = "drawn by"
_CLASSES = 2
"""Where members under a floor come first, each part is two: theirs, with an even number, and that of the others."""


@dataclass(frozen=True)
class Shares:
    """The rollout's shares, exact: of all members for the holdout and for exploration."""

    holdout: Fraction
    explore: Fraction

    @classmethod
    def of(cls, settings: Rollout) -> Shares:
        """As the definition writes them."""
        return cls(Fraction(str(settings.holdout_share)), Fraction(str(settings.explore_share)))

    @property
    def rest(self) -> Fraction:
        """The share that the policy decides on."""
        return 1 - self.holdout - self.explore

    @property
    def explore_of_others(self) -> Fraction:
        """The share of exploration among the members who are not held out."""
        return self.explore / (1 - self.holdout)


@dataclass(frozen=True)
class People:
    """How many there are.

    Attributes:
        sizes: Shape (G,): members for the policy to decide on, by group.
        explored: Shape (C, K): exploring members, by part of the audience and arm.
        groups: The groups of a rule that is a model, or of a part of which some come first; None where each part is one.
    """

    sizes: Array
    explored: Array
    groups: Groups | None = None

    @property
    def members(self) -> float:
        """Members whom somebody decides about: the policy or chance."""
        return float(self.sizes.sum() + self.explored.sum())


def draw_people(
    evidence: Evidence, audience: Audience, offers: Offers, settings: Rollout, eligible: tuple[int, ...]
) -> None:
    """Everybody who is eligible now and was not in the test, with part, role and ramp step, as relation PEOPLE.

    A member is in the holdout by its `holdout` hash; of the others, one explores by its `explore` hash, of which equal parts
    belong to the eligible arms; the rest is for the policy. The `send` hash decides the ramp step. None of the three chose the
    test's sample, so that members who were left over from it and members who came later have the same chances. Members of one
    unit are drawn together, as the test's were. Where members under the floor of their stage come first, a part that is allocated
    is two, theirs and that of the others; neither holdout nor exploration asks for it.
    """
    experiment = evidence.experiment
    engine, salt, shares = experiment.engine, experiment.definition.salt, Shares.of(settings)
    _find_candidates(evidence, audience)
    drawn_by, member = column(_DRAWN_BY, "people"), column("member", "people")
    held = below_share(engine, purpose_hash(engine, salt, "holdout", drawn_by), shares.holdout)
    drawn = purpose_hash(engine, salt, "explore", drawn_by)
    explore = shares.explore_of_others
    arm = exp.Case()
    for place, k in enumerate(eligible, start=1):
        arm = arm.when(
            below_share(engine, drawn, explore * place / len(eligible)), exp.Literal.string(offers.arms[k])
        )
    role = exp.Case().when(held, exp.Literal.string("holdout"))
    role = role.when(below_share(engine, drawn, explore), exp.Literal.string("explore"))
    cells = score_members(experiment, audience, offers)
    worth = [name for name in engine.columns(cells) if name not in {"member", "cell", "part"}]
    part: exp.Expr = column("part", "cells")
    beside = [named(column(name, "cells"), name) for name in worth]
    if experiment.definition.prefers_under_floor:
        first = column(UNDER_FLOOR, "people")
        other = when(first, number(0), number(1))
        part = exp.Add(this=exp.Mul(this=part, expression=number(_CLASSES)), expression=other)
        beside.append(named(first.copy(), UNDER_FLOOR))
    query = (
        exp.select(
            named(member, "member"),
            named(column(SEGMENT, "people"), SEGMENT),
            named(column("cell", "cells"), "cell"),
            named(part, "part"),
            *beside,
            named(role.else_(exp.Literal.string(OFFERABLE)), "role"),
            named(arm.else_(exp.Literal.string(offers.arms[0])), "explored"),
            named(_ramp_step(engine, salt, settings, drawn_by), "ramp_step"),
            named(drawn, "digits"),
        )
        .from_(relation(_CANDIDATES, "people"))
        .join(relation(cells, "cells"), on=_same_member("cells"))
    )
    engine.create(PEOPLE, query)


def count_people(experiment: Experiment, offers: Offers) -> People:
    """Members for the policy and exploring members, by group and by part of the audience."""
    explored = np.zeros(offers.gains.shape)
    query = exp.select(
        column("cell"), column("role"), column("explored"), named(exp.Count(this=exp.Star()), "members")
    ).from_(relation(PEOPLE))
    sizes = np.zeros(len(offers.arm))
    for row in fetch_rows(
        experiment.engine, query.group_by(column("cell"), column("role"), column("explored"))
    ):
        if row["role"] == OFFERABLE:
            sizes[row["cell"]] += row["members"]
        elif row["role"] == "explore":
            explored[row["cell"], offers.arms.index(row["explored"])] += row["members"]
    by_model = isinstance(offers.rule, Individual)
    if not by_model and not experiment.definition.prefers_under_floor:
        return People(sizes, explored)
    return _count_groups(experiment, offers, explored, by_model=by_model)


def _count_groups(experiment: Experiment, offers: Offers, explored: Array, *, by_model: bool) -> People:
    worth = [worth_column(k) for k in range(len(offers.arms))] if by_model else []
    keys = ["part", "cell", *worth]
    decided = exp.Case().when(is_role(OFFERABLE), number(1)).else_(number(0))
    query = exp.select(*(column(name) for name in keys), named(exp.Sum(this=decided), "members"))
    query = query.from_(relation(PEOPLE)).group_by(*(column(name) for name in keys)).order_by(column("part"))
    found = experiment.engine.fetch(query).to_pandas()
    # Parts are numbered over everybody scored; some have no member outside of the test.
    groups = int(found["part"].max()) + 1 if len(found) else 0
    at = found["part"].to_numpy(dtype=np.int64)
    sizes, cell = np.zeros(groups), np.zeros(groups, dtype=np.int64)
    sizes[at], cell[at] = found["members"].to_numpy(dtype=float), found["cell"].to_numpy(dtype=np.int64)
    predicted = None
    if by_model:
        predicted = np.zeros((groups, len(worth)))
        predicted[at] = found[worth].to_numpy(dtype=float)
    first = None
    if experiment.definition.prefers_under_floor:
        first = np.arange(groups) % _CLASSES == 0
    return People(sizes, explored, Groups(cell, predicted, first))


def is_role(role: str) -> exp.Expr:
    """Whether a member of PEOPLE has this role."""
    return exp.EQ(this=column("role"), expression=exp.Literal.string(role))


def _find_candidates(evidence: Evidence, audience: Audience) -> None:
    """The members who are eligible and were not in the test, each with the key that it is drawn by."""
    experiment = evidence.experiment
    unit = experiment.definition.audience.unit
    key = unit_key(experiment.engine, unit if unit in audience.columns else None)
    names = ["member", SEGMENT, _DRAWN_BY]
    people = exp.select(
        named(column("member"), "member"), named(column(SEGMENT), SEGMENT), named(key, _DRAWN_BY)
    ).from_(relation(audience.relation))
    if experiment.definition.prefers_under_floor:
        # A unit comes first for one of its members, as it did in the test.
        other = exp.Min(this=when(column(UNDER_FLOOR), number(0), number(1)))
        of_unit = exp.Window(this=other, partition_by=[key.copy()])
        people = people.select(named(exp.EQ(this=of_unit, expression=number(0)), UNDER_FLOOR))
        names.append(UNDER_FLOOR)
    query = (
        exp.select(*(named(column(name, "people"), name) for name in names))
        .from_(people.where(is_null(column("refused_by"))).subquery("people"))
        .join(relation(evidence.assigned.relation, "tested"), on=_same_member("tested"), join_type="left")
        .where(is_null(column("member", "tested")))
    )
    experiment.engine.create(_CANDIDATES, query)


def _ramp_step(engine: Engine, salt: str, settings: Rollout, drawn_by: exp.Expr) -> exp.Expr:
    step = exp.Case()
    for place, share in enumerate(settings.ramp, start=1):
        sent = below_share(engine, purpose_hash(engine, salt, "send", drawn_by), Fraction(str(share)))
        step = step.when(sent, number(place))
    return step.else_(number(len(settings.ramp)))


def _same_member(alias: str) -> exp.Expr:
    return exp.EQ(this=column("member", alias), expression=column("member", "people"))
