"""The rollout: send lists for the eligible members who were not in the test, within the budget, measured by its own holdout."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
from sqlglot import exp

from experiments.assignment.ledger import hold
from experiments.audience.audience import build_audience, snapshot_of
from experiments.definition.errors import InputError, RefusedError
from experiments.definition.policy import Budget
from experiments.definition.policy import Rollout as Settings
from experiments.documents import Analysis, Reason
from experiments.experiment import Experiment
from experiments.queries import column, named, number, relation
from uplift.budget import Problem
from uplift.costs import Costs, measure_costs
from uplift.documents import Offer, Rollout
from uplift.evidence import Evidence, open_evidence, value_metric_of
from uplift.features import Array
from uplift.forecast import forecast
from uplift.offers import Offers, choose_offers, read_analysis
from uplift.rollout_draw import (
    LEDGER,
    Drawn,
    count_people,
    draw_people,
    ledger_path,
    read_ledger,
    write_ledger,
)
from uplift.sentences import PACKAGE


def rollout(experiment: Experiment) -> Rollout:
    """Draw holdout, exploration and offers once, and write one list for each arm and ramp step.

    It follows the proven policy of `uplift`, else the winner of each segment, and offers or explores no arm that the
    definition's rule does not let be rolled out. The members are those who are eligible today (the
    definition's snapshot, where that is later) and were not in the test. A second call draws nobody again: it writes lists and
    document anew from the ledger.

    Raises:
        RefusedError: The verdict is not `rollout`, nobody is left, exploration alone exceeds the budget, or members were
            drawn by another definition or policy.
        InputError: The definition or the data are wrong.
        OutsideError: The engine or the disk fails; no member is drawn by halves.
    """
    settings = _settings(experiment)
    metric = value_metric_of(experiment, None)
    evidence = open_evidence(experiment)
    analysis = read_analysis(evidence)
    offers = choose_offers(evidence, analysis, metric)
    costs = measure_costs(evidence, offers)
    with hold(experiment.workspace.out, experiment.progress):
        if not ledger_path(experiment).exists():
            _draw(evidence, settings, offers, costs)
        drawn = read_ledger(experiment, offers.arms)
        _refuse_other(experiment, drawn, _mark(offers))
        lists = _write_lists(experiment, settings, drawn)
    document = _document(evidence, settings, offers, costs, drawn, lists)
    return replace(
        document, reasons=(*_barred(experiment, offers), *_disagreement(experiment, offers, analysis))
    )


def _barred(experiment: Experiment, offers: Offers) -> tuple[Reason, ...]:
    """Says so where what is followed gives an arm that failed the definition's rule, such as a guardrail."""
    if not offers.barred:
        return ()
    say = experiment.words.say
    arms = say(PACKAGE, "figure.comma").join(offers.barred)
    return (Reason("arm_not_eligible", say(PACKAGE, "rollout.arm_not_eligible", arms=arms)),)


def _disagreement(experiment: Experiment, offers: Offers, analysis: Analysis) -> tuple[Reason, ...]:
    """Says so where the proven policy gives other arms than the winners of the analysis."""
    winners: set[str | None] = {*analysis.verdict.winner_by_segment.values()} or {analysis.verdict.winner}
    same = {offers.arms[arm] for arm in offers.arm} == winners and len(winners) == 1
    if offers.policy is None or same:
        return ()
    say = experiment.words.say
    facts = {"policy": say(PACKAGE, f"policy.{offers.policy.kind}"), "winner": analysis.verdict.winner}
    return (Reason("uplift_disagrees", say(PACKAGE, "rollout.uplift_disagrees", **facts)),)


def _settings(experiment: Experiment) -> Settings:
    definition = experiment.definition
    settings = definition.rollout or Settings()
    if settings.holdout_share + settings.explore_share >= 1:
        cause = "holdout and exploration together leave nobody to make an offer to"
        raise InputError(
            [definition.origin.fault(("rollout",), cause, "lower holdout_share or explore_share")]
        )
    return settings


def _draw(evidence: Evidence, settings: Settings, offers: Offers, costs: Costs) -> None:
    experiment = evidence.experiment
    definition, say = experiment.definition, experiment.words.say
    today = experiment.now.astimezone(definition.zone).date()
    audience = build_audience(experiment, evidence.catalogue, snapshot=max(today, snapshot_of(experiment)))
    eligible = _eligible(evidence, offers)
    experiment.progress("Drawing holdout, exploration and offers")
    draw_people(evidence, audience, offers, settings, eligible)
    sizes, explored = count_people(experiment, offers)
    if not sizes.sum() + explored.sum():
        raise RefusedError([say(PACKAGE, "rollout.nobody_left")], say(PACKAGE, "rollout.widen"))
    problem = Problem(offers, costs, settings.budget, sizes, explored, eligible)
    _refuse_dear_exploration(experiment, problem.exploration, settings.budget)
    plan = problem.solve()
    experiment.progress("Writing the rollout's ledger")
    write_ledger(evidence, offers, settings, plan.given, sizes, eligible, _mark(offers))


