"""Winner correction: what the chosen arms bring once it is counted that they were chosen."""

from __future__ import annotations

import math

from experiments.decision.contrasts import Contrasts
from experiments.decision.effects import overall_family, segment_family
from experiments.decision.eligibility import goodness
from experiments.decision.family import Contrast
from experiments.decision.looks import Look
from experiments.decision.pick import maximised_metric
from experiments.definition.arms import CONTROL
from experiments.definition.model import Definition
from experiments.documents.analysis import Verdict, WinnerCorrected
from experiments.inference.comparison import Comparison
from experiments.inference.dunnett import dunnett_critical, loadings
from experiments.inference.winner import Winner, correct_winner, projection


def correct_winners(
    definition: Definition, contrasts: Contrasts, verdict: Verdict
) -> tuple[WinnerCorrected, ...]:
    """The overall winner's effect on the maximised metric, then that of each segment that departs to another arm.

    The arms are all offer arms, eligible or not. Where less of the metric is better the projection interval is given,
    which holds for any rule; where the design looks more than once, the repeated interval at alpha / arms, which holds
    whatever stopped it and whatever was chosen. Coverage is not conditional on the verdict.

    Args:
        definition: Names arms, segments, the metric and alpha.
        contrasts: Those that the decision reads.
        verdict: What was chosen; nothing is corrected where nothing was.
    """
    if verdict.winner is None:
        return ()
    metric = maximised_metric(definition)
    overall = overall_family(definition, contrasts, metric).contrasts
    look = contrasts.look
    rows = [_correct(definition, metric, None, verdict.winner, overall, look)]
    by_segment = segment_family(definition, contrasts, metric).contrasts
    for segment, arm in verdict.winner_by_segment.items():
        if arm not in {verdict.winner, CONTROL}:
            within = tuple(contrast for contrast in by_segment if contrast.segment == segment)
            rows.append(_correct(definition, metric, segment, arm, within, look))
    return tuple(row for row in rows if row is not None)


def _correct(
    definition: Definition,
    metric: str,
    segment: str | None,
    arm: str,
    family: tuple[Contrast, ...],
    look: Look | None,
) -> WinnerCorrected | None:
    """None where the chosen arm shows no variance, or its look sets no bound."""
    known = [contrast for contrast in family if contrast.comparison.std_error is not None]
    arms = [contrast.arm for contrast in known]
    if arm not in arms:
        return None
    comparisons = [contrast.comparison for contrast in known]
    chosen, alpha = arms.index(arm), definition.design.alpha
    if look is not None and not look.is_only:
        winner = _repeated(comparisons[chosen], alpha / len(comparisons))
        if winner is None:
            return None
    elif goodness(definition, metric) > 0:
        winner = correct_winner(comparisons, chosen, alpha)
    else:
        winner = _projected(comparisons, chosen, alpha)
    return WinnerCorrected(
        segment, metric, arm, winner.naive, winner.corrected, winner.low, winner.high, winner.method
    )


def _repeated(comparison: Comparison, alpha: float) -> Winner | None:
    """The projection of the repeated interval; None where it is unbounded."""
    low, high = comparison.interval(alpha)
    if not (math.isfinite(low) and math.isfinite(high)):
        return None
    return Winner(comparison.difference, comparison.difference, low, high, "projection")


def _projected(comparisons: list[Comparison], chosen: int, alpha: float) -> Winner:
    error = comparisons[chosen].std_error
    assert error is not None
    return projection(comparisons[chosen].difference, error, dunnett_critical(alpha, loadings(comparisons)))
