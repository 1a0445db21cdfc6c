"""Eligibility: what each arm must show before it may be rolled out, by the definition's `eligible_if`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from experiments.decision.contrasts import Contrasts
from experiments.decision.effects import overall_family
from experiments.decision.family import Family
from experiments.decision.sentences import Sentences
from experiments.definition.arms import CONTROL
from experiments.definition.model import Definition
from experiments.documents.analysis import GuardrailResult, Reason
from experiments.inference.comparison import Comparison
from experiments.inference.tails import Alternative


@dataclass(frozen=True)
class Eligibility:
    """Whether one arm may be rolled out, and every reason for and against it.

    `ruled_out` is set where the arm is proven to miss a rule, not only unproven to keep it.
    """

    arm: str
    eligible: bool
    reasons: tuple[Reason, ...]
    ruled_out: bool = False


@dataclass(frozen=True)
class _Finding:
    holds: bool
    reason: Reason
    missed: bool = False


def judge_arms(
    definition: Definition,
    contrasts: Contrasts,
    guardrails: Sequence[GuardrailResult],
    sentences: Sentences,
) -> tuple[Eligibility, ...]:
    """Every offer arm by every rule that the definition sets, in the definition's order.

    `better_than_control`: the primary metric's adjusted p-value is at most alpha and its sign is the good one.
    `value_low_above: L`: the same correction on the one-sided p-values of H0: difference <= L rejects at alpha / 2.
    `all_pass`: every guardrail passes for the arm; `unclear` blocks. Primary and value must both hold, which needs no
    further correction.

    Args:
        definition: The rule.
        contrasts: Those that the decision reads.
        guardrails: The guardrails' rows.
        sentences: Words for the reasons.
    """
    findings: dict[str, list[_Finding]] = {arm.id: [] for arm in definition.offer_arms}
    rule = definition.decision.eligible_if
    if rule.primary is not None:
        _judge_primary(definition, contrasts, sentences, findings)
    if rule.value_low_above is not None:
        _judge_value(definition, contrasts, rule.value_low_above, sentences, findings)
    if rule.guardrails is not None:
        _judge_guardrails(guardrails, sentences, findings)
    return tuple(
        Eligibility(
            arm,
            all(found.holds for found in found_all),
            tuple(found.reason for found in found_all),
            any(found.missed for found in found_all),
        )
        for arm, found_all in findings.items()
    )


def goodness(definition: Definition, metric: str) -> float:
    """1 where more of a metric is better, -1 where less is; more value is better unless value is the primary metric."""
    primary = definition.goals.primary
    return -1.0 if metric == primary.metric and primary.better == "down" else 1.0


def _judge_primary(
    definition: Definition,
    contrasts: Contrasts,
    sentences: Sentences,
    findings: dict[str, list[_Finding]],
) -> None:
    metric = definition.goals.primary.metric
    sign = goodness(definition, metric)
    family = overall_family(definition, contrasts, metric)
    measured = _by_arm(family, family.p_values())
    for arm, found in findings.items():
        if arm not in measured:
            found.append(_unmeasured(sentences, arm, metric))
            continue
        comparison, p = measured[arm]
        proven = p <= definition.design.alpha
        better = sign * comparison.difference > 0
        code = "primary_not_proven" if not proven else "primary_better" if better else "primary_worse"
        facts = sentences.evidence(metric, comparison, p)
        reason = sentences.reason(code, arm=sentences.arm(arm), **facts)
        found.append(_Finding(proven and better, reason, missed=proven and not better))


def _judge_value(
    definition: Definition,
    contrasts: Contrasts,
    limit: float,
    sentences: Sentences,
    findings: dict[str, list[_Finding]],
) -> None:
    metric = definition.goals.value_metric
    sign = goodness(definition, metric)
    family = overall_family(definition, contrasts, metric)
    above: Alternative = "greater" if sign > 0 else "less"
    below: Alternative = "less" if sign > 0 else "greater"
    measured = _by_arm(family, family.p_values(sign * limit, above))
    lost = _by_arm(family, family.p_values(sign * limit, below))
    for arm, found in findings.items():
        if arm not in measured:
            found.append(_unmeasured(sentences, arm, metric))
            continue
        comparison, p = measured[arm]
        proven = p <= definition.design.alpha / 2
        negative = lost[arm][1] <= definition.design.alpha / 2
        code = "value_proven" if proven else "value_negative" if negative else "value_not_proven"
        facts = sentences.evidence(metric, comparison, p)
        reason = sentences.reason(
            code, arm=sentences.arm(arm), limit=sentences.level(metric, sign * limit), **facts
        )
        found.append(_Finding(proven, reason, missed=negative and not proven))


def _judge_guardrails(
    guardrails: Sequence[GuardrailResult], sentences: Sentences, findings: dict[str, list[_Finding]]
) -> None:
    for row in guardrails:
        facts = {
            "arm": sentences.arm(row.arm),
            "metric": row.metric,
            "difference": _guarded(sentences, row, row.difference),
            "bound": _guarded(sentences, row, row.bound),
            "limit": _guarded(sentences, row, row.limit),
        }
        reason = sentences.reason(f"guardrail_{row.status}", **facts)
        findings[row.arm].append(_Finding(row.status == "pass", reason, missed=row.status == "fail"))


def _guarded(sentences: Sentences, row: GuardrailResult, value: float | None) -> str:
    if value is None:
        return sentences.unknown
    return sentences.relative(value) if row.relative else sentences.change(row.metric, value)


def _by_arm(family: Family, p_values: Sequence[float]) -> dict[str, tuple[Comparison, float]]:
    return {
        contrast.arm: (contrast.comparison, p) for contrast, p in zip(family.contrasts, p_values, strict=True)
    }


def _unmeasured(sentences: Sentences, arm: str, metric: str) -> _Finding:
    reason = sentences.reason(
        "not_measured", arm=sentences.arm(arm), metric=metric, versus=sentences.arm(CONTROL)
    )
    return _Finding(False, reason)
