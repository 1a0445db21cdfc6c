"""The rollout's ledger: one row for each member, written once and whole; who stands in it is never drawn again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from sqlglot import exp

from experiments.assignment.draws import STEPS, leading
from experiments.definition.columns import UNDER_FLOOR
from experiments.experiment import Experiment
from experiments.queries import as_double, column, double, fetch_rows, named, number, relation, when
from uplift.budget import Plan
from uplift.documents import RolloutClass
from uplift.evidence import Evidence
from uplift.features import Array
from uplift.forecast import Strata
from uplift.offers import Offers
from uplift.rollout_draw import OFFERABLE, PEOPLE, Shares, is_role
from uplift.scoring import scratch
from uplift.sql import SEGMENT

Reason = Literal["offer", "holdout", "explore", "not_offered"]

LEDGER = "rollout_ledger"
_GIVEN = "rollout_given"


def ledger_path(experiment: Experiment) -> Path:
    """Where the rollout's ledger stands; its presence means that the members have been drawn."""
    return experiment.workspace.rollout / "ledger.parquet"


def write_ledger(
    evidence: Evidence, offers: Offers, shares: Shares, plan: Plan, eligible: tuple[int, ...], mark: str
) -> Path:
    """Give the plan's members of each group their arms, the lowest by `explore` hash, and write the ledger, whole.

    Of the members that the policy decides on, the `explore` hash is known only to lie above exploration's threshold: above
    it, it is uniform and independent of all else about a member.

    Columns: `experiment, member, segment, cell, arm, policy_arm, reason, propensity, ramp_step, policy, definition_sha256`. The
    propensity is the probability, over the rollout's own draws, with which a member of that group gets the arm that it got;
    `policy_arm` is what the policy gives or, to those who are held out or explore, would have given. Where members under the floor
    of their stage come first, `under_floor` says who they are.

    Args:
        evidence: The test.
        offers: What is offered.
        shares: Of holdout and exploration.
        plan: Members of each group who are offered each arm.
        eligible: The arms that explore.
        mark: Says which policy drew.
    """
    experiment = evidence.experiment
    engine, definition = experiment.engine, experiment.definition
    with scratch(experiment) as folder:
        _read_back(experiment, plan, _chances(shares, plan, eligible), folder / "given.parquet")
        ranked = exp.select("*", named(_rank(experiment), "rank")).from_(relation(PEOPLE))
        joined = (
            exp.select("*")
            .from_(ranked.subquery("ranked"))
            .join(relation(_GIVEN, "given"), on=exp.EQ(this=column("part"), expression=column("given_part")))
        )
        decided = exp.select("*", *_decisions(experiment, offers, shares)).from_(joined.subquery("joined"))
        nothing = exp.and_(is_role(OFFERABLE), _is_arm("arm", offers.arms[0]))
        query = exp.select(
            named(exp.Literal.string(definition.id), "experiment"),
            column("member"),
            column(SEGMENT),
            column("cell"),
            column("arm"),
            column("policy_arm"),
            named(when(nothing, exp.Literal.string("not_offered"), column("role")), "reason"),
            named(_propensity(offers), "propensity"),
            column("ramp_step"),
            named(exp.Literal.string(mark), "policy"),
            *([column(UNDER_FLOOR)] if definition.prefers_under_floor else []),
            named(exp.Literal.string(definition.origin.sha256), "definition_sha256"),
        ).from_(decided.subquery("decided"))
        path = ledger_path(experiment)
        engine.write(query.order_by(engine.collated(column("member"))), path)
    return path


@dataclass(frozen=True)
class Drawn:
    """What a ledger says.

    Attributes:
        counts: Members by part and arm, shape (C, K), for each reason.
        strata: Who is contacted and who is held out, by part and by what the policy gives.
        steps: Members of each ramp step.
        marks: The policies that drew.
        classes: Where members under the floor of their stage come first, what they and the others get.
    """

    counts: Mapping[Reason, Array]
    strata: Strata
    steps: Mapping[int, int]
    marks: frozenset[str]
    classes: tuple[RolloutClass, ...] = ()


def read_ledger(experiment: Experiment, offers: Offers) -> Drawn:
    """Make the ledger readable as relation LEDGER, and count it."""
    engine, arms = experiment.engine, offers.arms
    engine.read_files(LEDGER, [ledger_path(experiment)], exp.select(number(1)))
    keys = [column(name) for name in ("cell", "arm", "policy_arm", "reason", "ramp_step", "policy")]
    query = exp.select(*keys, named(exp.Count(this=exp.Star()), "members")).from_(relation(LEDGER))
    rows = fetch_rows(engine, query.group_by(*(key.copy() for key in keys)))
    cells = max([len(offers.arm), *(1 + int(row["cell"]) for row in rows)])
    shape = (cells, len(arms))
    counts: dict[Reason, Array] = {
        reason: np.zeros(shape) for reason in ("offer", "holdout", "explore", "not_offered")
    }
    contacted, held = np.zeros((*shape, len(arms))), np.zeros(shape)
    explored = np.zeros_like(contacted)
    steps: dict[int, int] = {}
    for row in rows:
        cell, arm, members = int(row["cell"]), arms.index(row["arm"]), int(row["members"])
        counts[row["reason"]][cell, arm] += members
        steps[int(row["ramp_step"])] = steps.get(int(row["ramp_step"]), 0) + members
        planned = arms.index(row["policy_arm"])
        if row["reason"] == "holdout":
            held[cell, planned] += members
        elif row["reason"] != "not_offered":
            (contacted if row["reason"] == "offer" else explored)[cell, planned, arm] += members
    marks = frozenset(str(row["policy"]) for row in rows)
    return Drawn(counts, Strata.of(contacted, explored, held), steps, marks, _classes(experiment))


