"""Posterior: the probability that an arm is the best, beside the tests and not instead of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from experiments.decision.contrasts import Contrasts
from experiments.decision.effects import deciding_metrics
from experiments.decision.eligibility import goodness
from experiments.definition.arms import CONTROL
from experiments.definition.model import Definition
from experiments.documents.analysis import Bayes
from experiments.inference.bayes import ArmPosterior, NormalPosterior, compare_arms
from experiments.inference.comparison import Comparison
from experiments.inference.normal_prior import InformedPosterior, NormalPrior


def posterior_rows(definition: Definition, contrasts: Contrasts) -> tuple[Bayes, ...]:
    """Each offer arm on the primary and the value metric, overall, control among those it is ranked with.

    Normal posteriors of the same differences from control that the decision tests, with the metric's prior of
    `design.priors` or, where it has none, the flat prior: then an arm's probability to be better than control has the
    difference's own standard error. Arms are ranked through the control that they share; where adjusted comparisons give
    its mean several variances, the smallest is the shared one. A metric is left out where an arm shows no mean with
    a variance.

    Args:
        definition: Names arms, metrics and priors, alpha, and which direction is good.
        contrasts: Those that the decision reads.
    """
    rows: list[Bayes] = []
    for metric in deciding_metrics(definition.goals):
        comparisons = [contrasts.compare(metric, arm.id, CONTROL) for arm in definition.offer_arms]
        found = [each for each in comparisons if each and each.variance_arm and each.variance_versus]
        if len(found) == len(comparisons):
            rows += _rows(definition, metric, found)
    return tuple(rows)


def _rows(definition: Definition, metric: str, comparisons: Sequence[Comparison]) -> list[Bayes]:
    declared = (definition.design.priors or {}).get(metric)
    prior = None if declared is None else NormalPrior(declared.mean, declared.sd)
    parts = _Parts.of(comparisons)
    better_up = goodness(definition, metric) > 0
    rows = []
    for arm, odds, marginal in zip(definition.offer_arms, *parts.posterior(prior, better_up), strict=True):
        low, high = marginal.interval(definition.design.alpha)
        rows.append(
            Bayes(
                metric,
                arm.id,
                odds.probability_best,
                odds.probability_better_than_control,
                odds.expected_loss,
                prior_mean=prior.mean if prior else None,
                prior_sd=prior.std_dev if prior else None,
                posterior_mean=marginal.mean,
                low=low,
                high=high,
            )
        )
    return rows


@dataclass(frozen=True)
class _Parts:
    """Each arm's difference from control, the part of its variance that is its own, and the part that all share."""

    differences: tuple[float, ...]
    own: tuple[float, ...]
    shared: float

    @classmethod
    def of(cls, comparisons: Sequence[Comparison]) -> _Parts:
        variances = [(each.variance_arm or 0.0, each.variance_versus or 0.0) for each in comparisons]
        shared = min(of_control for _, of_control in variances)
        own = (of_arm + (of_control - shared) for of_arm, of_control in variances)
        return cls(tuple(each.difference for each in comparisons), tuple(own), shared)

    def posterior(
        self, prior: NormalPrior | None, better_up: bool
    ) -> tuple[tuple[ArmPosterior, ...], tuple[NormalPosterior, ...]]:
        """The odds and the marginal posterior of each arm; flat without a prior."""
        if prior is not None:
            informed = InformedPosterior(self.differences, self.own, self.shared, prior)
            return informed.odds(better_up=better_up), informed.marginals()
        errors = [math.sqrt(each) for each in (self.shared, *self.own)]
        odds = compare_arms([0.0, *self.differences], errors, better_up=better_up)[1:]
        marginals = tuple(
            NormalPosterior(difference, math.sqrt(own + self.shared))
            for difference, own in zip(self.differences, self.own, strict=True)
        )
        return odds, marginals
