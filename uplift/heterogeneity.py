"""Do effects differ between members at all? A test whose size holds, because no model sees the members that it is tested on."""

from __future__ import annotations

import math

import numpy as np

from experiments.inference.tails import tail_probability
from uplift.documents import Heterogeneity
from uplift.features import Array
from uplift.scores import CrossFit, doubly_robust

TEST = "sequential best linear projection"
LEVEL = 0.05


def heterogeneity_test(models: CrossFit) -> Heterogeneity:
    """H0: every arm has the same effect for everybody; one-sided, at 5 %.

    Fold by fold, effects that a model of the earlier folds predicts are set against doubly robust scores by that same
    model: the statistic is the covariance of prediction and score, arms weighted by the precision of their scores. Folds add
    up as a martingale, which the folds of ordinary cross-fitting, where each trains the others' model, do not: their test
    is too large. Chernozhukov, Demirer, Duflo and Fernández-Val (best linear predictor); Luedtke and van der Laan (2016)
    for the sequence.
    """
    sample = models.sample
    statistics = []
    for fold in range(1, sample.folds):
        part = sample.rows(sample.fold == fold)
        prediction = models.predict(fold, *range(fold, sample.folds)).value
        scores = doubly_robust(prediction, part.arm, part.value, part.propensity)
        statistics.append(projection_statistic(prediction, scores))
    z = sum(statistics) / math.sqrt(len(statistics))
    p_value = tail_probability(z, "greater")
    return Heterogeneity(TEST, p_value, p_value <= LEVEL)


def projection_statistic(prediction: Array, scores: Array) -> float:
    """The covariance over members of predicted effects and scores, summed over arms, by its standard error.

    Args:
        prediction: Shape (n, K): predicted values, control first.
        scores: Shape (n, K): doubly robust scores of the same members.

    Returns:
        0 where no effect is predicted to differ.
    """
    predicted, found = (matrix[:, 1:] - matrix[:, :1] for matrix in (prediction, scores))
    predicted = predicted - predicted.mean(axis=0)
    found = found - found.mean(axis=0)
    # What rounding leaves of equal predictions is no prediction.
    predicted[:, predicted.std(axis=0) <= 1e-9 * found.std(axis=0)] = 0.0
    precision = 1 / np.maximum(found.var(axis=0), np.finfo(float).tiny)
    terms = (predicted * found * precision).sum(axis=1)
    spread = float(terms.std(ddof=1))
    return float(terms.mean()) / (spread / math.sqrt(len(terms))) if spread > 0 else 0.0
