"""The decision: the definition's rule applied to what was measured, as a verdict with its reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from experiments.decision.contrasts import Contrasts
from experiments.decision.effects import overall_family
from experiments.decision.eligibility import Eligibility, judge_arms
from experiments.decision.pick import Choice, Picker
from experiments.decision.sentences import Sentences
from experiments.definition.arms import CONTROL
from experiments.definition.model import Definition
from experiments.documents.analysis import GuardrailResult, Money, Reason, Verdict


@dataclass(frozen=True)
class Evidence:
    """What the decision reads, once the experiment is valid and the windows that count have closed.

    Attributes:
        contrasts: Adjusted where the definition names covariates or strata, else raw.
        guardrails: The guardrails' rows.
        money: The arms' money.
    """

    contrasts: Contrasts
    guardrails: tuple[GuardrailResult, ...]
    money: tuple[Money, ...]


def decide(definition: Definition, evidence: Evidence, sentences: Sentences) -> Verdict:
    """Which arm to roll out, overall and by segment, or none.

    An arm must be eligible (`eligible_if`); `pick` chooses among those that are; where there is none, or where no
    segment is left to send to, the answer is `no_rollout`. The reasons hold the winner's first, then why each
    other arm was not eligible.
    """
    judged = judge_arms(definition, evidence.contrasts, evidence.guardrails, sentences)
    eligible = tuple(arm.arm for arm in judged if arm.eligible)
    if not eligible:
        reasons = (sentences.reason("nothing_eligible"), *_reasons_of(judged))
        return Verdict("no_rollout", None, {}, reasons, sentences.next_step("no_rollout"))
    choice = Picker(definition, evidence.contrasts, eligible, _costs(evidence.money), sentences).choose()
    ordered = sorted(judged, key=lambda arm: arm.arm != choice.winner)
    if choice.by_segment and set(choice.by_segment.values()) == {CONTROL}:
        reasons = (
            sentences.reason("no_segment_left", arm=sentences.arm(choice.winner)),
            *choice.reasons,
            *_reasons_of(ordered),
        )
        return Verdict("no_rollout", None, {}, reasons, sentences.next_step("no_rollout"))
    reasons = (
        *choice.reasons,
        *_money_reasons(evidence.money, choice, sentences),
        *_ignored_guardrails(definition, evidence.guardrails, choice, sentences),
        *_reasons_of(ordered),
    )
    code = "rollout_with_uplift" if definition.uplift else "rollout"
    return Verdict("rollout", choice.winner, choice.by_segment, reasons, sentences.next_step(code))


def is_settled(
    definition: Definition,
    contrasts: Contrasts,
    guardrails: tuple[GuardrailResult, ...],
    sentences: Sentences,
) -> bool:
    """Whether an interim look settles the decision, so that it need not wait for the next look.

    Some arm shows everything that the rule asks for, or every arm is proven to miss it. A rule that asks for no proof
    waits until the primary metric's overall family rejects.
    """
    rule = definition.decision.eligible_if
    if rule.primary is None and rule.value_low_above is None:
        family = overall_family(definition, contrasts, definition.goals.primary.metric)
        if all(p > definition.design.alpha for p in family.p_values()):
            return False
    judged = judge_arms(definition, contrasts, guardrails, sentences)
    return any(arm.eligible for arm in judged) or all(arm.ruled_out for arm in judged)


def _reasons_of(judged: Sequence[Eligibility]) -> tuple[Reason, ...]:
    return tuple(reason for arm in judged for reason in arm.reasons)


def _costs(money: Sequence[Money]) -> Mapping[str, float]:
    return {row.arm: row.cost / row.members if row.members else 0.0 for row in money}


def _money_reasons(money: Sequence[Money], choice: Choice, sentences: Sentences) -> tuple[Reason, ...]:
    """What the winner earned in the experiment, where the value metric is an amount."""
    row = next(row for row in money if row.arm == choice.winner)
    if (
        row.incremental_profit is None
        or row.incremental_profit_low is None
        or row.incremental_profit_high is None
    ):
        return ()
    facts = {
        "arm": sentences.arm(choice.winner),
        "profit": sentences.amount(row.incremental_profit),
        "low": sentences.amount(row.incremental_profit_low),
        "high": sentences.amount(row.incremental_profit_high),
        "members": f"{row.members:,}",
        "cost": sentences.amount(row.cost),
    }
    return (sentences.reason("winner_money", **facts),)


def _ignored_guardrails(
    definition: Definition, guardrails: Sequence[GuardrailResult], choice: Choice, sentences: Sentences
) -> tuple[Reason, ...]:
    """Guardrails that an arm about to be sent does not pass, where the rule does not ask for them."""
    if definition.decision.eligible_if.guardrails is not None:
        return ()
    sent = {choice.winner, *choice.by_segment.values()}
    return tuple(
        sentences.reason("guardrail_ignored", arm=sentences.arm(row.arm), metric=row.metric)
        for row in guardrails
        if row.arm in sent and row.status != "pass"
    )
