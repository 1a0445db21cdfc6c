"""Heterogeneity: whether an arm's effect differs between segments, and each segment's effect without its noise."""

from __future__ import annotations

from experiments.decision.contrasts import Contrasts
from experiments.decision.effects import deciding_metrics
from experiments.definition.arms import CONTROL
from experiments.definition.model import Definition
from experiments.documents.analysis import SegmentHeterogeneity, SegmentRow
from experiments.inference.comparison import Comparison
from experiments.inference.segments import heterogeneity


def compare_segments(definition: Definition, contrasts: Contrasts) -> tuple[SegmentHeterogeneity, ...]:
    """Every offer arm on the primary and the value metric over the segments.

    Cochran's Q, the variance of the true effects between segments, and effects shrunken towards their mean. A gap between
    segments is no effect of anything: segments are not randomised, arms are. An arm is left out where no
    segment shows variance; a segment where it cannot be compared.

    Args:
        definition: Names segments, arms, metrics and alpha.
        contrasts: Those that the decision reads.
    """
    found = []
    for metric in deciding_metrics(definition.goals):
        for arm in definition.offer_arms:
            compared = {
                segment.id: comparison
                for segment in definition.audience.segments
                if (comparison := contrasts.compare(metric, arm.id, CONTROL, segment.id)) is not None
            }
            if any(comparison.std_error is not None for comparison in compared.values()):
                found.append(_compare(metric, arm.id, compared, definition.design.alpha))
    return tuple(found)


def _compare(metric: str, arm: str, compared: dict[str, Comparison], alpha: float) -> SegmentHeterogeneity:
    result = heterogeneity(
        [comparison.difference for comparison in compared.values()],
        [comparison.std_error for comparison in compared.values()],
        alpha,
    )
    rows = tuple(
        SegmentRow(
            segment, comparison.difference, comparison.std_error, effect.effect, effect.low, effect.high
        )
        for (segment, comparison), effect in zip(compared.items(), result.effects, strict=True)
    )
    return SegmentHeterogeneity(metric, arm, result.statistic, result.p_value, result.tau_squared, rows)
