"""The rollout's draw: holdout, exploration and offers of everybody who may be offered something, kept in one ledger file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np
from sqlglot import exp

from experiments.assignment.draws import below_share, purpose_hash
from experiments.audience.audience import Audience
from experiments.definition.policy import Rollout
from experiments.experiment import Experiment
from experiments.queries import column, double, fetch_rows, is_null, named, number, relation, when
from uplift.evidence import Evidence
from uplift.features import Array
from uplift.offers import Offers
from uplift.scoring import cell_of_members
from uplift.sql import SEGMENT

Reason = Literal["offer", "holdout", "explore", "not_offered"]

PEOPLE = "rollout_people"
LEDGER = "rollout_ledger"
_OFFERABLE = "offer"


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


def draw_people(
    evidence: Evidence, audience: Audience, offers: Offers, settings: Rollout, eligible: tuple[int, ...]
) -> None:
    """Everybody who is eligible now and was not in the test, with part, role and ramp step, as relation PEOPLE.

    A member is in the holdout by its `holdout` hash; of the others, one explores by its `explore` hash, of which equal parts
    belong to the eligible arms; the rest is for the policy. The `send` hash decides the ramp step. None of the three chose the
    test's sample, so that members who were left over from it and members who came later have the same chances.
    """
    experiment = evidence.experiment
    engine, salt, shares = experiment.engine, experiment.definition.salt, Shares.of(settings)
    member = column("member", "people")
    held = below_share(engine, purpose_hash(engine, salt, "holdout", member), shares.holdout)
    drawn = purpose_hash(engine, salt, "explore", member)
    explore = shares.explore / (1 - shares.holdout)
    arm = exp.Case()
    for place, k in enumerate(eligible, start=1):
        arm = arm.when(
            below_share(engine, drawn, explore * place / len(eligible)), exp.Literal.string(offers.arms[k])
        )
    step = exp.Case()
    for place, share in enumerate(settings.ramp, start=1):
        sent = below_share(engine, purpose_hash(engine, salt, "send", member), Fraction(str(share)))
        step = step.when(sent, number(place))
    role = exp.Case().when(held, exp.Literal.string("holdout"))
    role = role.when(below_share(engine, drawn, explore), exp.Literal.string("explore"))
    cells = cell_of_members(experiment, audience, offers)
    query = (
        exp.select(
            named(member, "member"),
            named(column(SEGMENT, "people"), SEGMENT),
            named(column("cell", "cells"), "cell"),
            named(role.else_(exp.Literal.string(_OFFERABLE)), "role"),
            named(arm.else_(exp.Literal.string(offers.arms[0])), "explored"),
            named(step.else_(number(len(settings.ramp))), "ramp_step"),
            named(drawn, "digits"),
        )
        .from_(relation(audience.relation, "people"))
        .join(relation(cells, "cells"), on=_same_member("cells"))
        .join(relation(evidence.assigned.relation, "tested"), on=_same_member("tested"), join_type="left")
        .where(exp.and_(is_null(column("refused_by", "people")), is_null(column("member", "tested"))))
    )
    engine.create(PEOPLE, query)


def count_people(experiment: Experiment, offers: Offers) -> tuple[Array, Array]:
    """Members for the policy to decide on, shape (C,), and exploring members, shape (C, K)."""
    query = exp.select(
        column("cell"), column("role"), column("explored"), named(exp.Count(this=exp.Star()), "members")
    ).from_(relation(PEOPLE))
    policy, explore = np.zeros(len(offers.arm)), np.zeros(offers.gains.shape)
    for row in fetch_rows(
        experiment.engine, query.group_by(column("cell"), column("role"), column("explored"))
    ):
        if row["role"] == _OFFERABLE:
            policy[row["cell"]] += row["members"]
        elif row["role"] == "explore":
            explore[row["cell"], offers.arms.index(row["explored"])] += row["members"]
    return policy, explore


def write_ledger(
    evidence: Evidence,
    offers: Offers,
    settings: Rollout,
    given: Array,
    sizes: Array,
    eligible: tuple[int, ...],
    mark: str,
) -> Path:
    """Give `given` members of each part each arm, the lowest by `explore` hash, and write the ledger, whole.

    Of the members that the policy decides on, the `explore` hash is known only to lie above exploration's threshold: above
    it, it is uniform and independent of all else about a member.

    Columns: `experiment, member, segment, cell, arm, reason, propensity, ramp_step, policy, definition_sha256`. The propensity
    is the probability, over the rollout's own draws, with which a member of that part gets the arm that it got.

    Args:
        evidence: The test.
        offers: What is offered.
        settings: Shares and ramp.
        given: Shape (C, K): members who are offered each arm.
        sizes: Shape (C,): members that the policy decides on.
        eligible: The arms that explore.
        mark: Says which policy drew.
    """
    experiment = evidence.experiment
    engine, definition = experiment.engine, experiment.definition
    ranked = exp.select("*", named(_rank(experiment), "rank")).from_(relation(PEOPLE))
    offered = exp.Case()
    for cell, counts in enumerate(given.astype(int)):
        before = 0
        for k in np.flatnonzero(counts).tolist():
            before += int(counts[k])
            here = exp.EQ(this=column("cell"), expression=number(cell))
            first = exp.LTE(this=column("rank"), expression=number(before))
            offered = offered.when(exp.and_(here, first), exp.Literal.string(offers.arms[k]))
    control = exp.Literal.string(offers.arms[0])
    policy_arm = offered.else_(control.copy()) if offered.args.get("ifs") else control.copy()
    arm = (
        exp.Case()
        .when(_is_role("holdout"), control.copy())
        .when(_is_role("explore"), column("explored"))
        .else_(policy_arm)
    )
    decided = exp.select("*", named(arm, "arm")).from_(ranked.subquery("ranked"))
    nothing = exp.and_(_is_role(_OFFERABLE), exp.EQ(this=column("arm"), expression=control.copy()))
    query = exp.select(
        named(exp.Literal.string(definition.id), "experiment"),
        column("member"),
        column(SEGMENT),
        column("cell"),
        column("arm"),
        named(when(nothing, exp.Literal.string("not_offered"), column("role")), "reason"),
        named(_propensity(offers, Shares.of(settings), given, sizes, eligible), "propensity"),
        column("ramp_step"),
        named(exp.Literal.string(mark), "policy"),
        named(exp.Literal.string(definition.origin.sha256), "definition_sha256"),
    ).from_(decided.subquery("decided"))
    path = ledger_path(experiment)
    engine.write(query.order_by(engine.collated(column("member"))), path)
    return path


def ledger_path(experiment: Experiment) -> Path:
    """Where the rollout's ledger stands; its presence means that the members have been drawn."""
    return experiment.workspace.rollout / "ledger.parquet"


