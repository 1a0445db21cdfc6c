"""The test of heterogeneity: its size, and its power."""

from __future__ import annotations

import numpy as np
from scipy.stats import binom

from tests.uplift.simulated import arm_means, simulate
from uplift.heterogeneity import heterogeneity_test, projection_statistic
from uplift.scores import CrossFit


def found(effects: str, runs: int, members: int) -> int:
    return sum(
        heterogeneity_test(CrossFit(simulate(members, effects=effects, seed=seed, folds=3).sample)).found  # type: ignore[arg-type]
        for seed in range(runs)
    )


def test_its_size_is_five_percent_where_effects_are_constant() -> None:
    """By the 99.5 % point of the binomial."""
    runs = 150
    assert found("unequal", runs, 1500) <= binom.ppf(0.995, runs, 0.05)


def test_effects_that_differ_are_found() -> None:
    assert found("each", 6, 16_000) >= 5


def test_equal_predictions_prove_nothing() -> None:
    sample = simulate(1200, effects="each", seed=1, folds=3).sample
    result = heterogeneity_test(CrossFit(sample, fit=arm_means))
    assert result.p_value == 0.5
    assert not result.found


def test_a_harmful_ranking_is_not_heterogeneity() -> None:
    """The test is one-sided: predictions of the wrong sign do not count."""
    rng = np.random.default_rng(0)
    effect = rng.normal(size=4000)
    scores = np.column_stack([np.zeros(4000), effect + rng.normal(size=4000)])
    assert projection_statistic(np.column_stack([np.zeros(4000), effect]), scores) > 10
    assert projection_statistic(np.column_stack([np.zeros(4000), -effect]), scores) < -10
