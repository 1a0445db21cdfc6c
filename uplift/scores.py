"""Doubly robust scores: the n x K matrix that stands between estimation and policy.

The score of member i for arm k is m(x_i, k) + 1{A_i = k} (Y_i - m(x_i, k)) / e_i, where m is a model that has not seen the
member and e_i the known probability of its arm. Its mean over members is the value of giving everybody arm k, whatever the
model (Robins, Rotnitzky and Zhao 1994; Athey and Wager 2021). Propensities are the design's, never estimated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from uplift.features import Array
from uplift.learners import EffectModel
from uplift.outcome import OutcomeModel, Prediction, fit_outcome
from uplift.sample import Integers, LearningSample
from uplift.shrinkage import shrink_to_zero

WORKERS = 2
"""Models that are fitted at the same time."""

_PREDICTED = 100_000
_OF_SCORES = 0.25


def doubly_robust(prediction: Array, arm: Integers, value: Array, propensity: Array) -> Array:
    """Scores of shape (n, K).

    Args:
        prediction: Shape (n, K): the model's expectation of each member in each arm.
        arm: Shape (n,): the arm of each member.
        value: Shape (n,): what was observed.
        propensity: Shape (n,): the probability with which the member came into its arm.

    Raises:
        ValueError: A propensity is not in (0, 1].

    >>> doubly_robust(np.array([[1.0, 2.0]]), np.array([1]), np.array([5.0]), np.array([0.5]))
    array([[1., 8.]])
    """
    if not ((propensity > 0) & (propensity <= 1)).all():
        raise ValueError("a propensity is not in (0, 1]; every member needs the probability of its own arm")
    scores = prediction.copy()
    rows = np.arange(len(arm))
    scores[rows, arm] += (value - prediction[rows, arm]) / propensity
    return scores


def steady_scores(prediction: Prediction, sample: LearningSample) -> Array:
    """Scores to learn a policy from, of shape (n, K): doubly robust for who acts, with the model's amounts.

    For a value in two parts the noise of the amounts is left out of the differences between members: the score for the
    chance of acting is multiplied by the amount that the model expects. Each arm's mean is drawn from there towards that of
    the doubly robust scores, as far as the arms' departures exceed their noise.
    """
    full = doubly_robust(prediction.value, sample.arm, sample.value, sample.propensity)
    if (prediction.chance == 1).all():
        return full
    acts = (sample.value != prediction.idle[sample.arm]).astype(float)
    chance = doubly_robust(prediction.chance, sample.arm, acts, sample.propensity)
    scores = prediction.idle + chance * prediction.amount
    departures = full - scores
    return np.asarray(
        scores + shrink_to_zero(departures.mean(axis=0), departures.var(axis=0, ddof=1) / len(sample))
    )


def lean_on_effects(scores: Array, model: EffectModel, codes: Array) -> Array:
    """Scores to learn a tree from, of shape (n, K): a quarter doubly robust scores, three quarters a learner's effects.

    Scores of single members are mostly noise, which deep trees fit; effects of a learner have little, and nothing of what it
    has not found. At a quarter the noise has a sixteenth of its variance, and what the learner has missed still tells splits
    apart. Effects of 100,000 members, taken at equal distances, stand for those of all.

    Args:
        scores: Shape (n, K): doubly robust.
        model: The learner.
        codes: Shape (n, features): the same members.
    """
    some = np.unique(np.linspace(0, len(scores) - 1, min(len(scores), _PREDICTED)).astype(np.int64))
    found = np.asarray((scores - scores[:, :1]) * _OF_SCORES)
    found[some] += model.effects(codes[some]) * ((1 - _OF_SCORES) * len(scores) / len(some))
    return found


@dataclass
class CrossFit:
    """Outcome models by the folds that they have not seen, each fitted once, when it is first asked for.

    A model that leaves out folds j and k serves both: it scores fold j for a policy that is valued on fold k, and fold k
    for one that is valued on fold j.
    """

    sample: LearningSample
    fit: Callable[[LearningSample], OutcomeModel] = fit_outcome
    _models: dict[frozenset[int], OutcomeModel] = field(default_factory=dict)

    def fit_all(self, left_out: Iterable[tuple[int, ...]]) -> None:
        """Fit the models of several sets of folds, side by side."""
        missing = sorted(
            {tuple(sorted(set(folds))) for folds in left_out} - {tuple(sorted(key)) for key in self._models}
        )
        with ThreadPoolExecutor(WORKERS) as pool:
            fitted = pool.map(lambda folds: self.fit(self.sample.without(*folds)), missing)
            self._models.update(zip(map(frozenset, missing), fitted, strict=True))

    def model(self, *left_out: int) -> OutcomeModel:
        """The model of the members outside of these folds."""
        key = frozenset(left_out)
        if key not in self._models:
            self._models[key] = self.fit(self.sample.without(*left_out))
        return self._models[key]

    def predict(self, fold: int, *also_left_out: int) -> Prediction:
        """What a model that has seen neither `fold` nor the other folds expects of the members of `fold`."""
        rows = self.sample.fold == fold
        return self.model(fold, *also_left_out).predict(self.sample.members.codes[rows])

    def learning_scores(self, valued_on: int) -> Array:
        """Shape (n, K): the scores from which a policy is learned that is valued on a fold.

        No model has seen the member that it scores, nor that fold, whose own rows are NaN.
        """
        scores = np.full((len(self.sample), len(self.sample.arms)), np.nan)
        for fold in range(self.sample.folds):
            if fold != valued_on:
                rows = self.sample.fold == fold
                scores[rows] = steady_scores(self.predict(fold, valued_on), self.sample.rows(rows))
        return scores

    def scores_of_all(self) -> tuple[Array, Array]:
        """Shape (n, K) each: the scores with which policies are valued, and those from which one for all members is learned.

        No model has seen the member that it scores.
        """
        shape = (len(self.sample), len(self.sample.arms))
        valued, learned = np.empty(shape), np.empty(shape)
        for fold in range(self.sample.folds):
            rows = self.sample.fold == fold
            part, prediction = self.sample.rows(rows), self.predict(fold)
            valued[rows] = doubly_robust(prediction.value, part.arm, part.value, part.propensity)
            learned[rows] = steady_scores(prediction, part)
        return valued, learned