def _classes(experiment: Experiment) -> tuple[RolloutClass, ...]:
    if not experiment.definition.prefers_under_floor:
        return ()
    keys = [column(UNDER_FLOOR), column("reason")]
    query = exp.select(*keys, named(exp.Count(this=exp.Star()), "members")).from_(relation(LEDGER))
    rows = fetch_rows(experiment.engine, query.group_by(*(key.copy() for key in keys)))
    found: dict[bool, dict[str, int]] = {True: {}, False: {}}
    for row in rows:
        found[bool(row[UNDER_FLOOR])][row["reason"]] = int(row["members"])
    return tuple(
        RolloutClass(first, sum(counts.values()), counts.get("offer", 0), counts.get("not_offered", 0))
        for first, counts in found.items()
    )


def _chances(shares: Shares, plan: Plan, eligible: tuple[int, ...]) -> Array:
    """Shape (G, K): the probability of each arm in each group, over holdout, exploration and the policy's own draw."""
    chance = float(shares.rest) * plan.shares
    chance[:, 0] = float(shares.holdout) + float(shares.rest) * (1.0 - plan.shares.sum(axis=1))
    for k in eligible:
        chance[:, k] += float(shares.explore) / len(eligible)
    return chance


def _read_back(experiment: Experiment, plan: Plan, chance: Array, path: Path) -> None:
    """The plan as relation: of each group the last rank of each arm, its upper share, and its probability."""
    import pyarrow as pa
    import pyarrow.parquet as parquet

    groups, arms = plan.given.shape
    last = plan.given.cumsum(axis=1).astype(np.int64)
    until = plan.shares.cumsum(axis=1)
    columns: dict[str, object] = {"given_part": np.arange(groups)}
    for k in range(arms):
        columns |= {f"last_{k}": last[:, k], f"until_{k}": until[:, k], f"chance_{k}": chance[:, k]}
    parquet.write_table(pa.table(columns), path)
    engine = experiment.engine
    like = exp.select(*(named(number(0), name) for name in columns))
    engine.read_files(f"{_GIVEN}_file", [path], like)
    engine.create(_GIVEN, exp.select("*").from_(relation(f"{_GIVEN}_file")))


def _decisions(experiment: Experiment, offers: Offers, shares: Shares) -> tuple[exp.Expr, exp.Expr]:
    """The arm, and what the policy gives or would have given, over ranked people joined with the plan."""
    control = exp.Literal.string(offers.arms[0])
    by_rank, by_chance = exp.Case(), exp.Case()
    where = _position(experiment, shares)
    for k, name in enumerate(offers.arms):
        if k:
            arm = exp.Literal.string(name)
            by_rank = by_rank.when(exp.LTE(this=column("rank"), expression=column(f"last_{k}")), arm)
            by_chance = by_chance.when(exp.LT(this=where.copy(), expression=column(f"until_{k}")), arm.copy())
    by_rank, by_chance = by_rank.else_(control.copy()), by_chance.else_(control.copy())
    own = exp.Case().when(is_role("holdout"), control.copy()).when(is_role("explore"), column("explored"))
    planned = when(is_role(OFFERABLE), by_rank.copy(), by_chance)
    return named(own.else_(by_rank), "arm"), named(planned, "policy_arm")


def _position(experiment: Experiment, shares: Shares) -> exp.Expr:
    """Where in [0, 1) the `explore` hash lies among those of the same role, which is held out or explores."""
    digits = experiment.engine.hex_integer(leading(column("digits")))
    whole = exp.Div(this=as_double(digits), expression=double(float(STEPS)))
    explore = float(shares.explore_of_others) or 1.0
    return when(is_role("explore"), exp.Div(this=exp.paren(whole), expression=double(explore)), whole.copy())


def _propensity(offers: Offers) -> exp.Expr:
    case = exp.Case()
    for k, name in enumerate(offers.arms):
        case = case.when(_is_arm("arm", name), column(f"chance_{k}"))
    return case


def _is_arm(name: str, arm: str) -> exp.Expr:
    return exp.EQ(this=column(name), expression=exp.Literal.string(arm))


def _rank(experiment: Experiment) -> exp.Expr:
    order = [
        exp.Ordered(this=experiment.engine.collated(column("digits")), nulls_first=False),
        exp.Ordered(this=experiment.engine.collated(column("member")), nulls_first=False),
    ]
    return exp.Window(
        this=exp.RowNumber(),
        partition_by=[column("part"), column("role")],
        order=exp.Order(expressions=order),
    )