def _eligible(evidence: Evidence, offers: Offers) -> tuple[int, ...]:
    return tuple(offers.arms.index(arm) for arm in evidence.eligible)


def _refuse_dear_exploration(experiment: Experiment, cost: float, budget: Budget | None) -> None:
    if budget is None or cost <= budget.amount:
        return
    say, file = experiment.words.say, experiment.arguments
    told = say(PACKAGE, "rollout.exploration_too_dear", cost=f"{cost:,.2f}", budget=f"{budget.amount:,.2f}")
    raise RefusedError([told], say(PACKAGE, "rollout.less_exploration", file=file))


def _mark(offers: Offers) -> str:
    """Which rule drew: the kind and the first digits of a hash of what it gives."""
    content = f"{offers.policy.rule if offers.policy else offers.rule}{offers.arm}".encode()
    kind = offers.policy.kind if offers.policy else "winner_by_segment"
    return (
        kind
        if offers.policy and offers.policy.kind == "individual"
        else f"{kind}-{hashlib.sha256(content).hexdigest()[:12]}"
    )


def _refuse_other(experiment: Experiment, drawn: Drawn, mark: str) -> None:
    if drawn.marks <= {mark} and drawn.definitions <= {experiment.definition.origin.sha256}:
        return
    say = experiment.words.say
    raise RefusedError([say(PACKAGE, "rollout.other_policy")], say(PACKAGE, "rollout.keep_rollout"))


def _write_lists(experiment: Experiment, settings: Settings, drawn: Drawn) -> dict[str, Path]:
    """One CSV for each arm that somebody gets, for each ramp step where there are several, from the ledger."""
    engine = experiment.engine
    steps = len(settings.ramp)
    files: dict[str, Path] = {}
    for arm in experiment.definition.offer_arms:
        for step in range(1, steps + 1):
            if (arm.id, step) not in drawn.sent:
                continue
            name = arm.id if steps == 1 else f"{arm.id}__step{step}"
            files[name] = experiment.workspace.rollout / f"{name}.csv"
            is_arm = exp.EQ(this=column("arm"), expression=exp.Literal.string(arm.id))
            is_step = exp.EQ(this=column("ramp_step"), expression=number(step))
            query = (
                exp.select(
                    column("member"),
                    column("arm"),
                    named(exp.Literal.string(arm.channel or ""), "channel"),
                    named(exp.Literal.string("; ".join(arm.templates)), "template"),
                    column("reason"),
                )
                .from_(relation(LEDGER))
                .where(exp.and_(is_arm, is_step))
                .order_by(engine.collated(column("member")))
            )
            engine.write(query, files[name])
    return files


def _document(
    evidence: Evidence,
    settings: Settings,
    offers: Offers,
    costs: Costs,
    drawn: Drawn,
    lists: dict[str, Path],
) -> Rollout:
    """All of it from the ledger and the evidence, so that running again, or on after being stopped, tells the same."""
    experiment, budget = evidence.experiment, settings.budget
    shape = offers.gains.shape
    found = {reason: _padded(counts, shape) for reason, counts in drawn.counts.items()}
    offered, explored = found["offer"], found["explore"]
    decided = (offered + found["not_offered"]).sum(axis=1)
    problem = Problem(offers, costs, budget, decided, explored, _eligible(evidence, offers))
    expected = forecast(offers, offered, explored, found["holdout"].sum(axis=1))
    cost = offered * costs.expected
    rows = tuple(
        Offer(arm, int(offered[:, k].sum()), float(expected.by_arm[k]), float(cost[:, k].sum()))
        for k, arm in enumerate(offers.arms)
        if k and offered[:, k].any()
    )
    files = {"ledger": ledger_path(experiment), **lists}
    return Rollout(
        experiment=experiment.definition.id,
        members=int(sum(counts.sum() for counts in found.values())),
        offers=rows,
        holdout=int(found["holdout"].sum()),
        explore=int(explored.sum()),
        not_offered=int(found["not_offered"].sum()),
        budget=budget.amount if budget else None,
        cost_bound=costs.bound(offered + explored, budget),
        expected_profit=expected.total,
        low=expected.low,
        high=expected.high,
        shadow_price=problem.solve().shadow_price,
        follows=offers.policy.kind if offers.policy else "winner_by_segment",
        files={name: str(path) for name, path in files.items()},
    )


def _padded(counts: Array, shape: tuple[int, ...]) -> Array:
    padded = np.zeros(shape)
    padded[: len(counts)] = counts
    return padded
