"""The best arm: each offer against the best of the other offers, so that it is said which may still be the best."""

from __future__ import annotations

from itertools import combinations

from experiments.decision.contrasts import Contrasts
from experiments.decision.effects import deciding_metrics, finite
from experiments.decision.eligibility import goodness
from experiments.definition.model import Definition
from experiments.documents.analysis import ComparisonWithBest
from experiments.inference.best import WithBest, compare_with_best
from experiments.inference.comparison import Comparison


def compare_offers_with_best(definition: Definition, contrasts: Contrasts) -> tuple[ComparisonWithBest, ...]:
    """Every offer arm on the primary and the value metric, overall, with simultaneous intervals (Hsu 1996).

    All offers are compared, eligible or not; the decision's `tie` compares the eligible ones with the best estimate. Where
    the design looks more than once the bounds are Bonferroni's at the look, else Dunnett's. A metric is left out where an
    offer cannot be compared; with a single offer there is nothing to compare.

    Args:
        definition: Names arms and metrics, alpha, and which direction is good.
        contrasts: Those that the decision reads.
    """
    arms = [arm.id for arm in definition.offer_arms]
    look = contrasts.look
    found: list[ComparisonWithBest] = []
    for metric in deciding_metrics(definition.goals):
        # With the arms exchanged, an arm of which less is better is compared as if more were.
        upward = goodness(definition, metric) > 0
        pairs: dict[tuple[int, int], Comparison] = {}
        for i, j in combinations(range(len(arms)), 2):
            first, second = (i, j) if upward else (j, i)
            comparison = contrasts.compare(metric, arms[first], arms[second])
            if comparison is not None:
                pairs[i, j] = comparison
        if not pairs or len(pairs) < len(arms) * (len(arms) - 1) // 2:
            continue
        rows = compare_with_best(pairs, definition.design.alpha, dunnett=look is None or look.is_only)
        found += [_row(metric, arm, row, upward=upward) for arm, row in zip(arms, rows, strict=True)]
    return tuple(found)


def _row(metric: str, arm: str, row: WithBest, *, upward: bool) -> ComparisonWithBest:
    figures = (row.difference, row.low, row.high) if upward else (-row.difference, -row.high, -row.low)
    difference, low, high = figures
    return ComparisonWithBest(
        metric,
        arm,
        difference,
        finite(low),
        finite(high),
        may_be_best=row.may_be_best,
        is_best=row.is_best,
    )
