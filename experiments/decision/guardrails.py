"""Guardrails: whether each arm is shown to do no more harm than its limit allows."""

from __future__ import annotations

from experiments.decision.contrasts import Contrasts
from experiments.decision.effects import finite
from experiments.definition.arms import CONTROL
from experiments.definition.goals import Guardrail
from experiments.definition.model import Definition
from experiments.documents.analysis import GuardrailResult
from experiments.inference.comparison import Comparison
from experiments.inference.guardrails import non_inferiority

LEVEL = 0.05
"""One-sided level of every guardrail; guardrails are not corrected for their number, each must pass."""


def judge_guardrails(definition: Definition, contrasts: Contrasts) -> tuple[GuardrailResult, ...]:
    """Every guardrail for every offer arm, overall, everybody assigned.

    One-sided non-inferiority at the limit: the score test for binary metrics, Welch for means, a test of the ratio for
    relative limits. An arm without a measured member is `unclear`.

    Args:
        definition: Names the guardrails and their limits.
        contrasts: The unadjusted ones.
    """
    return tuple(
        judge_comparison(guardrail, arm.id, contrasts.compare(guardrail.metric, arm.id, CONTROL))
        for guardrail in definition.goals.guardrails
        for arm in definition.offer_arms
    )


def signed_limit(guardrail: Guardrail) -> float:
    """The limit as arm minus control (or arm / control - 1): negative where a fall does harm.

    >>> signed_limit(Guardrail(metric="order_value", better="up", limit_relative=0.02))
    -0.02
    """
    size = guardrail.limit if guardrail.limit is not None else guardrail.limit_relative
    assert size is not None
    return size if guardrail.better == "down" else -size


def judge_comparison(guardrail: Guardrail, arm: str, comparison: Comparison | None) -> GuardrailResult:
    """One guardrail for one arm, by its comparison with control; `unclear` where there is none."""
    limit, relative = signed_limit(guardrail), guardrail.limit is None
    if comparison is None:
        return GuardrailResult(guardrail.metric, arm, limit, None, None, None, "unclear", relative)
    judged = non_inferiority(comparison, limit, guardrail.better, level=LEVEL, relative=relative)
    return GuardrailResult(
        metric=guardrail.metric,
        arm=arm,
        limit=limit,
        difference=_difference(comparison, relative=relative),
        bound=judged.bound,
        p_value=judged.p_value if comparison.has_test else None,
        status=judged.status,
        relative=relative,
    )


def _difference(comparison: Comparison, *, relative: bool) -> float | None:
    if not relative:
        return comparison.difference
    return finite(comparison.mean_arm / comparison.mean_versus - 1) if comparison.mean_versus > 0 else None
