"""What the analysis found beside what was planted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from experiments.definition.arms import CONTROL
from experiments.documents.analysis import Analysis, Effect
from offerwise.demo.truth import TrueEffects

if TYPE_CHECKING:
    from experiments.language import Words
    from uplift.documents import Rollout, Uplift

PACKAGE = "offerwise.demo"

MISSES = 0.05
"""A 95 % interval misses the truth one time in twenty."""


@dataclass(frozen=True)
class ComparedEffect:
    """One effect as planted and as found; `covered` says whether its 95 % interval holds the truth."""

    metric: str
    segment: str | None
    arm: str
    truth: float
    found: float
    low: float
    high: float
    covered: bool


@dataclass(frozen=True)
class Statement:
    """One thing that was planted, and whether the journey came to it.

    Attributes:
        about: `best_arm`, `loss_maker`, `harmful`, `policy` or `budget`.
        subject: The segment or the arm that it is about.
        agrees: Whether what was done is what the truth asks for.
        text: The same in a sentence.
    """

    about: str
    subject: str
    agrees: bool
    text: str


@dataclass(frozen=True)
class Comparison:
    """The planted truth beside the findings.

    Attributes:
        effects: The primary and the value metric, every arm, overall and by segment.
        covered: How many of those 95 % intervals hold the truth.
        expected_misses: How many would miss it on average, even when everything is right.
        statements: What was planted in words.
    """

    effects: tuple[ComparedEffect, ...]
    covered: int
    expected_misses: float
    statements: tuple[Statement, ...]


def compare_with_truth(
    analysis: Analysis,
    truth: TrueEffects,
    words: Words,
    *,
    alpha: float = 0.05,
    uplift: Uplift | None = None,
    rollout: Rollout | None = None,
) -> Comparison:
    """Hold the documents of `analyze`, `uplift` and `rollout`, where there are any, against the planted truth.

    Args:
        analysis: The document; its adjusted effects are compared where there are any, since the decision reads them.
        truth: The true effects over the same members.
        words: The language of the sentences.
        alpha: The level at which the analysis calls an arm better than control.
        uplift: The document of `uplift`.
        rollout: The document of `rollout`.
    """
    effects = tuple(_compared(analysis, truth))
    statements = (
        *_best_arms(analysis, truth, words),
        *_loss_makers(analysis, truth, words, alpha),
        *_harmful(analysis, truth, words),
        *(() if uplift is None else _policy(uplift, truth, words)),
        *(() if rollout is None or rollout.budget is None else (_budget(rollout, rollout.budget, words),)),
    )
    return Comparison(effects, sum(row.covered for row in effects), MISSES * len(effects), statements)


def _read_by_decision(analysis: Analysis) -> tuple[Effect, ...]:
    return analysis.adjusted_effects or analysis.effects


def _compared(analysis: Analysis, truth: TrueEffects) -> Iterator[ComparedEffect]:
    for row in _read_by_decision(analysis):
        true = truth.find(row.metric, row.arm, row.segment)
        if row.role not in {"primary", "value"} or true is None:
            continue
        if row.difference_low is None or row.difference_high is None:
            continue
        yield ComparedEffect(
            metric=row.metric,
            segment=row.segment,
            arm=row.arm,
            truth=true.difference,
            found=row.difference,
            low=row.difference_low,
            high=row.difference_high,
            covered=row.difference_low <= true.difference <= row.difference_high,
        )


def _best_arms(analysis: Analysis, truth: TrueEffects, words: Words) -> Iterator[Statement]:
    verdict = analysis.verdict
    for segment in truth.segments:
        planted = truth.best_arm(segment)
        found = verdict.winner_by_segment.get(segment, verdict.winner or CONTROL)
        code = "best_arm.same" if found == planted else "best_arm.other"
        text = words.say(PACKAGE, code, segment=segment, planted=planted, found=found)
        yield Statement("best_arm", segment, found == planted, text)


def _loss_makers(analysis: Analysis, truth: TrueEffects, words: Words, alpha: float) -> Iterator[Statement]:
    seen_to_sell = {
        row.arm
        for row in _read_by_decision(analysis)
        if row.role == "primary"
        and row.segment is None
        and row.difference > 0
        and row.p_value_adjusted is not None
        and row.p_value_adjusted <= alpha
    }
    profit = {row.arm: row.incremental_profit for row in analysis.money}
    for arm in truth.loss_making():
        sent, sold, earned = arm in _rolled_out(analysis), arm in seen_to_sell, profit.get(arm)
        code = "loss_maker." + ("rolled_out" if sent else "held_back" if sold else "not_seen_to_sell")
        facts = {"arm": arm, "profit": "?" if earned is None else f"{earned:+,.0f}"}
        yield Statement("loss_maker", arm, sold and not sent, words.say(PACKAGE, code, **facts))


def _harmful(analysis: Analysis, truth: TrueEffects, words: Words) -> Iterator[Statement]:
    for row in analysis.guardrails:
        true = truth.find(row.metric, row.arm)
        if true is None or true.difference < row.limit:
            continue
        stopped = row.status != "pass" and row.arm not in _rolled_out(analysis)
        facts = {
            "arm": row.arm,
            "metric": row.metric,
            "truth": f"{100 * true.difference:.2f}",
            "limit": f"{100 * row.limit:.2f}",
        }
        code = "harmful.stopped" if stopped else "harmful.let_through"
        yield Statement("harmful", row.arm, stopped, words.say(PACKAGE, code, **facts))


def _policy(uplift: Uplift, truth: TrueEffects, words: Words) -> Iterator[Statement]:
    """The true gain of a policy that gives each segment one arm, over the best single arm to everybody."""
    policies = {policy.kind: policy for policy in uplift.policies}
    chosen, single = policies[uplift.chosen.kind], policies.get("best_single_arm")
    offers = {offer.segment: offer.arm for offer in uplift.offers_by_segment}
    if single is None or len(offers) != len(uplift.offers_by_segment) or set(offers) != set(truth.segments):
        return
    gain = truth.profit_of(offers) - truth.profit_of(dict.fromkeys(offers, single.detail))
    facts = {
        "kind": chosen.kind,
        "single": single.detail,
        "truth": f"{gain:+.2f}",
        "found": f"{chosen.gain_over_best_single_arm:+.2f}",
        "low": f"{chosen.gain_low:+.2f}",
        "high": f"{chosen.gain_high:+.2f}",
    }
    code = "policy.better" if gain > 0 else "policy.same" if gain == 0 else "policy.worse"
    yield Statement("policy", chosen.kind, gain >= 0, words.say(PACKAGE, code, **facts))


def _budget(rollout: Rollout, budget: float, words: Words) -> Statement:
    within = rollout.cost_bound <= budget
    facts = {"cost": f"{rollout.cost_bound:,.2f}", "budget": f"{budget:,.2f}"}
    return Statement(
        "budget",
        "rollout",
        within,
        words.say(PACKAGE, "budget.kept" if within else "budget.exceeded", **facts),
    )


def _rolled_out(analysis: Analysis) -> frozenset[str]:
    verdict = analysis.verdict
    if verdict.status != "rollout":
        return frozenset()
    return frozenset(arm for arm in (verdict.winner, *verdict.winner_by_segment.values()) if arm is not None)
