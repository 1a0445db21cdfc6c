"""Do effects differ between members at all? A test whose size holds, because no model sees the members that it is tested on."""

from __future__ import annotations

import math

import numpy as np

from experiments.inference.tails import tail_probability
from uplift.binning import Binned
from uplift.documents import Heterogeneity
from uplift.evaluation import estimate_mean
from uplift.features import Array
from uplift.rules import learn_tree
from uplift.sample import Integers
from uplift.scores import CrossFit, doubly_robust, steady_scores

TEST = "sequential best linear projection and dealt offers"
LEVEL = 0.05
_DEPTH = 2


def heterogeneity_test(models: CrossFit, binned: Binned, min_leaf: int) -> Heterogeneity:
    """H0: every arm has the same effect for everybody; one-sided, at 5 %.

    Fold by fold, what is learned from the earlier folds is held against doubly robust scores by the model of those folds,
    in two ways: effects that the joint model predicts, by their covariance with the scores (best linear projection), and the
    offers of a tree, by their gain over the same offers dealt at random. The smaller of the two p-values is doubled. Folds add
    up as a martingale, which the folds of ordinary cross-fitting, where each trains the others' model, do not: their test is
    too large. Where members were assigned with a shop or household, each of these is one observation. Chernozhukov,
    Demirer, Duflo and Fernández-Val (projection); Luedtke and van der Laan (2016), the sequence.

    Args:
        models: Outcome models by the folds that they have not seen.
        binned: Candidate splits of the sample's members.
        min_leaf: Members that a leaf of the tree needs, of the whole sample; fewer in proportion on fewer folds.
    """
    sample = models.sample
    statistics = []
    for fold in range(1, sample.folds):
        later = tuple(range(fold, sample.folds))
        here, before = sample.fold == fold, sample.fold < fold
        part = sample.rows(here)
        prediction = models.predict(fold, *later).value
        scores = doubly_robust(prediction, part.arm, part.value, part.propensity)
        earlier = sample.rows(before)
        learned = steady_scores(models.model(*later).predict(earlier.members.codes), earlier)
        tree = learn_tree(
            learned, binned.rows(before), _DEPTH, max(2, min_leaf * len(earlier) // len(sample))
        )
        chosen = tree.choose(sample.space, part.members)
        statistics.append(
            (
                projection_statistic(prediction, scores, part.unit),
                dealing_statistic(chosen, scores, part.unit),
            )
        )
    z = np.array(statistics).sum(axis=0) / math.sqrt(len(statistics))
    p_value = min(1.0, 2 * min(tail_probability(float(each), "greater") for each in z))
    return Heterogeneity(TEST, p_value, p_value <= LEVEL)


def projection_statistic(prediction: Array, scores: Array, unit: Integers | None = None) -> float:
    """The covariance over members of predicted effects and scores, summed over arms, by its standard error.

    Args:
        prediction: Shape (n, K): predicted values, control first.
        scores: Shape (n, K): doubly robust scores of the same members.
        unit: Shape (n,): with whom each was assigned, as for `estimate_mean`.

    Returns:
        0 where no effect is predicted to differ.
    """
    predicted, found = (matrix[:, 1:] - matrix[:, :1] for matrix in (prediction, scores))
    predicted = predicted - predicted.mean(axis=0)
    found = found - found.mean(axis=0)
    # What rounding leaves of equal predictions is no prediction.
    predicted[:, predicted.std(axis=0) <= 1e-9 * found.std(axis=0)] = 0.0
    precision = 1 / np.maximum(found.var(axis=0), np.finfo(float).tiny)
    return _by_its_error((predicted * found * precision).sum(axis=1), unit)


def dealing_statistic(chosen: Integers, scores: Array, unit: Integers | None = None) -> float:
    """The gain of an offer policy over the same offers dealt at random, by its standard error.

    Args:
        chosen: Shape (n,): the arm that the policy gives each member.
        scores: Shape (n, K): doubly robust scores of the same members.
        unit: Shape (n,): with whom each was assigned, as for `estimate_mean`.

    Returns:
        0 where everybody gets one arm.
    """
    shares = np.bincount(chosen, minlength=scores.shape[1]) / len(chosen)
    if shares.max() == 1:
        return 0.0
    centred = scores - scores.mean(axis=0)
    return _by_its_error(centred[np.arange(len(chosen)), chosen] - centred @ shares, unit)


def _by_its_error(terms: Array, unit: Integers | None) -> float:
    found = estimate_mean(terms, unit)
    return found.value / found.std_error if found.std_error > 0 else 0.0
