"""The test of heterogeneity: its size, and its power."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.stats import binom

from tests.uplift.simulated import Effects, arm_means, simulate
from uplift.binning import bin_features
from uplift.documents import Heterogeneity
from uplift.heterogeneity import dealing_statistic, heterogeneity_test, projection_statistic
from uplift.sample import LearningSample
from uplift.scores import CrossFit


def run(sample: LearningSample, models: CrossFit) -> Heterogeneity:
    return heterogeneity_test(models, bin_features(sample.space, sample.members.codes), len(sample) // 10)


def found(effects: Effects, runs: int, members: int) -> int:
    samples = [simulate(members, effects=effects, seed=seed, folds=3).sample for seed in range(runs)]
    return sum(run(sample, CrossFit(sample)).found for sample in samples)


def test_its_size_is_five_percent_where_effects_are_constant() -> None:
    """By the 99.5 % point of the binomial."""
    runs = 100
    assert found("unequal", runs, 1500) <= binom.ppf(0.995, runs, 0.05)


def test_its_size_holds_where_households_are_alike() -> None:
    """Four of one household are one observation: counted as four, every fifth test would find something."""
    runs, count = 100, 0
    for seed in range(runs):
        alone = simulate(1500, effects="unequal", seed=seed, folds=3).sample
        home = np.repeat(np.arange(len(alone)), 4)
        sample = replace(alone.rows(home), unit=home)
        count += run(sample, CrossFit(sample, fit=arm_means)).found
    assert count <= binom.ppf(0.995, runs, 0.05)


def test_effects_that_differ_are_found() -> None:
    assert found("each", 6, 24_000) >= 5


def test_equal_predictions_prove_nothing() -> None:
    sample = simulate(1200, effects="each", seed=1, folds=3).sample
    prediction = CrossFit(sample, fit=arm_means).predict(1).value
    scores = CrossFit(sample).scores_of_all()[0][sample.fold == 1]
    assert projection_statistic(prediction, scores) == 0.0
    assert dealing_statistic(np.full(len(scores), 2), scores) == 0.0


def test_a_harmful_ranking_is_not_heterogeneity() -> None:
    """The test is one-sided: predictions of the wrong sign do not count."""
    rng = np.random.default_rng(0)
    effect = rng.normal(size=4000)
    scores = np.column_stack([np.zeros(4000), effect + rng.normal(size=4000)])
    assert projection_statistic(np.column_stack([np.zeros(4000), effect]), scores) > 10
    assert projection_statistic(np.column_stack([np.zeros(4000), -effect]), scores) < -10
