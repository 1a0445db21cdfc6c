"""Capping: whether winsorising moves an estimate beyond what its interval admits."""

from __future__ import annotations

from collections.abc import Mapping

from experiments.decision.contrasts import Contrasts
from experiments.decision.effects import roles
from experiments.decision.sentences import PACKAGE, Sentences
from experiments.definition.arms import CONTROL
from experiments.definition.model import Definition
from experiments.documents.analysis import HealthCheck
from experiments.inference.moments import Moments

CHECK = "raw_outside_capped"


def check_capping(definition: Definition, contrasts: Contrasts, sentences: Sentences) -> HealthCheck | None:
    """Warn where a difference without caps lies outside the 1 - alpha interval with them.

    Every metric of the goals that is winsorised, or computed from one that is, and every offer arm, overall.

    Args:
        definition: Names the metrics and alpha.
        contrasts: The unadjusted ones.
        sentences: Words for the detail.

    Returns:
        None where nothing is winsorised.
    """
    capped = [metric for metric, _ in roles(definition.goals) if contrasts.metrics[metric].raw is not None]
    if not capped:
        return None
    outside = [
        detail
        for metric in capped
        for arm in definition.offer_arms
        if (detail := _outside(definition, contrasts, sentences, metric, arm.id)) is not None
    ]
    if outside:
        return HealthCheck(CHECK, "warn", None, " ".join(outside))
    return HealthCheck(CHECK, "pass", None, sentences.words.say(PACKAGE, "capping.inside"))


def _outside(
    definition: Definition, contrasts: Contrasts, sentences: Sentences, metric: str, arm: str
) -> str | None:
    comparison = contrasts.compare(metric, arm, CONTROL)
    measured = contrasts.metrics[metric]
    if comparison is None or measured.raw is None:
        return None
    means = [_mean(measured.raw, side, measured.value, measured.denominator) for side in (arm, CONTROL)]
    if means[0] is None or means[1] is None:
        return None
    difference = means[0] - means[1]
    low, high = comparison.interval(definition.design.alpha)
    if low <= difference <= high:
        return None
    return sentences.words.say(
        PACKAGE,
        "capping.outside",
        metric=metric,
        arm=sentences.arm(arm),
        raw=sentences.change(metric, difference),
        interval=sentences.interval(metric, (low, high)),
    )


def _mean(raw: Mapping[str, Moments], arm: str, value: str, denominator: str | None) -> float | None:
    """The uncapped mean (or ratio) of an arm; None where it does not exist."""
    moments = raw.get(arm)
    if moments is None or moments.count == 0:
        return None
    if denominator is None:
        return moments.average(value)
    below = moments.average(denominator)
    return moments.average(value) / below if below > 0 else None