@dataclass(frozen=True)
class Drawn:
    """What a ledger says.

    Attributes:
        counts: Members by part and arm, shape (C, K), for each reason.
        sent: The arms and ramp steps that somebody is sent.
        marks: The policies that drew.
        definitions: The definitions that drew.
    """

    counts: Mapping[Reason, Array]
    sent: frozenset[tuple[str, int]]
    marks: frozenset[str]
    definitions: frozenset[str]


def read_ledger(experiment: Experiment, arms: tuple[str, ...]) -> Drawn:
    """Make the ledger readable as relation LEDGER, and count it."""
    engine = experiment.engine
    engine.read_files(LEDGER, [ledger_path(experiment)], exp.select(number(1)))
    names = ("cell", "arm", "reason", "ramp_step", "policy", "definition_sha256")
    keys = [column(name) for name in names]
    query = exp.select(*keys, named(exp.Count(this=exp.Star()), "members")).from_(relation(LEDGER))
    rows = fetch_rows(engine, query.group_by(*(key.copy() for key in keys)))
    cells = 1 + max((int(row["cell"]) for row in rows), default=0)
    counts: dict[Reason, Array] = {
        reason: np.zeros((cells, len(arms))) for reason in ("offer", "holdout", "explore", "not_offered")
    }
    for row in rows:
        counts[row["reason"]][row["cell"], arms.index(row["arm"])] += row["members"]
    return Drawn(
        counts,
        frozenset((row["arm"], int(row["ramp_step"])) for row in rows if row["arm"] != arms[0]),
        frozenset(row["policy"] for row in rows),
        frozenset(row["definition_sha256"] for row in rows),
    )


def _propensity(
    offers: Offers, shares: Shares, given: Array, sizes: Array, eligible: tuple[int, ...]
) -> exp.Expr:
    case = exp.Case()
    for cell in range(len(given)):
        part = given[cell] / max(sizes[cell], 1.0)
        chance = float(shares.rest) * part
        chance[0] = float(shares.holdout) + float(shares.rest) * (1.0 - float(part.sum()))
        for k in eligible:
            chance[k] += float(shares.explore) / len(eligible)
        for k in np.flatnonzero(chance > 0).tolist():
            here = exp.EQ(this=column("cell"), expression=number(cell))
            got = exp.EQ(this=column("arm"), expression=exp.Literal.string(offers.arms[k]))
            case = case.when(exp.and_(here, got), double(float(chance[k])))
    return case


def _rank(experiment: Experiment) -> exp.Expr:
    order = [
        exp.Ordered(this=experiment.engine.collated(column("digits")), nulls_first=False),
        exp.Ordered(this=experiment.engine.collated(column("member")), nulls_first=False),
    ]
    return exp.Window(
        this=exp.RowNumber(),
        partition_by=[column("cell"), column("role")],
        order=exp.Order(expressions=order),
    )


def _is_role(role: str) -> exp.Expr:
    return exp.EQ(this=column("role"), expression=exp.Literal.string(role))


def _same_member(alias: str) -> exp.Expr:
    return exp.EQ(this=column("member", alias), expression=column("member", "people"))
