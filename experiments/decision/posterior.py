"""Posterior: the probability that an arm is the best, beside the tests and not instead of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from experiments.decision.contrasts import Contrasts
from experiments.decision.effects import deciding_metrics
from experiments.decision.eligibility import goodness
from experiments.definition.arms import CONTROL
from experiments.definition.model import Definition
from experiments.documents import Bayes
from experiments.inference.bayes import compare_arms
from experiments.inference.comparison import Comparison


def posterior_rows(definition: Definition, contrasts: Contrasts) -> tuple[Bayes, ...]:
    """Each offer arm on the primary and the value metric, overall, control among those it is ranked with.

    Normal posteriors with flat priors, of the same differences from control that the decision tests: an arm's
    probability to be better than control has the difference's own standard error. Arms are ranked through the control
    that they share; where adjusted comparisons give its mean several variances, the smallest is the shared one. A metric
    is left out where an arm shows no mean with a variance.

    Args:
        definition: Names arms and metrics, and which direction is good.
        contrasts: Those that the decision reads.
    """
    rows: list[Bayes] = []
    for metric in deciding_metrics(definition.goals):
        comparisons = [contrasts.compare(metric, arm.id, CONTROL) for arm in definition.offer_arms]
        found = [each for each in comparisons if each and each.variance_arm and each.variance_versus]
        if len(found) < len(comparisons):
            continue
        compared = compare_arms(*_from_control(found), better_up=goodness(definition, metric) > 0)
        rows += [
            Bayes(
                metric,
                arm.id,
                odds.probability_best,
                odds.probability_better_than_control,
                odds.expected_loss,
            )
            for arm, odds in zip(definition.all_arms, compared, strict=True)
            if not arm.is_control
        ]
    return tuple(rows)


def _from_control(comparisons: Sequence[Comparison]) -> tuple[list[float], list[float]]:
    """Each arm's distance from control's mean with the standard error that is not shared, control (0) first."""
    variances = [(each.variance_arm or 0.0, each.variance_versus or 0.0) for each in comparisons]
    shared = min(of_control for _, of_control in variances)
    own = [of_arm + (of_control - shared) for of_arm, of_control in variances]
    return [0.0, *(each.difference for each in comparisons)], [math.sqrt(each) for each in (shared, *own)]
