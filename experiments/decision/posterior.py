"""Posterior: the probability that an arm is the best, beside the tests and not instead of them."""

from __future__ import annotations

import math

from experiments.decision.contrasts import Contrasts
from experiments.decision.effects import deciding_metrics
from experiments.decision.eligibility import goodness
from experiments.definition.arms import CONTROL
from experiments.definition.model import Definition
from experiments.documents import Bayes
from experiments.inference.bayes import compare_arms


def posterior_rows(definition: Definition, contrasts: Contrasts) -> tuple[Bayes, ...]:
    """Each offer arm on the primary and the value metric, overall, control among those it is ranked with.

    Independent normal posteriors of the arms' means with flat priors. A metric is left out where an arm shows no mean
    with a variance.

    Args:
        definition: Names arms and metrics, and which direction is good.
        contrasts: The unadjusted ones: an arm's adjusted mean belongs to its own comparison with control.
    """
    rows: list[Bayes] = []
    for metric in deciding_metrics(definition.goals):
        means = _means(definition, contrasts, metric)
        if not means:
            continue
        values = [mean for mean, _ in means]
        errors = [error for _, error in means]
        compared = compare_arms(values, errors, better_up=goodness(definition, metric) > 0)
        rows += [
            Bayes(
                metric,
                arm.id,
                found.probability_best,
                found.probability_better_than_control,
                found.expected_loss,
            )
            for arm, found in zip(definition.all_arms, compared, strict=True)
            if not arm.is_control
        ]
    return tuple(rows)


def _means(definition: Definition, contrasts: Contrasts, metric: str) -> list[tuple[float, float]]:
    """Mean and standard error of every arm, control first; empty where one has none."""
    found: list[tuple[float, float]] = []
    for arm in definition.offer_arms:
        comparison = contrasts.compare(metric, arm.id, CONTROL)
        if comparison is None or not comparison.variance_arm or not comparison.variance_versus:
            return []
        if not found:
            found.append((comparison.mean_versus, math.sqrt(comparison.variance_versus)))
        found.append((comparison.mean_arm, math.sqrt(comparison.variance_arm)))
    return found
